"""Pooled convolutions as matrix products: the same as torch's layers, with the same choice among equals."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.core.cases import randn
from textdistill.learners.pixel_products import convolved_and_pooled, shifted


def theirs(images: Tensor, weight: Tensor, bias: Tensor, padding: int) -> Tensor:
    return F.max_pool2d(F.relu(F.conv2d(images, weight, bias, padding=padding)), 2)


def ours(images: Tensor, weight: Tensor, bias: Tensor, padding: int) -> Tensor:
    found = convolved_and_pooled(images.permute(1, 2, 3, 0), shifted(weight, bias), weight.shape[2], padding)
    return found.permute(3, 0, 1, 2)


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 10), (9, 11)])
def test_the_same_as_torchs_layers_with_both_derivatives(size: int, padding: int, height: int, width: int) -> None:
    points = [randn(3, 2, height, width), randn(4, 2, size, size, seed=1), randn(4, seed=2)]
    leaves = [point.requires_grad_() for point in points]
    found, wanted = (layer(*leaves, padding) for layer in (ours, theirs))
    torch.testing.assert_close(found, wanted)
    along = randn(*wanted.shape, seed=3).requires_grad_()
    firsts = [torch.autograd.grad(each, leaves, along, create_graph=True) for each in (found, wanted)]
    again = [randn(*point.shape, seed=4 + i) for i, point in enumerate(points)]
    seconds = [torch.autograd.grad(list(first), [*leaves, along], again) for first in firsts]
    for own, other in zip([*firsts[0], *seconds[0]], [*firsts[1], *seconds[1]], strict=True):
        torch.testing.assert_close(own, other)


def test_among_equals_the_first_is_chosen_as_torch_does() -> None:
    """Much of a digit is of one colour; a gradient shared out among equals would be another one."""
    images = torch.zeros(2, 1, 8, 8, dtype=torch.float64)
    images[1, 0, 3:5, 2:6] = 1.0
    weight, bias = randn(3, 1, 3, 3).requires_grad_(), torch.full((3,), 0.5, dtype=torch.float64, requires_grad=True)
    along = randn(2, 3, 4, 4, seed=1)
    for padding in (1,):
        found, wanted = (
            torch.autograd.grad(layer(images, weight, bias, padding), [weight, bias], along) for layer in (ours, theirs)
        )
        for own, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(own, other)


def test_the_derivatives_are_those_of_differences() -> None:
    points = tuple(point.requires_grad_() for point in (randn(2, 1, 6, 6), randn(2, 1, 3, 3, seed=1), randn(2, seed=2)))

    def layer(*values: Tensor) -> Tensor:
        return ours(*values, 1)

    assert torch.autograd.gradcheck(layer, points)
    assert torch.autograd.gradgradcheck(layer, points)
