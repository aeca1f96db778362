"""The obvious way to take one step of gradient matching: torch's own modules, all classes in one autograd graph.

Nothing of textdistill is in it, so that it can judge textdistill's step, in value and in time.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def convnet(width: int, side: int, classes: int, channels: int = 1) -> nn.Sequential:
    """Three blocks of convolution, instance norm, ReLU and average pooling, then a linear layer."""
    layers: list[nn.Module] = []
    for block in range(3):
        layers += [
            nn.Conv2d(width if block else channels, width, 3, padding=1),
            *(nn.GroupNorm(width, width), nn.ReLU(), nn.AvgPool2d(2)),
        ]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * (side // 8) ** 2, classes))


def dc_step(
    module: nn.Module, weights: Sequence[Tensor], inputs: Tensor, labels: Tensor, real: Sequence[Tensor]
) -> tuple[float, Tensor]:
    """Σ_c Σ_layers Σ_rows 1 − cosine, and its gradient for the inputs; `real` are the real rows of each class."""
    names = [name for name, _ in module.named_parameters()]
    leaves = [value.detach().clone().requires_grad_() for value in weights]
    inputs = inputs.detach().clone().requires_grad_()

    def gradient(rows: Tensor, label: int, graph: bool) -> Sequence[Tensor]:
        logits = torch.func.functional_call(module, dict(zip(names, leaves, strict=True)), (rows,))
        loss = F.cross_entropy(logits, torch.full((len(rows),), label))
        return torch.autograd.grad(loss, leaves, create_graph=graph)

    total = inputs.new_zeros(())
    for label, rows in enumerate(real):
        theirs = gradient(rows, label, graph=False)
        ours = gradient(inputs[labels == label], label, graph=True)
        for a, b in zip(ours, theirs, strict=True):
            if a.dim() > 1:
                a, b = a.flatten(1), b.flatten(1)
                total = total + (1 - (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1) + 1e-6)).sum()
    (found,) = torch.autograd.grad(total, inputs)
    return float(total.detach()), found
