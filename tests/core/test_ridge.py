"""Ridge regression: two systems, one answer, with derivatives."""

from __future__ import annotations

import pytest
import torch
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge

from tests.core.cases import randn
from textdistill.core.errors import DivergenceError
from textdistill.core.ridge import kernel_ridge, penalised_factor, ridge


def primal(x: torch.Tensor, y: torch.Tensor, penalty: float) -> torch.Tensor:
    return torch.linalg.solve(x.T @ x + penalty * torch.eye(x.shape[1]).double(), x.T @ y)


def dual(x: torch.Tensor, y: torch.Tensor, penalty: float) -> torch.Tensor:
    return x.T @ torch.linalg.solve(x @ x.T + penalty * torch.eye(x.shape[0]).double(), y)


@pytest.mark.parametrize("rows", [4, 6, 9])
def test_primal_and_dual_are_one(rows: int) -> None:
    x, y = randn(rows, 6), randn(rows, 3, seed=1)
    for form in (primal, dual):
        torch.testing.assert_close(ridge(x, y, 0.3), form(x, y, 0.3), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("rows", [4, 9])
def test_primal_and_dual_have_one_gradient(rows: int) -> None:
    x, y, seen = randn(rows, 6).requires_grad_(), randn(rows, 3, seed=1).requires_grad_(), randn(6, 3, seed=2)
    found = torch.autograd.grad((ridge(x, y, 0.3) * seen).sum(), (x, y))
    for form in (primal, dual):
        wanted = torch.autograd.grad((form(x, y, 0.3) * seen).sum(), (x, y))
        torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("rows", [3, 5])
def test_gradients_reach_features_targets_and_penalty(rows: int) -> None:
    penalty = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    leaves = (randn(rows, 4).requires_grad_(), randn(rows, 2, seed=1).requires_grad_(), penalty)
    assert torch.autograd.gradcheck(ridge, leaves)


def test_it_is_the_ridge_of_scikit_learn() -> None:
    x, y = randn(9, 4), randn(9, 2, seed=1)
    wanted = Ridge(alpha=0.7, fit_intercept=False).fit(x.numpy(), y.numpy()).coef_
    torch.testing.assert_close(ridge(x, y, 0.7), torch.from_numpy(wanted).T)
    kernel = x @ x.T
    fitted = KernelRidge(alpha=0.7, kernel="precomputed").fit(kernel.numpy(), y.numpy())
    torch.testing.assert_close(kernel_ridge(kernel, y, 0.7), torch.from_numpy(fitted.dual_coef_))


def test_the_solve_is_in_float64_and_the_answer_in_the_type_that_came() -> None:
    x, y = 1e3 * randn(40, 12, dtype=torch.float32), randn(40, 2, seed=1, dtype=torch.float32)
    x[:, 1] = x[:, 0] * (1 + 1e-4)  # nearly the same column: float32 normal equations would lose it
    found = ridge(x, y, 1e-3)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, primal(x.double(), y.double(), 1e-3).float(), rtol=1e-5, atol=1e-7)


def test_a_system_that_is_not_positive_definite_is_named() -> None:
    with pytest.raises(DivergenceError, match="2 rows with penalty 0.5 is not positive definite; raise the penalty"):
        penalised_factor(-torch.eye(2, dtype=torch.float64), 0.5)
    with pytest.raises(DivergenceError, match="not positive definite"):
        kernel_ridge(torch.full((2, 2), float("nan")).double(), randn(2, 1), 1.0)
