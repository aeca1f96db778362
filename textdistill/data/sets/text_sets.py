"""Reading anybody's readable set, from a file or a folder, and writing our own: samples as one JSON object a line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from textdistill.core.checkpoint import write_atomic
from textdistill.core.errors import DataError, did_you_mean
from textdistill.core.file_names import SAMPLES
from textdistill.data.columns import Columns, Records, in_a_line, to_table
from textdistill.data.files import format_of
from textdistill.data.label_names import whole_names
from textdistill.data.sets.set_files import set_files
from textdistill.data.sets.shapes import reshaped, rows_of_set
from textdistill.data.sets.text_set import TextSet
from textdistill.data.table import TextTable

# the columns of the first and the second text, as the data sets of this world call them; the first that are there count
TEXTS: tuple[tuple[str, str | None], ...] = (
    ("text", "text_pair"),
    ("text", None),
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("premise", "hypothesis"),
    ("question", "sentence"),
    ("sentence", None),
)
SHARE = "p_"  # the columns of soft labels: p_CLASS
NEAR = 1e-6  # labels are written with six decimals: no further apart, two are equally high
SOFT_COLUMNS = ("labels", "soft_label")  # ours and DiLM's; that of exported folders
_FOUND = "\0label"  # the column of labels as found from soft ones: no file's own


def read_text_set(path: str | Path, classes: Sequence[str] | None = None) -> TextSet:
    """The one set in a file or a folder.

    A file is CSV, TSV, JSON lines, JSON or Parquet, or one that `export` writes for another tool (a chat, instruction
    rows, a task or program with its shots; see `shapes.py`). Its texts are `text` (and `text_pair`), `sentence`, or one
    of the pairs in `TEXTS`; its labels are a column `label` or `labels` of names or integers, or soft ones: a column
    `labels` or `soft_label` of mappings or lists, or a column `p_CLASS` for every class. A folder is a run's
    (`samples.jsonl`), a data set of Hugging Face (Parquet, and a README that may name its files), that of another tool,
    or holds one such file.

    `classes` is their order, which integers and lists index; without it the file's own names count, then the order of
    the soft labels, then the labels in alphabetical order. Soft labels that are all one-hot become hard ones.

    Raises `DataError` with the file, the line or row, what was found and what is allowed.
    """
    files = set_files(Path(path).expanduser())
    if len(files) > 1:
        names = ", ".join(str(file.relative_to(path)) for file in files[:5]) + (", ..." if len(files) > 5 else "")
        raise DataError(f"{path}: {len(files)} sets ({names}); give one of them")
    return _read(files[0], classes)


def read_text_sets(path: str | Path, classes: Sequence[str] | None = None) -> list[TextSet]:
    """All sets of a folder in the order of their names (2 before 10), from its files or the folders in it.

    A file is a list of one. All have the same classes: without `classes`, those of all sets. Else as `read_text_set`.
    """
    sets = [_read(file, classes) for file in set_files(Path(path).expanduser())]
    most = max((distilled.classes for distilled in sets), key=len)
    every = dict.fromkeys(name for distilled in sets for name in distilled.classes)
    shared = most if set(most) == set(every) else _ordered(every)
    return [with_classes(distilled, shared) for distilled in sets]


def write_text_set(path: str | Path, distilled: TextSet) -> Path:
    """Write a set as JSON lines, whole or not at all, and return the file: `samples.jsonl` where `path` is a folder.

    Each line has `text` (and `text_pair`), `label` and `labels`, the value of every class: what reads it gets the same
    texts, labels and classes.
    """
    file = Path(path).expanduser()
    if format_of(file) is None:
        file = file / SAMPLES
    elif file.suffix.lower() not in (".jsonl", ".ndjson"):
        raise DataError(f"{path}: a set is written as JSON lines; give a folder, or a name that ends in .jsonl")
    samples: list[dict[str, Any]] = [{"text": text} for text in distilled.texts]
    if distilled.pairs is not None:
        samples = [{**sample, "text_pair": pair} for sample, pair in zip(samples, distilled.pairs, strict=True)]
    return write_samples(file, samples, distilled.labels.tolist(), distilled.targets.tolist(), distilled.classes)


def write_samples(
    file: Path,
    samples: Sequence[Mapping[str, Any]],
    labels: Sequence[int],
    targets: Sequence[Sequence[float]],
    classes: Sequence[str],
) -> Path:
    """Write samples of any kind as JSON lines: what each is (its text, or its row), `label`, and `labels` by class."""
    lines = []
    for sample, label, values in zip(samples, labels, targets, strict=True):
        record = {**sample, "label": classes[label], "labels": dict(zip(classes, values, strict=True))}
        lines.append(json.dumps(record, ensure_ascii=False) + "\n")
    try:
        write_atomic(file, "".join(lines))
    except UnicodeEncodeError:
        raise DataError(f"{file}: a text has half a character (a lone surrogate), which no file can hold") from None
    return file


def with_classes(distilled: TextSet, classes: Sequence[str]) -> TextSet:
    """The same set with labels that index `classes`, not all of which it need have; `DataError` if it has others."""
    wanted = tuple(classes)
    if distilled.classes == wanted:
        return distilled
    if strange := [name for name in distilled.classes if name not in wanted]:
        raise DataError(
            f"{distilled.meta.get('source', 'the set')}: class {strange[0]!r} is unknown; allowed: {_listed(wanted)}"
            f"{did_you_mean(strange[0], wanted)}"
        )
    places = np.array([wanted.index(name) for name in distilled.classes], dtype=np.int64)
    soft = None
    if distilled.soft is not None:
        soft = np.zeros((len(distilled), len(wanted)))
        soft[:, places] = distilled.soft
    return replace(distilled, labels=places[distilled.labels], classes=wanted, soft=soft)


def _read(path: Path, classes: Sequence[str] | None) -> TextSet:
    rows = rows_of_set(path)
    if not any({text, pair} - {None} <= set(rows.names) for text, pair in TEXTS):
        rows = reshaped(rows)
    text, pair = _text_columns(rows)
    order = None if classes is None else tuple(classes)
    soft = _soft(rows, order)
    meta = {"source": str(path)}
    if soft is None:
        label = next((name for name in ("label", "labels") if name in rows.names), None)
        if label is None:
            raise DataError(
                f"{rows.source}: no labels; columns: {rows.told}; needed: label, labels (a mapping or a "
                f"list of values), or {SHARE}CLASS for every class"
            )
        table = _table(rows, Columns(text, pair, label), order)
        return TextSet(table.texts, table.labels, table.classes, table.pairs, meta=meta)
    values, named = soft
    labels = _agreeing(rows, values, named)
    table = _table(_with_labels(rows, [named[label] for label in labels]), Columns(text, pair, _FOUND), named)
    hard = bool(((values == 0) | (values == 1)).all() and (values.sum(1) == 1).all())
    return TextSet(table.texts, table.labels, table.classes, table.pairs, None if hard else values, meta)


def _table(rows: Records, columns: Columns, classes: tuple[str, ...] | None) -> TextTable:
    made = to_table(rows, columns, rows.source, classes)
    if made is None:
        raise DataError(f"{rows.source}: no sample has a label in column {columns.label!r}")
    return made[0]


def _text_columns(rows: Records) -> tuple[str, str | None]:
    for text, pair in TEXTS:
        if {text, pair} - {None} <= set(rows.names):
            return text, pair
    known = "; ".join(text if pair is None else f"{text}, {pair}" for text, pair in TEXTS)
    raise DataError(f"{rows.source}: no column of texts; columns: {rows.told}; known: {known}")


def _soft(rows: Records, classes: tuple[str, ...] | None) -> tuple[np.ndarray, tuple[str, ...]] | None:
    """Soft labels (n, c) and their classes; `None` where the labels are hard."""
    shares = [name for name in rows.names if name.startswith(SHARE) and name != SHARE]
    if shares:
        columns = [rows.read(name) for name in shares]
        labels: list[Any] = [
            {name.removeprefix(SHARE): value for name, value in zip(shares, line, strict=True)}
            for line in zip(*columns, strict=True)
        ]
        return _values(rows, labels, classes, "the columns " + in_a_line(shares[:5]))
    column = next((name for name in SOFT_COLUMNS if name in rows.names), None)
    if column is None:
        return None
    labels = [_unpacked(rows, place, value, column) for place, value in enumerate(rows.read(column))]
    if not any(isinstance(label, dict | list) for label in labels):
        return None
    own = rows.class_names.get("label")
    if own is not None and all(isinstance(label, list) and len(label) == len(own) for label in labels):
        # the file knows what its lists are in the order of
        labels = [dict(zip(own, label, strict=True)) for label in labels]
    return _values(rows, labels, classes, f"column {column!r}")


def _unpacked(rows: Records, place: int, value: Any, column: str) -> Any:
    """A mapping or a list as such, also where it is the text of a cell or the pairs that Parquet makes of a map."""
    if isinstance(value, str) and value.strip()[:1] in ("{", "["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise DataError(
                f"{rows.source}: column {column!r} is no JSON at {rows.where([place])}: {value[:40]!r}"
            ) from None
    if isinstance(value, list) and value and all(isinstance(entry, tuple) and len(entry) == 2 for entry in value):
        return {str(key): share for key, share in value}
    return value


def _values(
    rows: Records, labels: list[Any], classes: tuple[str, ...] | None, where: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The labels of all rows as one table of numbers."""
    shown = next(row for row, label in enumerate(labels) if isinstance(label, dict | list))
    lists = isinstance(labels[shown], list)
    becomes = whole_names((key for label in labels if isinstance(label, dict) for key in label), classes or ())
    if classes is None:
        places = [str(place) for place in range(len(labels[shown]))] if lists else []
        classes = tuple(dict.fromkeys(places or becomes.values()))
    if not classes:
        raise DataError(f"{rows.source}: {where} at {rows.where([shown])} is empty; give a value for every class")
    place_of = {name: place for place, name in enumerate(classes)}
    values = np.zeros((len(labels), len(classes)))
    for row, label in enumerate(labels):
        at = f"{where} at {rows.where([row])}"
        if not isinstance(label, list if lists else dict):
            kind = "list" if lists else "mapping"
            raise DataError(
                f"{rows.source}: {at} holds {_short(label)}; a {kind} is needed, as in {rows.where([shown])}"
            )
        if lists and len(label) != len(classes):
            raise DataError(
                f"{rows.source}: {at} has {len(label)} values for {len(classes)} classes: {_listed(classes)}"
            )
        given: dict[str, Any] = dict(zip(classes, label, strict=True)) if isinstance(label, list) else label
        if not lists:
            given = {becomes.get(key, key): value for key, value in given.items()}
        for key, value in given.items():
            if key not in place_of:
                raise DataError(
                    f"{rows.source}: unknown class {_short(key)} in {at}; allowed: {_listed(classes)}"
                    f"{did_you_mean(str(key), classes)}"
                )
            # a column of Parquet's structures has every class in every row, some without a value
            number = 0.0 if value is None and not lists else _number(value)
            if number is None:
                raise DataError(
                    f"{rows.source}: {at} gives {_short(value)} to class {key!r}; a finite number is needed"
                )
            values[row, place_of[key]] = number
        if all(value is None for value in given.values()):
            raise DataError(f"{rows.source}: {at} has no value for any class; give one")
    return values, classes


