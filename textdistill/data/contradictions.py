"""Equal texts under several labels: found, told, and dropped where that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from textdistill.core.errors import DataError
from textdistill.data.cuts import Source
from textdistill.data.listed import listed
from textdistill.data.table import TextTable

SHOWN = 3  # examples in a message
_LABELS = 5  # of an example
_LONGEST = 60  # characters of an example


@dataclass(frozen=True)
class Contradictions:
    """`texts` that stand under more than one label, in `rows` rows; `examples` are the first, with their labels."""

    texts: int
    rows: int
    examples: tuple[tuple[str, tuple[str, ...]], ...]

    def __str__(self) -> str:
        shown = "; ".join(f"{text!r} ({listed(labels, most=_LABELS)})" for text, labels in self.examples)
        texts = "1 text stands" if self.texts == 1 else f"{self.texts:,} texts stand"
        return f"{texts} under several labels, in {self.rows:,} rows: {shown}" + (
            "; ..." if self.texts > len(self.examples) else ""
        )

    @property
    def told(self) -> str:
        """What was found and what may be done about it, on one line."""
        return f"{self}; data.contradictions=drop or majority (--contradictions) leaves them out"


def contradictions(tables: Sequence[TextTable]) -> Contradictions:
    """Texts, equal when normalised, that any of these tables has under another label."""
    rows = [(table, row) for table in tables for row in range(len(table))]
    keys = list(chain.from_iterable(table.keys() for table in tables))
    labels_of: dict[str, dict[str, None]] = {}
    first: dict[str, int] = {}
    for place, (key, (table, row)) in enumerate(zip(keys, rows, strict=True)):
        labels_of.setdefault(key, {})[table.classes[int(table.labels[row])]] = None
        first.setdefault(key, place)
    several = [key for key, labels in labels_of.items() if len(labels) > 1]
    found = set(several)
    examples = tuple((_shown(*rows[first[key]]), tuple(labels_of[key])) for key in several[:SHOWN])
    return Contradictions(len(several), sum(key in found for key in keys), examples)


def settled(source: Source[TextTable], how: str) -> Source[TextTable]:
    """The source with its contradictions treated by `data.contradictions`; a note tells of them.

    `drop` leaves all of their rows out, `majority` those that have not the label of most (all, where two are equally
    often): no row is given another label. The data's own test split stays as it is.
    """
    parts = [table for table in (source.train, source.validation, source.test) if table is not None]
    found = contradictions(parts)
    if not found.texts:
        return source
    if how == "keep":
        return replace(source, notes=[*source.notes, found.told])
    train = source.train.take(_agreeing(source.train, how))
    validation = None if source.validation is None else source.validation.take(_agreeing(source.validation, how))
    gone = len(source.train) - len(train)
    gone += 0 if source.validation is None or validation is None else len(source.validation) - len(validation)
    if np.count_nonzero(train.counts()) < 2:
        raise DataError(
            f"{source.description}: {found}; without them fewer than two classes have rows: set "
            "data.contradictions=keep, or mend the labels"
        )
    note = f"{found}; {gone:,} of these rows dropped (data.contradictions={how})"
    return replace(source, train=train, validation=validation, notes=[*source.notes, note])


def _agreeing(table: TextTable, how: str) -> np.ndarray:
    """A mask (n,) of the rows that stay."""
    keys = table.keys()
    votes: dict[str, dict[int, int]] = {}
    for key, label in zip(keys, table.labels.tolist(), strict=True):
        counts = votes.setdefault(key, {})
        counts[label] = counts.get(label, 0) + 1
    kept: dict[str, int | None] = {}
    for key, counts in votes.items():
        most = [label for label, count in counts.items() if count == max(counts.values())]
        kept[key] = most[0] if len(counts) == 1 or (how == "majority" and len(most) == 1) else None
    return np.array([kept[key] == label for key, label in zip(keys, table.labels.tolist(), strict=True)], dtype=bool)


def _shown(table: TextTable, row: int) -> str:
    text = table.texts[row] if table.pairs is None else f"{table.texts[row]} | {table.pairs[row]}"
    text = " ".join(text[: 4 * _LONGEST].split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
