"""What a table of texts holds, before any work begins on it: rows, classes, lengths, and what looks wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from textdistill.data.columns import LEFT_OUT
from textdistill.data.contradictions import Contradictions, contradictions
from textdistill.data.cuts import MIN_GROUPS, Source, Splits
from textdistill.data.label_names import alike
from textdistill.data.listed import LONGEST_NAME, listed, short
from textdistill.data.near import Templates, templates
from textdistill.data.oddities import odd_labels, odd_texts
from textdistill.data.scripts import scripts_of
from textdistill.data.table import TextTable

_SHOWN = 20  # scripts that are listed
_COUNTED = 2000  # texts whose tokens are counted, to say how many will be cut
_UNLIKE = 10  # times as many rows in the largest class as in the smallest are worth a line


@dataclass(frozen=True)
class Reader:
    """Who reads the texts: what it is called, how many `unit`s of a text (or pair) it takes, how they are counted.

    `script` is the one that it knows best, where it knows one.
    """

    name: str
    most: int
    unit: str
    count: Callable[[Sequence[str], Sequence[str] | None], Sequence[int]]
    script: str | None = None


@dataclass(frozen=True)
class Cut:
    """`texts` of `looked_at` are longer than the `most` `unit`s that `by` takes of one: what lies behind is cut."""

    by: str
    most: int
    unit: str
    texts: int
    looked_at: int

    def __str__(self) -> str:
        share = 100 * self.texts / self.looked_at
        return (
            f"cut: {share:.1f} % of {self.looked_at:,} texts looked at have more than the {self.most:,} {self.unit} "
            f"that {self.by} takes"
        )


@dataclass(frozen=True)
class Summary:
    """One table, all of its splits together.

    `rows` by split as the data bring them, `classes` with their rows, `words` (median and longest text, by white
    space; both texts of a pair), `duplicates` (rows equal to an earlier one), `alike` groups of labels that look alike,
    `few`: classes with fewer training rows than `asked`; `notes` are what was found out in reading. `scripts`: texts by
    the script of most of their letters; `templates`: rows that are equal but for numbers and names; `cut`: what the
    reader of the texts, who knows best the script `reads`, does not take of them; `odd`: lines about odd texts.
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
    scripts: Mapping[str, int] = field(default_factory=dict)
    templates: Templates | None = None
    cut: Cut | None = None
    reader: str | None = None
    reads: str | None = None
    odd: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The summary as people read it: the facts, then what looks wrong and what mends it."""
        rows = ", ".join(f"{count:,} {split}" for split, count in self.rows.items())
        lines = [
            f"{self.source}: {rows}",
            f"{len(self.classes):,} classes: {_listed(self.classes)}",
            f"words in a text: {self.median_words:g} in the middle, {self.longest_words:,} at most",
            f"duplicates: {self.duplicates:,}" + (" (equal texts stay in one split)" if self.duplicates else ""),
        ]
        if list(self.scripts) not in ([], ["Latin"]):
            total = sum(self.scripts.values())
            shares = [f"{name} {100 * count / total:.1f} %" for name, count in list(self.scripts.items())[:_SHOWN]]
            lines.append(f"texts by script: {', '.join(shares)}")
        if self.cut is not None and self.cut.texts:
            lines.append(str(self.cut))
        if self.templates is not None and self.templates.rows:
            lines.append(self.templates.told(sum(self.rows.values())))
        lines += self.notes
        lines += [f"warning: {line}" for line in self.warnings()]
        return lines

    def warnings(self) -> list[str]:
        """What looks wrong, a line each, with its remedy."""
        lines = [alike_told(group, self.classes) for group in self.alike]
        lines += odd_labels(self.classes) + list(self.odd)
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
        others = sum(count for name, count in self.scripts.items() if name not in (self.reads, "none"))
        if self.reads is not None and others:
            share = 100 * others / sum(self.scripts.values())
            lines.append(
                f"{share:.1f} % of the texts are not in {self.reads} letters, which {self.reader} hardly knows; name "
                'another encoder, "choose.views=[ENCODER]" judge.encoder=ENCODER'
            )
        return lines

    def as_dict(self) -> dict[str, Any]:
        """The summary as data."""
        return {**asdict(self), "warnings": self.warnings()}


def summarise(
    source: Source[TextTable],
    asked: int | None = None,
    train: TextTable | None = None,
    reader: Reader | None = None,
) -> Summary:
    """The summary of what a source brings; with a `reader` what it cuts and may not know.

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
        scripts_of(text for table in tables.values() for text in (*table.texts, *(table.pairs or ()))),
        templates(list(tables.values())),
        None if reader is None else _cut(list(tables.values()), reader),
        None if reader is None else reader.name,
        None if reader is None else reader.script,
        tuple(odd_texts(text for table in tables.values() for text in (*table.texts, *(table.pairs or ())))),
    )


def summary_of(splits: Splits[TextTable], asked: int | None = None, reader: Reader | None = None) -> Summary:
    """The summary of splits that are cut already, whose report has told its notes; rows that were left out are worth
    telling twice."""
    notes = [note for note in splits.report.notes if note.endswith(LEFT_OUT)]
    source = Source(splits.report.source, splits.train, splits.validation, splits.test, splits.metrics, notes)
    return summarise(source, asked, reader=reader)


def _cut(tables: Sequence[TextTable], reader: Reader) -> Cut:
    """What is cut of all texts, or of so many evenly drawn ones that counting takes no time."""
    texts = [text for table in tables for text in table.texts]
    pairs = [second for table in tables for second in table.pairs or ()]
    rows = np.unique(np.linspace(0, len(texts) - 1, min(_COUNTED, len(texts))).astype(int)).tolist()
    lengths = reader.count([texts[row] for row in rows], [pairs[row] for row in rows] if pairs else None)
    return Cut(reader.name, reader.most, reader.unit, sum(length > reader.most for length in lengths), len(rows))


def alike_told(group: tuple[str, ...], rows: Mapping[str, int]) -> str:
    """A group of labels that look alike, with their rows and the remedy, on one line."""
    named = listed(
        [repr(short(name, LONGEST_NAME - 4)) for name in group], (f" ({rows[name]:,} rows)" for name in group)
    )
    return f"labels that look alike: {named}; data.merge_labels=true (--merge-labels) reads them as one"


def _counted(table: TextTable) -> dict[str, int]:
    return dict(zip(table.classes, table.counts().tolist(), strict=True))


def _words(table: TextTable) -> np.ndarray:
    lengths = [len(text.split()) for text in table.texts]
    if table.pairs is not None:
        lengths = [first + len(second.split()) for first, second in zip(lengths, table.pairs, strict=True)]
    return np.array(lengths, dtype=np.int64)


def _listed(classes: Mapping[str, int]) -> str:
    return listed(classes, (f" {count:,}" for count in classes.values()))
