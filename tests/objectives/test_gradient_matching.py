"""Gradient matching against the plain whole graph: its value and gradient, its classes, weights and transformations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.arithmetic import least_cosine
from tests.core.cases import CLASSES, OBJECTIVE_CASES, Rows, generator, learner_of, real_rows, tensors
from textdistill.core.batch import Batch
from textdistill.core.chain import Chain
from textdistill.core.distill import distill
from textdistill.core.errors import RecipeError
from textdistill.core.inner import SGD
from textdistill.core.learner import Learner
from textdistill.core.outer import Outer
from textdistill.core.schedule import DistilledSet, Draw, Outcome
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.objectives.augment import augment
from textdistill.objectives.distances import DISTANCES
from textdistill.objectives.gradient_matching import GradientMatching, matched_names
from textdistill.objectives.passes import real_gradient

STREAMS = Streams(4).child(0)
NETWORKS = [("text_conv", "words"), ("mlp deep", "words"), ("bi_rnn last", "words"), ("convnet", "pixels")]
ALL = 10**6  # more real rows than there are: the draw is then all of them


class Weighted:
    """A distilled set of one batch that learns inputs, targets and weights, given as they are."""

    learned = frozenset({"inputs", "targets", "weights"})
    length = 1

    def __init__(self, batch: Batch):
        self.batch = batch

    def parameters(self) -> dict[str, Tensor]:
        return {}

    def draw(self, step: int, grad: bool = True) -> Draw:
        return Draw(step, self.batch)

    def pullback(self, gradients: list[tuple[int, dict[str, Tensor]]]) -> None:
        raise NotImplementedError

    def project_(self) -> None:
        raise NotImplementedError

    def export(self, meta: dict[str, Any] | None = None) -> DistilledSet:
        raise NotImplementedError


def weighted(kind: str = "words", rows: int = 5) -> Weighted:
    batch = tensors(1, rows, 1, kind=kind).draw(0, grad=False).batch
    weights = torch.linspace(0.1, 0.4, rows, dtype=torch.float64)
    return Weighted(
        Batch(batch.inputs.clone().requires_grad_(), batch.targets.clone().requires_grad_(), weights.requires_grad_())
    )


def start_of(learner: Learner, seed: int = 3) -> Start:
    """Weights with which no layer of the small networks is dead on noise: a dead one sends no gradient to inputs."""
    return Start(learner.init(generator(seed)))


def whole_graph(objective: GradientMatching, batch: Batch, real: Rows, learner: Learner, start: Start) -> Tensor:
    """The same loss, all classes in one graph, on all real rows, rows picked one by one."""
    params = {name: value.detach().requires_grad_() for name, value in start.params.items()}
    names = matched_names(learner, objective.layers)
    wanted = [params[name] for name in names]
    total = batch.inputs.new_zeros(())
    for label in range(CLASSES):
        mine = [i for i in range(len(batch)) if int(batch.targets[i].argmax()) == label]
        if not mine:
            continue
        theirs = real.batch(torch.nonzero(real.labels == label)[:, 0])
        ours = Batch(torch.stack([batch.inputs[i] for i in mine]), torch.stack([batch.targets[i] for i in mine]))
        share = torch.stack([batch.inputs.new_ones(()) if batch.weights is None else batch.weights[i] for i in mine])
        if objective.augment:
            rngs = [STREAMS.child(label).torch("augment") for _ in range(2)]
            ours = augment(ours, objective.augment, rngs[0])
            theirs = augment(theirs, objective.augment, rngs[1])
        loss = sum(
            (
                s / share.sum() * learner.loss(params, Batch(x[None], y[None]))
                for s, x, y in zip(share, ours.inputs, ours.targets, strict=True)
            ),
            start=total.new_zeros(()),
        )
        g = torch.autograd.grad(loss, wanted, create_graph=True)
        h = torch.autograd.grad(learner.loss(params, theirs), wanted)
        total = total + DISTANCES[objective.distance](g, h)
    return total


@pytest.mark.parametrize(("network", "kind"), NETWORKS)
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("layers", [(), ("last",)])
def test_value_and_gradient_are_those_of_the_plain_whole_graph(
    network: str, kind: str, distance: str, layers: tuple[str, ...]
) -> None:
    learner, real, synthetic = learner_of(network), real_rows(kind=kind), weighted(kind)
    objective = GradientMatching(distance, ALL, layers=layers)
    (outcome,) = objective.evaluate(synthetic, real, learner, [start_of(learner)], STREAMS)
    wanted = whole_graph(objective, synthetic.batch, real, learner, start_of(learner))
    assert outcome.loss == pytest.approx(float(wanted.detach()), rel=1e-9)
    leaves = synthetic.draw(0).leaves()
    ((_, found),) = outcome.gradients
    assert found.keys() == {"inputs", "targets", "weights"}
    for name, gradient in zip(leaves, torch.autograd.grad(wanted, list(leaves.values())), strict=True):
        assert gradient.abs().max() > 1e-6
        torch.testing.assert_close(found[name], gradient, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize(("network", "kind"), [("mlp deep", "words"), ("convnet", "pixels")])
def test_the_gradient_is_that_of_finite_differences(network: str, kind: str) -> None:
    learner, real, synthetic = learner_of(network), real_rows(kind=kind), weighted(kind)
    objective, start = GradientMatching(batch=ALL), start_of(learner)

    def loss(batch: Batch) -> float:
        return objective.evaluate(Weighted(batch), real, learner, [start], STREAMS)[0].loss

    (_, found), *_ = objective.evaluate(synthetic, real, learner, [start], STREAMS)[0].gradients
    for name, leaf in synthetic.draw(0).leaves().items():
        way = torch.randn(leaf.shape, generator=generator(3), dtype=torch.float64)
        ends = [
            loss(replace(synthetic.batch, **{name: (leaf.detach() + step * way).requires_grad_()}))
            for step in (1e-6, -1e-6)
        ]
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(float((found[name] * way).sum()), rel=1e-4)


@pytest.mark.parametrize(("kind", "names"), [("words", ("drop", "noise", "shift")), ("pixels", ("rotate", "color"))])
def test_both_sides_are_transformed_alike(kind: str, names: tuple[str, ...]) -> None:
    learner, real = learner_of("mlp" if kind == "words" else "convnet"), real_rows(kind=kind)
    synthetic, objective = weighted(kind), GradientMatching(batch=ALL, augment=names)
    (outcome,) = objective.evaluate(synthetic, real, learner, [start_of(learner)], STREAMS)
    wanted = whole_graph(objective, synthetic.batch, real, learner, start_of(learner))
    assert outcome.loss == pytest.approx(float(wanted.detach()), rel=1e-9)
    bare = whole_graph(GradientMatching(batch=ALL), synthetic.batch, real, learner, start_of(learner))
    assert outcome.loss != pytest.approx(float(bare.detach()), rel=1e-6)


def test_a_set_that_is_the_real_data_is_no_distance_away_and_transformed_neither() -> None:
    learner, real = learner_of("convnet"), real_rows(kind="pixels")
    same = real.batch(torch.arange(len(real)))
    for names in ((), ("rotate", "cutout", "flip")):
        synthetic = Weighted(replace(same, inputs=same.inputs.clone().requires_grad_()))
        objective = GradientMatching(batch=ALL, distance="euclidean", augment=names)
        assert objective.evaluate(synthetic, real, learner, [start_of(learner)], STREAMS)[0].loss < 1e-20


def test_only_a_weights_share_of_its_class_counts() -> None:
    learner, real, objective = learner_of("mlp"), real_rows(), GradientMatching(batch=ALL)

    def loss(weights: Tensor | None) -> float:
        synthetic = Weighted(replace(weighted().batch, weights=weights))
        return objective.evaluate(synthetic, real, learner, [start_of(learner)], STREAMS)[0].loss

    assert loss(torch.full((5,), 0.2, dtype=torch.float64)) == pytest.approx(loss(None), rel=1e-12)
    some = torch.tensor([0.1, 0.2, 0.3, 0.3, 0.1], dtype=torch.float64)
    assert loss(7 * some) == pytest.approx(loss(some), rel=1e-12)
    assert loss(some) != pytest.approx(loss(None), rel=1e-6)


def test_all_batches_of_the_first_epoch_are_matched_at_once() -> None:
    learner, real, objective = learner_of("mlp"), real_rows(), GradientMatching(batch=ALL)
    synthetic = tensors(steps=2, each=3, epochs=2, learned=("inputs",))
    (outcome,) = objective.evaluate(synthetic, real, learner, [start_of(learner)], STREAMS)
    batches = [synthetic.draw(step, grad=False).batch for step in range(2)]
    whole = Batch(torch.cat([b.inputs for b in batches]), torch.cat([b.targets for b in batches]))
    wanted = whole_graph(objective, whole, real, learner, start_of(learner))
    assert [at for at, _ in outcome.gradients] == [0, 1]
    assert outcome.loss == pytest.approx(float(wanted.detach()), rel=1e-9)


def test_classes_without_samples_or_rows_are_left_out_and_none_at_all_is_refused() -> None:
    learner, real, objective = learner_of("mlp"), real_rows(), GradientMatching(batch=ALL)
    synthetic = weighted(rows=2)  # of the first two classes
    found = objective.evaluate(synthetic, real, learner, [start_of(learner)], STREAMS)[0]
    assert found.loss == pytest.approx(
        float(whole_graph(objective, synthetic.batch, real, learner, start_of(learner)).detach()), rel=1e-9
    )
    real.labels[:] = 2
    with pytest.raises(RecipeError, match="no sample belongs to a class that has real rows"):
        objective.evaluate(synthetic, real, learner, [start_of(learner)], STREAMS)


@pytest.mark.parametrize(("network", "kind"), NETWORKS)
def test_the_real_gradient_in_pieces_is_that_of_the_whole(
    network: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner, real = learner_of(network), real_rows(kind=kind)
    batch, params, names = real.batch(torch.arange(23)), learner.init(generator()), list(learner.names)
    leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
    wanted = torch.autograd.grad(learner.loss(leaves, batch), list(leaves.values()))
    monkeypatch.setattr("textdistill.objectives.passes.PIECE", 1)
    monkeypatch.setattr("textdistill.learners.first_order_blocks.PIECE", 1)
    for found, value in zip(real_gradient(learner, params, batch, names), wanted, strict=True):
        torch.testing.assert_close(found, value, rtol=1e-9, atol=1e-12)
        assert not found.requires_grad


@pytest.mark.parametrize(("network", "kind"), NETWORKS)
def test_in_bfloat16_the_real_gradient_is_close_and_comes_in_the_weights_own_type(network: str, kind: str) -> None:
    learner, real = learner_of(network, torch.float32), real_rows(dtype=torch.float32, kind=kind)
    batch, params = real.batch(torch.arange(40)), learner.init(generator())
    names = [name for name, value in params.items() if value.dim() > 1]
    fine, coarse = (real_gradient(learner, params, batch, names, dtype) for dtype in ("float32", "bfloat16"))
    assert any(not torch.equal(a, b) for a, b in zip(fine, coarse, strict=True))
    for a, b in zip(fine, coarse, strict=True):
        assert b.dtype == torch.float32
        # two numbers a layer forward and two back, and the 9 partial sums of a convolution of 3 × 3
        assert torch.cosine_similarity(a.flatten(), b.flatten(), dim=0) > least_cosine(3 * 2 + 3 * 2 + 9)


@pytest.mark.parametrize(("network", "kind"), [("mlp", "words"), *NETWORKS[0:1], *NETWORKS[2:]])
def test_fifty_steps_lower_its_loss(network: str, kind: str) -> None:
    learner, real = learner_of(network, torch.float32), real_rows(dtype=torch.float32, kind=kind)
    losses: list[float] = []
    distill(
        tensors(1, 6, 1, lr=0.1, learned=("inputs",), labels="hard", dtype=torch.float32, kind=kind),
        GradientMatching(batch=20),
        real,
        learner=learner,
        starts=Chain(learner, Streams(0), matches=100, steps=1),
        outer=Outer(steps=50, lr=0.05, schedule="constant"),
        on_step=lambda step, record: losses.append(record["loss"]),
    )
    assert len(losses) == 50
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])


def test_networks_train_on_transformed_samples_where_it_transforms_them() -> None:
    learner = learner_of("mlp")
    draws, params = [tensors().draw(t, grad=False) for t in range(3)], learner.init(generator())

    def trained(objective: GradientMatching, streams: Streams) -> Tensor:
        return objective.inner(learner, streams).run(params, None, draws)[0]["weight0"]

    objective = GradientMatching(augment=("noise",), optimizer=SGD(momentum=0.5))
    assert torch.equal(trained(objective, STREAMS), trained(objective, STREAMS))
    assert not torch.equal(trained(objective, STREAMS), trained(objective, Streams(4).child(1)))
    assert not torch.equal(trained(objective, STREAMS), trained(replace(objective, augment=()), STREAMS))


def test_layers_are_named_by_how_their_weights_begin() -> None:
    learner = learner_of("mlp deep")
    assert matched_names(learner, ()) == list(learner.names)
    assert matched_names(learner, ("last",)) == ["weight2", "bias2"]
    assert matched_names(learner, ("last", "weight0")) == ["weight0", "weight2", "bias2"]
    learner.module.last_layer = ("weight1", "bias1")  # type: ignore[assignment]
    assert matched_names(learner, ("last",)) == ["weight1", "bias1"]
    with pytest.raises(RecipeError, match=r"objective\.layers: 'weigth1' begins no weight's name.*mean 'weight1'"):
        matched_names(learner, ("weigth1",))


def test_settings_that_cannot_be_are_refused_and_the_kinds_follow_from_the_transformations() -> None:
    with pytest.raises(RecipeError, match=r"objective\.distance: 'layrwise'; allowed: .*mean 'layerwise'"):
        GradientMatching(distance="layrwise")
    with pytest.raises(RecipeError, match=r"objective\.augment: 'drop' is for words; allowed"):
        GradientMatching(augment=("flip", "rotate", "drop"))
    assert GradientMatching().takes == {"words", "pixels", "texts"}
    assert GradientMatching(augment=("flip",)).takes == {"pixels"}


def test_its_outcome_leaves_the_networks_alone() -> None:
    learner = learner_of("mlp")
    found: list[Outcome] = OBJECTIVE_CASES["gradient matching"].evaluate(
        tensors(learned=("inputs",)), real_rows(), learner, [start_of(learner)], STREAMS
    )
    assert found[0].params is None
