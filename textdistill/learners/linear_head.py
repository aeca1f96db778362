"""A linear classifier on fixed features, trained to the minimum of a convex loss: no seed, no steps to choose."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

PENALTY = 1e-3
# What the bias has of the ridge: without a hair of it no label for a class would drive it to minus infinity.
BIAS = 1e-3
STEPS = 300


@dataclass(frozen=True)
class LinearHead:
    """z = Wx + b, with `weight` (c, f) and `bias` (c,)."""

    weight: Float[Tensor, "c f"]
    bias: Float[Tensor, " c"]

    def logits(self, features: Float[Tensor, "n f"]) -> Float[Tensor, "n c"]:
        """The class scores."""
        return features.to(self.weight) @ self.weight.T + self.bias

    def predict(self, features: Float[Tensor, "n f"]) -> Int[Tensor, " n"]:
        """The class with the highest score."""
        return self.logits(features).argmax(1)


def fit_head(
    features: Float[Tensor, "n f"],
    targets: Float[Tensor, "n c"],
    penalty: float = PENALTY,
    weights: Float[Tensor, " n"] | None = None,
) -> LinearHead:
    """The W and b that minimise Σ_i a_i Σ_c y_ic (−log softmax(Wx_i + b)_c) + ½ λ‖W‖² (a_i = 1/n unless `weights`).

    λ is `penalty`. Full-batch L-BFGS in float64 from zero: the same numbers give the same head. Labels that are no
    distributions are taken as they are; the ridge keeps W finite, and b is centred, which moves no prediction.
    """
    x, y = features.detach().cpu().double(), targets.detach().cpu().double()
    share = torch.full((len(x),), 1.0 / len(x), dtype=torch.float64) if weights is None else weights.detach().double()
    weight = torch.zeros(y.shape[1], x.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(y.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias],
        max_iter=STEPS,
        history_size=20,
        tolerance_grad=1e-8,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        rows = -(y * torch.log_softmax(x @ weight.T + bias, dim=1)).sum(1)
        value = (share * rows).sum() + 0.5 * penalty * ((weight**2).sum() + BIAS * (bias**2).sum())
        value.backward()
        return value

    optimizer.step(loss)
    return LinearHead(weight.detach(), (bias - bias.mean()).detach())
