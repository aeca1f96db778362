"""Image data sets of the hub: a column of pictures and a column of labels, read as the hub's texts are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from textdistill.core.errors import DataError
from textdistill.data import hub
from textdistill.data.columns import Records
from textdistill.data.images.decode import collect, decode
from textdistill.data.images.formats import Decoded
from textdistill.data.images.known import KnownImages

HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(:[\w.-]+)?")
_SPLITS: Mapping[str, tuple[str, ...]] = {"train": ("train",), "validation": ("validation",), "test": ("test",)}
_IMAGE_COLUMNS, _LABEL_COLUMNS = ("image", "img", "picture"), ("label", "labels", "fine_label")


def read_image_hub(
    hub_id: str, config: str | None, known: KnownImages | None, label: str | None, remedy: str, size: int | None
) -> dict[str, Decoded]:
    """The splits of an image data set of the hub that have labels; `label` names their column if it is not usual.

    Raises `OfflineError` when neither the hub nor its cache has it, `DataError` when it has no images or labels.
    """
    parts = {}
    for split, rows in hub.read_hub(hub_id, config, _SPLITS, remedy).items():
        decoded = image_split(rows, known, label, size)
        if decoded is not None:
            parts[split] = decoded
        elif split == "train":
            raise DataError(f"{rows.source}: no row has a label")
    return parts


def image_split(rows: Records, known: KnownImages | None, label: str | None, size: int | None) -> Decoded | None:
    """The images and labels of one split, `None` if its labels are hidden (all of them -1)."""
    image = _column(rows, ((known.image,) if known else ()) + _IMAGE_COLUMNS, "images")
    label = label or _column(rows, ((known.label,) if known else ()) + _LABEL_COLUMNS, "labels")
    values = rows.column(label)
    if not values:
        raise DataError(f"{rows.source}: no rows")
    if all(value in (-1, None) for value in values):
        return None
    names = rows.class_names.get(label, ())
    ours = known.classes if known is not None and label == known.label else ()
    if not names or (len(names) == len(ours) and set(names) != set(ours)):
        names = ours  # the same classes in other words: the numbers count
    listed = bool(names)
    if not listed:
        names = tuple(sorted({str(value) for value in values}, key=_in_order))
    index = {called: place for place, called in enumerate(names)}
    labels = [value if listed and isinstance(value, int) else index.get(str(value), -1) for value in values]
    strange = [place for place, value in enumerate(labels) if not 0 <= value < len(names)]
    if strange:
        raise DataError(
            f"{rows.source}: label {values[strange[0]]!r} in column {label!r} at {rows.where(strange)}; "
            f"allowed: 0 to {len(names) - 1}"
        )
    if set(names) == set(ours):  # in the order in which we count
        labels, names = [ours.index(names[value]) for value in labels], ours
    pictures = rows.column(image)
    called = [f"{rows.source}: column {image!r}, {rows.unit} {number}" for number in rows.numbers]
    images = ((name, decode(_picture(value, name), name)) for name, value in zip(called, pictures, strict=True))
    pixels = collect(images, len(pictures), rows.source, size)
    if known is not None and known.transposed:
        pixels = np.ascontiguousarray(pixels.transpose(0, 1, 3, 2))
    return Decoded(rows.source, pixels, np.array(labels, dtype=np.int64), names, listed)


def _column(rows: Records, usual: tuple[str, ...], what: str) -> str:
    column = next((name for name in usual if name in rows.names), None)
    if column is None:
        remedy = "; name it (data: {label: COLUMN})" if what == "labels" else ""
        raise DataError(
            f"{rows.source}: no column of {what} ({', '.join(dict.fromkeys(usual))}); "
            f"columns: {', '.join(rows.names)}{remedy}"
        )
    return column


def _picture(value: Any, called: str) -> Image.Image | bytes:
    """A decoded image, or the bytes of its file, as Parquet columns of images hold them."""
    if isinstance(value, dict):
        value = value.get("bytes")
    if not isinstance(value, Image.Image | bytes):
        raise DataError(f"{called}: {type(value).__name__} is no image; give a data set with a column of images")
    return value


def _in_order(called: str) -> tuple[int, str]:
    whole = called.isascii() and called.isdigit() and len(called) < 20
    return (int(called) if whole else 0, called)
