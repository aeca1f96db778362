"""Kernels of flat inputs: fully-connected ReLU nets of infinite width, and the Gaussian one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from textdistill.core.bounds import Doc, Natural
from textdistill.core.learner import Learner, Params
from textdistill.objectives.kernels.base import Analytic, flat
from textdistill.objectives.kernels.relu import through_relu


@dataclass(frozen=True)
class NNGP(Analytic):
    """The covariance of a random fully-connected ReLU net of infinite width, as a prior over its outputs.

    In the NTK's parametrisation z = σ_w/√n W h + σ_b b:
    K⁰ = σ_w²/d ⟨x, y⟩ + σ_b² and Kˡ⁺¹ = σ_w² E[φφ'] + σ_b². An image is the vector of its pixels, a sentence the
    average of its word vectors.
    """

    depth: Annotated[Natural, Doc("hidden layers; none is a linear model")] = 1
    weight_variance: Annotated[float, Doc("σ_w²")] = 2.0
    bias_variance: Annotated[float, Doc("σ_b²")] = 0.01

    name: ClassVar[str] = "nngp"

    def prepare(self, support: Tensor, learner: Learner | None, params: Params | None) -> NNGP:
        """As it is."""
        return self

    def floats(self, x_shape: Sequence[int], y_shape: Sequence[int]) -> int:
        """Three to six for a layer."""
        return 4 + 8 * self.depth

    def __call__(
        self, x: Tensor, y: Tensor, x_mask: Tensor | None = None, y_mask: Tensor | None = None
    ) -> Float[Tensor, "n m"]:
        """K of every pair."""
        return self._both(x, y, x_mask, y_mask, tangent=False)[0]

    def _both(
        self, x: Tensor, y: Tensor, x_mask: Tensor | None, y_mask: Tensor | None, tangent: bool
    ) -> tuple[Tensor, Tensor | None]:
        self.check(x, y)
        w, b = self.weight_variance, self.bias_variance
        x, y = flat(x, x_mask), flat(y, y_mask)
        scale = w / x.shape[1]
        cov = x @ (y.T * scale) + b
        left, right = (torch.linalg.vecdot(side, side) * scale + b for side in (x, y))
        left, right = left[:, None], right[None, :]
        neural = cov if tangent else None
        for _ in range(self.depth):
            after, turned = through_relu(cov, neural, left, right)
            cov = after * w + b
            neural = None if turned is None else torch.add(cov, turned, alpha=w)
            left, right = (0.5 * w * side + b for side in (left, right))  # E[φ²] = v/2
        return cov, neural


@dataclass(frozen=True)
class NTK(NNGP):
    """The neural tangent kernel of the same net: what training it by gradient descent amounts to.

    Θ⁰ = K⁰ and Θˡ⁺¹ = Kˡ⁺¹ + σ_w² Θˡ E[φ'φ'] (Jacot et al. 2018, Theorem 1).
    """

    name: ClassVar[str] = "ntk"

    def __call__(
        self, x: Tensor, y: Tensor, x_mask: Tensor | None = None, y_mask: Tensor | None = None
    ) -> Float[Tensor, "n m"]:
        """Θ of every pair."""
        cov, neural = self._both(x, y, x_mask, y_mask, tangent=True)
        return cov if neural is None else neural


@dataclass(frozen=True)
class RBF(Analytic):
    """exp(−γ‖x − y‖²) of pixels, or of averaged word vectors.

    With `gamma` "median", γ is 1 over the median squared distance of the support's rows, a constant for derivatives.
    """

    gamma: Annotated[float | Literal["median"], Doc("γ, or 1 over the median squared distance of the set's rows")] = (
        "median"
    )

    name: ClassVar[str] = "rbf"

    def prepare(self, support: Tensor, learner: Learner | None, params: Params | None) -> RBF:
        """With γ as a number."""
        if self.gamma != "median":
            return self
        with torch.no_grad():
            rows = flat(support, None)
            middle = float(torch.pdist(rows).square().median()) if len(rows) > 1 else 0.0
        return replace(self, gamma=1.0 / middle if middle > 0 else 1.0)

    def floats(self, x_shape: Sequence[int], y_shape: Sequence[int]) -> int:
        """Distance and value."""
        return 6

    def __call__(
        self, x: Tensor, y: Tensor, x_mask: Tensor | None = None, y_mask: Tensor | None = None
    ) -> Float[Tensor, "n m"]:
        """The kernel of every pair; "median" is that of `y`."""
        self.check(x, y)
        gamma = self.gamma
        if gamma == "median":
            gamma = self.prepare(y, None, None).gamma
        x, y = flat(x, x_mask), flat(y, y_mask)
        squares = torch.linalg.vecdot(x, x)[:, None] + torch.linalg.vecdot(y, y) - 2.0 * (x @ y.T)
        return torch.exp(-float(gamma) * squares.clamp_min(0.0))
