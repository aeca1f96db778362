"""The obvious way to take one step of distribution matching: torch's own modules, whole batches, one graph for all.

Nothing of textdistill is in it, so that it can judge textdistill's step, in value and in time.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def dm_step(
    module: nn.Sequential, weights: Sequence[Tensor], inputs: Tensor, labels: Tensor, real: Sequence[Tensor]
) -> tuple[float, Tensor]:
    """Σ_c ‖mean features of real rows − those of synthetic ones‖², and its gradient for the inputs.

    `real` are the real rows of each class; the features are what the module's last layer reads.
    """
    body = module[:-1]
    with torch.no_grad():
        for parameter, value in zip(module.parameters(), weights, strict=True):
            parameter.copy_(value)
    inputs = inputs.detach().clone().requires_grad_()
    total = inputs.new_zeros(())
    for label, rows in enumerate(real):
        total = total + (body(rows).mean(0) - body(inputs[labels == label]).mean(0)).square().sum()
    (found,) = torch.autograd.grad(total, inputs)
    return float(total.detach()), found
