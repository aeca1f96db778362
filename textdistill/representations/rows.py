"""What every kind of real rows offers beyond the core's `RealData`: batches in passing, another device, features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from textdistill.core.batch import Batch


@runtime_checkable
class Rows(Protocol):
    """A split as embedded text, as images, or as a learner reads it."""

    classes: tuple[str, ...]
    shape: tuple[int, ...]
    labels: Tensor

    @property
    def lengths(self) -> Tensor:
        """The number of real positions of each row, (n,): all ones for images."""
        ...

    def __len__(self) -> int: ...

    def batch(self, rows: Tensor, trim: bool = False, trim_margin: int = 0) -> Batch:
        """The rows with these indices, in this order; `trim` cuts padding where there is any."""
        ...

    def batches(
        self, size: int, rows: Tensor | None = None, by_length: bool = True, trim_margin: int = 0
    ) -> Iterator[tuple[Tensor, Batch]]:
        """All rows (or these) once, each batch with its row indices."""
        ...

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Rows:
        """The same rows on another device."""
        ...


@dataclass(frozen=True)
class Inputs:
    """A split's inputs as features, read a few rows at a time: whole embedded texts need not fit in memory."""

    rows: Rows

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, *shape)."""
        return (len(self.rows), *self.rows.shape)

    def __getitem__(self, rows: np.ndarray, /) -> np.ndarray:
        """The inputs of these rows."""
        return self.rows.batch(torch.from_numpy(rows)).inputs.float().numpy()
