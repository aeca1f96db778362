"""Label distillation by ridge regression: the closed form against autograd, and how W and the scale live and learn."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.core.cases import generator, learner_of, randn, real_rows, tensors
from textdistill.core.batch import Batch
from textdistill.core.checkpoint import load_checkpoint, save_checkpoint
from textdistill.core.distill import distill
from textdistill.core.inner import SGD, Adam
from textdistill.core.learner import Learner, Params
from textdistill.core.outer import Outer
from textdistill.core.plateau import Plateau
from textdistill.core.schedule import Outcome
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.objectives.ridge_labels import CLASSIFIER, SCALE, RidgeLabels
from textdistill.synthetic.tensors import TensorData

STREAMS = Streams(4).child(0)
LABELS = ("targets",)


def kind_of(learner: Learner) -> str:
    takes: frozenset[str] = learner.module.takes  # type: ignore[assignment]
    return "words" if "words" in takes else "pixels"


def grown(learner: Learner, scale: float = 2.5) -> Params:
    """A network in the middle of its life: it has a classifier, and a scale that is not one."""
    params = learner.init(generator(3))
    width = learner.activations(params, tensors(kind=kind_of(learner)).draw(0).batch)[-2].flatten(1).shape[1]
    weight = 0.3 * randn(width + 1, learner.classes, seed=5)
    return {**params, CLASSIFIER: weight, SCALE: torch.tensor(scale / 10.0, dtype=torch.float64)}


def plain(weights: Params, learner: Learner, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
    """The features with a one appended, by the network itself."""
    own = {name: value for name, value in weights.items() if name not in (CLASSIFIER, SCALE)}
    unlabelled = Batch(inputs, inputs.new_zeros(len(inputs), learner.classes), mask=mask)
    features = learner.activations(own, unlabelled)[-2].flatten(1)
    return torch.cat([features, torch.ones_like(features[:, :1])], 1)


def naive_loss(objective: RidgeLabels, learner: Learner, params: Params, base: Batch, real: Batch) -> Tensor:
    """Equation 2 by an inverse, Algorithm 1 line by line, nothing taken out of the graph."""
    z = plain(params, learner, base.inputs)
    gram = z.T @ z + objective.penalty * torch.eye(z.shape[1], dtype=z.dtype)
    local = torch.linalg.inv(gram) @ z.T @ base.targets
    weight = (1 - objective.rate) * params[CLASSIFIER] + objective.rate * local
    logits = 10.0 * params[SCALE] * (plain(params, learner, real.inputs, real.mask) @ weight)
    return -(real.targets * F.log_softmax(logits, 1)).sum(1).mean()


def evaluate(objective: RidgeLabels, learner: Learner, synthetic: TensorData, start: Start) -> tuple[Outcome, Batch]:
    real = real_rows(kind=kind_of(learner))
    (outcome,) = objective.evaluate(synthetic, real, learner, [start], STREAMS)
    rows = torch.randint(len(real), (objective.batch,), generator=STREAMS.torch("real"))
    return outcome, real.batch(rows)


@pytest.mark.parametrize("learned", [("targets",), ("inputs",), ("inputs", "targets")])
@pytest.mark.parametrize("case", ["mlp", "text_conv", "bi_lstm mean", "lenet"])
def test_loss_and_gradient_are_autograds_through_the_normal_equations(case: str, learned: tuple[str, ...]) -> None:
    learner, objective = learner_of(case), RidgeLabels(batch=12, rate=0.2, penalty=0.7)
    params, synthetic = grown(learner), tensors(kind=kind_of(learner), learned=learned)
    outcome, real = evaluate(objective, learner, synthetic, Start(params, age=5))
    shown = synthetic.draw(5, grad=False).batch
    leaves = {"inputs": shown.inputs.clone().requires_grad_(), "targets": shown.targets.clone().requires_grad_()}
    loss = naive_loss(objective, learner, params, Batch(**leaves), real)
    assert outcome.loss == pytest.approx(float(loss.detach()), rel=1e-10)
    ((step, found),) = outcome.gradients
    assert (step, set(found)) == (5, set(learned))
    for name, wanted in zip(learned, torch.autograd.grad(loss, [leaves[name] for name in learned]), strict=True):
        assert wanted.abs().max() > 1e-6
        torch.testing.assert_close(found[name], wanted, rtol=1e-7, atol=1e-12)


def test_the_gradient_is_through_this_batchs_classifier_alone_and_so_as_small_as_its_share() -> None:
    learner, norms = learner_of("mlp"), []
    params = {name: value for name, value in grown(learner).items() if name != CLASSIFIER}
    for rate in (1e-6, 2e-6):
        outcome, _ = evaluate(RidgeLabels(batch=12, rate=rate), learner, tensors(learned=LABELS), Start(params))
        norms.append(float(outcome.gradients[0][1]["targets"].norm()))
    assert norms[1] / norms[0] == pytest.approx(2.0, rel=1e-4)


def test_a_new_network_has_no_classifier_and_a_scale_of_one() -> None:
    learner = learner_of("mlp")
    ridge = RidgeLabels(pace=4.0).inner(learner, STREAMS).learner
    params = ridge.init(generator(1))
    assert set(params) == {*learner.names, SCALE} == set(ridge.names)
    assert float(ridge.scale(params)) == 1.0  # type: ignore[attr-defined]
    assert torch.equal(ridge.logits(params, tensors().draw(0).batch), torch.zeros(3, 3, dtype=torch.float64))


def oracle_training(
    objective: RidgeLabels, learner: Learner, params: Params, batches: list[Batch], lr: float
) -> Params:
    """Lines 9, 10 and 12 of Algorithm 1 by torch's Adam, with a group of its own for the scale."""
    names = [name for name in params if name != SCALE]
    weights = {name: params[name].clone().requires_grad_() for name in names}
    scale, weight = torch.tensor(1.0, dtype=torch.float64, requires_grad=True), torch.zeros(())
    groups = [{"params": list(weights.values()), "lr": lr}, {"params": [scale], "lr": lr * objective.pace}]
    optimizer = torch.optim.Adam(groups)
    for batch in batches:
        z = plain(weights, learner, batch.inputs)
        fixed = z.detach()
        gram = fixed.T @ fixed + objective.penalty * torch.eye(z.shape[1], dtype=z.dtype)
        weight = (1 - objective.rate) * weight + objective.rate * torch.linalg.inv(gram) @ fixed.T @ batch.targets
        optimizer.zero_grad()
        (-(batch.targets * F.log_softmax(scale * (z @ weight), 1)).sum(1).mean()).backward()
        optimizer.step()
    return {**{n: value.detach() for n, value in weights.items()}, SCALE: scale.detach(), CLASSIFIER: weight}


