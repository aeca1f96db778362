"""Label distillation as a whole: one virtual step, labels alone, a network that lives until it learns no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.core.cases import generator, learner_of, randn, real_rows
from textdistill.core.batch import Batch
from textdistill.core.distill import Objective, distill
from textdistill.core.learner import Learner
from textdistill.core.outer import Outer
from textdistill.core.plateau import Plateau
from textdistill.core.schedule import DistilledSet
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.objectives.ridge_labels import RidgeLabels
from textdistill.objectives.unrolled import Unrolled
from textdistill.synthetic.tensors import TensorData


class OneLayer(nn.Module):
    """σ(θᵀx): the softmax of the logits (θᵀx, 0)."""

    def __init__(self, dimension: int):
        super().__init__()
        self.theta = nn.Parameter(torch.empty(dimension))

    def forward(self, inputs: Tensor, mask: Tensor | None, drop: torch.Generator | None) -> list[Tensor]:
        score = inputs @ self.theta
        return [inputs, torch.stack([score, torch.zeros_like(score)], 1)]


class OneExample:
    """A real data set of one example of the first class (y = 1) or of the second (y = 0)."""

    def __init__(self, example: Tensor, y: int):
        self.classes: tuple[str, ...] = ("one", "zero")
        self.shape = tuple(example.shape)
        self.example, self.labels = example, torch.tensor([1 - y])

    def __len__(self) -> int:
        return 1

    def batch(self, rows: Tensor) -> Batch:
        return Batch(self.example[None], F.one_hot(self.labels, 2).to(self.example))


@pytest.mark.parametrize("y", [0, 1])
@pytest.mark.parametrize("label", [0.0, 0.3, 1.0])
def test_with_one_layer_the_labels_gradient_is_that_of_the_papers_derivation(y: int, label: float) -> None:
    """∂ℓ/∂ỹ = α (σ(θ'ᵀx) − y) xᵀx̃ (Bohdal et al. 2020, appendix B), with θ' the weights after the virtual step.

    The last line of the derivation writes θ for θ'. The label ỹ is that of the first class, 1 − ỹ of the other.
    """
    example, base, theta, alpha = randn(4, seed=1), randn(4, seed=2), randn(4, seed=3), 0.7
    targets = torch.tensor([[[label, 1 - label]]], dtype=torch.float64)
    rates = torch.full((1, 1), alpha, dtype=torch.float64)
    synthetic = TensorData(base[None, None], targets, rates, learned=frozenset({"targets"}))
    learner = Learner(OneLayer(4), 2).to("cpu", torch.float64)
    (outcome,) = Unrolled(steps=1, batch=1).evaluate(
        synthetic, OneExample(example, y), learner, [Start({"theta": theta})], Streams(0)
    )
    after = theta - alpha * (torch.sigmoid(theta @ base) - label) * base
    wanted = alpha * (torch.sigmoid(after @ example) - y) * (example @ base)
    ((_, found),) = outcome.gradients
    along = found["targets"][0] @ torch.tensor([1.0, -1.0], dtype=torch.float64)
    assert abs(float(wanted)) > 1e-3
    assert float(along) == pytest.approx(float(wanted), rel=1e-10)


OBJECTIVES: dict[str, Objective] = {
    "second order": Unrolled(steps=1, batch=40),
    "ridge": RidgeLabels(batch=40, rate=0.1),
}
NETWORKS = ["text_conv", "bi_lstm mean", "mlp", "lenet"]


def base_set(kind: str, even: bool = True) -> tuple[TensorData, list[int]]:
    """Three batches of three real rows, one of each class, with labels that say nothing; and their classes."""
    real = real_rows(dtype=torch.float32, kind=kind)
    batch = real.batch(torch.arange(9))
    targets = torch.full((3, 3, 3), 1 / 3) if even else batch.targets.view(3, 3, 3)
    inputs = batch.inputs.view(3, 3, *real.shape)
    learned = frozenset({"targets"})
    return TensorData(inputs, targets, torch.full((1, 3), 0.1), learned=learned, labels="clamped"), real.labels[
        :9
    ].tolist()


def learn(objective: Objective, network: str, steps: int, seed: int = 0) -> tuple[DistilledSet, list[float], list[int]]:
    learner = learner_of(network, torch.float32)
    kind = "pixels" if network == "lenet" else "words"
    synthetic, owners = base_set(kind)
    losses: list[float] = []
    result = distill(
        synthetic,
        objective,
        real_rows(dtype=torch.float32, kind=kind),
        learner=learner,
        starts=Plateau(learner, Streams(seed), lr=0.01, window=10),
        outer=Outer(steps=steps, lr=0.03, betas=(0.9, 0.999), schedule="constant", clip=None),
        on_step=lambda _, record: losses.append(record["loss"]),
    )
    return result, losses, owners


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", OBJECTIVES)
def test_labels_that_said_nothing_come_to_say_the_class_and_nothing_else_moves(name: str, network: str) -> None:
    result, losses, owners = learn(OBJECTIVES[name], network, steps=50)
    assert float(result.targets.flatten(0, 1)[torch.arange(9), owners].mean()) > 0.5  # from a third
    torch.testing.assert_close(result.targets.sum(-1), torch.ones(3, 3))
    assert result.targets.min() >= 0
    assert sum(losses[-10:]) < 0.95 * sum(losses[:10])
    before, _ = base_set("pixels" if network == "lenet" else "words")
    assert torch.equal(result.inputs, before.export().inputs)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_set_lasts_for_as_many_steps_as_networks_took_to_learn_no_more(name: str) -> None:
    result, _, _ = learn(OBJECTIVES[name], "mlp", steps=60)
    # at least a window and as long a wait, in whole passes over the three batches
    assert result.length >= 20
    assert result.length % 3 == 0
    assert result.theta0 is None


def test_every_base_batch_has_its_turn() -> None:
    seen: list[int] = []

    class Watched(Unrolled):
        def evaluate(self, synthetic: Any, real: Any, learner: Any, starts: Sequence[Start], streams: Any) -> Any:
            outcomes = super().evaluate(synthetic, real, learner, starts, streams)
            seen.extend(step % synthetic.length for outcome in outcomes for step, _ in outcome.gradients)
            return outcomes

    learn(Watched(steps=1, batch=40), "mlp", steps=12)
    assert seen[:12] == [0, 1, 2] * 4


def test_another_network_learns_the_classes_from_the_labels() -> None:
    result, _, _ = learn(OBJECTIVES["second order"], "text_conv", steps=50)
    learner, real = learner_of("mlp", torch.float32), real_rows(dtype=torch.float32)
    weights = {name: value.requires_grad_() for name, value in learner.init(generator(9)).items()}
    optimizer = torch.optim.Adam(weights.values(), lr=0.01)
    for _ in range(150):
        optimizer.zero_grad()
        learner.loss(weights, result.pooled()).backward()
        optimizer.step()
    batch = real.batch(torch.arange(len(real)))
    assert float((learner.logits(weights, batch).argmax(1) == real.labels).float().mean()) > 0.8
