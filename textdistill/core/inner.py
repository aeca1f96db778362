"""The inner optimisers: updates of the weights, differentiable for weights, gradient and learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from textdistill.core.bounds import Doc, NotNegative, Share, by_name

State = list[Tensor]


@runtime_checkable
class InnerOptimizer(Protocol):
    """An update rule. `state` is a flat list of tensors, so that a step can be stored, rebuilt and differentiated."""

    def init(self, params: Sequence[Tensor]) -> State:
        """What is remembered before the first step."""
        ...

    def update(
        self, params: Sequence[Tensor], grads: Sequence[Tensor], state: State, lr: Tensor
    ) -> tuple[list[Tensor], State]:
        """The weights and the memory after one step."""
        ...


@dataclass(frozen=True)
class SGD:
    """θ ← θ − η v with v ← μ v + g (Sucholutsky & Schonlau, Eq. 2, where μ = 0)."""

    momentum: Annotated[Share, Doc("μ, the share of the last step's direction that is kept")] = 0.0
    weight_decay: Annotated[NotNegative, Doc("λ, times the weights, is added to the gradient")] = 0.0

    name: ClassVar[str] = "sgd"

    def init(self, params: Sequence[Tensor]) -> State:
        """Zero velocities, or nothing without momentum."""
        return [torch.zeros_like(p) for p in params] if self.momentum else []

    def update(
        self, params: Sequence[Tensor], grads: Sequence[Tensor], state: State, lr: Tensor
    ) -> tuple[list[Tensor], State]:
        """One step."""
        if self.weight_decay:
            grads = [g + self.weight_decay * p for p, g in zip(params, grads, strict=True)]
        if not self.momentum:
            return _descend(params, grads, lr), []
        velocity = [self.momentum * v + g for v, g in zip(state, grads, strict=True)]
        return _descend(params, velocity, lr), velocity


def _descend(params: Sequence[Tensor], along: Sequence[Tensor], lr: Tensor) -> list[Tensor]:
    """θ − η v, all weights in one node of the graph: on ten small images, autograd's ten cost a seventh of a step."""
    return list(_Descent.apply(lr, *params, *along))


class _Descent(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, lr: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
        params, along = values[: len(values) // 2], values[len(values) // 2 :]
        ctx.save_for_backward(lr, *along)
        return tuple(torch.addcmul(p, lr, v, value=-1) for p, v in zip(params, along, strict=True))

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        """With slopes s: s for θ, −η s for v, −⟨s, v⟩ for η; differentiable again."""
        lr, *along = ctx.saved_tensors
        needs = ctx.needs_input_grad[1 + len(along) :]
        rate = None
        if ctx.needs_input_grad[0]:
            products = [torch.dot(s.flatten(), v.flatten()) for s, v in zip(slopes, along, strict=True)]
            rate = -torch.stack(products).sum().reshape(lr.shape)
        down = -lr
        return rate, *slopes, *(down * s if need else None for s, need in zip(slopes, needs, strict=True))


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma & Ba), with ε² added under the root: √v alone has no derivative where a gradient is zero.

    With `weight_decay` it is AdamW (Loshchilov & Hutter 2019).
    """

    beta1: Annotated[Share, Doc("share of the gradients' running mean that is kept")] = 0.9
    beta2: Annotated[Share, Doc("share of their squares' running mean that is kept")] = 0.999
    eps: Annotated[NotNegative, Doc("ε")] = 1e-6
    weight_decay: Annotated[NotNegative, Doc("λ, decoupled: a step takes η λ θ from the weights as well")] = 0.0

    name: ClassVar[str] = "adam"

    def init(self, params: Sequence[Tensor]) -> State:
        """Zero moments, and the running products β₁ᵗ and β₂ᵗ."""
        ones = [params[0].new_ones(()), params[0].new_ones(())]
        return [torch.zeros_like(p) for p in params] + [torch.zeros_like(p) for p in params] + ones

    def update(
        self, params: Sequence[Tensor], grads: Sequence[Tensor], state: State, lr: Tensor
    ) -> tuple[list[Tensor], State]:
        """One step."""
        n = len(params)
        first = [self.beta1 * m + (1 - self.beta1) * g for m, g in zip(state[:n], grads, strict=True)]
        second = [self.beta2 * v + (1 - self.beta2) * g * g for v, g in zip(state[n : 2 * n], grads, strict=True)]
        power1, power2 = state[-2] * self.beta1, state[-1] * self.beta2
        kept = [p - lr * self.weight_decay * p for p in params] if self.weight_decay else params
        new = [
            p - lr * (m / (1 - power1)) / (v / (1 - power2) + self.eps**2).sqrt()
            for p, m, v in zip(kept, first, second, strict=True)
        ]
        return new, [*first, *second, power1, power2]


INNER_OPTIMIZERS: dict[str, type] = by_name(SGD, Adam)