def test_training_moves_classifier_network_and_scale_as_the_algorithm_says() -> None:
    learner, objective = learner_of("mlp"), RidgeLabels(rate=0.3, pace=7.0, optimizer=Adam(eps=1e-8))
    inner, synthetic = objective.inner(learner, STREAMS), tensors(lr=0.01, epochs=1)
    params = inner.learner.init(generator(2))
    draws = [synthetic.draw(t % 2, grad=False) for t in range(6)]
    draws = [type(draw)(draw.step, draw.batch, torch.tensor(0.01, dtype=torch.float64)) for draw in draws]
    found, _ = inner.run(params, None, draws)
    wanted = oracle_training(objective, learner, params, [draw.batch for draw in draws], 0.01)
    assert found.keys() == wanted.keys()
    for name, value in found.items():
        shown = value * objective.pace if name == SCALE else value
        torch.testing.assert_close(shown, wanted[name], rtol=1e-5, atol=1e-6)
    assert abs(float(wanted[SCALE]) - 1.0) > 0.1
    half, state = inner.run(params, None, draws[:1])
    resumed, _ = inner.run(half, state, draws[1:])
    assert all(torch.equal(resumed[name], found[name]) for name in found)


def test_the_networks_own_last_layer_is_left_as_it_was() -> None:
    learner = learner_of("mlp")
    inner = RidgeLabels().inner(learner, STREAMS)
    begun = inner.learner.init(generator(2))
    ended, _ = inner.run(begun, None, [tensors().draw(t) for t in range(3)])
    last = list(learner.names)[-2:]
    assert [torch.equal(begun[name], ended[name]) for name in learner.names] == [n in last for n in learner.names]


