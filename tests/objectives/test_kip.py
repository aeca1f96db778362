"""Kernel inducing points: the loss as the paper writes it, its derivatives, and what learning it gives."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from tests.core.cases import CLASSES, KERNEL_CASES, generator, learner_of, randn, real_rows, tensors
from textdistill.core.batch import Batch
from textdistill.core.distill import distill
from textdistill.core.errors import RecipeError
from textdistill.core.outer import Outer
from textdistill.core.schedule import DistilledSet, Outcome
from textdistill.core.starts import Fixed, Start
from textdistill.core.streams import Streams
from textdistill.objectives import kip
from textdistill.objectives.kernels import NTK, ConvNTK, Feature, TextConvNTK
from textdistill.objectives.kip import KIP
from textdistill.objectives.moments import part_of
from textdistill.synthetic.tensors import TensorData

LEARNER = learner_of("mlp")
START = Start(LEARNER.init(generator()))
STREAMS = Streams(4).child(0)
BOTH = ("inputs", "targets")


def evaluate(objective: KIP, synthetic: TensorData, **more: Any) -> Outcome:
    (outcome,) = objective.evaluate(synthetic, more.pop("real", real_rows()), LEARNER, [START], STREAMS)
    return outcome


def plain(objective: KIP, inputs: Tensor, targets: Tensor, batch: Batch) -> Tensor:
    """The loss in one graph, solved by another solver."""
    kernel: Any = objective.kernel.prepare(inputs.detach(), LEARNER, START.params)
    within, cross = kernel(inputs, inputs), kernel(batch.inputs, inputs, batch.mask)
    penalty = objective.regularisation * within.trace() / len(inputs)
    centre = 1 / targets.shape[1]
    dual = torch.linalg.solve(within + penalty * torch.eye(len(inputs)).double(), targets - centre)
    return 0.5 * (cross @ dual - (batch.targets - centre)).square().sum(1).mean()


@pytest.mark.parametrize("case", [case for case, kernel in KERNEL_CASES.items() if "words" in kernel.takes])
@pytest.mark.parametrize("memory", [512.0, 0.02])
def test_loss_and_gradient_are_those_of_the_formula(case: str, memory: float) -> None:
    objective = KIP(KERNEL_CASES[case], regularisation=1e-3, batch=None, memory_mib=memory)
    synthetic, real = tensors(learned=BOTH), real_rows()
    inputs, targets = (synthetic.parameters()[name].detach().flatten(0, 1).requires_grad_() for name in BOTH)
    loss = plain(objective, inputs, targets, real.batch(torch.arange(len(real))))
    wanted = dict(zip(BOTH, torch.autograd.grad(loss, (inputs, targets)), strict=True))

    outcome = evaluate(objective, synthetic)
    assert outcome.loss == pytest.approx(float(loss.detach()), rel=1e-11)
    synthetic.pullback(outcome.gradients)
    for name in BOTH:
        found = synthetic.parameters()[name].grad
        torch.testing.assert_close(found, wanted[name].view_as(found), rtol=1e-8, atol=1e-10)  # type: ignore[arg-type]


def test_a_batch_of_every_row_is_every_row_in_its_order() -> None:
    real = real_rows(20)
    for batch in (20, 21, None):
        assert KIP(batch=batch).real_rows(real, STREAMS).tolist() == list(range(20))


def test_fewer_rows_are_other_ones_at_every_step_and_none_twice() -> None:
    real = real_rows(20)
    first, second = (KIP(batch=8).real_rows(real, Streams(4).child(step)) for step in range(2))
    assert len(set(first.tolist())) == len(set(second.tolist())) == 8
    assert set(first.tolist()) != set(second.tolist())


def test_one_hot_labels_count_as_centred_like_the_real_ones() -> None:
    """A support that is the real rows with their labels predicts these rows all but exactly."""
    real = real_rows(9)
    batch = real.batch(torch.arange(9))
    synthetic = TensorData(batch.inputs[None], batch.targets[None], torch.ones(1, 1), learned=frozenset(BOTH))
    real.lengths = torch.full((9,), real.inputs.shape[1])  # the set has no mask
    assert evaluate(KIP(regularisation=1e-9), synthetic, real=real).loss < 1e-10
    scores = KIP(regularisation=1e-9).predict(synthetic.export(), batch, None, None)
    torch.testing.assert_close(
        scores, KIP(regularisation=1e-9).predict(synthetic.export(), batch, LEARNER, START.params)
    )


def test_the_prediction_is_what_the_loss_judges() -> None:
    objective, synthetic, real = KIP(NTK(2), regularisation=1e-2, batch=None), tensors(learned=BOTH), real_rows()
    batch = real.batch(torch.arange(len(real)))
    scores = objective.predict(synthetic.export(), batch, None, None)
    assert scores.shape == (len(real), CLASSES)
    assert scores.dtype == torch.float64
    wrong = 0.5 * (scores - batch.targets).square().sum(1).mean()
    assert evaluate(objective, synthetic).loss == pytest.approx(float(wrong), rel=1e-10)


def test_the_penalty_follows_the_kernels_scale() -> None:
    """Inputs and biases three times as large are a kernel nine times as large, and the same regression."""
    objective, synthetic, real = KIP(NTK(bias_variance=0.0), regularisation=1e-2), tensors(learned=BOTH), real_rows()
    larger = tensors(learned=BOTH)
    with torch.no_grad():
        larger.parameters()["inputs"].mul_(3)
    thrice = replace(real, inputs=3 * real.inputs)
    before = evaluate(objective, synthetic).loss
    assert evaluate(objective, larger, real=thrice).loss == pytest.approx(before, rel=1e-10)


def test_what_is_fixed_gets_no_gradient() -> None:
    for learned in (("inputs",), ("targets",)):
        outcome = evaluate(KIP(), tensors(learned=learned))
        assert {name for _, found in outcome.gradients for name in found} == set(learned)


def test_a_network_matters_to_its_features_alone() -> None:
    synthetic, other = tensors(learned=BOTH), Start(LEARNER.init(generator(1)))
    for kernel, alike in ((NTK(), True), (Feature(), False)):
        first, second = KIP(kernel).evaluate(synthetic, real_rows(), LEARNER, [START, other], STREAMS)
        assert (first.loss == second.loss) is alike


def test_features_are_judged_with_the_weights_that_the_set_carries() -> None:
    objective, batch = KIP(Feature()), real_rows().batch(torch.arange(5))
    bare = tensors(learned=BOTH).export()
    carrying = replace(bare, theta0=START.params)
    given = objective.predict(bare, batch, LEARNER, START.params)
    torch.testing.assert_close(objective.predict(carrying, batch, LEARNER, None), given)
    with pytest.raises(RecipeError, match="feature` needs a network's weights"):
        objective.predict(bare, batch, LEARNER, None)


def test_a_regression_is_solved_once_and_passes_rows_by_in_blocks() -> None:
    synthetic, batch = tensors(learned=BOTH).export(), real_rows().batch(torch.arange(9))
    whole = KIP(NTK(2)).predict(synthetic, batch, None, None)
    scores = KIP(NTK(2), memory_mib=1e-4).regression(synthetic, None, None)
    torch.testing.assert_close(scores(batch), whole, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(scores(part_of(batch, slice(3, 5))), whole[3:5], rtol=1e-10, atol=1e-12)


def test_real_rows_are_as_many_as_memory_and_a_few_minutes_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("textdistill.core.machine.memory_mib", lambda: 1024)
    assert KIP().affordable_rows((1, 28, 28), 500) == math.isqrt(2**28 // 24)
    monkeypatch.setattr("textdistill.core.machine.memory_mib", lambda: 24 * 1024)
    rows, each = KIP().affordable_rows((1, 28, 28), 10_000), NTK().floats((1, 28, 28), (1, 28, 28))
    assert rows * (rows + 10_000) * each <= kip.WORK < (rows + 1) * (rows + 10_001) * each
    assert rows > 5000  # as many as the packaged digits
    assert KIP(ConvNTK()).affordable_rows((1, 28, 28), 500) == 1


def test_what_it_takes_is_what_its_kernel_takes() -> None:
    assert KIP().takes == {"words", "pixels"}
    assert KIP(TextConvNTK()).takes == {"words"}
    assert KIP(ConvNTK()).takes == {"pixels"}


@dataclass
class Images:
    """Rows of pixels in memory."""

    inputs: Tensor
    labels: Tensor
    classes: tuple[str, ...] = tuple("0123456789")

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.inputs.shape[1:])

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Tensor) -> Batch:
        return Batch(self.inputs[rows], torch.eye(len(self.classes))[self.labels[rows]])


def digits() -> tuple[Images, Images]:
    """The packaged 8 × 8 digits: 1,000 to learn from, 797 to judge by."""
    values, labels = (torch.from_numpy(part) for part in load_digits(return_X_y=True))
    values = (values.float() / 16 - 0.3).view(-1, 1, 8, 8)
    return Images(values[:1000], labels[:1000]), Images(values[1000:], labels[1000:])


def first_of_each(real: Images, each: int = 1) -> TensorData:
    rows = torch.cat([torch.nonzero(real.labels == label)[:each, 0] for label in range(len(real.classes))])
    batch = real.batch(rows)
    return TensorData(batch.inputs[None], batch.targets[None], torch.ones(1, 1), learned=frozenset(BOTH))


def learned(objective: KIP, synthetic: TensorData, real: Any, steps: int, found: list[float]) -> DistilledSet:
    return distill(
        synthetic,
        objective,
        real,
        learner=LEARNER,
        starts=Fixed(LEARNER, Streams(0)),
        outer=Outer(steps=steps, lr=0.04, betas=(0.9, 0.999), clip=None),
        on_step=lambda _, record: found.append(record["loss"]),
    )


def accuracy(objective: KIP, distilled: DistilledSet, test: Images) -> float:
    scores = objective.predict(distilled, test.batch(torch.arange(len(test))), None, None)
    return 100 * float((scores.argmax(1) == test.labels).double().mean())


def test_ten_learned_digits_are_a_better_kernel_machine_than_ten_real_ones() -> None:
    train, test = digits()
    objective, found = KIP(NTK()), list[float]()
    synthetic = first_of_each(train)
    before = accuracy(objective, synthetic.export(), test)
    after = accuracy(objective, learned(objective, synthetic, train, 50, found), test)
    assert after > before + 15
    assert after > 80
    assert found[-1] < 0.5 * found[0]


def test_fifty_steps_on_words_lower_the_loss() -> None:
    for kernel in (NTK(), TextConvNTK()):
        found = list[float]()
        learned(KIP(kernel, batch=None), tensors(learned=BOTH), real_rows(), 50, found)
        assert found[-1] < 0.5 * found[0]


def test_steps_on_pixels_through_convolutions_lower_the_loss() -> None:
    labels = torch.arange(18) % CLASSES
    centres = randn(CLASSES, 1, 4, 4)
    real = Images((centres[labels] + 0.5 * randn(18, 1, 4, 4, seed=1)).float(), labels, ("a", "b", "c"))
    found = list[float]()
    learned(KIP(ConvNTK(depth=2)), first_of_each(real), real, 50, found)
    assert found[-1] < 0.5 * found[0]
