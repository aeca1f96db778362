"""Rows of tokens as the generator reads and writes them, and what it asks of a table of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

PAD = 0  # what stands behind a row's end; the mask tells it from the token of that number


@runtime_checkable
class Texts(Protocol):
    """A labelled table of texts or pairs of texts, such as `data.table.TextTable`."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        ...

    @property
    def texts(self) -> list[str]:
        """The first text of each row."""
        ...

    @property
    def pairs(self) -> list[str] | None:
        """The second text of each row, where the task has pairs."""
        ...

    @property
    def labels(self) -> np.ndarray:
        """The class of each row, (n,)."""
        ...


@dataclass(frozen=True, eq=False)
class Sentences:
    """Rows `<bos_c> sentence [<sep> sentence2] <eos>`, filled up on the right.

    `ids` (n, length); `mask` (n, length) is true for a row's own tokens, the class token too; `labels` (n,).
    """

    ids: Int[Tensor, "n length"]
    mask: Bool[Tensor, "n length"]
    labels: Int[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> Int[Tensor, " n"]:
        """|x_i|: tokens that are predicted, so all after the class token, the end token too."""
        return self.mask.sum(1) - 1

    def take(self, rows: Int[Tensor, " r"] | Sequence[int]) -> Sentences:
        """The rows with these indices, in this order, no longer than the longest of them."""
        index = torch.as_tensor(rows, dtype=torch.long)
        mask = self.mask[index]
        width = max(1, int(mask.sum(1).max())) if len(index) else 1
        return Sentences(self.ids[index, :width], mask[:, :width], self.labels[index])

    @staticmethod
    def of(rows: Sequence[Sequence[int]], labels: Int[Tensor, " n"] | Sequence[int]) -> Sentences:
        """From rows of token numbers, each with its class token first."""
        lengths = np.fromiter((len(row) for row in rows), np.int64, len(rows))
        mask = np.arange(max(1, int(lengths.max(initial=1)))) < lengths[:, None]
        ids = np.full(mask.shape, PAD, np.int64)
        ids[mask] = np.fromiter((token for row in rows for token in row), np.int64, int(lengths.sum()))
        return Sentences(torch.from_numpy(ids), torch.from_numpy(mask), torch.as_tensor(labels, dtype=torch.long))

    @staticmethod
    def join(parts: Sequence[Sentences]) -> Sentences:
        """All rows of `parts`, one after the other."""
        width = max(part.ids.shape[1] for part in parts)
        fill = [width - part.ids.shape[1] for part in parts]
        pad = torch.nn.functional.pad
        return Sentences(
            torch.cat([pad(part.ids, (0, more), value=PAD) for part, more in zip(parts, fill, strict=True)]),
            torch.cat([pad(part.mask, (0, more), value=False) for part, more in zip(parts, fill, strict=True)]),
            torch.cat([part.labels for part in parts]),
        )
