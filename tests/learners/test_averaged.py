"""The perceptron on averaged word vectors."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from tests.core.cases import generator, randn
from textdistill.core.batch import Batch
from textdistill.learners import AveragedMLP, make_learner
from textdistill.learners.averaged import AveragedSettings


@pytest.mark.parametrize("hidden", [(), (7,), (7, 5)])
def test_the_same_function_as_torchs_layers_on_the_mean(hidden: tuple[int, ...]) -> None:
    sizes = [4, *hidden, 3]
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    theirs = nn.Sequential(*layers[:-1]).double()
    learner = make_learner(AveragedMLP, AveragedSettings(hidden=hidden), (6, 4), 3).to("cpu", torch.float64)
    assert learner.size == sum(p.numel() for p in theirs.parameters())
    names = [f"{kind}{i}" for i in range(len(hidden) + 1) for kind in ("weight", "bias")]
    params = dict(zip(names, theirs.parameters(), strict=True))
    inputs, targets = randn(3, 6, 4), randn(3, 3)
    lengths = torch.tensor([6, 1, 3])
    mean = torch.stack([inputs[i, :end].mean(0) for i, end in enumerate(lengths.tolist())])
    batch = Batch(inputs, targets, mask=torch.arange(6) < lengths[:, None])
    torch.testing.assert_close(learner.logits(params, batch), theirs(mean))
    assert learner.init(generator()).keys() == params.keys()
