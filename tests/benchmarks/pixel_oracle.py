"""The obvious way to take one SLDD outer step: torch's own modules, and one autograd graph for everything.

Nothing of textdistill is in it, so that it can judge textdistill's step, in value and in time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Pictures:
    """One outer step: each of S batches of m images is visited once an epoch, then the loss on real rows is taken."""

    inputs: Tensor  # (S, m, channels, height, width)
    targets: Tensor  # (S, m, c)
    rates: Tensor  # (E, S)
    real_inputs: Tensor  # (b, channels, height, width)
    real_targets: Tensor  # (b, c)
    theta0: Weights  # textdistill's names and shapes


def lenet(channels: int = 1, classes: int = 10, flat: int = 400) -> nn.Sequential:
    """LeNet for images of 28 × 28, its `flat` features named for other sizes."""
    return nn.Sequential(
        *(nn.Conv2d(channels, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(flat, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, classes)),
    )


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """mean_i Σ_c y_ic · (−log softmax(z_i))_c."""
    return -(targets * F.log_softmax(logits, 1)).sum(1).mean()


def sldd_step(pictures: Pictures, module: nn.Module) -> tuple[float, list[Tensor]]:
    """The outer loss after plain gradient descent, and its gradient for inputs, targets and rates."""
    leaves = [value.detach().clone().requires_grad_() for value in (pictures.inputs, pictures.targets, pictures.rates)]
    inputs, targets, rates = leaves
    names = [name for name, _ in module.named_parameters()]
    weights = dict(zip(names, (v.detach().clone().requires_grad_() for v in pictures.theta0.values()), strict=True))

    def loss_of(x: Tensor, y: Tensor) -> Tensor:
        return soft_cross_entropy(torch.func.functional_call(module, weights, (x,)), y)

    for epoch in range(len(rates)):
        for step in range(len(inputs)):
            loss = loss_of(inputs[step], targets[step])
            slopes = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
            weights = {name: w - rates[epoch, step] * g for (name, w), g in zip(weights.items(), slopes, strict=True)}
    loss = loss_of(pictures.real_inputs, pictures.real_targets)
    return float(loss.detach()), list(torch.autograd.grad(loss, leaves))
