"""A loss over rows that several processes have shares of, with its gradient, the same bits in each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from textdistill.core.learner import Params
from textdistill.core.processes import count, own_share, sum_over_processes


def own_rows(rows: Tensor) -> Tensor:
    """This process's share of a batch's row numbers; all of them where there are fewer rows than processes."""
    if len(rows) < count():
        return rows
    share = own_share(len(rows))
    return rows[share.start : share.stop]


def mean_over_processes(loss: Callable[[Params], Tensor], share: float) -> Callable[[Params], Tensor]:
    """The mean over all processes' rows of `loss`, the mean over this one's, a `share` of them.

    It can be differentiated once, for the weights.
    """

    def whole(params: Params) -> Tensor:
        value: Tensor = _Sum.apply(lambda leaves: share * loss(leaves), list(params), *params.values())
        return value

    return whole


class _Sum(torch.autograd.Function):
    """Σ over processes of a loss, whose gradients are added in the same message."""

    @staticmethod
    def forward(ctx: Any, loss: Callable[[Params], Tensor], names: list[str], *weights: Tensor) -> Tensor:
        with torch.enable_grad():
            leaves = [weight.detach().requires_grad_() for weight in weights]
            own = loss(dict(zip(names, leaves, strict=True)))
        slopes = torch.autograd.grad(own, leaves, allow_unused=True, materialize_grads=True)
        whole, *sums = sum_over_processes([own.detach(), *slopes])
        ctx.save_for_backward(*sums)
        return whole

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        return (None, None, *(upstream[0] * slope for slope in ctx.saved_tensors))
