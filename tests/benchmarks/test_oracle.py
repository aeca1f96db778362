"""The benchmark compares two ways to the same thing: loss and meta-gradient agree, in float64, at a smaller size."""

from __future__ import annotations

import pytest
import torch

from tests.benchmarks.oracle import NETWORKS
from tests.benchmarks.problem import make_problem, oracle_step, our_step
from textdistill.core.unroll import Graph, MetaGradient, Sweep

SMALL = {"text_conv": {"filters": 7}, "bi_rnn": {"hidden": 4}, "bi_lstm": {"hidden": 3}}


@pytest.mark.parametrize("gradient", [Graph(), Sweep()])
@pytest.mark.parametrize("network", NETWORKS)
def test_the_oracle_and_textdistill_take_the_same_step(network: str, gradient: MetaGradient) -> None:
    learner, problem = make_problem(network, 5, 8, 12, 5, real=9, dtype=torch.float64, lr=0.4, **SMALL[network])
    loss, found = our_step(learner, problem, gradient)
    wanted_loss, wanted = oracle_step(problem, network)
    assert loss == pytest.approx(wanted_loss, rel=1e-12)
    for own, other in zip(found, wanted, strict=True):
        assert other.abs().max() > 1e-5
        torch.testing.assert_close(own, other, rtol=1e-9, atol=1e-13)
