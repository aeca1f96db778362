"""CPU seconds of one step of gradient matching (DC) against the plain whole graph, its equal in value and gradient.

Figures are printed by `pytest -m bench -s`, on one thread; comparing values is an ordinary test, on a small network.
"""

from __future__ import annotations

import pytest
import torch

from tests.benchmarks.dc_oracle import dc_step
from tests.benchmarks.matching import CLASSES, DEPTH, SIZE, Problem, bfloat16_pays, print_costs
from tests.benchmarks.test_speed import interleaved, multiply
from textdistill.objectives.gradient_matching import GradientMatching

# CPU seconds of a step that were asked for, on one core of the machine that the project grew up on
BARS = {"float32": 9.0, "bfloat16": 4.0}


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
    problem = Problem(GradientMatching, dc_step, width=4, side=12, samples=1, each=5, dtype=torch.float64)
    (loss, found), (wanted_loss, wanted) = problem.ours(), problem.oracle()
    assert loss == pytest.approx(wanted_loss, rel=1e-10)
    assert wanted.abs().max() > 1e-5
    torch.testing.assert_close(found, wanted, rtol=1e-7, atol=1e-11)


@pytest.mark.bench
def test_one_outer_step_of_dc() -> None:
    """DC's own setting: 10 × 256 digits of 28 × 28 through the ConvNet of width 128, one sample of each class."""
    assert torch.get_num_threads() == 1, "OMP_NUM_THREADS=1, as `make bench` sets it"
    width, side, each, coarse = 128, 28, 256, bfloat16_pays()
    problem = Problem(GradientMatching, dc_step, width, side, 1, each, torch.float32)
    taken = interleaved(
        {
            "float32": problem.ours,
            **({"bfloat16": lambda: problem.ours("bfloat16")} if coarse else {}),
            "oracle": problem.oracle,
            "multiply": multiply(SIZE),
        },
        rounds=2,
    )
    title = f"One outer step of DC: ConvNet-{width}, {CLASSES} × {each} real images of {side} × {side}"
    print_costs(title, taken, counted_gflop(width, side, each), BARS)
    assert taken["float32"] <= 0.7 * taken["oracle"]
    if coarse:
        assert problem.alike() > 0.999
        assert taken["bfloat16"] <= 0.4 * taken["oracle"]
