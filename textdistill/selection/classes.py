"""How many rows each class gives, and a class's rows as a matrix of points: what every selection starts from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from textdistill.core.errors import DataError


@runtime_checkable
class Rowwise(Protocol):
    """Features (n, *shape) that are made, or read, when rows of them are asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, *shape)."""

    def __getitem__(self, rows: np.ndarray, /) -> np.ndarray:
        """The rows (r, *shape) with these indices."""


Features = np.ndarray | Tensor | Rowwise  # (n, *shape); what follows the first axis is flattened
Labels = np.ndarray | Tensor | Sequence[int]  # (n,) class indices


@dataclass(frozen=True)
class Share:
    """One class's part of a selection: its rows, in the data's order, and how many of them are taken."""

    label: int
    rows: np.ndarray
    take: int


def shares(labels: Labels, counts: Sequence[int]) -> list[Share]:
    """The classes that are asked for rows, in order, each with at most as many as it has.

    `labels` is (n,); `counts[c]` is the number wanted of class `c`, and a class with fewer rows gives all of them.
    Classes with a count of zero, and rows of classes beyond `counts`, are left out.

    Raises `DataError` for a negative count, and for a class that is asked for rows and has none.
    """
    numbers = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    result = []
    for label, count in enumerate(counts):
        if count < 0:
            raise DataError(f"class {label}: {count} rows asked for; ask for 0 or more")
        if count == 0:
            continue
        rows = np.flatnonzero(numbers == label).astype(np.int64)
        if len(rows) == 0:
            raise DataError(
                f"class {label}: {count} rows asked for and there are none; add rows of this class, or ask for 0 of it"
            )
        result.append(Share(label, rows, min(int(count), len(rows))))
    return result


def width(features: Features) -> int:
    """How many values one row of `features` holds."""
    return math.prod(features.shape[1:])


def points(features: Features, rows: np.ndarray) -> np.ndarray:
    """A flattened copy (len(rows), f) of these rows, as float64 where the features are and as float32 otherwise.

    Raises `DataError` for a value that is not finite: no distance or mean means anything beside it.
    """
    if isinstance(features, Tensor):
        chosen = features.detach()[torch.as_tensor(rows, device=features.device)]
        chosen = chosen if chosen.dtype == torch.float64 else chosen.float()
        matrix = chosen.cpu().numpy()
    else:
        matrix = features[rows]
        matrix = matrix if matrix.dtype == np.float64 else matrix.astype(np.float32, copy=False)
    matrix = matrix.reshape(len(rows), width(features))
    finite = np.isfinite(matrix).all(axis=1)
    if not finite.all():
        row = int(rows[np.argmin(finite)])
        raise DataError(f"features of row {row} are not finite (NaN or infinity); mend or drop that row")
    return matrix
