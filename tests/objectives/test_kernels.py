"""Kernels: what very wide networks do, with derivatives that hold where inputs coincide."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from sklearn.metrics.pairwise import rbf_kernel
from torch import Tensor

from tests.core.cases import KERNEL_CASES, generator, learner_of, randn
from tests.objectives import wide
from textdistill.core.batch import Batch
from textdistill.core.errors import RecipeError
from textdistill.objectives.kernels import NNGP, NTK, RBF, ConvNTK, Feature, Kernel, TextConvNTK

LENGTH, DIMENSION, IMAGE = 5, 3, (2, 4, 3)
LEARNER = learner_of("mlp")
VARIANCES: dict[str, Any] = {"weight_variance": wide.W, "bias_variance": wide.B}
LENGTHS = [5, 3, 1, 4]
MASK = torch.arange(LENGTH) < torch.tensor(LENGTHS)[:, None]


def made(case: str) -> Kernel:
    """The kernel of a case, with a network where it needs one and γ as a number."""
    kernel = KERNEL_CASES[case]
    return kernel.prepare(randn(4, LENGTH, DIMENSION, seed=9), LEARNER, LEARNER.init(generator()))


def kinds(case: str) -> list[str]:
    """The kinds that the case can be asked with: a network made for words takes words."""
    return ["words"] if KERNEL_CASES[case].uses_learner else sorted(KERNEL_CASES[case].takes)


EACH = [(case, kind) for case in KERNEL_CASES for kind in kinds(case)]


def rows(kind: str, count: int = 3, seed: int = 0) -> Tensor:
    return randn(count, *({"words": (LENGTH, DIMENSION), "pixels": IMAGE}[kind]), seed=seed)


def close(found: Tensor, wanted: Tensor, share: float) -> bool:
    """Every entry within that share of the largest."""
    return bool((found - wanted).abs().max() < share * wanted.abs().max())


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_fully_connected_kernels_are_those_of_a_very_wide_net(depth: int) -> None:
    x = randn(5, 7)
    tangent, covariance = wide.empirical(wide.fully_connected, wide.fully_connected_shapes(7, 1500, depth), x)
    pixels = x.view(5, 1, 1, 7)
    assert close(tangent, NTK(depth, **VARIANCES)(pixels, pixels), 0.05)
    assert close(covariance, NNGP(depth, **VARIANCES)(pixels, pixels), 0.05)


@pytest.mark.parametrize(
    ("settings", "pools", "features"),
    [
        ({"depth": 1}, [True], 1),
        ({"depth": 1, "head": "flatten"}, [True], 4),
        ({"depth": 2}, [True, True], 1),
        ({"depth": 1, "prepend": True}, [False, True], 1),
        ({"depth": 2, "pool": False, "head": "flatten"}, [False, False], 20),
    ],
)
def test_the_convolutional_kernel_is_that_of_a_very_wide_net(
    settings: dict[str, Any], pools: list[bool], features: int
) -> None:
    x = randn(4, 2, 4, 5)  # an odd width: what pooling leaves out is left out here
    width = 700 if len(pools) > 1 else 3000
    head = settings.get("head", "average")
    shapes = wide.convolutional_shapes(2, width, len(pools), width * features)
    tangent, covariance = wide.empirical(wide.convolutional(pools, head), shapes, x, nets=3)
    assert close(tangent, ConvNTK(**settings, **VARIANCES)(x, x), 0.06)
    assert close(covariance, ConvNTK(kind="nngp", **settings, **VARIANCES)(x, x), 0.06)


class EveryPair(ConvNTK):
    """The same kernel by the covariances of all pixels with all."""

    _own_places = False


@pytest.mark.parametrize("kind", ["ntk", "nngp"])
@pytest.mark.parametrize(("depth", "prepend"), [(0, False), (1, False), (2, True)])
def test_without_pooling_the_same_places_are_enough(kind: Any, depth: int, prepend: bool) -> None:
    settings: dict[str, Any] = {"depth": depth, "prepend": prepend, "pool": False, "head": "flatten", "kind": kind}
    x, y, adjoint = rows("pixels").requires_grad_(), rows("pixels", 4, seed=1), randn(3, 4, seed=2)
    found, wanted = ConvNTK(**settings)(x, y), EveryPair(**settings)(x, y)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-13)
    gradients = [torch.autograd.grad(values, x, adjoint)[0] for values in (found, wanted)]
    torch.testing.assert_close(*gradients, rtol=1e-11, atol=1e-12)


def test_without_pooling_the_cost_is_linear_in_pixels() -> None:
    kernel = ConvNTK(depth=2, pool=False, head="flatten")
    assert kernel.floats((3, 8, 8), (3, 8, 8)) == 4 * kernel.floats((3, 4, 4), (3, 4, 4))


@pytest.mark.parametrize(("reach", "depth"), [(3, 1), (2, 1), (1, 1), (3, 2), (7, 2)])
def test_the_text_kernel_is_that_of_a_very_wide_net(reach: int, depth: int) -> None:
    x = randn(4, LENGTH, DIMENSION)
    width = 1200 if depth > 1 else 4000
    shapes = wide.text_convolutional_shapes(DIMENSION, width, depth, reach)
    tangent, covariance = wide.empirical(wide.text_convolutional(reach, LENGTHS), shapes, x, nets=3)
    settings: dict[str, Any] = {"width": reach, "depth": depth, **VARIANCES}
    assert close(tangent, TextConvNTK(**settings)(x, x, MASK, MASK), 0.06)
    assert close(covariance, TextConvNTK(kind="nngp", **settings)(x, x, MASK, MASK), 0.06)


def test_the_gaussian_kernel_is_scikit_learns() -> None:
    x, y = rows("pixels"), rows("pixels", 4, seed=1)
    wanted = torch.from_numpy(rbf_kernel(x.flatten(1).numpy(), y.flatten(1).numpy(), gamma=0.2))
    torch.testing.assert_close(RBF(0.2)(x, y), wanted)


def test_the_median_is_that_of_the_support_and_no_variable() -> None:
    x, y = rows("pixels"), rows("pixels", 4, seed=1)
    distances = torch.pdist(y.flatten(1)).square()
    assert RBF().prepare(y, None, None).gamma == pytest.approx(1 / float(distances.median()))
    torch.testing.assert_close(RBF()(x, y), RBF().prepare(y, None, None)(x, y))
    assert RBF().prepare(y[:1], None, None) == RBF(1.0)
    assert RBF().prepare(y[:1].repeat(3, 1, 1, 1), None, None) == RBF(1.0)


def test_the_feature_kernel_is_the_inner_product_of_features() -> None:
    x, y, params = rows("words"), rows("words", 4, seed=1), LEARNER.init(generator())
    left, right = (LEARNER.activations(params, Batch(one, torch.zeros(len(one), 3)))[-2] for one in (x, y))
    found = Feature(bias=0.5).prepare(y, LEARNER, params)(x, y)
    torch.testing.assert_close(found, left @ right.T / left.shape[1] + 0.5)


@pytest.mark.parametrize(("case", "kind"), EACH)
def test_derivatives_hold_in_both_arguments(case: str, kind: str) -> None:
    kernel = made(case)
    x, y = rows(kind, 2).requires_grad_(), rows(kind, 2, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(kernel, (x, y))


@pytest.mark.parametrize(("case", "kind"), EACH)
def test_derivatives_hold_where_both_arguments_are_one(case: str, kind: str) -> None:
    kernel, x = made(case), rows(kind).requires_grad_()
    # off the diagonal there is no cusp, and on it its two sides cancel
    assert torch.autograd.gradcheck(lambda one: kernel(one, one), (x,))


@pytest.mark.parametrize(("case", "kind"), EACH)
def test_opposite_equal_and_empty_rows_have_finite_derivatives(case: str, kind: str) -> None:
    x = rows(kind, 2)
    x = torch.cat([x, -x, 3 * x[:1], torch.zeros_like(x[:1])]).requires_grad_()
    (gradient,) = torch.autograd.grad(made(case)(x, x).sum(), x)
    assert gradient.isfinite().all()


@pytest.mark.parametrize(("case", "kind"), EACH)
def test_a_kernel_is_symmetric_and_has_no_negative_eigenvalue(case: str, kind: str) -> None:
    x = rows(kind, 8)
    values = made(case)(x, x)
    assert values.dtype == torch.float64
    torch.testing.assert_close(values, values.T, rtol=1e-12, atol=1e-12)
    assert torch.linalg.eigvalsh(values).min() > -1e-12 * values.trace()


@pytest.mark.parametrize("case", [case for case, kernel in KERNEL_CASES.items() if "words" in kernel.takes])
def test_padding_changes_nothing(case: str) -> None:
    kernel, x, y = made(case), rows("words", 4), rows("words", 2, seed=1)
    masked = kernel(x, y, MASK)
    for row, length in enumerate(LENGTHS):
        torch.testing.assert_close(masked[row : row + 1], kernel(x[row : row + 1, :length], y))
    torch.testing.assert_close(kernel(y, x, None, MASK), masked.T)


@pytest.mark.parametrize("case", ["ntk", "nngp", "rbf"])
def test_flat_kernels_see_the_average_of_the_words(case: str) -> None:
    kernel, x, y = made(case), rows("words"), rows("words", seed=1)
    as_pixels = [one.mean(1)[:, None, None] for one in (x, y)]
    torch.testing.assert_close(kernel(x, y), kernel(*as_pixels))


@pytest.mark.parametrize(
    ("kernel", "x", "message"),
    [
        (ConvNTK(), rows("words"), r"ConvNTK takes pixels, and the inputs are words of shape \(5, 3\)"),
        (TextConvNTK(), rows("pixels"), "TextConvNTK takes words, and the inputs are pixels"),
        (ConvNTK(depth=3), randn(2, 1, 6, 9), r"3 blocks .* need images of 8 pixels .* \(6, 9\); at most 2 fit"),
        (Feature(), rows("words"), "needs a network's weights"),
    ],
)
def test_what_a_kernel_cannot_take_is_refused(kernel: Kernel, x: Tensor, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        kernel(x, x)


def test_more_layers_than_pooling_allows_can_go_without_pooling() -> None:
    x = randn(2, 1, 3, 3)
    assert ConvNTK(depth=3, pool=False)(x, x).isfinite().all()


def test_other_variances_are_another_kernel() -> None:
    x = rows("pixels")
    for kernel in (NTK(), NNGP(), ConvNTK(depth=1)):
        assert not torch.allclose(kernel(x, x), replace(kernel, bias_variance=0.5)(x, x))