def test_nothing_is_differentiated_through_its_training() -> None:
    learner = learner_of("mlp")
    inner = RidgeLabels().inner(learner, STREAMS)
    with pytest.raises(ValueError, match="gives no graph"):
        inner.step(inner.learner.init(generator()), [], tensors().draw(0), graph=True)


def run(steps: int, starts: Plateau, synthetic: TensorData, on_loss: list[float] | None = None) -> Any:
    return distill(
        synthetic,
        RidgeLabels(batch=60, rate=0.1, optimizer=SGD()),
        real_rows(dtype=torch.float32),
        learner=learner_of("mlp", torch.float32),
        starts=starts,
        outer=Outer(steps=steps, lr=0.02, betas=(0.9, 0.999), clip=None, schedule="constant"),
        on_step=lambda _, record: None if on_loss is None else on_loss.append(record["loss"]),
    )


def even(dtype: torch.dtype = torch.float32) -> TensorData:
    synthetic = tensors(learned=LABELS, labels="clamped", dtype=dtype)
    with torch.no_grad():
        synthetic.parameters()["targets"].fill_(1 / 3)
    return synthetic


def test_classifier_and_scale_live_in_the_plateau_and_begin_anew_with_the_network(tmp_path: Path) -> None:
    learner, synthetic = learner_of("mlp", torch.float32), even()
    objective, starts = RidgeLabels(batch=12), Plateau(learner, STREAMS, window=2, patience=2)
    seen = []
    for step in range(9):
        inner = objective.inner(learner, STREAMS.child(step))
        (start,) = starts.next(step, synthetic, inner)
        seen.append((start.age, CLASSIFIER in start.params, float(start.params[SCALE])))
        starts.after_step(step, start, Outcome(1.0, [], {}, []))
        remembered = starts.state_dict()
        save_checkpoint(tmp_path / "c", dict(remembered.pop("tensors", {})), remembered)
        stored, meta = load_checkpoint(tmp_path / "c")
        starts = Plateau(learner, STREAMS, window=2, patience=2)
        starts.load_state_dict({**meta, "tensors": stored})
    assert [(age, kept) for age, kept, _ in seen] == [(age, age > 0) for age in (0, 1, 2, 3, 0, 1, 2, 3, 0)]
    assert [scale == pytest.approx(0.1) for age, _, scale in seen if age == 0] == [True] * 3
    assert starts.train_steps() == 4


def test_labels_that_begin_even_become_those_of_the_classes_their_samples_look_like() -> None:
    real, synthetic, losses = real_rows(dtype=torch.float32), even(), list[float]()
    with torch.no_grad():
        synthetic._values["inputs"].copy_(real.batch(torch.arange(6)).inputs.view(2, 3, 5, 3))
    learner = learner_of("mlp", torch.float32)
    starts = Plateau(learner, STREAMS, lr=0.01, window=20)
    result = run(150, starts, synthetic, losses)
    assert result.targets.argmax(-1).flatten().tolist() == real.labels[:6].tolist()
    torch.testing.assert_close(result.targets.sum(-1), torch.ones(2, 3))
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])
    assert result.length == 2 * math.ceil((starts.train_steps() or 0) / 2)  # whole passes over both batches
