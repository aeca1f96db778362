"""CPU seconds of one step of gradient matching (DC) against the plain whole graph, its equal in value and gradient.

The figures are printed by `make bench`, on one thread; comparing the values is an ordinary test, on a small network.
"""

from __future__ import annotations

import platform

import pytest
import torch
from torch import Tensor

from tests.benchmarks.dc_oracle import convnet, dc_step
from tests.benchmarks.test_speed import interleaved, multiply
from tests.core.cases import Rows, generator, randn
from textdistill.core.learner import Learner, Params
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.learners import LEARNERS, make_learner
from textdistill.objectives.gradient_matching import GradientMatching
from textdistill.synthetic.tensors import TensorData

CLASSES = 10
DEPTH = 3
# CPU seconds of a step that were asked for, on one core of the machine that the project grew up on
BARS = {"float32": 9.0, "bfloat16": 4.0}


class Problem:
    """One sample of each class, as many real rows of each as are matched, and a network for both ways."""

    def __init__(self, width: int, side: int, each: int, dtype: torch.dtype):
        network = LEARNERS["convnet"]
        settings = network.Settings(width=width, depth=DEPTH)  # type: ignore[operator]
        self.learner: Learner = make_learner(network, settings, (1, side, side), CLASSES).to("cpu", dtype)
        self.params: Params = self.learner.init(generator(0))
        centres = randn(CLASSES, 1, side, side, seed=1, dtype=dtype)
        labels = torch.arange(CLASSES).repeat_interleave(each)
        noise = randn(len(labels), 1, side, side, seed=2, dtype=dtype)
        classes = tuple(str(label) for label in range(CLASSES))
        self.real = Rows(centres[labels] + noise, labels, None, classes)
        self.each, self.labels = each, torch.arange(CLASSES)
        self.inputs = randn(CLASSES, 1, side, side, seed=3, dtype=dtype)
        self.module = convnet(width, side, CLASSES).to(dtype)

    def ours(self, real_dtype: str = "float32") -> tuple[float, Tensor]:
        targets = torch.eye(CLASSES, dtype=self.inputs.dtype)
        rates = torch.full((1, 1), 0.01, dtype=self.inputs.dtype)
        synthetic = TensorData(self.inputs[None], targets[None], rates, learned=frozenset({"inputs"}))
        objective = GradientMatching(batch=self.each, real_dtype=real_dtype)  # type: ignore[arg-type]
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
        return dc_step(self.module, weights, self.inputs, self.labels, real)


def counted_gflop(width: int, side: int, each: int) -> float:
    """Multiplications and additions of the real rows' convolutions, forward and both ways back, in 10⁹.

    The first layer's inputs need no gradient. The synthetic rows, one for 256 real ones, are not counted.
    """
    total = 0
    for block in range(DEPTH):
        once = 2 * 9 * (width if block else 1) * width * (side >> block) ** 2
        total += once * (3 if block else 2)
    return total * each * CLASSES / 1e9


def test_the_oracle_and_textdistill_take_the_same_step() -> None:
    problem = Problem(width=4, side=12, each=5, dtype=torch.float64)
    (loss, found), (wanted_loss, wanted) = problem.ours(), problem.oracle()
    assert loss == pytest.approx(wanted_loss, rel=1e-10)
    assert wanted.abs().max() > 1e-5
    torch.testing.assert_close(found, wanted, rtol=1e-7, atol=1e-11)


@pytest.mark.bench
def test_one_outer_step_of_dc() -> None:
    """DC's own setting: 10 × 256 digits of 28 × 28 through the ConvNet of width 128, one sample of each class."""
    assert torch.get_num_threads() == 1, "OMP_NUM_THREADS=1, as `make bench` sets it"
    width, side, each = 128, 28, 256
    problem = Problem(width, side, each, torch.float32)
    size = 1024
    taken = interleaved(
        {
            "float32": problem.ours,
            "bfloat16": lambda: problem.ours("bfloat16"),
            "oracle": problem.oracle,
            "multiply": multiply(size),
        },
        rounds=2,
    )
    rate, count = 2 * size**3 / 1e9 / taken["multiply"], counted_gflop(width, side, each)
    print(f"\n\nOne outer step of DC: ConvNet-{width}, {CLASSES} × {each} real images of {side} × {side}")
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
    print(f"{'matmul, 1024 × 1024, float32':38}{taken['multiply']:8.3f}{'':8}{2 * size**3 / 1e9:8.1f}{rate:9.1f}")
    fine, coarse = problem.ours()[1].flatten(), problem.ours("bfloat16")[1].flatten()
    alike = float(torch.cosine_similarity(fine, coarse, dim=0))
    print(f"\ncosine of the samples' gradient with real rows in bfloat16 and in float32: {alike:.5f}")
    assert alike > 0.999
    assert taken["float32"] <= 0.7 * taken["oracle"]
    assert taken["bfloat16"] <= 0.4 * taken["oracle"]
