"""Train, validation and test of any labelled table: seeded stratified cuts; no duplicate straddles two splits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np

from textdistill.core.errors import DataError
from textdistill.core.streams import Streams
from textdistill.data.draw import balanced_rows, spread
from textdistill.data.listed import listed
from textdistill.data.settings import DataSettings

MIN_GROUPS = 3  # a class with fewer different rows cannot be in train, validation and test: it stays in train


@runtime_checkable
class Table(Protocol):
    """Labelled rows; rows with equal `keys` are duplicates."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names that labels index."""

    @property
    def labels(self) -> np.ndarray:
        """Class indices (n,)."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hex over the contents."""

    def __len__(self) -> int: ...

    def take(self: T, rows: Sequence[int] | np.ndarray) -> T:
        """The rows with these indices, or where a mask of all rows is true."""

    def counts(self) -> np.ndarray:
        """Rows per class, (c,)."""

    def keys(self) -> list[str]:
        """One key a row."""


T = TypeVar("T", bound=Table)


@dataclass(frozen=True)
class Nouns:
    """How messages call the rows, and the remedies that they give."""

    rows: str
    different: str
    add_split: str


@dataclass(frozen=True)
class Source(Generic[T]):
    """The splits that the data bring with them, before anything is cut or dropped.

    `test_rows` is what to hold out where there is no test split, `None` leaves it to the settings' fraction.
    `public` data give up their validation split for a test split that is missing or has no labels.
    """

    description: str
    train: T
    validation: T | None
    test: T | None
    metrics: tuple[str, ...]
    notes: list[str]
    test_rows: int | None = None
    public: bool = True


@dataclass(frozen=True)
class SplitReport:
    """What was cut and dropped: rows per split, rows dropped as duplicates, groups of duplicates, and notes."""

    source: str
    rows: dict[str, int]
    dropped_train: int
    dropped_validation: int
    duplicate_groups: int
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        rows = ", ".join(f"{number:,} {split}" for split, number in self.rows.items())
        lines = [f"{self.source}: {rows}"]
        if self.dropped_train or self.dropped_validation:
            lines.append(
                f"duplicates dropped: {self.dropped_train} from train, {self.dropped_validation} from validation"
            )
        lines.append(f"groups of duplicates: {self.duplicate_groups}")
        return "\n  ".join([*lines, *self.notes])


@dataclass(frozen=True, eq=False)
class Splits(Generic[T]):
    """The three tables, how they came about, and the task's metrics. Test rows are for the end alone."""

    train: T
    validation: T
    test: T
    report: SplitReport
    metrics: tuple[str, ...]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 in hex over the three tables' fingerprints."""
        parts = (self.train.fingerprint, self.validation.fingerprint, self.test.fingerprint)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def facts(self, name: str) -> dict[str, Any]:
        """What a stored set tells of its data, asked for by `name`: their source, fingerprint, rows, cuts, metrics."""
        return {
            "name": name,
            "source": self.report.source,
            "fingerprint": self.fingerprint,
            "rows": {"train": len(self.train), "validation": len(self.validation), "test": len(self.test)},
            "report": str(self.report),
            "metrics": list(self.metrics),
        }


