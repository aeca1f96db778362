"""Parquet files of pictures, a user's own or a mirror of the hub's: which files have some, and their splits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from textdistill.core.errors import DataError
from textdistill.data import files, hub
from textdistill.data.images.formats import Decoded
from textdistill.data.images.known import KnownImages
from textdistill.data.images.labelled import IMAGE_COLUMNS, image_split

SPLITS: Mapping[str, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("validation", "val", "valid"),
    "test": ("test",),
}


def picture_column(path: Path) -> str | None:
    """The column of a Parquet file that holds pictures; `None` where there is none, or no such file. Reads its schema.

    That is a column of bytes, or of the hub's {bytes, path}, with a usual name, or that the schema calls one of images.
    """
    if files.format_of(path) != "parquet":
        return None
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError, ValueError):
        return None
    could = [field.name for field in schema if _holds_bytes(field.type)]
    said = _said(schema.metadata or {})
    return next((name for name in (*IMAGE_COLUMNS, *said) if name in could), None)


def picture_splits(folder: Path) -> dict[str, list[Path]]:
    """The Parquet files of each split of a folder, or those of one table that is not cut; none without pictures."""
    splits = {}
    for split, names in SPLITS.items():
        found = next(filter(None, (hub.parquet_files(folder, name) for name in names)), None)
        if found is not None:
            splits[split] = found
    if not splits and (parts := files.parts_of(folder)):
        splits = {"train": parts}
    first = next(iter(splits.values()), None)
    return splits if first and picture_column(first[0]) is not None else {}


def read_pictures(
    splits: Mapping[str, Sequence[Path]], source: str, known: KnownImages | None, label: str | None, size: int | None
) -> tuple[dict[str, Decoded], list[str]]:
    """The splits that have labels, and notes. Raises `DataError` with the file and the row of what cannot be used."""
    parts: dict[str, Decoded] = {}
    notes: list[str] = []
    for split, paths in splits.items():
        if len(paths) == 1:
            rows = files.read_file(paths[0], format="parquet")
        else:
            rows = files.read_parts(paths, f"{source} [{split}]")
        decoded = image_split(rows, known, label, size, picture_column(paths[0]), paths)
        notes += rows.notes
        if decoded is not None:
            parts[split] = decoded
        elif split == "train":
            raise DataError(f"{rows.source}: no row has a label; give the file with the labels")
        else:
            notes.append(f"{split}: left out, its labels are hidden ({rows.source})")
    return parts, notes


def _holds_bytes(type_: pa.DataType) -> bool:
    if pa.types.is_struct(type_):
        place = type_.get_field_index("bytes")
        return place >= 0 and _holds_bytes(type_.field(place).type)
    return bool(pa.types.is_binary(type_) or pa.types.is_large_binary(type_))


def _said(metadata: Mapping[bytes, bytes]) -> list[str]:
    """The columns that `datasets` wrote down as images; what is not understood is passed over."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return [name for name, of in features.items() if isinstance(of, dict) and of.get("_type") == "Image"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []
