"""From named columns of any source to a `TextTable`: every check of texts and labels is here."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from textdistill.core.errors import DataError, did_you_mean
from textdistill.data.label_names import as_known, merged, trimmed, whole_names
from textdistill.data.likely_columns import header_is_data, likely_options
from textdistill.data.listed import placed, short
from textdistill.data.table import TextTable

LEFT_OUT = "without a text or a label left out"  # ends the note that tells how many
_LONGEST_NAME = 60  # characters of a column's name in a message
_REGRESSION_VALUES = 20  # more different fractions than this are a quantity, not star ratings


def in_a_line(names: Iterable[str]) -> str:
    """Names of columns as a message shows them: a name may hold breaks of lines."""
    return ", ".join(" ".join(name.split()) for name in names)


@dataclass(frozen=True)
class Records:
    """Columns as a source has them.

    `source` is what messages call it; `read` gives a column's values; row i is called `{unit} {numbers[i]}`, as a
    user would find it; `class_names` are the names that the source itself gives for a column of integers; `notes` are
    what was found out in reading it. `stream` gives a column's values one after another where that spares memory;
    `parts` are the files, in their order, that the rows came from where there are several; `called` are the numbers by
    which rows are called where some were left out.
    """

    source: str
    names: tuple[str, ...]
    read: Callable[[str], list[Any]]
    unit: str
    numbers: Sequence[int]
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    stream: Callable[[str], Iterator[Any]] | None = None
    parts: tuple[Records, ...] = ()
    called: Sequence[str] = ()

    def column(self, name: str) -> list[Any]:
        """The values of a column; `DataError` lists the columns there are."""
        if name not in self.names:
            hint = did_you_mean(name, self.names)
            if any(sign in written for written in self.names for sign in ";\t|,"):
                hint = (
                    hint or "; is it separated by another sign than its header shows? (data.delimiter, or --delimiter)"
                )
            elif len(self.names) == 1 and name in (words := re.split(r"\W+", self.names[0])) and len(words) > 1:
                hint = "; is it separated by another sign than , ; | or a tab? write it again with one of these"
            elif header_is_data(self):
                hint = (
                    "; these look like data: is there no header? Write a first line with the names of the columns, "
                    "such as text,label"
                )
            elif guess := likely_options(self):
                hint += f"; perhaps {guess}"
            elif not hint and self.unit == "line":
                hint = " (the first line is taken for the header; --text, --text-pair and --label name its columns)"
            raise DataError(f"{self.source}: no column {name!r}; columns: {self.told}{hint}")
        return self.read(name)

    @property
    def told(self) -> str:
        """The names of all columns, as a message shows them."""
        return in_a_line(short(name, _LONGEST_NAME) for name in self.names)

    def values(self, name: str) -> Iterator[Any]:
        """The values of a column that is there, one after another."""
        return iter(self.read(name)) if self.stream is None else self.stream(name)

    def only(self, places: Sequence[int]) -> Records:
        """The rows at these places, called as they were."""
        called = tuple(self._number(place) for place in places)

        def read(name: str) -> list[Any]:
            values = self.read(name)
            return [values[place] for place in places]

        return replace(self, read=read, numbers=range(len(places)), stream=None, parts=(), called=called)

    def where(self, places: Sequence[int]) -> str:
        """`line 3` or `lines 3, 7, 9, ... (12 in all)`; of several files `row 3 of part-0.parquet`."""
        return placed(self.unit, map(self._number, places), len(places))

    def _number(self, place: int) -> str:
        if self.called:
            return self.called[place]
        for part in self.parts:
            if place < len(part.numbers):
                return f"{part.numbers[place]} of {Path(part.source).name}"
            place -= len(part.numbers)
        return str(self.numbers[place])


@dataclass(frozen=True)
class Columns:
    """The columns to read, the class names that integers stand for if the source names none, whether labels that look
    alike are one, and whether rows without a text or a label are left out."""

    text: str
    text_pair: str | None
    label: str
    known_classes: tuple[str, ...] | None = None
    merge_labels: bool = False
    drop_missing: bool = False


def to_table(
    rows: Records,
    columns: Columns,
    name: str,
    classes: tuple[str, ...] | None,
    drop_empty: bool = False,
    remedy: str = "fill them in, or delete these rows",
) -> tuple[TextTable, list[str]] | None:
    """The table and its notes, or `None` when no row has a label (GLUE's public test splits).

    `classes` is their order and makes another label an error; without it the source's own names count, then the known
    ones, then the values in order. Rows without a text or a label are an error, which ends in the `remedy`, unless
    `columns` leave them out (`drop_empty`: those without a text), which a note tells.
    """
    names = [columns.text] + ([] if columns.text_pair is None else [columns.text_pair])
    if columns.label in names:
        raise DataError(f"{rows.source}: column {columns.label!r} is asked for as text and as label; name another")
    texts = [_texts(rows, column) for column in names]
    if not rows.numbers:
        raise DataError(f"{rows.source}: no rows")
    values = rows.column(columns.label)
    listed = rows.class_names.get(columns.label)
    unlabelled = [place for place, value in enumerate(values) if is_missing(value, listed or columns.known_classes)]
    if len(unlabelled) == len(values):
        return None
    notes = list(rows.notes)
    empty = sorted({place for column in texts for place, text in enumerate(column) if not trimmed(text)})
    lacking = np.union1d(unlabelled, empty).astype(np.int64)
    if len(lacking):
        droppable = columns.drop_missing or (drop_empty and not unlabelled)
        if not droppable or len(lacking) == len(values):
            told = _missing_told(rows, names, columns.label, empty, unlabelled)
            raise DataError(f"{rows.source}: {told}; {'no row has both, fill them in' if droppable else remedy}")
        kept = np.setdiff1d(np.arange(len(values)), lacking).tolist()
        texts = [[column[place] for place in kept] for column in texts]
        values, rows = [values[place] for place in kept], rows.only(kept)
        many = f"{len(lacking)} row{'' if len(lacking) == 1 else 's'}"
        left_out = LEFT_OUT if columns.drop_missing else "with an empty text dropped"
        notes.append(f"{rows.source}: {many} {left_out}")
    labels, class_names = _labels(rows, columns, values, listed, classes)
    if columns.merge_labels and classes is None:
        counts = np.bincount(labels, minlength=len(class_names))
        before = class_names
        labels, class_names, became = merged(labels, class_names)
        notes += [
            f"{rows.source}: label {name!r} ({counts[before.index(name)]} rows) is read as {other!r}"
            for name, other in became.items()
        ]
    return TextTable(name, class_names, texts[0], texts[1] if len(texts) == 2 else None, labels), notes


def _missing_told(rows: Records, texts: Sequence[str], label: str, empty: list[int], unlabelled: list[int]) -> str:
    """Both kinds of missing cells at once: who mends one should not meet the other behind it."""
    told = [f"no label in column {label!r} at {rows.where(unlabelled)}"] if unlabelled else []
    if empty:
        told.append(f"empty text in column {' or '.join(map(repr, texts))} at {rows.where(empty)}")
    return ", ".join(told)


def _texts(rows: Records, column: str) -> list[str]:
    texts = ["" if value is None else value for value in rows.column(column)]
    for place, value in enumerate(texts):
        if not isinstance(value, str):
            if isinstance(value, float) and math.isnan(value):
                texts[place] = ""
                continue
            raise DataError(
                f"{rows.source}: column {column!r} holds {_short(value)} ({type(value).__name__}) at "
                f"{rows.where([place])}; a text is needed"
            )
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise DataError(
                    f"{rows.source}: column {column!r} has half a character (a lone surrogate, "
                    f"U+{ord(value[error.start]):04X}) at {rows.where([place])}; write the file again as UTF-8"
                ) from None
    return texts


def is_missing(value: Any, class_names: Sequence[str] | None) -> bool:
    """No value, or the -1 by which data with class names mark a hidden label."""
    if value is None or (isinstance(value, str) and not trimmed(value)):
        return True
    if isinstance(value, float) and math.isnan(value):
        return True
    return (
        class_names is not None
        and not isinstance(value, bool)
        and value in (-1, "-1", "-1.0")
        and "-1" not in class_names
    )


def _labels(
    rows: Records, columns: Columns, values: list[Any], listed: tuple[str, ...] | None, classes: tuple[str, ...] | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Label indices and the classes that they index."""
    given = (*(classes or ()), *(listed or ()), *(columns.known_classes or ()))
    written = as_names(rows, columns.label, values, given)
    if columns.merge_labels and classes:
        became = as_known(dict.fromkeys(written), classes)
        written = [became[label] for label in written]
    distinct = list(dict.fromkeys(written))
    known = columns.known_classes
    if listed is not None and known is not None and set(listed) == set(known):
        base, order = listed, known  # the source says what its integers mean, the table in which order we count
    else:
        base = order = listed or known or ()
    integers = all(_is_integer(label) for label in distinct)
    if base and integers and not set(distinct) & set(base):
        meaning = {str(index): called for index, called in enumerate(base)}
    elif not base and classes and integers and not set(distinct) & set(classes):
        meaning = {str(index): called for index, called in enumerate(classes)}
    elif not base and classes and set(distinct) <= {"False", "True"} and not set(distinct) & set(classes):
        meaning = dict(zip(("False", "True"), classes, strict=False))
    else:
        meaning = {label: label for label in distinct}
    final = classes or order or tuple(sorted(distinct, key=(lambda text: (int(text), text)) if integers else None))
    index = {called: place for place, called in enumerate(final)}
    codes = {label: index.get(meaning.get(label, label), -1) for label in distinct}
    labels = np.array([codes[label] for label in written], dtype=np.int64)
    strange = np.flatnonzero(labels < 0)
    if len(strange):
        value = written[strange[0]]
        shown = ", ".join(map(repr, final[:20])) + (", ..." if len(final) > 20 else "")
        like = as_known([value], final)[value] != value
        numbers = f" (or 0 to {len(final) - 1})" if meaning and set(meaning) != set(meaning.values()) else ""
        raise DataError(
            f"{rows.source}: unknown label {_short(value)} in column {columns.label!r} at "
            f"{rows.where(strange.tolist())}; allowed: {shown}{numbers}{did_you_mean(value, final)}"
            + ("; data.merge_labels=true (--merge-labels) reads names that look alike as one" if like else "")
        )
    return labels, final


def as_names(rows: Records, column: str, values: list[Any], known: Collection[str]) -> list[str]:
    """Every label as a string, whole numbers as such unless `known` has them otherwise; one kind of value in a column,
    and no quantity."""
    kinds: dict[str, int] = {}
    for place, value in enumerate(values):
        kind = kind_of(value)
        if kind == "other":
            raise DataError(
                f"{rows.source}: column {column!r} holds {_short(value)} ({type(value).__name__}) at "
                f"{rows.where([place])}; a label is a string, an integer or true/false"
            )
        kinds.setdefault(kind, place)
    if len(kinds) > 1:
        said = ", ".join(f"{kind} at {rows.where([place])}" for kind, place in kinds.items())
        raise DataError(f"{rows.source}: column {column!r} mixes kinds of labels ({said}); write all of them alike")
    if "number" in kinds:
        whole = all(isinstance(value, int) or (math.isfinite(value) and value == int(value)) for value in values)
        whole = whole and not any(repr(float(value)) in known for value in values)
        written = [str(int(value)) if whole else repr(float(value)) for value in values]
    else:
        written = [trimmed(str(value)) for value in values]
        whole_of = whole_names(written, known)
        written = [whole_of[label] for label in written]
    _refuse_quantity(rows, column, written)
    return written


def kind_of(value: Any) -> str:
    """Which of the kinds of labels a value is, or `other`."""
    if isinstance(value, bool | np.bool_):
        return "true/false"
    if isinstance(value, int | float | np.integer | np.floating):
        return "number"
    return "string" if isinstance(value, str) else "other"


def _refuse_quantity(rows: Records, column: str, written: list[str]) -> None:
    distinct = set(written)
    try:
        numbers = [float(label) for label in distinct]
    except ValueError:
        return
    fractions = [number for number in numbers if not number.is_integer()]
    many = len(distinct) > _REGRESSION_VALUES or 2 * len(distinct) > len(written)
    if fractions and many:
        raise DataError(
            f"{rows.source}: column {column!r} looks like a quantity ({len(distinct)} different numbers such as "
            f"{fractions[0]}): regression is not supported; name a column of classes, or bin it first"
        )


def _is_integer(label: str) -> bool:
    return label.isascii() and label.removeprefix("-").isdigit() and len(label) < 20


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