def _number(value: Any) -> float | None:
    """A finite number, or `None`."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _agreeing(rows: Records, values: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    """The class of each row: that of its column `label`, if it has one, which must be among the highest of the soft."""
    labels: np.ndarray = values.argmax(1)
    if "label" not in rows.names:
        return labels
    hard, known = rows.read("label"), rows.class_names.get("label", classes)
    whole = whole_names((str(value) for value in hard if value not in (None, "")), classes)
    for row, value in enumerate(hard):
        name = whole.get(str(value), str(value))
        if name not in classes and _is_number(name) and int(name) < len(known):
            name = known[int(name)]
        if value is None or name == "":
            continue
        if name not in classes or values[row, classes.index(name)] < values[row].max() - NEAR:
            raise DataError(
                f"{rows.source}: label {_short(value)} at {rows.where([row])} is not the highest of its soft label, "
                f"{classes[labels[row]]!r}; correct one of them, or leave the column 'label' out"
            )
        labels[row] = classes.index(name)
    return labels


def _with_labels(rows: Records, labels: list[str]) -> Records:
    """The rows with the labels that were found, as one more column."""

    def read(name: str) -> list[Any]:
        return list(labels) if name == _FOUND else rows.read(name)

    return replace(rows, names=(*rows.names, _FOUND), read=read)


def _ordered(names: dict[str, None]) -> tuple[str, ...]:
    numbers = all(map(_is_number, names))
    return tuple(sorted(names, key=(lambda name: (int(name), name)) if numbers else None))


def _is_number(name: str) -> bool:
    return name.isdecimal() and len(name) < 10


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:20])) + (", ..." if len(names) > 20 else "")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
