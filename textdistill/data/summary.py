"""What a table of texts holds, before any work begins on it: rows, classes, lengths, and what looks wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

import numpy as np

from textdistill.data.contradictions import Contradictions, contradictions
from textdistill.data.cuts import MIN_GROUPS, Source
from textdistill.data.label_names import alike
from textdistill.data.table import TextTable

_SHOWN = 20  # classes that are listed
_UNLIKE = 10  # times as many rows in the largest class as in the smallest are worth a line


@dataclass(frozen=True)
class Summary:
    """One table, all of its splits together.

    `rows` by split as the data bring them, `classes` with their rows, `words` (median and longest text, by white
    space; both texts of a pair), `duplicates` (rows equal to an earlier one), `alike` groups of labels that look alike,
    `few`: classes with fewer training rows than `asked`; `notes` are what was found out in reading.
    """

    source: str
    rows: dict[str, int]
    classes: dict[str, int]
    median_words: float
    longest_words: int
    duplicates: int
    contradictions: Contradictions
    alike: tuple[tuple[str, ...], ...]
    few: dict[str, int]
    asked: int
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The summary as people read it: the facts, then what looks wrong and what mends it."""
        rows = ", ".join(f"{count:,} {split}" for split, count in self.rows.items())
        lines = [
            f"{self.source}: {rows}",
            f"{len(self.classes)} classes: {_listed(self.classes)}",
            f"words in a text: {self.median_words:g} in the middle, {self.longest_words:,} at most",
            f"duplicates: {self.duplicates:,}" + (" (equal texts stay in one split)" if self.duplicates else ""),
            *self.notes,
        ]
        lines += [f"warning: {line}" for line in self.warnings()]
        return lines

    def warnings(self) -> list[str]:
        """What looks wrong, a line each, with its remedy."""
        lines = [alike_told(group, self.classes) for group in self.alike]
        if self.contradictions.texts:
            lines.append(self.contradictions.told)
        if self.few:
            lines.append(
                f"fewer than {self.asked} training rows: {_listed(self.few)}; ask for fewer of each class, add "
                "rows, or take what is there"
            )
        sizes = [count for count in self.classes.values() if count]
        if sizes and max(sizes) > _UNLIKE * min(sizes):
            lines.append(
                f"classes of very unlike size: {max(sizes):,} rows and {min(sizes):,}; always naming the largest is "
                f"right for {100 * max(sizes) / sum(sizes):.1f} % of the rows"
            )
        return lines

    def as_dict(self) -> dict[str, Any]:
        """The summary as data."""
        return {**asdict(self), "warnings": self.warnings()}


def summarise(source: Source[TextTable], asked: int | None = None, train: TextTable | None = None) -> Summary:
    """The summary of what a source brings.

    `asked` are the rows wanted of each class (as many as a test and a validation split can be cut from unless told),
    `train` those that they are taken from, where they are cut already.
    """
    parts = {"train": source.train, "validation": source.validation, "test": source.test}
    tables = {split: table for split, table in parts.items() if table is not None}
    words = np.concatenate([_words(table) for table in tables.values()])
    counts = sum((Counter(_counted(table)) for table in tables.values()), Counter())
    keys = list(chain.from_iterable(table.keys() for table in tables.values()))
    wanted = MIN_GROUPS if asked is None else asked
    taken_from = source.train if asked is None or train is None else train
    few = {name: count for name, count in _counted(taken_from).items() if count < wanted}
    return Summary(
        source.description,
        {("rows" if split == "train" and len(tables) == 1 else split): len(table) for split, table in tables.items()},
        {name: counts[name] for name in source.train.classes},
        float(np.median(words)),
        int(words.max()),
        len(keys) - len(set(keys)),
        contradictions(list(tables.values())),
        tuple(alike(source.train.classes)),
        few,
        wanted,
        tuple(source.notes),
    )


def alike_told(group: tuple[str, ...], rows: Mapping[str, int]) -> str:
    """A group of labels that look alike, with their rows and the remedy, on one line."""
    named = ", ".join(f"{name!r} ({rows[name]:,} rows)" for name in group)
    return f"labels that look alike: {named}; data.merge_labels=true (--merge-labels) reads them as one"


def _counted(table: TextTable) -> dict[str, int]:
    return dict(zip(table.classes, table.counts().tolist(), strict=True))


def _words(table: TextTable) -> np.ndarray:
    lengths = [len(text.split()) for text in table.texts]
    if table.pairs is not None:
        lengths = [first + len(second.split()) for first, second in zip(lengths, table.pairs, strict=True)]
    return np.array(lengths, dtype=np.int64)


def _listed(classes: Mapping[str, int]) -> str:
    shown = ", ".join(f"{name} {count:,}" for name, count in list(classes.items())[:_SHOWN])
    return shown + (f", ... ({len(classes)} in all)" if len(classes) > _SHOWN else "")
