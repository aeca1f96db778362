"""The gradient of a network's loss on real rows, a constant of gradient matching: in pieces that stay in the cache."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from textdistill.core.batch import Batch
from textdistill.core.learner import Learner, Params
from textdistill.objectives.moments import RealType, part_of

# Numbers that the layers of one piece may show between them: what one layer writes, the next then finds near the
# processor. 2,560 digits through DC's ConvNet, in CPU-s: float32 256 rows at once 11.5, 64 8.7, 16 (this) 7.6; bfloat16
# 256 rows 7.2, 64 (this) 5.2, 16 5.9.
PIECE: dict[str, int] = {"float32": 2**19, "bfloat16": 2**21}


def real_gradient(
    learner: Learner, params: Params, batch: Batch, names: Sequence[str], dtype: RealType = "float32"
) -> list[Tensor]:
    """∇ ℓ(batch; θ) for the weights `names`, in the weights' own type and without a graph.

    With `bfloat16` the network runs in that type, forward and back; the pieces are summed in the weights' own.
    """
    own = [params[name] for name in names]
    inside = torch.bfloat16 if dtype == "bfloat16" else own[0].dtype
    leaves = {name: value.detach().to(inside).requires_grad_(name in names) for name, value in params.items()}
    wanted = [leaves[name] for name in names]
    totals = [torch.zeros_like(value) for value in own]
    count = len(batch)
    size = piece_rows(learner, params, batch, dtype)
    for first in range(0, count, size):
        rows = part_of(batch, slice(first, first + size))
        with torch.enable_grad():
            loss = learner.loss(leaves, rows.to(rows.inputs.device, inside))
        for total, gradient in zip(totals, torch.autograd.grad(loss, wanted), strict=True):
            total.add_(gradient, alpha=len(rows) / count)
    return totals


@torch.no_grad()
def piece_rows(learner: Learner, params: Params, batch: Batch, dtype: RealType) -> int:
    """How many rows go through the network at once; all of them where it looks at several together."""
    if getattr(learner.module, "mixes_rows", False):
        return len(batch)
    shown = learner.activations(params, part_of(batch, slice(0, 1)))
    return max(1, PIECE[dtype] // sum(layer.numel() for layer in shown))
