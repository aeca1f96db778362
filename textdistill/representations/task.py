"""What a distillation works on: the three splits as tensors, and what depends on the kind of data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from textdistill.core.batch import RealData
from textdistill.core.learner import Learner
from textdistill.core.schedule import DistilledSet
from textdistill.data import DataSettings, Splits, TextTable
from textdistill.representations.decode import Decoded
from textdistill.representations.rows import Inputs, Rows

PlainTexts = Splits[TextTable]


@dataclass
class Task(ABC):
    """Everything real. `facts` tell of the representation (its fingerprint among them), `data` of the rows."""

    train: Rows
    validation: Rows
    test: Rows
    metrics: tuple[str, ...]
    facts: dict[str, Any]
    data: dict[str, Any]

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, in the order of the labels."""
        return self.train.classes

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one real input."""
        return self.train.shape

    @abstractmethod
    def features(self) -> Tensor | Inputs:
        """One vector, or array of numbers, for each training row, (n, ...): by these rows are selected."""

    @abstractmethod
    def shaped(self, length: int | None) -> tuple[int, ...]:
        """The shape of one sample of the distilled set."""

    @abstractmethod
    def fitted(self, inputs: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Real inputs brought to the shape of the distilled set's samples."""

    def read_by(self, learner: Learner) -> Task:
        """The task with the inputs that this learner takes: of vectors and pixels, all learners take the same."""
        return self

    @abstractmethod
    def seen_by(self, learner: Learner, device: torch.device) -> RealData:
        """The training rows as the outer loop wants them."""

    @abstractmethod
    def summary(self, inputs: Tensor) -> Tensor:
        """Inputs (n, *shape) as points of the space of `features`, (n, f)."""

    @abstractmethod
    def beside(self, data: DataSettings) -> Task:
        """Another data set in this task's representation."""

    def points(self, inputs: Tensor, samples: list[dict[str, Any]] | None) -> Tensor:
        """Samples as points of the space of `features`, (n, f): their inputs (n, *shape), or what they read as."""
        return self.summary(inputs)

    def snap(self) -> Callable[[Tensor], Tensor] | None:
        """What replaces each vector of a sample by its nearest word's; `None` where samples are no vectors of words."""
        return None

    def decode(self, distilled: DistilledSet, k: int, metric: str) -> Decoded | None:
        """A set as the `k` nearest words of every vector; `None` where samples are no vectors of words."""
        return None

    def pictures(self) -> Callable[[Tensor], Tensor] | None:
        """What takes inputs back to pixels from 0 to 1; `None` where samples are no images."""
        return None

    def plain_texts(self) -> PlainTexts | None:
        """The rows as the texts they came from; `None` where they came from images."""
        return None

    @abstractmethod
    def readable(self, rows: list[int]) -> list[dict[str, Any]]:
        """Training rows as a person reads them, with their label."""
