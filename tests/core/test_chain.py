"""A chain of networks: when one begins, how long it trains and on what, and that it goes on from a checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.core.cases import learner_of, real_rows, tensors
from tests.stops import Stopped, stop_after
from textdistill.core.chain import Chain
from textdistill.core.distill import Checkpoint, distill
from textdistill.core.inner import SGD
from textdistill.core.outer import Outer
from textdistill.core.schedule import DistilledSet
from textdistill.core.streams import Streams
from textdistill.core.unroll import Inner
from textdistill.objectives.gradient_matching import GradientMatching

LEARNER = learner_of("mlp")
INNER = Inner(LEARNER, SGD(momentum=0.5))


def test_a_network_is_fresh_every_so_many_matches_and_trained_between_them() -> None:
    chain = Chain(LEARNER, Streams(0), matches=3, steps=2)
    ages, firsts = [], []
    for step in range(7):
        (start,) = chain.next(step, tensors(), INNER)
        ages.append(start.age)
        if start.age == 0:
            firsts.append(start.params["weight0"])
            assert torch.equal(firsts[-1], LEARNER.init(Streams(0).torch("theta0", step))["weight0"])
    assert ages == [0, 2, 4, 0, 2, 4, 0]
    assert not torch.equal(firsts[0], firsts[1])


def test_with_one_match_every_network_is_fresh() -> None:
    chain = Chain(LEARNER, Streams(0), matches=1, steps=5)
    assert [chain.next(step, tensors(), INNER)[0].age for step in range(4)] == [0] * 4


def test_it_trains_on_the_set_as_it_is_now_going_on_through_the_schedule() -> None:
    chain, sets = Chain(LEARNER, Streams(0), matches=9, steps=3), [tensors(seed=seed) for seed in range(3)]
    params, state = LEARNER.init(Streams(0).torch("theta0", 0)), None
    for step, synthetic in enumerate(sets):
        (start,) = chain.next(step, synthetic, INNER)
        if step:
            draws = [synthetic.draw(3 * (step - 1) + t, grad=False) for t in range(3)]
            params, state = INNER.run(params, state, draws)
        assert all(torch.equal(start.params[name], params[name]) for name in params)


def run(folder: Path, stopped: int | None = None) -> DistilledSet:
    learner = learner_of("mlp", torch.float32)

    return distill(
        tensors(dtype=torch.float32, learned=("inputs", "targets")),
        GradientMatching(batch=6, augment=("noise", "shift"), optimizer=SGD(momentum=0.5)),
        real_rows(dtype=torch.float32),
        learner=learner,
        starts=Chain(learner, Streams(0, ("starts",)), matches=4, steps=3),
        outer=Outer(steps=10),
        checkpoint=Checkpoint(folder, every=1, resume=True),
        on_step=stop_after(stopped),
    )


@pytest.mark.parametrize("stop", range(8))
def test_wherever_it_is_interrupted_a_run_ends_with_the_same_bits(tmp_path: Path, stop: int) -> None:
    whole = run(tmp_path / "whole")
    with pytest.raises(Stopped):
        run(tmp_path / "resumed", stopped=stop)
    resumed = run(tmp_path / "resumed")
    assert torch.equal(whole.inputs, resumed.inputs)
    assert torch.equal(whole.targets, resumed.targets)
    assert (tmp_path / "whole/metrics.jsonl").read_text() == (tmp_path / "resumed/metrics.jsonl").read_text()
