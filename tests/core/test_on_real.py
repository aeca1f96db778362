"""Networks that train on real rows between matches: on which, by what, and what of it others get to see."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
import torch
import torch.nn.functional as F

from tests.core.cases import Rows, learner_of, real_rows, tensors
from tests.stops import Stopped, stop_after
from textdistill.core.batch import Batch
from textdistill.core.distill import Checkpoint, distill
from textdistill.core.inner import SGD
from textdistill.core.on_real import OnReal
from textdistill.core.outer import Outer
from textdistill.core.precision import Product
from textdistill.core.schedule import DistilledSet
from textdistill.core.streams import Streams
from textdistill.core.unroll import Inner
from textdistill.objectives.gradient_matching import GradientMatching

LEARNER = learner_of("mlp")
INNER = Inner(LEARNER, SGD(momentum=0.5))


class Noted(Rows):
    """Real rows that remember which of them were asked for."""

    def batch(self, rows: torch.Tensor) -> Batch:
        self.asked = [*getattr(self, "asked", []), rows.tolist()]
        return super().batch(rows)


def noted() -> Noted:
    rows = real_rows()
    return Noted(rows.inputs, rows.labels, rows.lengths)


def test_it_takes_the_steps_of_torchs_adamw_on_rows_drawn_anew_until_a_fresh_network_comes() -> None:
    starts, real = OnReal(LEARNER, Streams(0), matches=3, steps=4, batch=7, lr=0.02), noted()
    starts.see(real)
    found = [starts.next(step, tensors(), INNER)[0] for step in range(4)]
    assert [start.age for start in found] == [0, 4, 8, 0]
    assert len(real.asked) == 8
    assert all(len(set(rows)) == 7 for rows in real.asked)
    assert len({tuple(rows) for rows in real.asked}) == 8

    params = {name: value.clone().requires_grad_() for name, value in found[0].params.items()}
    optimizer = torch.optim.AdamW(params.values(), lr=0.02, weight_decay=0.01)
    for turn, rows in enumerate(real.asked):
        batch = real.batch(torch.tensor(rows))
        optimizer.zero_grad()
        F.cross_entropy(LEARNER.logits(params, batch), batch.targets).backward()
        optimizer.step()
        if turn in (3, 7):
            for name, value in found[1 + turn // 4].params.items():
                torch.testing.assert_close(value, params[name].detach(), rtol=1e-5, atol=1e-8)


def test_the_set_and_the_objectives_way_of_training_change_nothing() -> None:
    runs = []
    for seed, inner in ((1, INNER), (5, Inner(LEARNER, SGD()))):
        starts = OnReal(LEARNER, Streams(0), matches=9, steps=2, lr=0.02)
        starts.see(real_rows())
        runs.append([starts.next(step, tensors(seed=seed), inner)[0] for step in range(3)])
    for one, other in zip(*runs, strict=True):
        assert all(torch.equal(one.params[name], other.params[name]) for name in one.params)
        assert one.state is None  # which an objective would take for its own


def test_in_bfloat16_it_goes_nearly_the_same_way_with_weights_of_their_own_type() -> None:
    learner, ends = learner_of("mlp", torch.float32), []
    for dtype in get_args(Product):
        starts = OnReal(learner, Streams(0), matches=9, steps=5, lr=0.02, precision=dtype)
        starts.see(real_rows(dtype=torch.float32))
        begun = starts.next(0, tensors(), INNER)[0].params
        params = starts.next(1, tensors(), INNER)[0].params
        assert all(value.dtype == torch.float32 for value in params.values())
        ends.append(torch.cat([(params[name] - begun[name]).flatten() for name in params]))
    assert not torch.equal(*ends)
    assert torch.cosine_similarity(ends[0], ends[1], dim=0) > 0.95


def test_without_real_rows_it_says_what_is_missing() -> None:
    starts = OnReal(LEARNER, Streams(0))
    starts.next(0, tensors(), INNER)
    with pytest.raises(ValueError, match="shown none"):
        starts.next(1, tensors(), INNER)


def run(folder: Path, stopped: int | None = None) -> DistilledSet:
    learner = learner_of("mlp", torch.float32)

    return distill(
        tensors(dtype=torch.float32, learned=("inputs", "targets")),
        GradientMatching(batch=6, distance="whole", layers=("last",)),
        real_rows(dtype=torch.float32),
        learner=learner,
        starts=OnReal(learner, Streams(0, ("starts",)), matches=4, steps=2, batch=5, lr=0.01),
        outer=Outer(steps=10, optimizer="adamw"),
        checkpoint=Checkpoint(folder, every=1, resume=True),
        on_step=stop_after(stopped),
    )


@pytest.mark.parametrize("stop", [0, 2, 3, 6])
def test_wherever_it_is_interrupted_a_run_ends_with_the_same_bits(tmp_path: Path, stop: int) -> None:
    whole = run(tmp_path / "whole")
    with pytest.raises(Stopped):
        run(tmp_path / "resumed", stopped=stop)
    resumed = run(tmp_path / "resumed")
    assert torch.equal(whole.inputs, resumed.inputs)
    assert torch.equal(whole.targets, resumed.targets)
    assert (tmp_path / "whole/metrics.jsonl").read_text() == (tmp_path / "resumed/metrics.jsonl").read_text()
