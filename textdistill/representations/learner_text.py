"""Texts as a learner reads them: its own token ids or features, read once and kept, padded for each batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor

from textdistill.core.batch import Batch
from textdistill.core.errors import DataError
from textdistill.data.table import TextTable

# Of texts and their second halves: inputs and the mask of their real positions, or vectors and none.
Read = Callable[[list[str], list[str] | None], tuple[Tensor, Tensor | None]]


class LearnerText:
    """Labelled texts, each as the learner's `read` gives it (`RealData` of the core).

    `shape` is that of one input, (length, …) where rows have a mask; a longer row is cut. Padding is −1. Nothing is
    read before a batch is asked for.
    """

    def __init__(self, table: TextTable, read: Read, shape: tuple[int, ...]):
        self.table, self.shape, self.classes = table, shape, table.classes
        self.labels: Int[Tensor, " n"] = torch.from_numpy(table.labels.copy())
        self.device, self.dtype = torch.device("cpu"), torch.get_default_dtype()
        self._read = read

    @cached_property
    def _kept(self) -> tuple[Tensor, Tensor | None]:
        inputs, mask = self._read(self.table.texts, self.table.pairs)
        if len(inputs) != len(self.table):
            raise DataError(f"{self.table.name}: {len(inputs)} inputs were read for {len(self.table)} texts")
        return (inputs, None) if mask is None else (inputs[:, : self.shape[0]], mask[:, : self.shape[0]])

    @cached_property
    def lengths(self) -> Int[Tensor, " n"]:
        """The number of real positions of each row, one for vectors."""
        mask = self._kept[1]
        return torch.ones(len(self.table), dtype=torch.long) if mask is None else mask.sum(1)

    def __len__(self) -> int:
        return len(self.table)

    def batch(self, rows: Int[Tensor, " b"], trim: bool = False, trim_margin: int = 0) -> Batch:
        """The rows with these indices and one-hot targets; with `trim`, cut to the longest of them."""
        rows = rows.cpu()
        inputs, mask = (None if one is None else one[rows] for one in self._kept)
        targets = F.one_hot(self.labels.cpu()[rows], len(self.classes)).to(self.dtype)
        assert inputs is not None
        if mask is None:
            return Batch(inputs, targets).to(self.device, self.dtype)
        width = self.shape[0]
        if trim and len(rows):
            width = min(width, max(1, int(self.lengths[rows].max()) + trim_margin))
        missing = max(0, width - inputs.shape[1])
        padded = F.pad(inputs[:, :width], (0, 0) * (inputs.dim() - 2) + (0, missing), value=-1)
        return Batch(padded, targets, mask=F.pad(mask[:, :width], (0, missing))).to(self.device)

    def batches(
        self, size: int, rows: Int[Tensor, " b"] | None = None, by_length: bool = True, trim_margin: int = 0
    ) -> Iterator[tuple[Int[Tensor, " part"], Batch]]:
        """All rows (or these) once, in trimmed batches of `size`, sorted by length unless told otherwise."""
        rows = torch.arange(len(self)) if rows is None else rows.cpu()
        if by_length:
            rows = rows[torch.argsort(self.lengths[rows], stable=True)]
        for part in torch.split(rows, size):
            if len(part):
                yield part, self.batch(part, trim=True, trim_margin=trim_margin)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> LearnerText:
        """The same rows, whose batches are on another device; what was read stays where it is."""
        moved = object.__new__(LearnerText)
        moved.__dict__.update(self.__dict__)
        moved.device, moved.dtype = torch.device(device), dtype or self.dtype
        moved.labels = self.labels.to(device)
        return moved
