"""The gradient of a network's loss on real rows, a constant of gradient matching: in pieces that stay in the cache."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from textdistill.core.batch import Batch
from textdistill.core.learner import Learner, Params
from textdistill.objectives.moments import RealType, part_of

# Numbers that the layers of one piece may show between them, a few MiB: what one layer writes, the next then finds near
# the processor. (DC's ConvNet on 28 × 28 digits: 16 rows take 7.6 CPU-s for 2,560 rows where 256 at once take 11.5.)
PIECE = 2**19


def real_gradient(
    learner: Learner, params: Params, batch: Batch, names: Sequence[str], dtype: RealType = "float32"
) -> list[Tensor]:
    """∇ ℓ(batch; θ) for the weights `names`, in the weights' own type and without a graph.

    With `bfloat16` the layers' products are made in that type and summed in float32 (torch's autocast).
    """
    leaves = {name: value.detach().requires_grad_(name in names) for name, value in params.items()}
    wanted = [leaves[name] for name in names]
    totals = [torch.zeros_like(value) for value in wanted]
    count = len(batch)
    size = piece_rows(learner, params, batch)
    for first in range(0, count, size):
        rows = part_of(batch, slice(first, first + size))
        with torch.enable_grad(), _products(batch.inputs.device.type, dtype):
            loss = learner.loss(leaves, rows)
        found = torch.autograd.grad(loss, wanted)
        for total, gradient in zip(totals, found, strict=True):
            total.add_(gradient, alpha=len(rows) / count)
    return totals


@torch.no_grad()
def piece_rows(learner: Learner, params: Params, batch: Batch) -> int:
    """How many rows go through the network at once; all of them where it looks at several together."""
    if getattr(learner.module, "mixes_rows", False):
        return len(batch)
    shown = learner.activations(params, part_of(batch, slice(0, 1)))
    return max(1, PIECE // sum(layer.numel() for layer in shown))


def _products(device: str, dtype: RealType) -> AbstractContextManager[object]:
    return nullcontext() if dtype == "float32" else torch.autocast(device, torch.bfloat16)
