"""Image data sets of the hub: a column of pictures and a column of labels, read as the hub's texts are."""

from __future__ import annotations

import re
from collections.abc import Mapping

from textdistill.core.errors import DataError
from textdistill.data import hub
from textdistill.data.images.formats import Decoded
from textdistill.data.images.known import KnownImages
from textdistill.data.images.labelled import image_split

HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(:[\w.-]+)?")
_SPLITS: Mapping[str, tuple[str, ...]] = {"train": ("train",), "validation": ("validation",), "test": ("test",)}


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
