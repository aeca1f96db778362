"""The loss of many real images, with its gradient for the weights taken on the way: a few rows at a time.

The loss is a sum over images, and an outer step asks for its first derivative alone. So each chunk of images goes
forward and back at once, while all that its products read is in the processor's caches, and nothing is kept of it but
its part of the gradient: no graph, and no second look at a memory of a thousand images' windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from textdistill.learners.pixel_gradient import Layers, as_weights, there_and_back

# Images taken at once. 1,024 digits through LeNet and back, in CPU-s of one thread beside other jobs: 16 at once 0.18,
# 32 0.15, 64 0.125, 128 (this) 0.117, 256 0.128. Fewer stay nearer to the processor, but the calls of a hundred
# operations are paid for each time.
ROWS = 128


def loss_once(
    inputs: Tensor, targets: Tensor, shares: Tensor, paddings: Sequence[int], weights: Sequence[Tensor]
) -> Float[Tensor, ""]:
    """Σ_i a_i Σ_c y_ic · (−log softmax(z_i))_c, differentiable once, and for the weights alone.

    The arguments are those of `pixel_gradient.gradient`.
    """
    loss: Tensor = _Loss.apply(inputs, targets, shares, tuple(paddings), *weights)
    return loss


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, targets: Tensor, shares: Tensor, paddings: tuple[int, ...], *weights: Tensor
    ) -> Tensor:
        layers = Layers.of(weights, paddings)
        loss = shares.new_zeros(())
        sums: list[Tensor] = []
        size = ROWS if inputs.device.type == "cpu" else max(1, len(inputs))
        for x, y, a in zip(inputs.split(size), targets.split(size), shares.split(size), strict=True):
            passed, slopes = there_and_back(layers, x, y, a, again=False)
            loss -= (y * F.log_softmax(passed.logits, 1)).sum(1) @ a
            if sums:
                torch._foreach_add_(sums, slopes)
            else:
                sums = slopes
            del passed  # the next rows then go where these were
        ctx.save_for_backward(*as_weights(sums, weights, len(paddings)))
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, None, None, *(slope * grad for grad in ctx.saved_tensors)
