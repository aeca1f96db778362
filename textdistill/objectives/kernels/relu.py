"""What a ReLU does to covariances: the arc-cosine kernels, with derivatives that are finite where inputs coincide."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Taken off sin²θ: of parallel inputs it leaves nothing but rounding, and the kernel's cusp there has no derivative.
PARALLEL = 1e-13
# Added to p² where p divides, so that p = 0 gives 0.
TINY = 1e-290


class _ReLU(torch.autograd.Function):
    """(K, Θ, v, v') → (E[φφ'], Θ · E[φ'φ']) for (a, a') ~ N(0, [[v, K], [K, v']]) and φ the ReLU.

    With p = √(vv' − K²) = √(vv') sin θ and κ₀ = (π − θ)/2π = atan2(p, −K)/2π (Cho & Saul 2009, Eqs. 3, 6 and 7):
    E[φφ'] = p/2π + κ₀K and E[φ'φ'] = κ₀. By hand ∂E[φφ']/∂K = κ₀ and ∂κ₀/∂K = 1/2πp; the latter is taken as 0 where
    the inputs are parallel (the kernel has a symmetric cusp there).
    """

    @staticmethod
    def forward(ctx: Any, cov: Tensor, tangent: Tensor | None, left: Tensor, right: Tensor) -> Any:
        ctx.set_materialize_grads(False)
        # Passes over memory are what this costs: buffers are used again, and nothing is masked.
        buffer = left * (1.0 - PARALLEL) * right
        root = torch.addcmul(buffer, cov, cov, value=-1.0).clamp_min_(0.0).sqrt_()
        torch.neg(cov, out=buffer)
        active = torch.atan2(root, buffer, out=buffer).mul_(0.5 / math.pi)
        ctx.save_for_backward(cov, tangent, left, right, root, active)
        return (active * cov).add_(root, alpha=0.5 / math.pi), None if tangent is None else active * tangent

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_cov: Tensor | None, of_tangent: Tensor | None) -> Any:
        cov, tangent, left, right, root, active = ctx.saved_tensors
        to_cov = None if of_cov is None else of_cov * active
        scaled = None if of_cov is None else (of_cov * root).mul_(0.5 / math.pi)
        to_tangent = None
        if tangent is not None and of_tangent is not None:
            to_tangent = of_tangent * active
            bend = (root * root).add_(TINY)
            torch.div(root, bend, out=bend).mul_(of_tangent).mul_(tangent).mul_(0.5 / math.pi)
            scaled = torch.mul(bend, cov).neg_() if scaled is None else scaled.addcmul_(bend, cov, value=-1.0)
            to_cov = bend if to_cov is None else to_cov.add_(bend)
        # ∂/∂v at fixed K: both results depend on v v' through p alone, whence the factor 1/2v.
        sides = [
            scaled.sum_to_size(side.shape) / (2 * side).clamp_min(torch.finfo(side.dtype).tiny)
            if needed and scaled is not None
            else None
            for side, needed in zip((left, right), ctx.needs_input_grad[2:], strict=True)
        ]
        return to_cov, to_tangent, *sides


def through_relu(cov: Tensor, tangent: Tensor | None, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor | None]:
    """Covariance and tangent kernel after a ReLU, from those before it and the variances of the two sides.

    All broadcast against each other; a `tangent` of `None` stays so. A weight variance of σ² is the caller's factor.
    """
    after: tuple[Tensor, Tensor | None] = _ReLU.apply(cov, tangent, left, right)
    return after
