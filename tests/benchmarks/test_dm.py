"""CPU seconds of one step of distribution matching (DM) against the plain whole graph, its equal in value and gradient.

Figures are printed by `pytest -m bench -s`, on one thread; comparing values is an ordinary test, on a small network.
"""

from __future__ import annotations

import pytest
import torch

from tests.benchmarks.dm_oracle import dm_step
from tests.benchmarks.matching import CLASSES, DEPTH, SIZE, Problem, bfloat16_pays, print_costs
from tests.benchmarks.test_speed import interleaved, multiply
from textdistill.objectives import DistributionMatching

# CPU seconds of a step that were asked for, on one core of the machine that the project grew up on
BARS = {"float32": 3.2, "bfloat16": 1.5}


def counted_gflop(width: int, side: int, samples: int, each: int) -> float:
    """Multiplications and additions of the convolutions, in 10⁹: real rows forward, samples forward and backward."""
    once = sum(2 * 9 * (width if block else 1) * width * (side >> block) ** 2 for block in range(DEPTH))
    return once * CLASSES * (each + 2 * samples) / 1e9


def test_the_oracle_and_textdistill_take_the_same_step() -> None:
    problem = Problem(DistributionMatching, dm_step, width=4, side=12, samples=2, each=5, dtype=torch.float64)
    (loss, found), (wanted_loss, wanted) = problem.ours(), problem.oracle()
    assert loss == pytest.approx(wanted_loss, rel=1e-10)
    assert wanted.abs().max() > 1e-5
    torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-12)


@pytest.mark.bench
def test_one_outer_step_of_dm() -> None:
    """DM's own setting: 10 samples and 256 real digits of 28 × 28 of each class through the ConvNet of width 128."""
    assert torch.get_num_threads() == 1, "OMP_NUM_THREADS=1, as `make bench` sets it"
    width, side, samples, each = 128, 28, 10, 256
    problem = Problem(DistributionMatching, dm_step, width, side, samples, each, torch.float32)
    coarse, half = bfloat16_pays(), torch.randn(SIZE, SIZE).bfloat16()
    in_bfloat16 = {"bfloat16": lambda: problem.ours("bfloat16"), "multiply bfloat16": lambda: half @ half}
    taken = interleaved(
        {
            "float32": problem.ours,
            "oracle": problem.oracle,
            "multiply": multiply(SIZE),
            **(in_bfloat16 if coarse else {}),
        },
        rounds=3,
    )
    title = f"One outer step of DM: ConvNet-{width}, {CLASSES} × ({each} real + {samples}) images of {side} × {side}"
    print_costs(title, taken, counted_gflop(width, side, samples, each), BARS)
    assert taken["float32"] <= 0.5 * taken["oracle"]
    if coarse:
        assert problem.alike() > 0.999
        assert taken["bfloat16"] <= 0.3 * taken["oracle"]
