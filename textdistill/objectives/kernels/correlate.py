"""What convolutions and pooling do to the covariance of every position of one input with every one of another.

Positions come first and pairs of inputs last, so that what lies side by side in memory is treated alike. Both maps are
linear: their derivatives keep nothing of what they were given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

Axes = tuple[int, ...]  # that move together: one of each input, or one of both


class _Convolved(Function):
    """scale · Σ over `offsets` o of K moved by o along both axes of a pair, zeros beyond the edges, pair after pair."""

    @staticmethod
    def forward(ctx: Any, cov: Tensor, pairs: tuple[Axes, ...], offsets: tuple[int, ...], scale: float) -> Tensor:
        ctx.settings = pairs, tuple(-offset for offset in offsets), scale
        for number, axes in enumerate(pairs):
            cov = _sum_of_shifts(cov, axes, offsets, 1.0 if number else scale)
        return cov

    @staticmethod
    def backward(ctx: Any, adjoint: Tensor) -> Any:
        return _Convolved.apply(adjoint, *ctx.settings), None, None, None


def _sum_of_shifts(cov: Tensor, axes: Axes, offsets: Sequence[int], scale: float) -> Tensor:
    total = cov * scale if 0 in offsets else torch.zeros_like(cov)
    for offset in offsets:
        shift = abs(offset)
        # Of an axis no longer than the shift nothing is left: all is beyond its edge.
        if offset and all(cov.shape[axis] > shift for axis in axes):
            to, source = total, cov
            for axis in axes:
                to = to.narrow(axis, max(-offset, 0), cov.shape[axis] - shift)
                source = source.narrow(axis, max(offset, 0), cov.shape[axis] - shift)
            to.add_(source, alpha=scale)
    return total


def reach(width: int) -> tuple[int, ...]:
    """The offsets that a filter of that width looks at; an even one looks one further ahead than back."""
    return tuple(range(-((width - 1) // 2), width // 2 + 1))


def convolved(cov: Tensor, pairs: tuple[Axes, ...], width: int, variance: float) -> Tensor:
    """K[p, q] → σ²/(number of taps) Σ_o K[p + o, q + o], o going separately along each pair of axes."""
    result: Tensor = _Convolved.apply(cov, pairs, reach(width), variance / width ** len(pairs))
    return result


class _AveragePooled(Function):
    """Means over two neighbours along each of the first `count` axes."""

    @staticmethod
    def forward(ctx: Any, cov: Tensor, count: int) -> Tensor:
        ctx.shape, ctx.count = cov.shape, count
        for axis in range(count):
            pairs = cov.narrow(axis, 0, cov.shape[axis] // 2 * 2).unflatten(axis, (-1, 2))
            cov = pairs.select(axis + 1, 0) + pairs.select(axis + 1, 1)
        return cov.mul_(0.5**count)

    @staticmethod
    def backward(ctx: Any, adjoint: Tensor) -> Any:
        count, total = ctx.count, adjoint.new_zeros(ctx.shape)
        target = total
        for axis in range(count):
            target = target.narrow(axis, 0, 2 * adjoint.shape[axis])
        for axis in range(count):
            target = target.unflatten(2 * axis, (-1, 2))
            adjoint = adjoint.unsqueeze(2 * axis + 1)
        target.add_(adjoint, alpha=0.5**count)
        return total, None


def average_pooled(cov: Tensor, count: int) -> Tensor:
    """Averages of two neighbours along each of the first `count` axes; an odd one at the end is left out."""
    pooled: Tensor = _AveragePooled.apply(cov, count)
    return pooled
