"""ConvNet's passes without autograd against ConvNet itself: values, and the gradients of weights and of images."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from tests.core.cases import generator, randn
from textdistill.core.batch import Batch
from textdistill.core.learner import Learner, Params
from textdistill.learners.convnet import ConvNet, ConvNetSettings
from textdistill.learners.first_order_blocks import FirstOrderBlocks

CLASSES = 4
# width, depth, padding, shape of an image
CASES = {
    "grey": (5, 3, 1, (1, 12, 12)),
    "colours, odd sides": (3, 3, 1, (3, 13, 15)),
    "padded to a larger image": (4, 2, 3, (2, 7, 6)),
    "one block": (3, 1, 1, (1, 5, 4)),
}


def made(case: str) -> tuple[Learner, Params, FirstOrderBlocks, Batch]:
    """A network all of whose weights are random, gains and biases too, and a batch with soft labels and weights."""
    width, depth, padding, shape = CASES[case]
    learner = Learner(ConvNet(ConvNetSettings(width, depth, padding=padding), shape, CLASSES), CLASSES)
    learner.to("cpu", torch.float64)
    rng = generator(0)
    params = {
        name: value + 0.4 * torch.randn(value.shape, generator=rng, dtype=value.dtype)
        for name, value in learner.init(rng).items()
    }
    batch = Batch(randn(6, *shape, seed=1), randn(6, CLASSES, seed=2), randn(6, seed=3).softmax(0))
    blocks = learner.module.first_order
    assert isinstance(blocks, FirstOrderBlocks)
    return learner, params, blocks, batch


@pytest.mark.parametrize("case", CASES)
def test_the_activations_are_the_networks(case: str) -> None:
    learner, params, blocks, batch = made(case)
    found = blocks.activations(params, batch.inputs, torch.float64)
    wanted = learner.activations(params, batch)
    assert [layer.shape for layer in found] == [layer.shape for layer in wanted]
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("case", CASES)
def test_the_weights_gradient_is_autograds(case: str) -> None:
    learner, params, blocks, batch = made(case)
    assert batch.weights is not None
    leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
    wanted = dict(zip(leaves, torch.autograd.grad(learner.loss(leaves, batch), list(leaves.values())), strict=True))
    for names in (list(params), ["linear_bias"], [f"conv{CASES[case][1]}_weight", "linear_weight"]):
        found = blocks.gradient(params, batch.inputs, batch.targets, batch.weights, names, torch.float64)
        assert list(found) == names
        for name in names:
            torch.testing.assert_close(found[name], wanted[name], rtol=1e-8, atol=1e-11)
    assert all(wanted[name].abs().max() > 1e-3 for name in params if not name.startswith("conv") or "weight" in name)


@pytest.mark.parametrize("layers", [[-2], [0], [-1], [0, 1, 2]])
@pytest.mark.parametrize("case", CASES)
def test_the_images_gradient_is_autograds(case: str, layers: Sequence[int]) -> None:
    learner, params, blocks, batch = made(case)
    images = batch.inputs.requires_grad_()

    def slope(shown: list[Tensor]) -> Tensor:
        total = torch.stack([(shown[at] * randn(*shown[at].shape, seed=at + 9)).sum() for at in layers]).sum()
        return torch.autograd.grad(total, images)[0]

    found, wanted = slope(blocks.activations(params, images, torch.float64)), slope(learner.activations(params, batch))
    assert wanted.abs().max() > 1e-3
    torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize(("norm", "pooling", "prepend"), [("layer", "avg", False), ("instance", "max", False)])
def test_other_norms_and_poolings_have_only_autograd(norm: str, pooling: str, prepend: bool) -> None:
    settings = ConvNetSettings(4, 2, norm=norm, pooling=pooling, prepend=prepend)  # type: ignore[arg-type]
    assert ConvNet(settings, (1, 8, 8), CLASSES).first_order is None
