"""A generator's step on whatever processes there are."""

from __future__ import annotations

import torch

from tests.core.cases import generator, learner_of, real_rows
from tests.synthetic.writers import SAMPLING, Table, generator_of, read
from textdistill.core.processes import count
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.objectives.gradient_matching import GradientMatching
from textdistill.synthetic.generator_data import GeneratorData
from textdistill.synthetic.generator_pool import PoolSettings


def found() -> dict[str, torch.Tensor]:
    """The loss, the weights of the samples, and ∇_φ after two starts and the penalty."""
    writer, learner = generator_of(), learner_of("mlp deep")
    rows = writer.vocabulary.encode_table(Table())
    settings = PoolSettings(batch=3, factor=2, diverse=False, micro_batch=2, penalty=0.3)
    data = GeneratorData(writer, read, Streams(2), settings, sampling=SAMPLING, real=rows)
    starts = [Start(learner.init(generator(seed))) for seed in (3, 4)]
    outcomes = GradientMatching("whole", 5, layers=("last",)).evaluate(data, real_rows(), learner, starts, Streams(0))
    for outcome in outcomes:
        data.pullback(outcome.gradients)
    weights = data.draw(0).batch.weights
    assert weights is not None
    made = {name: value.grad for name, value in data.parameters().items() if value.grad is not None}
    made |= {"loss": torch.tensor([outcome.loss for outcome in outcomes]).double(), "weights": weights.detach()}
    made["processes"] = torch.tensor(count())
    return made
