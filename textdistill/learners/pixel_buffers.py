"""The memory that a convolution's products need, with every view of it, made once and used again.

On ten images a view costs what an addition of them costs, and new memory costs more: the operating system clears each
page. An inner step's buffers live as long as the graph that needs them and then wait for the next step of that size, so
an outer loop makes them in its first step alone. Zeros around padded images and ones below the windows stay in place.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from textdistill.learners.pixel_products import Plan, Pooling

# What may wait unused, in bytes: SLDD's thirty steps of ten digits keep 40 MB.
WAITING = 2**28

Key = tuple[object, ...]


class Convolution:
    """z = K · W(x) and y = max(0, the largest of each four z), with the way back; f filters, P pooled pixels."""

    def __init__(self, plan: Plan, filters: int, like: Tensor, last: float):
        count = plan.shape[3]
        self.plan = plan
        self.columns = like.new_empty(plan.rows, plan.pooled[0] * plan.pooled[1] * count)  # W(x), (k1, P)
        self.columns[-1].fill_(last)
        self.across = self.columns.t()
        apart = plan.empty(like)
        self._inside, self._into = plan.inside(apart), plan.by_window(self.columns)
        self._windows = plan.windows_of(apart)
        pooled = self.columns.shape[1]
        # z, and then `chosen`: what is written where it was read is still in the cache
        self.values = like.new_empty(4 * filters, pooled)
        self._fours = self.values.view(4, -1)
        self._pooling = Pooling(self.values, self.values)
        self.largest = self._pooling.largest
        self._slopes = self.values  # ∂ℓ/∂z: in the same place, unless both are asked for
        # y as rows of numbers for a linear layer, (f · h2 · w2, n), and as images
        self.flat = self.largest.view(-1, count)
        self.images = self.largest.view(filters, *plan.pooled, count)
        self._back: list[Tensor] = []

    def enter(self, images: Float[Tensor, "c h w n"]) -> None:
        """W(x), from images in any order of memory."""
        self._inside.copy_(self.plan.parted(images))
        self._into.copy_(self._windows)

    def pool(self) -> None:
        """The largest of each four of `values` or zero; in their places, ones where it stood (the first of equals)."""
        self._pooling.choose()

    def place(self, slopes: Tensor, keep: bool) -> Tensor:
        """∂ℓ/∂z (4 · f, P): each slope of y at the chosen one of its four. Without `keep`, what was chosen is lost."""
        if keep and self._slopes is self.values:
            self._slopes = torch.empty_like(self.values)
        torch.mul(self._fours, slopes.reshape(-1), out=self._slopes.view_as(self._fours))
        return self._slopes

    def place_as(self, other: Convolution, slopes: Tensor) -> Tensor:
        """The same at the places that `other` chose; `values` are lost."""
        torch.mul(other._fours, slopes.reshape(-1), out=self._fours)
        return self.values

    def take_as(self, other: Convolution) -> None:
        """The one of each four `values` that `other` chose: the adjoint of `place_as`. They are lost."""
        torch.sum(self._fours.mul_(other._fours), 0, out=self.largest)

    def back(self, products: Sequence[tuple[Sequence[Tensor], Tensor]]) -> Float[Tensor, "c h w n"]:
        """The adjoint of W on Σ Kᵀs over pairs (`parts` of K, s): a new tensor."""
        if not self._back:
            self._back = list(self.plan.back_buffers(self.columns))
        by_row, apart = self._back[:2]
        rows, sums, parts = (self._back[2 + i :: 3] for i in range(3))
        by_row.zero_()
        for kernels, slopes in products:
            for row, kernel in zip(rows, kernels, strict=True):
                row.addmm_(kernel, slopes)
        apart.zero_()
        for total, part in zip(sums, parts, strict=True):
            total.add_(part)
        return self.plan.together(apart)


class Buffers:
    """The convolutions' memory of one pass; what goes through the second enters from the first, and so on."""

    def __init__(
        self,
        shape: Sequence[int],
        kernels: Sequence[Sequence[int]],
        paddings: Sequence[int],
        like: Tensor,
        last: float,
    ):
        self.convolutions: list[Convolution] = []
        for (filters, _, size, _), padding in zip(kernels, paddings, strict=True):
            self.convolutions.append(Convolution(Plan.of(shape, size, padding), filters, like, last))
            shape = self.convolutions[-1].images.shape
        # about: windows, values and slopes, and the rest
        self.bytes = sum(c.columns.nbytes + 3 * c.values.nbytes for c in self.convolutions)


class Lent:
    """Buffers that go back to those waiting when nobody holds this any more."""

    def __init__(self, key: Key, buffers: Buffers):
        self.key, self.buffers = key, buffers

    def __del__(self) -> None:
        if sum(b.bytes for waiting in _waiting.values() for b in waiting) + self.buffers.bytes > WAITING:
            _waiting.clear()
        _waiting.setdefault(self.key, []).append(self.buffers)


_waiting: dict[Key, list[Buffers]] = {}


def lend(
    shape: Sequence[int], weights: Sequence[Tensor], paddings: Sequence[int], last: float
) -> tuple[Lent, list[Convolution]]:
    """Buffers for images of `shape` (c, h, w, n) and convolutions of these weights, with `last` below the windows."""
    kernels, like = tuple(tuple(weight.shape) for weight in weights), weights[0]
    key = (tuple(shape), kernels, tuple(paddings), like.dtype, like.device, last)
    waiting = _waiting.get(key)
    lent = Lent(key, waiting.pop() if waiting else Buffers(shape, kernels, paddings, like.detach(), last))
    return lent, lent.buffers.convolutions
