"""CPU seconds of one step of distribution matching (DM) against the plain whole graph, its equal in value and gradient.

The figures are printed by `make bench`, on one thread; comparing the values is an ordinary test, on a small network.
"""

from __future__ import annotations

import platform

import pytest
import torch
from torch import Tensor

from tests.benchmarks.dc_oracle import convnet
from tests.benchmarks.dm_oracle import dm_step
from tests.benchmarks.test_speed import interleaved, multiply
from tests.core.cases import Rows, generator, randn
from textdistill.core.learner import Learner, Params
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.learners import LEARNERS, make_learner
from textdistill.objectives import DistributionMatching
from textdistill.synthetic.tensors import TensorData

CLASSES = 10
DEPTH = 3
# CPU seconds of a step that were asked for, on one core of the machine that the project grew up on
BARS = {"float32": 3.2, "bfloat16": 1.5}


class Problem:
    """So many samples and so many real rows of each class, and a network for both ways."""

    def __init__(self, width: int, side: int, samples: int, each: int, dtype: torch.dtype):
        network = LEARNERS["convnet"]
        settings = network.Settings(width=width, depth=DEPTH)  # type: ignore[operator]
        self.learner: Learner = make_learner(network, settings, (1, side, side), CLASSES).to("cpu", dtype)
        self.params: Params = self.learner.init(generator(0))
        centres = randn(CLASSES, 1, side, side, seed=1, dtype=dtype)
        labels = torch.arange(CLASSES).repeat_interleave(each)
        noise = randn(len(labels), 1, side, side, seed=2, dtype=dtype)
        self.real = Rows(centres[labels] + noise, labels, None, tuple(str(label) for label in range(CLASSES)))
        self.each, self.labels = each, torch.arange(CLASSES).repeat(samples)
        self.inputs = randn(CLASSES * samples, 1, side, side, seed=3, dtype=dtype)
        self.module = convnet(width, side, CLASSES).to(dtype)

    def ours(self, real_dtype: str = "float32") -> tuple[float, Tensor]:
        targets = torch.eye(CLASSES, dtype=self.inputs.dtype)[self.labels]
        rates = torch.full((1, 1), 0.01, dtype=self.inputs.dtype)
        synthetic = TensorData(self.inputs[None], targets[None], rates, learned=frozenset({"inputs"}))
        objective = DistributionMatching(batch=self.each, real_dtype=real_dtype)  # type: ignore[arg-type]
        (found,) = objective.evaluate(synthetic, self.real, self.learner, [Start(self.params)], Streams(0))
        return found.loss, found.gradients[0][1]["inputs"]

    def oracle(self) -> tuple[float, Tensor]:
        """Weights in the order of torch's modules, which is this network's by layers."""
        weights = [
            self.params[name]
            for block in range(1, DEPTH + 1)
            for name in (f"conv{block}_weight", f"conv{block}_bias", f"norm{block}_gain", f"norm{block}_bias")
        ]
        weights += [self.params["linear_weight"], self.params["linear_bias"]]
        real = [self.real.inputs[self.real.labels == label] for label in range(CLASSES)]
        return dm_step(self.module, weights, self.inputs, self.labels, real)


def counted_gflop(width: int, side: int, samples: int, each: int) -> float:
    """Multiplications and additions of the convolutions, in 10⁹: real rows forward, samples forward and backward."""
    once = sum(2 * 9 * (width if block else 1) * width * (side >> block) ** 2 for block in range(DEPTH))
    return once * CLASSES * (each + 2 * samples) / 1e9


def test_the_oracle_and_textdistill_take_the_same_step() -> None:
    problem = Problem(width=4, side=12, samples=2, each=5, dtype=torch.float64)
    (loss, found), (wanted_loss, wanted) = problem.ours(), problem.oracle()
    assert loss == pytest.approx(wanted_loss, rel=1e-10)
    assert wanted.abs().max() > 1e-5
    torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-12)


@pytest.mark.bench
def test_one_outer_step_of_dm() -> None:
    """DM's own setting: 10 samples and 256 real digits of 28 × 28 of each class through the ConvNet of width 128."""
    assert torch.get_num_threads() == 1, "OMP_NUM_THREADS=1, as `make bench` sets it"
    width, side, samples, each = 128, 28, 10, 256
    problem = Problem(width, side, samples, each, torch.float32)
    size = 1024
    half = torch.randn(size, size).bfloat16()
    taken = interleaved(
        {
            "float32": problem.ours,
            "bfloat16": lambda: problem.ours("bfloat16"),
            "oracle": problem.oracle,
            "multiply": multiply(size),
            "multiply bfloat16": lambda: half @ half,
        },
        rounds=3,
    )
    rate, count = 2 * size**3 / 1e9 / taken["multiply"], counted_gflop(width, side, samples, each)
    print(f"\n\nOne outer step of DM: ConvNet-{width}, {CLASSES} × ({each} real + {samples}) images of {side} × {side}")
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one thread\n")
    print(f"{'':38}{'CPU-s':>8}{'asked':>8}{'GFLOP':>8}{'GFLOP/s':>9}{'of matmul':>11}{'of oracle':>11}")
    labels = {
        "float32": "textdistill, float32",
        "bfloat16": "textdistill, real rows in bfloat16",
        "oracle": "oracle (whole graph, whole batches)",
    }
    for name, label in labels.items():
        share = f"{count / taken[name]:9.1f}{count / taken[name] / rate:11.0%}{taken[name] / taken['oracle']:11.2f}"
        asked = f"{BARS[name]:8.1f}" if name in BARS else " " * 8
        print(f"{label:38}{taken[name]:8.2f}{asked}{count:8.0f}{share}")
    for name, label in (("multiply", "float32"), ("multiply bfloat16", "bfloat16")):
        done = 2 * size**3 / 1e9
        print(f"{f'matmul, {size} × {size}, {label}':38}{taken[name]:8.3f}{'':8}{done:8.1f}{done / taken[name]:9.1f}")
    fine, coarse = problem.ours()[1].flatten(), problem.ours("bfloat16")[1].flatten()
    alike = float(torch.cosine_similarity(fine, coarse, dim=0))
    print(f"\ncosine of the samples' gradient with real rows in bfloat16 and in float32: {alike:.5f}")
    assert alike > 0.999
    assert taken["float32"] <= 0.5 * taken["oracle"]
    assert taken["bfloat16"] <= 0.3 * taken["oracle"]
