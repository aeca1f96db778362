"""One outer step of a matching method, taken by textdistill and by the plain whole graph, and what the two cost."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tests.benchmarks.dc_oracle import convnet
from tests.core.cases import Rows, generator, randn
from textdistill.core.learner import Learner, Params
from textdistill.core.precision import WORTH, measured
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.learners import LEARNERS, make_learner
from textdistill.synthetic.tensors import TensorData

CLASSES = 10
DEPTH = 3
SIZE = 1024  # of the matrices whose product is timed beside a step

# The plain way: a network, its weights, the samples, their classes, and the real rows of each class.
Oracle = Callable[[nn.Sequential, Sequence[Tensor], Tensor, Tensor, Sequence[Tensor]], tuple[float, Tensor]]
LABELS = {
    "float32": "textdistill, float32",
    "bfloat16": "textdistill, real rows in bfloat16",
    "oracle": "oracle (whole graph, whole batches)",
}


class Problem:
    """So many samples and so many real rows of each class, and a network for both ways."""

    def __init__(
        self, objective: type, oracle: Oracle, width: int, side: int, samples: int, each: int, dtype: torch.dtype
    ):
        self.objective, self.step = objective, oracle
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

    def ours(self, precision: str = "float32") -> tuple[float, Tensor]:
        """The loss and its gradient for the samples, by the objective that recipes use."""
        targets = torch.eye(CLASSES, dtype=self.inputs.dtype)[self.labels]
        rates = torch.full((1, 1), 0.01, dtype=self.inputs.dtype)
        synthetic = TensorData(self.inputs[None], targets[None], rates, learned=frozenset({"inputs"}))
        objective: Any = self.objective(batch=self.each, precision=precision)
        (found,) = objective.evaluate(synthetic, self.real, self.learner, [Start(self.params)], Streams(0))
        return found.loss, found.gradients[0][1]["inputs"]

    def oracle(self) -> tuple[float, Tensor]:
        """The same by the plain way; weights in the order of torch's modules, which is this network's by layers."""
        weights = [
            self.params[name]
            for block in range(1, DEPTH + 1)
            for name in (f"conv{block}_weight", f"conv{block}_bias", f"norm{block}_gain", f"norm{block}_bias")
        ]
        weights += [self.params["linear_weight"], self.params["linear_bias"]]
        real = [self.real.inputs[self.real.labels == label] for label in range(CLASSES)]
        return self.step(self.module, weights, self.inputs, self.labels, real)

    def alike(self) -> float:
        """The cosine of the samples' gradient with real rows in bfloat16 and in float32; it is printed, too."""
        fine, coarse = self.ours()[1].flatten(), self.ours("bfloat16")[1].flatten()
        cosine = float(torch.cosine_similarity(fine, coarse, dim=0))
        print(f"\ncosine of the samples' gradient with real rows in bfloat16 and in float32: {cosine:.5f}")
        return cosine


def bfloat16_pays() -> bool:
    """Whether `auto` means bfloat16 on this processor, by measurement: pytest itself is told float32."""
    return measured("cpu") <= WORTH


def print_costs(title: str, taken: Mapping[str, float], gflop: float, bars: Mapping[str, float]) -> None:
    """CPU seconds of each way beside what was asked for, the machine's own product and the oracle.

    `taken` has the ways of `LABELS`, `multiply` (float32), and may have `multiply bfloat16`.
    """
    done = 2 * SIZE**3 / 1e9
    rate = done / taken["multiply"]
    print(f"\n\n{title}")
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one thread\n")
    print(f"{'':38}{'CPU-s':>8}{'asked':>8}{'GFLOP':>8}{'GFLOP/s':>9}{'of matmul':>11}{'of oracle':>11}")
    for name, label in ((name, label) for name, label in LABELS.items() if name in taken):
        share = f"{gflop / taken[name]:9.1f}{gflop / taken[name] / rate:11.0%}{taken[name] / taken['oracle']:11.2f}"
        asked = f"{bars[name]:8.1f}" if name in bars else " " * 8
        print(f"{label:38}{taken[name]:8.2f}{asked}{gflop:8.0f}{share}")
    for name in (name for name in taken if name.startswith("multiply")):
        label = f"matmul, {SIZE} × {SIZE}, {name.removeprefix('multiply').strip() or 'float32'}"
        print(f"{label:38}{taken[name]:8.3f}{'':8}{done:8.1f}{done / taken[name]:9.1f}")
