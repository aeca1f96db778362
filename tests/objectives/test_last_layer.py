"""The last layer's gradient in closed form is autograd's, and the network is then run forward alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.arithmetic import least_cosine, off
from tests.core.cases import CLASSES, LEARNER_CASES, generator, kind_of, learner_of, randn, real_rows, tensors
from tests.objectives.test_gradient_matching import ALL, STREAMS, Weighted, start_of, weighted, whole_graph
from textdistill.core.batch import Batch
from textdistill.core.learner import Learner, Params
from textdistill.objectives.distances import DISTANCES
from textdistill.objectives.gradient_matching import GradientMatching, matched_names
from textdistill.objectives.last_layer import LastLayer, last_layer


def by_autograd(learner: Learner, params: Params, batch: Batch, names: list[str], graph: bool) -> tuple[Tensor, ...]:
    leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
    return torch.autograd.grad(learner.loss(leaves, batch), [leaves[name] for name in names], create_graph=graph)


@pytest.mark.parametrize("case", LEARNER_CASES)
def test_every_network_here_ends_in_a_linear_layer_and_its_gradient_is_autograds(case: str) -> None:
    learner = learner_of(case)
    params, names = learner.init(generator()), matched_names(learner, ("last",))
    batch = weighted(kind_of(learner)).batch  # soft labels that sum to anything, and weights
    layer = last_layer(learner, params, names, batch)
    assert layer is not None
    found = layer.gradient(learner.activations(params, batch)[-2], batch.targets, batch.weights)
    wanted = by_autograd(learner, params, batch, names, graph=True)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)
    ways = [randn(*one.shape, seed=3) for one in wanted]
    leaves = [leaf for leaf in (batch.inputs, batch.targets, batch.weights) if leaf is not None]
    slopes = [
        torch.autograd.grad(sum((side * way).sum() for side, way in zip(sides, ways, strict=True)), leaves)
        for sides in (found, wanted)
    ]
    for one, other in zip(*slopes, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-10)


def only_weights(rows: int = 7) -> Weighted:
    """Samples of which only the weights are learned: a generator's."""
    batch = weighted(rows=rows).batch
    return Weighted(replace(batch, inputs=batch.inputs.detach(), targets=batch.targets.detach()))


@pytest.mark.parametrize("distance", DISTANCES)
def test_for_the_weights_alone_it_is_the_plain_whole_graph(distance: str) -> None:
    learner, real, synthetic = learner_of("mlp deep"), real_rows(), only_weights()
    objective = GradientMatching(distance, ALL, layers=("last",))
    (outcome,) = objective.evaluate(synthetic, real, learner, [start_of(learner)], STREAMS)
    wanted = whole_graph(objective, synthetic.batch, real, learner, start_of(learner))
    assert outcome.loss == pytest.approx(float(wanted.detach()), rel=1e-10)
    ((_, found),) = outcome.gradients
    (gradient,) = torch.autograd.grad(wanted, list(synthetic.draw(0).leaves().values()))
    assert gradient.abs().max() > 1e-4
    torch.testing.assert_close(found["weights"], gradient, rtol=1e-9, atol=1e-12)


def test_for_the_weights_alone_the_network_is_never_in_a_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, recorded = learner_of("mlp deep"), []
    plain = Learner.activations

    def watched(self: Learner, *given: object) -> list[Tensor]:
        layers = plain(self, *given)  # type: ignore[arg-type]
        recorded.append(layers[-1].requires_grad)
        return layers

    monkeypatch.setattr(Learner, "activations", watched)
    objective = GradientMatching("whole", ALL, layers=("last",))
    objective.evaluate(only_weights(), real_rows(), learner, [start_of(learner)], STREAMS)
    assert recorded
    assert not any(recorded)


def test_it_is_left_to_autograd_where_it_is_not_the_whole_story() -> None:
    learner = learner_of("mlp deep")
    params, batch = learner.init(generator()) | {"bias2": randn(CLASSES)}, tensors().draw(0).batch
    assert last_layer(learner, params, ["weight2", "bias2"], batch) is not None
    assert last_layer(learner, params, list(learner.names), batch) is None
    assert last_layer(learner, params, ["weight1", "bias1"], batch) is None
    assert last_layer(learner, params, ["weight2"], batch) is None  # there is a bias, and it is not matched
    assert last_layer(learner.measured_by("squared"), params, ["weight2", "bias2"], batch) is None

    class Scaled(torch.nn.Module):
        """Logits that are not linear in the last weights' inputs alone."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.empty(CLASSES, 15))

        def forward(self, inputs: Tensor, mask: Tensor | None, drop: torch.Generator | None) -> list[Tensor]:
            features = inputs.flatten(1)
            return [features, features @ self.weight.t() / 3]

        def fans(self, name: str, shape: tuple[int, ...]) -> tuple[int, int]:
            return shape[1], shape[0]

    trusting = learner_of("mlp deep")
    trusting.module.last_layer = ("weight1", "bias1")  # type: ignore[assignment]
    assert last_layer(trusting, params, ["weight1", "bias1"], batch) is not None
    other = Learner(Scaled(), CLASSES).to("cpu", torch.float64)
    assert last_layer(other, other.init(generator()), ["weight"], batch) is None


def test_without_a_bias_there_is_one_gradient() -> None:
    layer = LastLayer(randn(3, 4), None)
    (found,) = layer.gradient(randn(5, 4, seed=1), torch.eye(3, dtype=torch.float64)[[0, 1, 2, 0, 1]], None)
    assert found.shape == (3, 4)


def test_in_bfloat16_both_sides_are_close_and_come_in_the_weights_own_type() -> None:
    learner, real = learner_of("mlp deep", torch.float32), real_rows(dtype=torch.float32)
    batch = only_weights().batch.to("cpu", torch.float32)
    assert batch.weights is not None
    found = []
    for dtype in ("float32", "bfloat16"):
        synthetic = Weighted(replace(batch, weights=batch.weights.detach().requires_grad_()))
        objective = GradientMatching("whole", ALL, layers=("last",), precision=dtype)
        (outcome,) = objective.evaluate(synthetic, real, learner, [start_of(learner)], STREAMS)
        found.append((outcome.loss, outcome.gradients[0][1]["weights"]))
    (fine, slope), (coarse, other) = found
    assert fine != coarse
    layers = 3  # two numbers each: products and activations
    assert coarse == pytest.approx(fine, rel=2 * off(2 * layers))
    assert other.dtype == torch.float32
    assert torch.cosine_similarity(slope, other, dim=0) > least_cosine(2 * 2 * layers)  # both sides are rounded
