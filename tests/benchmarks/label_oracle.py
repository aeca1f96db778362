"""The obvious way to take the outer steps of label distillation: torch's modules and optimisers, autograd for the rest.

Nothing of textdistill is in it, so that it can judge textdistill's step, in value and in time. A network of one life.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.benchmarks.pixel_oracle import Weights, soft_cross_entropy

VIRTUAL_RATE, MODEL_RATE, LABEL_RATE = 0.01, 0.001, 0.001
MIX, PENALTY, SCALE_RATE = 0.01, 1.0, 0.01


class RootAdam(torch.optim.Optimizer):
    """Adam with ε² under the root, where textdistill has it: beside it, dead units would go their own way."""

    def __init__(self, params: Any, lr: float, eps: float = 1e-8):
        super().__init__(params, {"lr": lr, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                m, v, t = state.get("all", (torch.zeros_like(p), torch.zeros_like(p), 0))
                m, v, t = m.lerp(p.grad, 0.1), v.lerp(p.grad * p.grad, 0.001), t + 1
                p.sub_(group["lr"] * (m / (1 - 0.9**t)) / (v / (1 - 0.999**t) + group["eps"] ** 2).sqrt())
                state["all"] = (m, v, t)


@dataclass
class Labels:
    """Base images (S, m, ...), their labels (S, m, c), and a network that trains on them."""

    inputs: Tensor
    targets: Tensor
    module: nn.Sequential
    theta0: Weights  # in the order of the module's own
    losses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.targets = self.targets.clone().requires_grad_()
        with torch.no_grad():
            for parameter, value in zip(self.module.parameters(), self.theta0.values(), strict=True):
                parameter.copy_(value)
        self.scale = torch.ones((), dtype=self.inputs.dtype, requires_grad=True)
        self.weight: Any = 0.0
        groups: list[dict[str, Any]] = [
            {"params": list(self.module.parameters())},
            {"params": [self.scale], "lr": SCALE_RATE},
        ]
        self.model_optimizer = RootAdam(groups, lr=MODEL_RATE)
        self.label_optimizer = torch.optim.Adam([self.targets], lr=LABEL_RATE)

    def _labels_follow(self, loss: Tensor) -> None:
        self.label_optimizer.zero_grad()
        (self.targets.grad,) = torch.autograd.grad(loss, [self.targets])
        self.label_optimizer.step()
        with torch.no_grad():
            self.targets.clamp_(0, 1)
            self.targets.div_(self.targets.sum(-1, keepdim=True))
        self.losses.append(float(loss.detach()))

    def second_order(self, step: int, real: tuple[Tensor, Tensor]) -> None:
        """A virtual step, the real loss after it through one graph, Adam on labels; then Adam on the network."""
        at = step % len(self.inputs)
        weights = dict(self.module.named_parameters())
        loss = soft_cross_entropy(self.module(self.inputs[at]), self.targets[at])
        slopes = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
        moved = {name: w - VIRTUAL_RATE * g for (name, w), g in zip(weights.items(), slopes, strict=True)}
        self._labels_follow(soft_cross_entropy(torch.func.functional_call(self.module, moved, (real[0],)), real[1]))
        self.model_optimizer.zero_grad()
        soft_cross_entropy(self.module(self.inputs[at]), self.targets[at].detach()).backward()
        self.model_optimizer.step()

    def _ridge(self, features: Tensor, targets: Tensor) -> Tensor:
        gram = features @ features.T + PENALTY * torch.eye(len(features), dtype=features.dtype)
        moved: Tensor = (1 - MIX) * self.weight + MIX * features.T @ torch.linalg.inv(gram) @ targets
        return moved

    def ridge(self, step: int, real: tuple[Tensor, Tensor]) -> None:
        """Adam on labels by the real loss of the moved classifier; then it moves itself, and the network."""
        at = step % len(self.inputs)

        def features(inputs: Tensor) -> Tensor:
            return F.pad(self.module[:-1](inputs), (0, 1), value=1.0)

        moved = self._ridge(features(self.inputs[at]), self.targets[at])
        self._labels_follow(soft_cross_entropy(self.scale * (features(real[0]) @ moved), real[1]))
        base, targets = features(self.inputs[at]), self.targets[at].detach()
        self.weight = self._ridge(base.detach(), targets)
        self.model_optimizer.zero_grad()
        soft_cross_entropy(self.scale * (base @ self.weight), targets).backward()
        self.model_optimizer.step()


def run(labels: Labels, kind: str, batches: Sequence[tuple[Tensor, Tensor]]) -> Labels:
    """An outer step on each of the real batches."""
    take = {"second order": labels.second_order, "ridge": labels.ridge}[kind]
    for step, real in enumerate(batches):
        take(step, real)
    return labels
