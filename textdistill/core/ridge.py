"""Ridge regression in closed form, differentiable, in float64 whatever comes in."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from textdistill.core.errors import DivergenceError


def ridge(
    features: Float[Tensor, "m f"], targets: Float[Tensor, "m c"], penalty: float | Tensor
) -> Float[Tensor, "f c"]:
    """The W that minimises ‖XW − Y‖² + λ‖W‖², from whichever of two equal systems is the smaller.

    Primal (XᵀX + λI)⁻¹ XᵀY, an f × f system; dual Xᵀ(XXᵀ + λI)⁻¹ Y, m × m. Solved in float64 and returned in the type
    of `features`. Errors: `DivergenceError` when the system is not positive definite.
    """
    x, y = features.double(), targets.double()
    if x.shape[0] < x.shape[1]:
        return (x.T @ kernel_ridge(x @ x.T, y, penalty)).to(features.dtype)
    return _solve(x.T @ x, x.T @ y, penalty).to(features.dtype)


def kernel_ridge(
    kernel: Float[Tensor, "n n"], targets: Float[Tensor, "n c"], penalty: float | Tensor
) -> Float[Tensor, "n c"]:
    """The dual weights (K + λI)⁻¹ Y, in the type of `kernel`: predictions for new rows are K_new times these.

    Errors: `DivergenceError` when K + λI is not positive definite.
    """
    return _solve(kernel.double(), targets.double(), penalty).to(kernel.dtype)


def penalised_factor(matrix: Float[Tensor, "n n"], penalty: float | Tensor) -> Float[Tensor, "n n"]:
    """The lower Cholesky factor of K + λI.

    Errors: `DivergenceError` when it is not positive definite.
    """
    factor: Tensor
    factor, info = torch.linalg.cholesky_ex(matrix + penalty * torch.eye(len(matrix)).to(matrix))
    if int(info):
        raise DivergenceError(
            f"the ridge system of {len(matrix)} rows with penalty {float(penalty):.3g} is not positive definite; "
            "raise the penalty, or lower the learning rate if the values in it have grown without bound"
        )
    return factor


def _solve(matrix: Tensor, right: Tensor, penalty: float | Tensor) -> Tensor:
    solved: Tensor = torch.cholesky_solve(right, penalised_factor(matrix, penalty))
    return solved
