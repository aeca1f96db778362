"""Kernels in blocks: cut to a budget of memory, the same in value and derivative but for rounding."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.core.cases import KERNEL_CASES, generator, learner_of, randn
from textdistill.objectives.kernels import NTK, ConvNTK, Kernel
from textdistill.objectives.kernels.blocks import Blocks, Inputs

LEARNER = learner_of("mlp")
MASK = torch.arange(5) < torch.tensor([5, 3, 1, 4, 2, 5, 5])[:, None]
BUDGETS = (1e-9, 1e-3, 512.0)  # one pair, some pairs, all at once


def sides(kernel: Kernel) -> tuple[Inputs, Inputs]:
    """Seven rows against three, of a kind that the kernel takes."""
    shape = (5, 3) if "words" in kernel.takes else (2, 4, 4)
    left = Inputs(randn(7, *shape), MASK if "words" in kernel.takes else None)
    return left, Inputs(randn(3, *shape, seed=1).requires_grad_())


def kernel_of(case: str) -> Kernel:
    return KERNEL_CASES[case].prepare(randn(3, 5, 3), LEARNER, LEARNER.init(generator()))


def whole(kernel: Kernel, left: Inputs, right: Inputs, adjoint: Tensor) -> tuple[Tensor, Tensor]:
    values = kernel(left.inputs, right.inputs, left.mask, right.mask)
    return values.detach(), torch.autograd.grad(values, right.inputs, adjoint)[0]


@pytest.mark.parametrize("case", KERNEL_CASES)
@pytest.mark.parametrize("budget", BUDGETS)
def test_cutting_changes_neither_value_nor_derivative(case: str, budget: float) -> None:
    kernel, adjoint = kernel_of(case), randn(7, 3, seed=2)
    left, right = sides(kernel)
    blocks = Blocks(kernel, budget)
    values, gradient = whole(kernel, left, right, adjoint)
    torch.testing.assert_close(blocks.values(left, right), values, rtol=1e-12, atol=1e-13)
    found = [
        *blocks.pullback(left, right, adjoint, [right.inputs]),
        *blocks.stream(left, right, [right.inputs], lambda rows, _: adjoint[rows]),
    ]
    for one in found:
        torch.testing.assert_close(one, gradient, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("wanted", [True, False])
def test_the_stream_shows_every_row_of_the_kernel_once(budget: float, wanted: bool) -> None:
    left, right = sides(NTK())
    seen: list[tuple[slice, Tensor]] = []

    def look(rows: slice, values: Tensor) -> Tensor:
        assert not values.requires_grad
        seen.append((rows, values))
        return torch.ones_like(values)

    Blocks(NTK(), budget).stream(left, right, [right.inputs] if wanted else [], look)
    assert [row for rows, _ in seen for row in range(rows.start, rows.stop)] == list(range(7))
    torch.testing.assert_close(torch.cat([values for _, values in seen]), Blocks(NTK()).values(left, right))


def test_rows_that_stand_on_both_sides_send_back_both_ways() -> None:
    x, adjoint = randn(4, 5, 3).requires_grad_(), randn(4, 4, seed=2)
    (wanted,) = torch.autograd.grad(NTK()(x, x), x, adjoint)
    (found,) = Blocks(NTK(), 1e-4).pullback(Inputs(x), Inputs(x), adjoint, [x])
    torch.testing.assert_close(found, wanted)
    halves = [
        Blocks(NTK()).pullback(Inputs(x).part(part), Inputs(x), adjoint[part], [x])[0]
        for part in (slice(0, 1), slice(1, 4))
    ]
    torch.testing.assert_close(halves[0] + halves[1], wanted)


@pytest.mark.parametrize(("mib", "rows", "columns"), [(1e-9, 1, 1), (0.5, 1, 7), (4.0, 5, 10), (1000.0, 11, 10)])
def test_a_block_keeps_to_its_budget(mib: float, rows: int, columns: int) -> None:
    kernel, left, right = ConvNTK(depth=1), Inputs(randn(40, 1, 5, 6)), Inputs(randn(10, 1, 5, 6))
    each = kernel.floats((1, 5, 6), (1, 5, 6))
    assert each == 10 * 30**2
    found = Blocks(kernel, mib).cut(left, right)
    assert found == (rows, columns)
    assert found == (1, 1) or found[0] * found[1] * each * 8 <= mib * 2**20


def test_a_block_is_no_larger_than_a_cache_where_rows_can_be_cut_further() -> None:
    left, right = Inputs(randn(1000, 1, 2, 2)), Inputs(randn(100, 1, 2, 2))
    assert Blocks(NTK(), 4096.0).cut(left, right) == (2**20 // (12 * 100), 100)


def test_without_a_derivative_rows_that_are_too_long_for_a_cache_become_squares() -> None:
    kernel = ConvNTK(depth=3, pool=False, head="flatten")  # 6 x 60 pixels
    left, right = Inputs(randn(12, 1, 6, 60)), Inputs(randn(100, 1, 6, 60, seed=1))
    blocks, shapes = Blocks(kernel), []

    class Seen(ConvNTK):
        def __call__(self, x: Tensor, y: Tensor, *masks: Tensor | None) -> Tensor:
            shapes.append((len(x), len(y)))
            return super().__call__(x, y, *masks)

    found = Blocks(Seen(depth=3, pool=False, head="flatten")).values(left, right)
    assert blocks.cut(left, right) == (1, 100)
    assert max(shapes) == (12, 13)
    assert 13 * 13 * kernel.floats((1, 6, 60), (1, 6, 60)) <= 2 * 2**20
    torch.testing.assert_close(found, kernel(left.inputs, right.inputs), rtol=1e-12, atol=1e-13)
