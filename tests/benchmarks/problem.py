"""One outer step of TDD, taken by textdistill and by the naive oracle, at any size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from tests.benchmarks.oracle import Problem, outer_step
from textdistill.core.batch import Batch
from textdistill.core.learner import Learner
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.core.unroll import Graph, MetaGradient
from textdistill.learners import LEARNERS, make_learner
from textdistill.objectives import Unrolled
from textdistill.synthetic.tensors import TensorData

CLASSES = 6


class One:
    """Real data that is one batch."""

    def __init__(self, inputs: Tensor, targets: Tensor):
        self.classes = tuple("abcdef")
        self.shape = tuple(inputs.shape[1:])
        self.labels = targets.argmax(1)
        self.whole = Batch(inputs, targets)

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Tensor) -> Batch:
        return self.whole


def make_problem(
    network: str,
    steps: int,
    samples: int,
    length: int,
    dimension: int,
    real: int,
    dtype: torch.dtype = torch.float32,
    lr: float = 0.02,
    **settings: object,
) -> tuple[Learner, Problem]:
    """The paper's network (or with other `settings`) and a problem of noise; every step visits all `samples`."""
    rng = torch.Generator().manual_seed(0)
    kind = LEARNERS[network]
    learner = make_learner(kind, kind.Settings(**settings), (length, dimension), CLASSES).to("cpu", dtype)  # type: ignore[attr-defined]
    eye = torch.eye(CLASSES, dtype=dtype)
    return learner, Problem(
        inputs=torch.randn(samples, length, dimension, generator=rng).to(dtype),
        targets=eye[torch.arange(samples) % CLASSES],
        rates=torch.full((steps,), lr, dtype=dtype),
        real_inputs=torch.randn(real, length, dimension, generator=rng).to(dtype),
        real_targets=eye[torch.randint(CLASSES, (real,), generator=rng)],
        theta0=learner.init(rng),
    )


def our_step(
    learner: Learner, problem: Problem, gradient: MetaGradient | None = None, steps: int | None = None
) -> tuple[float, Sequence[Tensor]]:
    """The outer loss and its gradient for inputs, targets and rates, by the objective that recipes use."""
    rates = problem.rates[:steps, None]
    synthetic = TensorData(problem.inputs[None], problem.targets[None], rates)
    objective = Unrolled(gradient=gradient or Graph())
    real = One(problem.real_inputs, problem.real_targets)
    (outcome,) = objective.evaluate(synthetic, real, learner, [Start(problem.theta0)], Streams(0))
    synthetic.pullback(outcome.gradients)
    found = {name: value.grad for name, value in synthetic.parameters().items()}
    inputs, targets, raw = found["inputs"], found["targets"], found["lr"]
    assert inputs is not None
    assert targets is not None
    assert raw is not None
    # from the raw rate's gradient to the rate's own: the oracle knows no softplus
    return outcome.loss, [inputs[0], targets[0], raw[:, 0] / -torch.expm1(-rates[:, 0])]


def oracle_step(problem: Problem, network: str, steps: int | None = None) -> tuple[float, Sequence[Tensor]]:
    """The same by the oracle."""
    return outer_step(replace(problem, rates=problem.rates[:steps]), network)
