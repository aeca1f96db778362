"""One outer step of SLDD, taken by textdistill and by the naive oracle; as a program, the CPU seconds of both.

A program of its own, since under pytest every annotation is checked as it runs: a third of an outer step that is made
of many small pieces.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from tests.benchmarks.pixel_oracle import Pictures, lenet, sldd_step
from tests.benchmarks.problem import One
from tests.benchmarks.test_speed import interleaved, multiply
from textdistill.core.learner import Learner
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.core.unroll import Graph, MetaGradient
from textdistill.learners import LEARNERS, make_learner
from textdistill.objectives import Unrolled
from textdistill.synthetic.tensors import TensorData

# the authors' setting: 10 images at each of 10 steps, 3 epochs, a real batch of 1,024
STEPS, EPOCHS, IMAGES, REAL, CLASSES = 10, 3, 10, 1024, 10


def make_pictures(
    steps: int, epochs: int, images: int, real: int, dtype: torch.dtype = torch.float32
) -> tuple[Learner, Pictures]:
    """LeNet and a problem of noise."""
    rng, kind = torch.Generator().manual_seed(0), LEARNERS["lenet"]
    learner = make_learner(kind, kind.Settings(), (1, 28, 28), CLASSES).to("cpu", dtype)  # type: ignore[attr-defined]
    eye = torch.eye(CLASSES, dtype=dtype)
    return learner, Pictures(
        inputs=torch.randn(steps, images, 1, 28, 28, generator=rng).to(dtype),
        targets=eye[torch.arange(images) % CLASSES].repeat(steps, 1, 1),
        rates=torch.full((epochs, steps), 0.02, dtype=dtype),
        real_inputs=torch.randn(real, 1, 28, 28, generator=rng).to(dtype),
        real_targets=eye[torch.randint(CLASSES, (real,), generator=rng)],
        theta0=learner.init(rng),
    )


def our_step(
    learner: Learner, pictures: Pictures, gradient: MetaGradient | None = None
) -> tuple[float, Sequence[Tensor]]:
    """The outer loss and its gradient for inputs, targets and rates, by the objective that recipes use."""
    synthetic = TensorData(pictures.inputs, pictures.targets, pictures.rates)
    real = One(pictures.real_inputs, pictures.real_targets)
    objective = Unrolled(gradient=gradient or Graph(), batch=REAL)
    (outcome,) = objective.evaluate(synthetic, real, learner, [Start(pictures.theta0)], Streams(0))
    synthetic.pullback(outcome.gradients)
    inputs, targets, raw = (synthetic.parameters()[name].grad for name in ("inputs", "targets", "lr"))
    assert inputs is not None
    assert targets is not None
    assert raw is not None
    # from the raw rate's gradient to the rate's own: the oracle knows no softplus
    return outcome.loss, [inputs, targets, raw / -torch.expm1(-pictures.rates)]


def measured() -> dict[str, float]:
    """CPU seconds of a step at the authors' setting, ours and the oracle's, and of a product of two 1024 × 1024."""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.sldd"], cwd=root, capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure, and print JSON."""
    learner, pictures = make_pictures(STEPS, EPOCHS, IMAGES, REAL)
    module = lenet()
    works = {
        "ours": lambda: our_step(learner, pictures),
        "oracle": lambda: sldd_step(pictures, module),
        "multiply": multiply(),
    }
    print(json.dumps(interleaved(works, rounds=9)))


if __name__ == "__main__":
    main()
