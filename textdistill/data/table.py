"""A labelled table of texts, or of pairs of texts: what every source of real data is turned into."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from textdistill.core.errors import DataError


def normalise(text: str) -> str:
    """The text that counts as the same row: case folded, every run of white space one space."""
    return " ".join(text.casefold().split())


@dataclass(frozen=True, eq=False)
class TextTable:
    """Rows of `texts` (and `pairs`, the second text of each row) with `labels` (n,) that index `classes`.

    Raises `DataError` when the columns differ in length or a label is outside `classes`.
    """

    name: str
    classes: tuple[str, ...]
    texts: list[str]
    pairs: list[str] | None
    labels: np.ndarray

    def __post_init__(self) -> None:
        labels = np.asarray(self.labels, dtype=np.int64)
        object.__setattr__(self, "labels", labels)
        lengths = {len(self.texts), len(labels), len(self.texts if self.pairs is None else self.pairs)}
        if len(lengths) != 1 or labels.ndim != 1:
            raise DataError(f"{self.name}: texts, pairs and labels differ in length ({sorted(lengths)})")
        if len(labels) and not (labels.min() >= 0 and labels.max() < len(self.classes)):
            raise DataError(
                f"{self.name}: labels run from {labels.min()} to {labels.max()}; there are {len(self.classes)} classes"
            )

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Sequence[int] | np.ndarray) -> TextTable:
        """The rows with these indices, in this order; a boolean mask of all rows is taken as its true places."""
        index = np.asarray(rows)
        index = np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64)
        places = index.tolist()
        return TextTable(
            self.name,
            self.classes,
            [self.texts[row] for row in places],
            None if self.pairs is None else [self.pairs[row] for row in places],
            self.labels[index],
        )

    def counts(self) -> np.ndarray:
        """Rows per class, (c,)."""
        return np.bincount(self.labels, minlength=len(self.classes))

    def keys(self) -> list[str]:
        """One normalised text a row, both texts of a pair: equal keys are duplicate rows."""
        firsts = map(normalise, self.texts)
        if self.pairs is None:
            return list(firsts)
        return [f"{first}\x1f{second}" for first, second in zip(firsts, map(normalise, self.pairs), strict=True)]

    def distinct(self) -> np.ndarray:
        """Of rows with equal keys and the same label the first, in order: int64 indices."""
        first: dict[tuple[str, int], int] = {}
        for row, labelled in enumerate(zip(self.keys(), self.labels.tolist(), strict=True)):
            first.setdefault(labelled, row)
        return np.fromiter(first.values(), np.int64, len(first))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 in hex over classes, texts, pairs and labels in their order; the name does not count."""
        digest = hashlib.sha256()

        def add(column: Iterable[str]) -> None:
            parts = [text.encode() for text in column]
            digest.update(np.array([len(parts), *map(len, parts)], dtype="<i8").tobytes())
            digest.update(b"".join(parts))

        add(self.classes)
        add(self.texts)
        add([] if self.pairs is None else self.pairs)
        digest.update(self.labels.astype("<i8").tobytes())
        return digest.hexdigest()
