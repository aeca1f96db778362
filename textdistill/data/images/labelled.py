"""From a column of pictures and one of labels, on the hub or in a table of one's own, to images with labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from textdistill.core.errors import DataError
from textdistill.data.columns import Records, as_names, is_missing
from textdistill.data.images.decode import collect, decode
from textdistill.data.images.formats import Decoded
from textdistill.data.images.known import KnownImages
from textdistill.data.images.pixel_cache import cached_pixels
from textdistill.data.likely_columns import refuse_ids

IMAGE_COLUMNS, LABEL_COLUMNS = ("image", "img", "picture"), ("label", "labels", "fine_label")


def image_split(
    rows: Records,
    known: KnownImages | None,
    label: str | None,
    size: int | None,
    image: str | None = None,
    files: Sequence[Path] = (),
) -> Decoded | None:
    """The images and labels of one split, `None` if its labels are hidden (all of them -1).

    `label` and `image` name their columns where these have no usual name. Pictures are decoded one after another, so
    that the encoded ones are never all in memory; many that came from local `files` are cached. Raises `DataError`
    with the row of what cannot be used.
    """
    image = image or _column(rows, ((known.image,) if known else ()) + IMAGE_COLUMNS, "images")
    label = label or _column(rows, ((known.label,) if known else ()) + LABEL_COLUMNS, "labels")
    values = rows.column(label)
    if not values:
        raise DataError(f"{rows.source}: no rows")
    ours = known.classes if known is not None and label == known.label else ()
    names = rows.class_names.get(label, ())
    if not names or (len(names) == len(ours) and set(names) != set(ours)):
        names = ours  # the same classes in other words: the numbers count
    missing = [place for place, value in enumerate(values) if is_missing(value, names)]
    if len(missing) == len(values):
        return None
    if missing:
        raise DataError(
            f"{rows.source}: no label in column {label!r} at {rows.where(missing)}; fill it in, or drop the row"
        )
    labels, names, listed = _labels(rows, label, values, names)
    if set(names) == set(ours):  # in the order in which we count
        labels, names = [ours.index(names[value]) for value in labels], ours

    def decoded() -> np.ndarray:
        return collect(_decoded(rows, image), len(values), rows.source, size)

    pixels = cached_pixels(files, {"column": image, "size": size}, len(values), decoded) if files else decoded()
    if len(pixels) != len(labels):
        raise DataError(f"{rows.source}: {len(pixels)} pictures, but {len(labels)} labels; write the file again")
    if known is not None and known.transposed:
        pixels = np.ascontiguousarray(pixels.transpose(0, 1, 3, 2))
    return Decoded(rows.source, pixels, np.array(labels, dtype=np.int64), names, listed)


def _labels(
    rows: Records, label: str, values: list[Any], names: tuple[str, ...]
) -> tuple[list[int], tuple[str, ...], bool]:
    """Labels as numbers, the classes they count, and whether the source lists these."""
    written = as_names(rows, label, values, names)
    if not names:
        refuse_ids(rows, label, set(written), len(written), ())
    listed = bool(names)
    if not listed:
        names = tuple(sorted(set(written), key=_in_order))
    index = {called: place for place, called in enumerate(names)}
    labels = [
        value if listed and isinstance(value, int) else index.get(text, -1)
        for value, text in zip(values, written, strict=True)
    ]
    strange = [place for place, value in enumerate(labels) if not 0 <= value < len(names)]
    if strange:
        raise DataError(
            f"{rows.source}: label {values[strange[0]]!r} in column {label!r} at {rows.where(strange)}; "
            f"allowed: 0 to {len(names) - 1}"
        )
    return labels, names, listed


def _column(rows: Records, usual: tuple[str, ...], what: str) -> str:
    column = next((name for name in usual if name in rows.names), None)
    if column is None:
        remedy = "; name it (data: {label: COLUMN})" if what == "labels" else ""
        raise DataError(
            f"{rows.source}: no column of {what} ({', '.join(dict.fromkeys(usual))}); columns: {rows.told}{remedy}"
        )
    return column


def _decoded(rows: Records, column: str) -> Iterator[tuple[str, np.ndarray]]:
    for place, value in enumerate(rows.values(column)):
        called = f"{rows.source}: column {column!r}, {rows.where([place])}"
        yield called, decode(_picture(value, called), called)


def _picture(value: Any, called: str) -> Image.Image | bytes:
    """A decoded image, or the bytes of its file, as Parquet columns of images hold them; no path is followed."""
    if isinstance(value, dict):
        path, value = value.get("path"), value.get("bytes")
        if value is None and path:
            raise DataError(
                f"{called}: the path of a picture ({str(path)[-80:]!r}) without its bytes; write the bytes into the "
                "table, or give a folder of images for each class"
            )
    if value is None:
        raise DataError(f"{called}: no picture; fill it in, or drop the row")
    if not isinstance(value, Image.Image | bytes):
        raise DataError(f"{called}: {type(value).__name__} is no image; give a data set with a column of images")
    return value


def _in_order(called: str) -> tuple[int, str]:
    whole = called.isascii() and called.isdigit() and len(called) < 20
    return (int(called) if whole else 0, called)