def cut(source: Source[T], settings: DataSettings, nouns: Nouns) -> Splits[T]:
    """The splits of `source` that `settings` ask for.

    The data's own splits count. Without a labelled test split public data give their validation split for it, other
    data a seeded stratified hold-out; without a validation split one is cut from train. Rows with equal keys stay
    together in a cut; train rows equal to a test or validation row, and validation rows equal to a test row, are
    dropped and counted. Raises `DataError`.
    """
    train, validation, test = source.train, source.validation, source.test
    notes = list(source.notes)
    groups = _duplicate_groups([part for part in (train, validation, test) if part is not None])
    streams = Streams(settings.split_seed).child("splits")
    if test is None and validation is not None and source.public:
        validation, test = None, validation
        notes.append("the validation split is the test, for want of a labelled one")
    if test is None:
        rows = settings.test_rows or source.test_rows
        wanted = _share(train, settings.test_fraction) if rows is None else rows
        train, test = _cut(train, wanted, streams.numpy("test"), "test", nouns)
        notes.append(f"test held out of train, split seed {settings.split_seed}")
    elif settings.test_rows is not None:
        notes.append("test_rows not used: the data have their own test split")
    before = len(train)
    train, dropped = _without(train, test)
    if dropped:
        notes.append(f"{dropped} train rows equal a test row")
    dropped_validation = 0
    if validation is None and len(train):
        wanted = _share(train, settings.validation_fraction)
        train, validation = _cut(train, wanted, streams.numpy("validation"), "validation", nouns)
        notes.append(f"validation cut from train, split seed {settings.split_seed}")
    elif validation is not None:
        validation, dropped_validation = _without(validation, test)
        train, also = _without(train, validation)
        if also:
            notes.append(f"{also} train rows equal a validation row")
        dropped += also
    if validation is None or not len(train) or not len(validation) or not len(test):
        raise DataError(
            f"{source.description}: all {nouns.rows} of a split are duplicates of other splits' "
            f"({before} train {nouns.rows} before); give other files"
        )
    if settings.train_rows is not None:
        train, remarks = _fewer(train, settings.train_rows, streams.numpy("train rows"))
        notes += remarks
    if settings.most_rows is not None:
        fewer = streams.numpy("most rows")
        train = _at_most(train, settings.most_rows, fewer, "train", notes)
        tenth = max(MIN_GROUPS, settings.most_rows // 10)
        validation = _at_most(validation, tenth, fewer, "validation", notes)
        test = _at_most(test, tenth, fewer, "test", notes)
    for split, table in (("train", train), ("test", test)):
        absent = [name for name, number in zip(table.classes, table.counts(), strict=True) if not number]
        if absent:
            notes.append(f"classes without a {split} row: {listed(absent)}")
    report = SplitReport(
        source.description,
        {"train": len(train), "validation": len(validation), "test": len(test)},
        dropped,
        dropped_validation,
        groups,
        tuple(notes),
    )
    return Splits(train, validation, test, report, source.metrics)


def held_out(labels: np.ndarray, keys: list[str], rows: int, generator: np.random.Generator) -> np.ndarray:
    """A boolean mask (n,) of about `rows` rows, stratified by label, rows with equal keys all in or all out.

    Each class gives its share of `rows` (largest remainders), a group of equal keys counting for its most frequent
    label; whole groups are taken in random order while they fit. A class keeps a group at least, and one with fewer
    than `MIN_GROUPS` groups gives none.
    """
    import pandas as pd

    codes, distinct = pd.factorize(np.array(keys, dtype=object))
    classes = int(labels.max()) + 1
    cells, votes = np.unique(codes * classes + labels, return_counts=True)
    cells = cells[np.argsort(votes, kind="stable")]  # of a group's labels the most frequent comes last, and stays
    sizes, group_labels = np.bincount(codes), np.zeros(len(distinct), dtype=np.int64)
    group_labels[cells // classes] = cells % classes
    share = rows * np.bincount(group_labels, weights=sizes) / len(labels)
    quotas = np.floor(share).astype(np.int64)
    rest = rows - int(quotas.sum())
    quotas[np.argsort(quotas - share, kind="stable")[:rest]] += 1
    order = generator.permutation(len(distinct))
    taken = np.zeros(len(distinct), dtype=bool)
    for label, quota in enumerate(quotas.tolist()):
        members = order[group_labels[order] == label]
        if len(members) < MIN_GROUPS:
            continue
        room, left = quota, len(members)
        for group, size in zip(members.tolist(), sizes[members].tolist(), strict=True):
            if not room or left == 1:
                break
            if size <= room:
                taken[group] = True
                room -= size
                left -= 1
    return np.asarray(taken[codes])


def _cut(table: T, rows: int, generator: np.random.Generator, split: str, nouns: Nouns) -> tuple[T, T]:
    """What is left, and what was held out."""
    if rows >= len(table):
        raise DataError(f"{table.name}: {split} asks for {rows} of {len(table)} {nouns.rows}; ask for fewer")
    mask = held_out(table.labels, table.keys(), rows, generator)
    if not mask.any():
        raise DataError(
            f"{table.name}: {len(table)} {nouns.rows} are too few to hold out a {split} split ({MIN_GROUPS} different "
            f"{nouns.different} of a class are needed); add {nouns.rows}, or give {nouns.add_split.format(split=split)}"
        )
    return table.take(~mask), table.take(mask)


def _share(table: Table, fraction: float) -> int:
    return max(1, round(len(table) * fraction))


def _without(table: T, other: T) -> tuple[T, int]:
    """The rows of `table` that are no row of `other`, and how many were dropped."""
    keys, forbidden = table.keys(), set(other.keys())
    keep = np.array([key not in forbidden for key in keys], dtype=bool)
    return (table, 0) if keep.all() else (table.take(keep), int((~keep).sum()))


def _duplicate_groups(tables: Sequence[Table]) -> int:
    import pandas as pd

    keys = list(chain.from_iterable(table.keys() for table in tables))
    codes, _ = pd.factorize(np.array(keys, dtype=object))
    return int((np.bincount(codes) > 1).sum())


def _fewer(table: T, rows: int, generator: np.random.Generator) -> tuple[T, list[str]]:
    if rows >= len(table):
        return table, [f"train_rows {rows}: train has {len(table)}, all of them are kept"]
    present = np.flatnonzero(table.counts())
    asked = np.zeros(len(table.classes), dtype=np.int64)
    asked[present] = spread(rows, len(present))
    drawn, notes = balanced_rows(table.labels, asked.tolist(), generator, len(table.classes), table.classes)
    return table.take(np.sort(drawn)), [f"train cut to {len(drawn)} rows, class by class", *notes]


def _at_most(table: T, rows: int, generator: np.random.Generator, split: str, notes: list[str]) -> T:
    """The table, or about `rows` of it with the shares of its classes, one of each at least; a note says so."""
    if len(table) <= rows:
        return table
    counts = table.counts()
    wanted = np.minimum(counts, np.maximum(1, counts * rows // len(table)))
    drawn, _ = balanced_rows(table.labels, wanted.tolist(), generator, len(table.classes), table.classes)
    notes.append(f"{split}: {len(drawn):,} of {len(table):,} rows drawn, each class its share (data.most_rows)")
    return table.take(np.sort(drawn))
