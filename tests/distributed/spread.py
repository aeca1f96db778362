"""What is many, spread over whatever processes there are."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.core.cases import generator, learner_of, real_rows, tensors
from textdistill.core.distill import distill
from textdistill.core.outer import Outer
from textdistill.core.processes import agreed, rank
from textdistill.core.spread import over_cores, over_processes
from textdistill.core.starts import Fresh, Start
from textdistill.core.streams import Streams
from textdistill.learners.pretrained.frozen_encoder import Encoder
from textdistill.objectives.cafe import CAFE
from textdistill.objectives.distribution_matching import DistributionMatching
from textdistill.objectives.gradient_matching import GradientMatching
from textdistill.objectives.unrolled import Unrolled

OBJECTIVES = {
    "unrolled": Unrolled(batch=13),
    "one row": Unrolled(batch=1),  # fewer than processes
    "dropout": Unrolled(batch=13, outer_dropout=True),
    "dc": GradientMatching(batch=5),
    "dm": DistributionMatching(batch=5, covariance=0.1),
    "cafe": CAFE(batch=5),
}
TEXTS = [f"{word} number {number}" for number in range(7) for word in ("a film", "the plot of a play")]


def found(model: str, cache: Path) -> dict[str, torch.Tensor]:
    """Losses and gradients of a step, a set distilled from several starts, features of texts, pieces in order."""
    made: dict[str, torch.Tensor] = {}
    learner = learner_of("mlp")
    start = Start(learner.init(generator()))
    for name, objective in OBJECTIVES.items():
        synthetic = tensors(learned=("inputs",))
        (outcome,) = objective.evaluate(synthetic, real_rows(31), learner, [start], Streams(0))
        synthetic.pullback(outcome.gradients)
        made[f"{name}.loss"] = torch.tensor(outcome.loss, dtype=torch.float64)
        made[f"{name}.gradient"] = synthetic.parameters()["inputs"].grad
    distilled = distill(
        tensors(learned=("inputs", "lr")),
        Unrolled(batch=13),
        real_rows(31),
        learner=learner,
        starts=Fresh(learner, Streams(1), nets=3),
        outer=Outer(steps=3),
    )
    made["distilled"] = distilled.inputs
    encoder = Encoder(model, cache=cache)
    made["features"] = encoder.features(TEXTS[:4])
    made["features of more"] = encoder.features(TEXTS)
    made["features again"] = anew(encoder).features(TEXTS)
    made["order"] = torch.tensor([*over_processes(lambda n: n * n, range(5)), *over_cores(lambda n: -n, range(3))])
    made["nested"] = torch.tensor(over_processes(lambda n: sum(over_processes(lambda m: m * n, range(4))), range(3)))
    made["agreed"] = torch.tensor(agreed(rank()))
    return made


def anew(encoder: Encoder) -> Encoder:
    """The same encoder anew, which finds its features where the first left them."""
    return Encoder(encoder.name, cache=encoder.cache.parent)
