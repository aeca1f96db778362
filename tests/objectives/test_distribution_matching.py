"""Distribution matching against its formula in plain autograd, finite differences and NumPy's covariance."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.arithmetic import least_cosine, off
from tests.core.cases import CLASSES, Rows, generator, learner_of, real_rows, tensors
from tests.stops import Stopped, stop_after
from textdistill.core.batch import Batch
from textdistill.core.distill import Checkpoint, distill
from textdistill.core.errors import RecipeError
from textdistill.core.learner import Learner, Params
from textdistill.core.outer import Outer
from textdistill.core.schedule import DistilledSet, Outcome
from textdistill.core.starts import Fixed, Start
from textdistill.core.streams import Streams
from textdistill.objectives import DistributionMatching
from textdistill.synthetic.tensors import TensorData

STREAMS = Streams(4).child(0)
EVERY = 10**6  # more rows than there are: all of them, whatever the draw


def hard(kind: str = "words", each: int = 6) -> TensorData:
    return tensors(steps=1, each=each, labels="hard", learned=("inputs",), kind=kind)


def outcome_of(
    objective: Any, synthetic: TensorData, learner: Learner, params: Params, real: Rows | None = None
) -> Outcome:
    (outcome,) = objective.evaluate(synthetic, real or real_rows(), learner, [Start(params)], STREAMS)
    return outcome  # type: ignore[no-any-return]


def features(learner: Learner, params: Params, batch: Batch) -> Tensor:
    return learner.activations(params, batch)[-2].flatten(1)


def formula(learner: Learner, params: Params, synthetic: Batch, real: Rows, covariance: float) -> Tensor:
    """The definition, written down class by class."""
    theirs = features(learner, params, real.batch(torch.arange(len(real))))
    ours = features(learner, params, synthetic)
    total = ours.new_zeros(())
    for label in range(CLASSES):
        one, other = ours[synthetic.targets.argmax(1) == label], theirs[real.labels == label]
        total = total + (one.mean(0) - other.mean(0)).square().sum()
        scatter = [torch.cov(rows.t(), correction=0) for rows in (one, other)]
        total = total + covariance * (scatter[0] - scatter[1]).square().sum()
    return total


@pytest.mark.parametrize("covariance", [0.0, 0.7])
@pytest.mark.parametrize(
    ("network", "kind"), [("mlp", "words"), ("text_conv", "words"), ("bi_lstm mean", "words"), ("convnet", "pixels")]
)
def test_value_and_gradient_are_those_of_the_formula(network: str, kind: str, covariance: float) -> None:
    learner, real, synthetic = learner_of(network), real_rows(kind=kind), hard(kind)
    params = learner.init(generator(3))
    outcome = outcome_of(DistributionMatching(EVERY, covariance), synthetic, learner, params, real)
    batch = synthetic.draw(0).batch
    wanted = formula(learner, params, batch, real, covariance)
    (gradient,) = torch.autograd.grad(wanted, batch.inputs)
    assert outcome.loss == pytest.approx(float(wanted.detach()), rel=1e-10)
    torch.testing.assert_close(outcome.gradients[0][1]["inputs"], gradient, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("covariance", [0.0, 0.7])
def test_the_gradient_is_that_of_finite_differences(covariance: float) -> None:
    learner, synthetic = learner_of("bi_lstm mean"), hard()
    params, objective = learner.init(generator(3)), DistributionMatching(5, covariance)
    gradient = outcome_of(objective, synthetic, learner, params).gradients[0][1]["inputs"]
    inputs = synthetic.parameters()["inputs"]
    for place in ((0, 0, 1, 2), (0, 4, 3, 0)):
        values = []
        for step in (1e-5, -2e-5):
            with torch.no_grad():
                inputs[place] += step
            values.append(outcome_of(objective, synthetic, learner, params).loss)
        with torch.no_grad():
            inputs[place] += 1e-5
        assert (values[0] - values[1]) / 2e-5 == pytest.approx(float(gradient[place[1:]]), rel=1e-4, abs=1e-8)


def test_the_covariance_is_numpys() -> None:
    learner, real, synthetic = learner_of("mlp"), real_rows(), hard()
    params = learner.init(generator(3))
    sides = [synthetic.draw(0, grad=False).batch, real.batch(torch.arange(len(real)))]
    scatter = [
        [
            np.cov(features(learner, params, side)[side.targets.argmax(1) == label].numpy().T, bias=True)
            for label in range(CLASSES)
        ]
        for side in sides
    ]
    wanted = sum(float(((one - other) ** 2).sum()) for one, other in zip(*scatter, strict=True))
    with_it, without = (outcome_of(DistributionMatching(EVERY, k), synthetic, learner, params).loss for k in (1.0, 0.0))
    assert with_it - without == pytest.approx(wanted, rel=1e-9)


def test_normalised_it_is_the_mean_over_features() -> None:
    learner, synthetic = learner_of("mlp"), hard()
    params = learner.init(generator(3))
    size = features(learner, params, synthetic.draw(0).batch).shape[1]
    plain, weighed = (outcome_of(DistributionMatching(8, k), synthetic, learner, params).loss for k in (0.0, 1.0))
    wanted = plain / size + (weighed - plain) / size**2
    assert outcome_of(DistributionMatching(8, 1.0, True), synthetic, learner, params).loss == pytest.approx(wanted)


def test_weights_count_within_a_class_and_learn() -> None:
    learner, real = learner_of("mlp"), real_rows()
    params, batch = learner.init(generator(3)), hard().draw(0).batch
    weights = torch.tensor([0.3, 0.1, 0.2, 0.1, 0.1, 0.2], dtype=torch.float64, requires_grad=True)
    rows = {label: real.batch(torch.nonzero(real.labels == label)[:, 0]) for label in range(CLASSES)}
    objective = DistributionMatching(EVERY)
    value = objective.distance(replace(batch, weights=weights), rows, learner, params)
    ours = features(learner, params, batch).detach()
    # two rows to a class, with weights 0.3 and 0.1, 0.1 and 0.1, 0.2 and 0.2
    shares = torch.tensor([[0.75, 0.25], [0.5, 0.5], [0.5, 0.5]], dtype=torch.float64)
    means = [share[0] * ours[label] + share[1] * ours[label + CLASSES] for label, share in enumerate(shares)]
    goals = [features(learner, params, rows[label]).mean(0) for label in range(CLASSES)]
    wanted = float(sum((mean - goal).square().sum() for mean, goal in zip(means, goals, strict=True)))
    assert float(value.detach()) == pytest.approx(wanted, rel=1e-10)
    (gradient,) = torch.autograd.grad(value, weights)
    # it says how to shift weight within a class, and nothing of the weight of the class as a whole
    moved = (gradient * weights.detach()).view(2, CLASSES)
    torch.testing.assert_close(moved.sum(0), torch.zeros(CLASSES, dtype=torch.float64), atol=1e-12, rtol=0)
    assert moved.abs().min() > 1e-6
    alike = objective.distance(
        replace(batch, weights=torch.full((6,), 1 / 6, dtype=torch.float64)), rows, learner, params
    )
    torch.testing.assert_close(alike, objective.distance(batch, rows, learner, params))


def test_the_whole_set_is_matched_whatever_its_steps_and_epochs() -> None:
    learner = learner_of("mlp")
    params, objective = learner.init(generator(3)), DistributionMatching(EVERY)
    whole = hard()
    inputs = whole.parameters()["inputs"].detach()
    targets = whole.draw(0).batch.targets
    parts = TensorData(
        inputs.view(2, 3, *inputs.shape[2:]),
        targets.view(2, 3, -1),
        torch.full((4, 2), 0.1, dtype=torch.float64),
        learned=frozenset({"inputs"}),
    )
    one, other = (outcome_of(objective, synthetic, learner, params) for synthetic in (whole, parts))
    assert one.loss == pytest.approx(other.loss, rel=1e-12)
    assert [step for step, _ in other.gradients] == [0, 1]
    joined = torch.cat([found["inputs"] for _, found in other.gradients])
    torch.testing.assert_close(joined, one.gradients[0][1]["inputs"])


def test_real_rows_leave_no_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, seen = learner_of("mlp"), []
    plain = learner.activations

    def watched(params: Params, batch: Batch, drop: torch.Generator | None = None) -> list[Tensor]:
        seen.append((batch.inputs.requires_grad, torch.is_grad_enabled(), plain(params, batch, drop)[-2].requires_grad))
        return plain(params, batch, drop)

    monkeypatch.setattr(learner, "activations", watched)
    params = {name: value.requires_grad_() for name, value in learner.init(generator(3)).items()}
    outcome_of(DistributionMatching(8), hard(), learner, params)
    assert seen[0] == (True, True, True)
    assert set(seen[1:]) == {(False, False, False)}


def test_rows_are_drawn_of_each_class_without_repeating_and_all_in_time() -> None:
    real, seen = real_rows(), []

    class Watched(Rows):
        def batch(self, rows: Tensor) -> Batch:
            seen.append(rows)
            return super().batch(rows)

    learner = learner_of("mlp")
    watched = Watched(real.inputs, real.labels, real.lengths)
    for step in range(20):
        DistributionMatching(8).evaluate(
            hard(), watched, learner, [Start(learner.init(generator()))], Streams(0).child(step)
        )
    for number, rows in enumerate(seen):
        assert set(real.labels[rows].tolist()) == {number % CLASSES}
        assert len(set(rows.tolist())) == 8
    assert set(torch.cat(seen).tolist()) == set(range(len(real)))


def test_classes_that_one_side_lacks_are_left_out_and_all_of_them_are_an_error() -> None:
    learner, real, synthetic = learner_of("mlp"), real_rows(), hard(each=2)  # no sample of the third class
    params = learner.init(generator(3))
    loss = outcome_of(DistributionMatching(EVERY), synthetic, learner, params).loss
    real.inputs[real.labels == 2] += 5
    assert outcome_of(DistributionMatching(EVERY), synthetic, learner, params, real).loss == loss
    real.labels[:] = 2
    with pytest.raises(RecipeError, match="no sample belongs to a class that has real rows"):
        outcome_of(DistributionMatching(EVERY), synthetic, learner, params, real)


ROUNDINGS = 3 * 2  # forward through three blocks: the convolution's outputs and the pool's


@pytest.mark.parametrize(("network", "kind"), [("text_conv", "words"), ("convnet", "pixels")])
def test_bfloat16_is_near_and_never_touches_the_synthetic_side(network: str, kind: str) -> None:
    learner, synthetic = learner_of(network, torch.float32), hard(kind)
    synthetic = TensorData(
        *(value.float() for value in synthetic.export().tensors().values()), learned=frozenset({"inputs"})
    )
    real, params = real_rows(kind=kind, dtype=torch.float32), learner.init(generator(3))
    one, other = (
        outcome_of(DistributionMatching(8, precision=kind_of), synthetic, learner, params, real)  # type: ignore[arg-type]
        for kind_of in ("float32", "bfloat16")
    )
    assert other.loss != one.loss
    assert other.loss == pytest.approx(one.loss, rel=2 * off(ROUNDINGS))  # of a squared distance
    gradients = [outcome.gradients[0][1]["inputs"] for outcome in (one, other)]
    assert gradients[1].dtype == torch.float32
    assert torch.cosine_similarity(gradients[0].flatten(), gradients[1].flatten(), dim=0) > least_cosine(ROUNDINGS)


@pytest.mark.parametrize(
    ("names", "kind", "network"), [(("shift",), "words", "text_conv"), (("flip",), "pixels", "convnet")]
)
def test_both_sides_see_the_same_transformation(names: tuple[str, ...], kind: str, network: str) -> None:
    """A set that is the real rows is at distance zero, and stays there only if both sides are transformed alike."""
    learner, real = learner_of(network), real_rows(9, kind=kind)
    if real.lengths is not None:
        real.lengths[:] = real.inputs.shape[1]  # no padding, which a distilled set has none of
    whole = real.batch(torch.arange(9))
    rate = torch.ones(1, 1, dtype=torch.float64)
    same = TensorData(whole.inputs[None], whole.targets[None], rate, learned=frozenset({"inputs"}))
    params = learner.init(generator(3))
    assert outcome_of(DistributionMatching(augment=names), same, learner, params, real).loss < 1e-20
    objectives = [DistributionMatching(augment=some) for some in ((), names)]
    one, other = (outcome_of(objective, hard(kind), learner, params, real) for objective in objectives)
    assert one.loss != other.loss


def test_augmentations_say_what_it_takes_and_unknown_ones_are_a_fault() -> None:
    assert DistributionMatching().takes == {"words", "pixels"}
    assert DistributionMatching(augment=("flip",)).takes == {"pixels"}
    with pytest.raises(RecipeError, match=r"objective\.augment: 'flipp'.*did you mean 'flip'"):
        DistributionMatching(augment=("flipp",))


@pytest.mark.parametrize(
    ("network", "kind"), [("mlp", "words"), ("text_conv", "words"), ("bi_lstm mean", "words"), ("convnet", "pixels")]
)
def test_fifty_steps_lower_the_loss(network: str, kind: str) -> None:
    learner, found = learner_of(network), list[float]()
    distill(
        hard(kind),
        DistributionMatching(20),
        real_rows(kind=kind),
        learner=learner,
        starts=Fixed(learner, Streams(0, ("starts",))),
        outer=Outer(steps=50, lr=0.1),
        on_step=lambda _, record: found.append(record["loss"]),
    )
    assert sum(found[-10:]) < 0.5 * sum(found[:10])


def stopping(folder: Path, below: float | None, stopped: int | None = None, resume: bool = False) -> DistilledSet:
    """Matching under one network, until the distance falls below `below`."""
    learner = learner_of("mlp")

    return distill(
        hard(),
        DistributionMatching(EVERY),
        real_rows(),
        learner=learner,
        starts=Fixed(learner, Streams(0, ("starts",))),
        outer=Outer(steps=60, lr=0.02, stop_below=below),
        checkpoint=Checkpoint(folder, every=4, resume=resume),
        on_step=stop_after(stopped),
    )


def losses_of(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_it_stops_when_the_distance_falls_below_epsilon_and_a_resumed_run_at_the_same_step(tmp_path: Path) -> None:
    stopping(tmp_path / "whole", None)
    every = losses_of(tmp_path / "whole")
    assert len(every) == 60
    step, epsilon = 21, (every[20] + every[21]) / 2
    assert min(every[:step]) > epsilon > every[step]
    straight = stopping(tmp_path / "straight", epsilon)
    assert losses_of(tmp_path / "straight") == every[: step + 1]
    assert straight.meta["outer_steps"] == step + 1
    with pytest.raises(Stopped):
        stopping(tmp_path / "broken", epsilon, stopped=step - 2)
    resumed = stopping(tmp_path / "broken", epsilon, resume=True)
    assert losses_of(tmp_path / "broken") == every[: step + 1]
    assert torch.equal(resumed.inputs, straight.inputs)
