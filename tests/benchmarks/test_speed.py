"""CPU seconds of one outer step against the naive oracles, and how near it comes to what the machine can multiply.

Run by `pytest -m bench -s`, on one thread. Other processes slow both sides alike: rounds are interleaved, medians
compared.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable

import pytest
import torch

from tests.benchmarks.problem import make_problem, oracle_step, our_step

pytestmark = pytest.mark.bench

# the authors' IMDB setting, of six classes
SAMPLES, LENGTH, DIMENSION, STEPS, REAL = 60, 400, 100, 5, 256
FILTERS, WIDTHS = 100, (3, 4, 5)


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def interleaved(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median CPU seconds of each, taken in turn, after one round that is not counted."""
    for work in works.values():
        work()
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            taken[name].append(seconds(work))
    return {name: statistics.median(times) for name, times in taken.items()}


def multiply(size: int = 1024, dtype: torch.dtype = torch.float32) -> Callable[[], object]:
    """A product of two square matrices, and so 2 · size³ operations."""
    left, right = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    return lambda: left @ right


def counted_gflop() -> float:
    """Multiplications and additions that the search for the maxima cannot do without, in 10⁹.

    Every window of every filter, once for each inner step and once for the real rows. The derivatives touch one window
    per filter and sentence, 400 times fewer, and are not counted.
    """
    windows = sum(k * (LENGTH - k + 1) for k in WIDTHS)
    return 2 * FILTERS * DIMENSION * windows * (STEPS * SAMPLES + REAL) / 1e9


def test_one_outer_step_of_tdd() -> None:
    assert torch.get_num_threads() == 1, "OMP_NUM_THREADS=1, as `make bench` sets it"
    learner, problem = make_problem("text_conv", STEPS, SAMPLES, LENGTH, DIMENSION, REAL)
    size = 1024
    taken = interleaved(
        {
            "ours": lambda: our_step(learner, problem),
            "oracle": lambda: oracle_step(problem, "text_conv"),
            "multiply": multiply(size),
        },
        rounds=3,
    )
    rate, count = 2 * size**3 / 1e9 / taken["multiply"], counted_gflop()
    ratio = taken["ours"] / taken["oracle"]
    shape = f"{SAMPLES} × {LENGTH} × {DIMENSION}, {STEPS} inner steps, B = {REAL}"
    print(f"\n\nOne outer step: TextConvNet, 6 classes, {shape}")
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one thread\n")
    print(f"{'':34}{'CPU-s':>8}{'GFLOP':>8}{'GFLOP/s':>9}{'of matmul':>11}")
    for name in ("ours", "oracle"):
        label = {"ours": "textdistill", "oracle": "oracle (Conv2d, one whole graph)"}[name]
        done = f"{count:8.1f}{count / taken[name]:9.1f}{count / taken[name] / rate:11.0%}" if name == "ours" else ""
        print(f"{label:34}{taken[name]:8.2f}{done}")
    print(f"{'matmul, 1024 × 1024, float32':34}{taken['multiply']:8.3f}{2 * size**3 / 1e9:8.1f}{rate:9.1f}")
    print(f"\nratio {ratio:.3f}, that is 1/{1 / ratio:.1f} (at most 1/5)")
    assert ratio <= 1 / 5


@pytest.mark.parametrize(("samples", "most"), [(6, 0.8), (60, 1.3)])
@pytest.mark.parametrize("network", ["bi_rnn", "bi_lstm"])
def test_one_outer_step_of_a_recurrent_network(network: str, samples: int, most: float) -> None:
    """The fewer the rows, the more autograd's bookkeeping weighs; with many the products do, and memory is what is won.

    No sentence is padded here. Where there is padding ours does not read it, and the oracle would.
    """
    length, steps, real = 30, 5, 256
    learner, problem = make_problem(network, steps, samples, length, DIMENSION, real)
    taken = interleaved(
        {"ours": lambda: our_step(learner, problem), "oracle": lambda: oracle_step(problem, network)}, rounds=3
    )
    ratio = taken["ours"] / taken["oracle"]
    print(f"\n\nOne outer step: {network}, {samples} × {length} × {DIMENSION}, {steps} inner steps, B = {real}")
    print(f"textdistill {taken['ours']:.2f} CPU-s, cells by autograd {taken['oracle']:.2f}, ratio {ratio:.2f}")
    assert ratio <= most
