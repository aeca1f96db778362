"""A set held in tensors: draws and pull-backs are autograd's through a plain expression, labels stay what they are."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor

from tests.core.cases import CLASSES, DIMENSION, LENGTH, randn, tensors
from textdistill.core.schedule import Synthetic
from textdistill.synthetic.tensors import (
    LABEL_KINDS,
    PROJECTIONS,
    TensorData,
    inverse_softplus,
    normalise,
    project_simplex,
)


def plain_draw(raw: dict[str, Tensor], labels: str, step: int) -> dict[str, Tensor]:
    """What a set with these numbers shows at a step, as one differentiable expression."""
    epochs, steps = raw["lr"].shape
    step = step % (epochs * steps)
    targets = raw["targets"][step % steps]
    return {
        "inputs": raw["inputs"][step % steps],
        "targets": targets.softmax(-1) if labels == "softmax" else targets,
        "lr": F.softplus(raw["lr"])[step // steps, step % steps],
    }


def shown(synthetic: TensorData, step: int) -> dict[str, Tensor]:
    draw = synthetic.draw(step, grad=False)
    assert draw.lr is not None
    return {"inputs": draw.batch.inputs, "targets": draw.batch.targets, "lr": draw.lr}


@pytest.mark.parametrize("labels", LABEL_KINDS)
def test_draws_and_pull_backs_are_autograds(labels: str) -> None:
    synthetic = tensors(labels=labels)
    raw = {name: value.detach().clone().requires_grad_() for name, value in synthetic._values.items()}
    loss = torch.zeros((), dtype=torch.float64)
    gradients = []
    for step in (0, 1, 2, 3, 5, 1):  # all of both epochs, a step beyond the end, and a step twice
        wanted = plain_draw(raw, labels, step)
        for name, value in shown(synthetic, step).items():
            torch.testing.assert_close(value, wanted[name].detach())
        leaves = synthetic.draw(step).leaves()
        weights = {name: randn(*value.shape, seed=step) for name, value in leaves.items()}
        loss = loss + sum((wanted[name] * weight).sum() for name, weight in weights.items())
        gradients.append((step, weights))
    assert {name for _, found in gradients for name in found} == synthetic.learned
    synthetic.pullback(gradients)
    names = list(synthetic.parameters())
    for name, expected in zip(names, torch.autograd.grad(loss, [raw[name] for name in names]), strict=True):
        torch.testing.assert_close(synthetic.parameters()[name].grad, expected)


def test_pull_backs_add_up() -> None:
    one, two = tensors(), tensors()
    found = {"inputs": randn(3, LENGTH, DIMENSION), "lr": randn()}
    one.pullback([(1, found)])
    one.pullback([(1, found)])
    two.pullback([(1, {name: 2 * value for name, value in found.items()})])
    for name, value in one.parameters().items():
        torch.testing.assert_close(value.grad, two.parameters()[name].grad)


def test_what_no_step_saw_has_a_zero_gradient_and_not_none() -> None:
    synthetic = tensors()
    synthetic.pullback([])
    assert all(value.grad is not None and value.grad.abs().max() == 0 for value in synthetic.parameters().values())


@pytest.mark.parametrize("count", range(4))
def test_leaves_and_parameters_are_what_is_learned(count: int) -> None:
    for learned in combinations(("inputs", "targets", "lr"), count):
        synthetic = tensors(learned=learned)
        assert set(synthetic.parameters()) == set(learned) == synthetic.learned
        assert set(synthetic.draw(0).leaves()) == set(learned)
        assert synthetic.draw(0, grad=False).leaves() == {}


def test_visits_to_a_batch_share_its_leaf_without_a_copy_and_see_it_as_it_is_now() -> None:
    synthetic = tensors(steps=2, epochs=2)
    first, other, again = (synthetic.draw(step) for step in range(3))
    assert first.batch.inputs is again.batch.inputs
    assert first.batch.targets is again.batch.targets
    assert first.batch.inputs is not other.batch.inputs
    assert first.lr is not again.lr  # every visit has its own rate
    assert first.batch.inputs.data_ptr() == synthetic.parameters()["inputs"].data_ptr()
    with torch.no_grad():
        synthetic.parameters()["inputs"].add_(1.0)
    assert torch.equal(first.batch.inputs, synthetic.export().inputs[0])


def test_a_set_moves_with_what_it_shows() -> None:
    synthetic = tensors(learned=("inputs", "lr"))
    assert synthetic.to("meta") is synthetic  # a device without numbers: every machine has it
    draw = synthetic.draw(0)
    assert draw.lr is not None
    assert {value.device.type for value in (draw.batch.inputs, draw.batch.targets, draw.lr)} == {"meta"}
    assert set(draw.leaves()) == {"inputs", "lr"}
    assert {value.device.type for value in synthetic.parameters().values()} == {"meta"}


def test_every_step_of_every_epoch_has_its_own_rate_and_every_step_its_own_batch() -> None:
    synthetic = tensors(steps=2, epochs=3)
    assert synthetic.length == 6
    rates = [float(shown(synthetic, step)["lr"]) for step in range(6)]
    assert rates == pytest.approx([0.30, 0.33, 0.36, 0.39, 0.42, 0.45])
    batches = [shown(synthetic, step)["inputs"] for step in range(8)]
    for step in range(8):
        assert torch.equal(batches[step], batches[step % 2])
    assert not torch.equal(batches[0], batches[1])
    assert float(shown(synthetic, 7)["lr"]) == rates[1]


@pytest.mark.parametrize("labels", LABEL_KINDS)
def test_the_exported_set_is_what_learners_trained_on(labels: str) -> None:
    synthetic = tensors(labels=labels)
    stored = synthetic.export({"note": 1})
    assert stored.meta == {"note": 1}
    assert (stored.samples, stored.length) == (6, 4)
    for step in range(9):
        wanted, draw = shown(synthetic, step), stored.draw(step)
        assert torch.equal(draw.batch.inputs, wanted["inputs"])
        assert torch.equal(draw.batch.targets, wanted["targets"])
        assert draw.lr is not None
        torch.testing.assert_close(draw.lr, wanted["lr"], rtol=0, atol=0)
    pooled = stored.pooled()
    assert torch.equal(pooled.inputs, torch.cat([shown(synthetic, step)["inputs"] for step in (0, 1)]))
    assert len(pooled.targets) == 6


def test_the_exported_set_does_not_move_with_the_one_in_the_making() -> None:
    synthetic = tensors()
    stored = synthetic.export()
    before = {name: value.clone() for name, value in stored.tensors().items()}
    with torch.no_grad():
        for value in synthetic.parameters().values():
            value.add_(1)
    assert all(torch.equal(value, before[name]) for name, value in stored.tensors().items())
    assert not any(value.requires_grad for value in stored.tensors().values())


def test_it_takes_its_own_copy_of_what_it_is_given() -> None:
    inputs, targets = torch.zeros(1, 2, 3, 1), torch.zeros(1, 2, 2)
    synthetic = TensorData(inputs, targets, torch.full((1, 1), 0.1))
    with torch.no_grad():
        for value in synthetic.parameters().values():
            value.fill_(5)
    assert inputs.abs().max() == targets.abs().max() == 0
    assert isinstance(synthetic, Synthetic)


def test_hard_labels_never_move() -> None:
    synthetic = tensors(labels="hard")
    before = synthetic.export().targets
    assert "targets" not in synthetic.parameters()
    assert "targets" not in synthetic.draw(0).leaves()
    optimizer = torch.optim.SGD(list(synthetic.parameters().values()), lr=1.0)
    synthetic.pullback([(0, {"inputs": randn(3, LENGTH, DIMENSION)})])
    optimizer.step()
    synthetic.project_()
    assert torch.equal(synthetic.export().targets, before)


def test_labels_of_a_simplex_are_brought_back_to_it_and_others_are_left_alone() -> None:
    for labels in LABEL_KINDS:
        synthetic = tensors(labels=labels)
        with torch.no_grad():
            synthetic._values["targets"].add_(randn(2, 3, CLASSES))
        before = synthetic._values["targets"].clone()
        synthetic.project_()
        after = synthetic._values["targets"]
        assert torch.equal(after, PROJECTIONS.get(labels, lambda rows: rows)(before))
        if labels in PROJECTIONS:
            torch.testing.assert_close(after.sum(-1), torch.ones(2, 3, dtype=after.dtype))
            assert after.min() >= 0
    for labels in PROJECTIONS:
        fixed = tensors(labels=labels, learned=("inputs",))
        before = fixed.export().targets
        fixed.project_()
        assert torch.equal(fixed.export().targets, before)


def test_an_unknown_kind_of_label_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unrestricted.*softmax.*simplex.*hard.*'soft'"):
        tensors(labels="soft")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_inverse_softplus_comes_back_for_tiny_and_large_rates(dtype: torch.dtype) -> None:
    rates = torch.logspace(-30, 30, 121, dtype=torch.float64).to(dtype)
    tolerance = 4 * torch.finfo(dtype).eps
    raw = inverse_softplus(rates)
    assert raw.isfinite().all()
    # softplus cannot tell numbers this small apart better than exp can: e^raw, with raw to one part in 1/ε
    found = F.softplus(raw)
    torch.testing.assert_close(found, rates, rtol=tolerance * (1 + float(raw.abs().clamp_max(80).max())), atol=0)


ROWS = hnp.arrays(
    "float64",
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=6),
    elements=st.floats(-1e3, 1e3, allow_nan=False),
)


def by_support(row: Tensor) -> Tensor:
    """The nearest point of the simplex, by trying every set of coordinates that may stay positive."""
    best, found = float("inf"), row
    for size in range(1, len(row) + 1):
        for support in combinations(range(len(row)), size):
            kept = list(support)
            point = torch.zeros_like(row)
            point[kept] = row[kept] - (row[kept].sum() - 1) / size
            if point.min() >= 0 and float(((point - row) ** 2).sum()) < best:
                best, found = float(((point - row) ** 2).sum()), point
    return found


@given(ROWS)
def test_the_projection_is_the_nearest_point_of_the_simplex(values: object) -> None:
    rows = torch.as_tensor(values)
    found = project_simplex(rows)
    torch.testing.assert_close(found.sum(-1), torch.ones(len(rows), dtype=torch.float64))
    assert found.min() >= 0
    torch.testing.assert_close(found, torch.stack([by_support(row) for row in rows]), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(project_simplex(found), found)


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ([0.2, 0.3, 0.5], [0.2, 0.3, 0.5]),
        ([1.0, 1.0], [0.5, 0.5]),
        ([5.0, 0.0, 0.0], [1.0, 0.0, 0.0]),
        ([0.0, 0.0, 0.0, 0.0], [0.25] * 4),
        ([0.5, 0.4, -3.0], [0.55, 0.45, 0.0]),
        ([-7.0], [1.0]),
    ],
)
def test_projections_known_by_hand(row: list[float], wanted: list[float]) -> None:
    assert project_simplex(torch.tensor([row], dtype=torch.float64))[0].tolist() == pytest.approx(wanted)


def test_projections_keep_leading_dimensions() -> None:
    rows = randn(2, 3, 4)
    found = project_simplex(rows)
    assert found.shape == rows.shape
    torch.testing.assert_close(found[1, 2], project_simplex(rows[1, 2:3])[0])


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ([0.2, 0.3, 0.5], [0.2, 0.3, 0.5]),
        ([0.2, 0.2, 0.4], [0.25, 0.25, 0.5]),
        ([-3.0, 0.3, 0.9], [0.0, 0.25, 0.75]),
        ([1.5, 1.0, 0.0], [0.5, 0.5, 0.0]),
        ([0.0, -1.0, -2.0], [1 / 3, 1 / 3, 1 / 3]),
        ([1e-40, 0.0, 0.0], [1.0, 0.0, 0.0]),
    ],
)
def test_labels_clamped_and_divided_by_their_sum(row: list[float], wanted: list[float]) -> None:
    found = normalise(torch.tensor([[row]], dtype=torch.float64))
    assert found.shape == (1, 1, 3)
    assert found[0, 0].tolist() == pytest.approx(wanted)
