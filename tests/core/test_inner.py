"""The inner optimisers take the steps that torch's own take."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.core.cases import OPTIMIZER_CASES, randn
from textdistill.core.inner import SGD, Adam, InnerOptimizer

PAIRS: dict[str, tuple[InnerOptimizer, Callable[[list[Tensor]], torch.optim.Optimizer]]] = {
    "sgd": (SGD(), lambda p: torch.optim.SGD(p, lr=0.1)),
    "momentum": (SGD(momentum=0.9), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
    "decay": (
        SGD(momentum=0.5, weight_decay=0.2),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.5, weight_decay=0.2),
    ),
    # ε stands under the root here and behind it there: the same while it is small beside the gradient
    "adam": (Adam(eps=1e-9), lambda p: torch.optim.Adam(p, lr=0.1, eps=1e-9)),
    "adam betas": (
        Adam(beta1=0.5, beta2=0.9, eps=1e-9),
        lambda p: torch.optim.Adam(p, lr=0.1, betas=(0.5, 0.9), eps=1e-9),
    ),
    "adamw": (Adam(eps=1e-9, weight_decay=0.3), lambda p: torch.optim.AdamW(p, lr=0.1, eps=1e-9, weight_decay=0.3)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_the_steps_are_torchs(name: str) -> None:
    ours, make = PAIRS[name]
    theirs = [randn(3, 2, seed=1).requires_grad_(), randn(4, seed=2).requires_grad_()]
    params = [p.detach().clone() for p in theirs]
    optimizer, state = make(theirs), ours.init(params)
    for step in range(5):
        grads = [randn(*p.shape, seed=10 * step + i) for i, p in enumerate(params)]
        for p, g in zip(theirs, grads, strict=True):
            p.grad = g.clone()
        optimizer.step()
        params, state = ours.update(params, grads, state, torch.tensor(0.1, dtype=torch.float64))
        for own, other in zip(params, theirs, strict=True):
            torch.testing.assert_close(own, other.detach(), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("case", OPTIMIZER_CASES)
def test_an_update_changes_nothing_that_it_was_given(case: str) -> None:
    optimizer = OPTIMIZER_CASES[case]
    params, grads = [randn(3)], [randn(3, seed=1)]
    state = optimizer.init(params)
    before = [value.clone() for value in (*params, *grads, *state)]
    new, remembered = optimizer.update(params, grads, state, torch.tensor(0.1, dtype=torch.float64))
    assert all(torch.equal(a, b) for a, b in zip(before, (*params, *grads, *state), strict=True))
    assert len(remembered) == len(state)
    assert not torch.equal(new[0], params[0])


def test_adam_has_a_derivative_where_a_gradient_is_zero() -> None:
    gradient = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    params = [torch.ones(2, dtype=torch.float64)]
    (new,), _ = Adam().update(params, [gradient], Adam().init(params), torch.tensor(0.1, dtype=torch.float64))
    (slope,) = torch.autograd.grad(new.sum(), gradient)
    assert slope.isfinite().all()


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_step_of_descent_differentiates_for_weights_gradient_and_rate_again_and_again(momentum: float) -> None:
    optimizer = SGD(momentum=momentum)
    shapes = [(2, 3), (4,)]
    values = [randn(*shape, seed=i).requires_grad_() for i, shape in enumerate(shapes * 2)]
    rate = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)

    def step(lr: Tensor, *given: Tensor) -> tuple[Tensor, ...]:
        return tuple(optimizer.update(given[:2], given[2:], optimizer.init(given[:2]), lr)[0])

    assert torch.autograd.gradcheck(step, (rate, *values))
    assert torch.autograd.gradgradcheck(step, (rate, *values))
