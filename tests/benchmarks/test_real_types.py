"""Thirty matches of DC with real digits in float32 and in bfloat16, side by side: the coarser type costs no accuracy.

A distillation is sensitive to its first digits: real rows that are moved by 10⁻⁵ are what the difference between the
types is measured against.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from jaxtyping import Int
from torch import Tensor

from tests.benchmarks.matching import bfloat16_pays
from tests.core.cases import generator
from textdistill.core.batch import Batch, RealData
from textdistill.core.chain import Chain
from textdistill.core.distill import distill
from textdistill.core.learner import Learner
from textdistill.core.outer import Outer
from textdistill.core.precision import Product
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.data import DataSettings, load_images
from textdistill.learners.convnet import ConvNet, ConvNetSettings
from textdistill.objectives.gradient_matching import GradientMatching
from textdistill.objectives.moments import rows_by_class
from textdistill.representations.image_rows import ImageRows
from textdistill.representations.scaling import PixelSettings, Scaling
from textdistill.synthetic.tensors import TensorData

MATCHES, EACH = 30, 32


class Moved:
    """Real rows with a little noise."""

    def __init__(self, rows: ImageRows, by: float):
        self.rows, self.by = rows, by
        self.classes, self.shape, self.labels = rows.classes, rows.shape, rows.labels

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, rows: Int[Tensor, " b"]) -> Batch:
        batch = self.rows.batch(rows)
        noise = torch.randn(batch.inputs.shape, generator=generator(int(rows[0])))
        return replace(batch, inputs=batch.inputs + self.by * noise)


def set_of(inputs: Tensor) -> TensorData:
    """One digit of each class."""
    return TensorData(inputs[None], torch.eye(10)[None], torch.full((1, 1), 0.01), learned=frozenset({"inputs"}))


def distilled(learner: Learner, real: RealData, start: Tensor, dtype: Product) -> tuple[list[float], Tensor]:
    """The losses of the matches, and the digits that come of them."""
    losses: list[float] = []
    synthetic = set_of(start.clone())
    distill(
        synthetic,
        GradientMatching(batch=EACH, precision=dtype),
        real,
        learner=learner,
        starts=Chain(learner, Streams(0), matches=10, steps=5),
        outer=Outer(steps=MATCHES, lr=0.1, schedule="constant"),
        on_step=lambda step, record: losses.append(record["loss"]),
    )
    return losses, synthetic.parameters()["inputs"].detach()[0]


@pytest.mark.bench
def test_thirty_matches_in_either_type() -> None:
    if not bfloat16_pays():
        pytest.skip("bfloat16 is emulated, or slower than float32, on this processor")
    table = load_images(DataSettings("mnist")).train
    real = ImageRows(table, Scaling.fit(PixelSettings(), table))
    learner = Learner(ConvNet(ConvNetSettings(width=32), (1, 28, 28), 10), 10)
    chosen = rows_by_class(real, 1, generator(1))
    start = real.batch(torch.cat([chosen[label] for label in range(10)])).inputs
    runs = {
        "float32": distilled(learner, real, start, "float32"),
        "bfloat16": distilled(learner, real, start, "bfloat16"),
        "float32, rows moved by 1e-5": distilled(learner, Moved(real, 1e-5), start, "float32"),
    }
    judges = [Start(learner.init(generator(seed))) for seed in range(100, 105)]

    def judged(digits: Tensor) -> float:
        found = GradientMatching(batch=EACH).evaluate(set_of(digits), real, learner, judges, Streams(7))
        return sum(outcome.loss for outcome in found) / len(found)

    print(f"\n\n{MATCHES} matches of DC: ConvNet-32, 10 × ({EACH} real digits + 1), a fresh network after every ten\n")
    print(f"{'loss in matches':32}{'1-10':>9}{'11-20':>9}{'21-30':>9}{'all':>9}{'fresh networks, float32':>26}")
    means, scores = {}, {"none": judged(start)}
    for name, (losses, digits) in runs.items():
        tens = [sum(losses[at : at + 10]) / 10 for at in (0, 10, 20)]
        means[name], scores[name] = sum(losses) / MATCHES, judged(digits)
        print(f"{name:32}{''.join(f'{ten:9.2f}' for ten in tens)}{means[name]:9.2f}{scores[name]:26.2f}")
    print(f"{'the digits at first':68}{scores['none']:26.2f}")
    assert means["bfloat16"] == pytest.approx(means["float32"], rel=0.05)
    assert scores["bfloat16"] == pytest.approx(scores["float32"], rel=0.05)
    assert scores["bfloat16"] < 0.95 * scores["none"]
