"""The obvious way to take one step of CAFE: torch's own modules, whole batches, one graph for all.

Nothing of textdistill is in it, so that it can judge textdistill's step, in value and in time.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BETA = 0.01  # the weight of discrimination


def layers(module: nn.Sequential, rows: Tensor) -> list[Tensor]:
    """Every block's output, and the last of them flattened: what the module's last layer reads."""
    out = []
    for layer in list(module)[:-1]:
        rows = layer(rows)
        if isinstance(layer, nn.AvgPool2d | nn.Flatten):
            out.append(rows)
    return out


def cafe_step(
    module: nn.Sequential, weights: Sequence[Tensor], inputs: Tensor, labels: Tensor, real: Sequence[Tensor]
) -> tuple[float, Tensor]:
    """Σ_l mean (μ_lc(real) − μ_lc(synthetic))² + β · cross-entropy of real features to the synthetic class means.

    Its value, and its gradient for the inputs; `real` are the real rows of each class.
    """
    with torch.no_grad():
        for parameter, value in zip(module.parameters(), weights, strict=True):
            parameter.copy_(value)
    inputs = inputs.detach().clone().requires_grad_()
    ours, theirs = layers(module, inputs), layers(module, torch.cat(list(real)))
    of_real = torch.arange(len(real)).repeat_interleave(torch.tensor([len(rows) for rows in real]))

    def means(layer: Tensor, owners: Tensor) -> Tensor:
        return torch.stack([layer[owners == label].flatten(1).mean(0) for label in range(len(real))])

    total = inputs.new_zeros(())
    for mine, other in zip(ours, theirs, strict=True):
        total = total + (means(mine, labels) - means(other, of_real)).square().mean()
    total = total + BETA * F.cross_entropy(theirs[-1] @ means(ours[-1], labels).T, of_real)
    (found,) = torch.autograd.grad(total, inputs)
    return float(total.detach()), found
