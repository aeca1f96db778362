"""Kernels in blocks that fit a budget of memory, and never more than one block's graph at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from textdistill.objectives.kernels.base import Kernel

# A block of this many floats stays in a core's cache: larger ones are slower, however much memory there is.
CACHED_FLOATS = 2**20
LEAST_SIDE = 4  # of a square block, in rows
STREAMED_ROWS = 4096  # at once where no derivative is asked for, if no block has more


@dataclass(frozen=True)
class Inputs:
    """Rows of inputs with their masks."""

    inputs: Tensor
    mask: Tensor | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    def part(self, rows: range | slice) -> Inputs:
        """Some of them."""
        at = rows if isinstance(rows, slice) else slice(rows.start, rows.stop)
        return Inputs(self.inputs[at], None if self.mask is None else self.mask[at])


@dataclass(frozen=True)
class Blocks:
    """A kernel whose graph over a block of pairs takes at most about `memory_mib` MiB.

    Blocks are cut over rows of the left side, and over the right side only where one row is too much already, or where
    no derivative is asked for and squares stay in the cache. How they are cut changes nothing but rounding.
    """

    kernel: Kernel
    memory_mib: float = 512.0

    def cut(self, left: Inputs, right: Inputs) -> tuple[int, int]:
        """How many rows of the left and of the right make a block."""
        each = self._floats(left, right)
        pairs = max(1, self._budget // each)
        columns = min(len(right), pairs)
        rows = min(len(left), pairs // columns, CACHED_FLOATS // (each * columns))
        return max(1, rows), columns

    def streamed(self, left: Inputs, right: Inputs) -> int:
        """How many rows `stream` takes at once without a derivative, when they cost no more than K has of them.

        An `adjoint` has a price of its own for each call.
        """
        rows, _ = self.cut(left, right)
        return max(rows, min(STREAMED_ROWS, min(CACHED_FLOATS, self._budget) // max(1, len(right))))

    @torch.no_grad()
    def values(self, left: Inputs, right: Inputs) -> Float[Tensor, "n m"]:
        """The kernel without a graph."""
        out = torch.empty(len(left), len(right), dtype=torch.float64, device=left.inputs.device)
        for rows, columns in _places(left, right, self._squares(left, right)):
            out[rows, columns] = self._block(left.part(rows), right.part(columns))
        return out

    def pullback(
        self, left: Inputs, right: Inputs, adjoint: Float[Tensor, "n m"], wanted: Sequence[Tensor]
    ) -> list[Tensor]:
        """Σ adjoint · ∂K/∂(each of `wanted`), which `left` and `right` are made of; every block computed anew."""
        totals = [torch.zeros_like(leaf) for leaf in wanted]
        for rows, columns in _places(left, right, self.cut(left, right)):
            with torch.enable_grad():
                block = self._block(left.part(rows), right.part(columns))
            _add(totals, torch.autograd.grad(block, wanted, adjoint[rows, columns]))
        return totals

    def stream(
        self,
        left: Inputs,
        right: Inputs,
        wanted: Sequence[Tensor],
        adjoint: Callable[[slice, Float[Tensor, "b m"]], Float[Tensor, "b m"]],
    ) -> list[Tensor]:
        """The derivative where `adjoint(rows, K[rows])` needs no more than those rows of K: each block is made once.

        Calls `adjoint` for all rows in turn, even when nothing is wanted.
        """
        totals = [torch.zeros_like(leaf) for leaf in wanted]
        size, columns = self.cut(left, right)
        size = size if wanted else self.streamed(left, right)
        for start in range(0, len(left), size):
            rows = slice(start, min(start + size, len(left)))
            some = left.part(rows)
            if not wanted or columns < len(right):
                over = adjoint(rows, self.values(some, right))
                if wanted:
                    _add(totals, self.pullback(some, right, over, wanted))
                continue
            with torch.enable_grad():
                block = self._block(some, right)
            _add(totals, torch.autograd.grad(block, wanted, adjoint(rows, block.detach())))
        return totals

    def _block(self, left: Inputs, right: Inputs) -> Tensor:
        return self.kernel(left.inputs, right.inputs, left.mask, right.mask)

    def _squares(self, left: Inputs, right: Inputs) -> tuple[int, int]:
        """A block without a graph: a square that the cache holds, where rows of the whole right side do not fit it.

        Each row of either side is looked at once a block, so that squares too small cost more than they save. About
        half of what a derivative keeps is there at any one time.
        """
        side = math.isqrt(min(2 * CACHED_FLOATS, self._budget) // self._floats(left, right))
        rows, columns = self.cut(left, right)
        return (side, side) if rows < LEAST_SIDE <= side < columns else (rows, columns)

    @property
    def _budget(self) -> int:
        """`memory_mib` as a number of float64."""
        return int(self.memory_mib * 2**20 / 8)

    def _floats(self, left: Inputs, right: Inputs) -> int:
        return max(1, self.kernel.floats(left.inputs.shape[1:], right.inputs.shape[1:]))


def _places(left: Inputs, right: Inputs, size: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    rows, columns = size
    for top in range(0, len(left), rows):
        for first in range(0, len(right), columns):
            yield slice(top, min(top + rows, len(left))), slice(first, min(first + columns, len(right)))


def _add(totals: list[Tensor], found: Sequence[Tensor]) -> None:
    for total, gradient in zip(totals, found, strict=True):
        total += gradient
