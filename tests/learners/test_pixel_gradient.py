"""LeNet's gradient, its derivative and the loss of real rows, all by hand: what autograd finds, in float64."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.core.cases import generator, randn
from textdistill.core.batch import Batch
from textdistill.core.learner import Learner, Params
from textdistill.learners import LEARNERS, make_learner, pixel_buffers, pixel_loss
from textdistill.learners.pixel_buffers import Convolution
from textdistill.learners.pixel_products import Plan, overlapped, parts_of, spread, windows

SHAPES = [(1, 28, 28), (2, 8, 8), (3, 9, 12), (1, 32, 33)]


@pytest.fixture(autouse=True)
def nothing_waits() -> Iterator[None]:
    pixel_buffers._waiting.clear()
    yield
    pixel_buffers._waiting.clear()


def small(shape: tuple[int, ...]) -> tuple[Learner, Params]:
    network: Any = LEARNERS["lenet"]
    learner = make_learner(network, network.Settings(filters=(2, 3), hidden=(5, 4)), shape, 3).to("cpu", torch.float64)
    drawn = learner.init(generator(1))
    return learner, {n: (v + 0.1 * randn(*v.shape, seed=i)).requires_grad_() for i, (n, v) in enumerate(drawn.items())}


def batch_of(shape: tuple[int, ...], rows: int = 3, seed: int = 5) -> Batch:
    inputs, targets = randn(rows, *shape, seed=seed), randn(rows, 3, seed=seed + 1)
    weights = randn(rows, seed=seed + 2).abs()
    return Batch(inputs.requires_grad_(), targets.requires_grad_(), weights=weights.requires_grad_())


def leaves(batch: Batch, params: Params) -> list[Tensor]:
    assert batch.weights is not None
    return [batch.inputs, batch.targets, batch.weights, *params.values()]


def close(found: Any, wanted: Any) -> None:
    for own, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(own, other)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_gradient_and_its_derivative_are_autograds(shape: tuple[int, ...]) -> None:
    learner, params = small(shape)
    batch = batch_of(shape)
    found = learner.gradient(params, batch, graph=True)
    wanted = torch.autograd.grad(learner.loss(params, batch), list(params.values()), create_graph=True)
    close(found, wanted)
    along = [randn(*value.shape, seed=20 + i) for i, value in enumerate(found)]
    seconds = [torch.autograd.grad(list(first), leaves(batch, params), along) for first in (found, wanted)]
    close(*seconds)


def test_the_derivative_is_that_of_differences_for_all_that_is_given() -> None:
    learner, params = small((1, 6, 6))
    given = leaves(batch_of((1, 6, 6), rows=2), params)

    def gradient(inputs: Tensor, targets: Tensor, shares: Tensor, *weights: Tensor) -> list[Tensor]:
        named = dict(zip(params, weights, strict=True))
        return learner.gradient(named, Batch(inputs, targets, weights=shares), graph=True)

    assert torch.autograd.gradcheck(lambda *values: tuple(gradient(*values)), given)


def test_labels_alone_have_the_derivative_that_they_have_among_others() -> None:
    """From weights and images that are given, the way back ends at the logits."""
    learner, params = small((1, 8, 8))
    batch = batch_of((1, 8, 8))
    given = {name: value.detach() for name, value in params.items()}
    along = [randn(*value.shape, seed=20 + i) for i, value in enumerate(params.values())]
    alone = learner.gradient(given, replace(batch, inputs=batch.inputs.detach()), graph=True)
    among = learner.gradient(params, batch, graph=True)
    close(*(torch.autograd.grad(slopes, [batch.targets, batch.weights], along) for slopes in (alone, among)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weighed", [True, False])
def test_the_loss_of_real_rows_a_few_at_a_time_is_the_loss(
    shape: tuple[int, ...], weighed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixel_loss, "ROWS", 3)
    learner, params = small(shape)
    batch = batch_of(shape, rows=7)
    batch = Batch(batch.inputs.detach(), batch.targets.detach(), weights=batch.weights if weighed else None)
    found, wanted = learner.loss_once(params, batch), learner.loss(params, batch)
    torch.testing.assert_close(found, wanted)
    close(*(torch.autograd.grad(2.5 * loss, list(params.values())) for loss in (found, wanted)))
    with torch.no_grad():
        torch.testing.assert_close(learner.loss_once(params, batch), wanted)


def test_steps_of_one_graph_keep_to_their_own_memory_and_the_next_graph_takes_it_over() -> None:
    learner, params = small((1, 8, 8))
    batches = [batch_of((1, 8, 8), seed=10 * i) for i in range(3)]
    along = [randn(*value.shape, seed=20 + i) for i, value in enumerate(params.values())]

    def derivatives() -> list[Tensor]:
        slopes = [learner.gradient(params, batch, graph=True) for batch in batches]
        learner.gradient(params, batch_of((1, 8, 8), seed=99))  # whose memory nobody holds
        return [g for b, s in zip(batches, slopes, strict=True) for g in torch.autograd.grad(s, [b.inputs], along)]

    first = derivatives()
    made = {key: len(waiting) for key, waiting in pixel_buffers._waiting.items()}
    again = derivatives()
    assert {key: len(waiting) for key, waiting in pixel_buffers._waiting.items()} == made
    assert sorted(made.values()) == [1, 4]  # one for how things move, one for each step held and one for that not held
    assert all(torch.equal(own, other) for own, other in zip(first, again, strict=True))
    alone = [
        torch.autograd.grad(learner.gradient(params, batch, graph=True), [batch.inputs], along)[0] for batch in batches
    ]
    assert all(torch.equal(own, other) for own, other in zip(first, alone, strict=True))


def test_no_more_memory_waits_than_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixel_buffers, "WAITING", 0)
    learner, params = small((1, 8, 8))
    for seed in range(3):
        learner.gradient(params, batch_of((1, 8, 8), seed=seed))
    assert sum(len(waiting) for waiting in pixel_buffers._waiting.values()) <= 1


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 10), (9, 11)])
def test_the_way_back_from_windows_is_their_adjoint(size: int, padding: int, height: int, width: int) -> None:
    images, weight = randn(2, height, width, 3), randn(4, 2, size, size, seed=1)
    columns = windows(images, size, padding, 0.0)
    slopes = randn(16, columns.shape[1], seed=2)
    kernels = spread(weight, randn(4, seed=3))
    back = overlapped(kernels.t() @ slopes, images.shape, size, padding)
    torch.testing.assert_close((kernels @ columns * slopes).sum(), (images * back).sum())
    layer = Convolution(Plan.of(images.shape, size, padding), 4, images, 0.0)
    layer.enter(images)
    torch.testing.assert_close(layer.columns, columns)
    for _ in range(2):  # the second time in memory that was used
        torch.testing.assert_close(layer.back([(parts_of(kernels, weight.shape), slopes)]), back)
