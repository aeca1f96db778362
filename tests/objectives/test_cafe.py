"""CAFE against its two terms in plain autograd, and against finite differences."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tests.core.cases import CLASSES, generator, learner_of, real_rows, tensors
from textdistill.core.distill import distill
from textdistill.core.outer import Outer
from textdistill.core.start_kinds import STARTS
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.objectives import CAFE
from textdistill.synthetic.tensors import TensorData

STREAMS = Streams(4).child(0)
EVERY = 10**6
NETWORKS = [("mlp deep", "words"), ("text_conv", "words"), ("bi_lstm mean", "words"), ("convnet", "pixels")]


def hard(kind: str = "words") -> TensorData:
    return tensors(steps=1, each=6, labels="hard", learned=("inputs",), kind=kind)


@pytest.mark.parametrize(("network", "kind"), NETWORKS)
@pytest.mark.parametrize("beta", [0.0, 0.3])
def test_value_and_gradient_are_those_of_the_formula(network: str, kind: str, beta: float) -> None:
    learner, real, synthetic = learner_of(network), real_rows(kind=kind), hard(kind)
    params = learner.init(generator(3))
    (outcome,) = CAFE(EVERY, beta).evaluate(synthetic, real, learner, [Start(params)], STREAMS)

    batch, whole = synthetic.draw(0).batch, real.batch(torch.arange(len(real)))
    owners = batch.targets.argmax(1)
    wanted = batch.inputs.new_zeros(())
    for ours, theirs in zip(learner.activations(params, batch)[:-1], learner.activations(params, whole), strict=False):
        off = torch.stack(
            [ours[owners == label].mean(0) - theirs[real.labels == label].mean(0) for label in range(CLASSES)]
        )
        wanted = wanted + (off**2).mean()
    ours, theirs = (learner.activations(params, rows)[-2].flatten(1) for rows in (batch, whole))
    centres = torch.stack([ours[owners == label].mean(0) for label in range(CLASSES)])
    wanted = wanted + beta * F.cross_entropy(theirs @ centres.t(), real.labels)
    (gradient,) = torch.autograd.grad(wanted, batch.inputs)

    assert outcome.loss == pytest.approx(float(wanted.detach()), rel=1e-10)
    torch.testing.assert_close(outcome.gradients[0][1]["inputs"], gradient, rtol=1e-8, atol=1e-11)


def test_the_gradient_is_that_of_finite_differences() -> None:
    learner, real, synthetic = learner_of("bi_lstm mean"), real_rows(), hard()
    objective, starts = CAFE(5, 0.3), [Start(learner.init(generator(3)))]
    (outcome,) = objective.evaluate(synthetic, real, learner, starts, STREAMS)
    inputs, values = synthetic.parameters()["inputs"], []
    for step in (1e-5, -2e-5):
        with torch.no_grad():
            inputs[0, 4, 1, 2] += step
        values.append(objective.evaluate(synthetic, real, learner, starts, STREAMS)[0].loss)
    gradient = float(outcome.gradients[0][1]["inputs"][4, 1, 2])
    assert (values[0] - values[1]) / 2e-5 == pytest.approx(gradient, rel=1e-4)


def test_layers_weigh_alike_whatever_their_size() -> None:
    """A set that is off by one in every number of every layer is at distance one for each layer."""
    learner, synthetic = (
        learner_of("mlp linear"),
        hard(),
    )  # its layers are the mean word, twice: before and after dropout
    real = real_rows(12)
    real.lengths = None
    real.inputs = synthetic.draw(0, grad=False).batch.inputs.repeat(2, 1, 1) + 1
    (outcome,) = CAFE(EVERY, 0.0).evaluate(synthetic, real, learner, [Start(learner.init(generator()))], STREAMS)
    assert outcome.loss == pytest.approx(2.0)


def test_a_class_without_samples_has_no_centre_to_be_found_at() -> None:
    learner, real = learner_of("mlp"), real_rows()
    synthetic = tensors(steps=1, each=2, labels="hard", learned=("inputs",))
    starts = [Start(learner.init(generator()))]
    (outcome,) = CAFE(EVERY, 0.5).evaluate(synthetic, real, learner, starts, STREAMS)
    real.inputs[real.labels == 2] += 5
    assert CAFE(EVERY, 0.5).evaluate(synthetic, real, learner, starts, STREAMS)[0].loss == outcome.loss


@pytest.mark.parametrize(("network", "kind"), NETWORKS)
def test_fifty_steps_lower_the_loss(network: str, kind: str) -> None:
    learner, found = learner_of(network), list[float]()
    distill(
        hard(kind),
        CAFE(20, 0.1),
        real_rows(kind=kind),
        learner=learner,
        starts=STARTS["fixed"](learner, Streams(0, ("starts",))),
        outer=Outer(steps=50, lr=0.1),
        on_step=lambda _, record: found.append(record["loss"]),
    )
    assert sum(found[-10:]) < 0.8 * sum(found[:10])


@pytest.mark.parametrize("name", sorted(CAFE.starts))
def test_every_start_that_it_allows_takes_steps(name: str) -> None:
    learner, synthetic = learner_of("mlp"), hard()
    before = synthetic.export().inputs
    starts = STARTS[name](learner, Streams(0, ("starts",)))
    result = distill(synthetic, CAFE(8), real_rows(), learner=learner, starts=starts, outer=Outer(steps=3))
    assert not torch.equal(result.inputs, before)
