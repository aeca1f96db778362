"""A distilled set that can be read: texts (or pairs of texts) with labels, for any tokeniser and any model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from textdistill.core.errors import DataError


@dataclass(frozen=True, eq=False)
class TextSet:
    """Texts with the classes they teach.

    `texts` (and `pairs`, the second text of each sample); `labels` (n,) index `classes`; `soft` (n, c) are the values
    of all classes where the labels are soft, whose largest is then the label. `meta` says where the set comes from,
    `scores` what it was seen to reach where it was judged: by judge, the accuracy of the `set`, in percent, and beside
    it the means of other methods and of all training rows (`full`).

    Raises `DataError` when the columns differ in length, a label is outside `classes`, or a soft label is not finite.
    """

    texts: list[str]
    labels: np.ndarray
    classes: tuple[str, ...]
    pairs: list[str] | None = None
    soft: np.ndarray | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, dict[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", np.asarray(self.labels, dtype=np.int64))
        n = len(self.texts)
        if self.labels.shape != (n,) or (self.pairs is not None and len(self.pairs) != n):
            raise DataError(f"a set of {n} texts has {self.labels.shape} labels; every sample needs its own")
        if n and not (self.labels.min() >= 0 and self.labels.max() < len(self.classes)):
            raise DataError(
                f"labels run from {self.labels.min()} to {self.labels.max()}; there are {len(self.classes)} classes"
            )
        if self.soft is not None:
            object.__setattr__(self, "soft", np.asarray(self.soft, dtype=np.float64))
            if self.soft.shape != (n, len(self.classes)) or not np.isfinite(self.soft).all():
                raise DataError(
                    f"soft labels are {self.soft.shape}; allowed: finite numbers, ({n}, {len(self.classes)})"
                )

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def names(self) -> list[str]:
        """Each sample's class by its name: `labels` are places in `classes`, whatever labels the data have."""
        return [self.classes[label] for label in self.labels.tolist()]

    @property
    def parts(self) -> list[tuple[str, str | None]]:
        """Each text with its second one, or with `None`: what tells one sample from another."""
        seconds: Sequence[str | None] = [None] * len(self) if self.pairs is None else self.pairs
        return list(zip(self.texts, seconds, strict=True))

    @property
    def digest(self) -> str:
        """What its texts are told apart by, whatever their labels: 16 hexadecimal digits."""
        return hashlib.sha256(json.dumps([self.texts, self.pairs]).encode()).hexdigest()[:16]

    @property
    def targets(self) -> np.ndarray:
        """The labels that teach, (n, c): the soft ones, or one-hot ones."""
        return self.hard_targets if self.soft is None else self.soft

    @property
    def hard_targets(self) -> np.ndarray:
        """One-hot labels, (n, c)."""
        one_hot: np.ndarray = np.eye(len(self.classes))[self.labels]
        return one_hot

    def take(self, rows: Sequence[int] | np.ndarray) -> TextSet:
        """The samples with these indices, in this order."""
        places = np.asarray(rows, dtype=np.int64)
        return replace(
            self,
            texts=[self.texts[k] for k in places],
            labels=self.labels[places],
            pairs=None if self.pairs is None else [self.pairs[k] for k in places],
            soft=None if self.soft is None else self.soft[places],
        )
