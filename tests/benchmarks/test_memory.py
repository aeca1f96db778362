"""A long unroll by sweep needs a fraction of the memory that a whole graph needs."""

from __future__ import annotations

import pytest

from tests.benchmarks.memory import extra_mib

STEPS = 200


@pytest.mark.slow
def test_a_sweep_of_200_steps_needs_at_most_a_third_of_the_whole_graphs_memory() -> None:
    size = (STEPS, 8, 15, 20)
    whole, swept = (extra_mib(way, "bi_rnn", *size) for way in ("graph", "sweep"))
    assert whole > 60  # MiB: what is compared is far above what a process varies by
    assert swept <= whole / 3


@pytest.mark.bench
def test_memory_of_200_steps() -> None:
    sizes = {"text_conv": (STEPS, 20, 100, 50), "bi_rnn": (STEPS, 20, 30, 50), "bi_lstm": (STEPS, 10, 20, 50)}
    print(f"\n\nExtra memory of an unroll of {STEPS} steps, MiB")
    print(f"{'':12}{'samples':>18}{'sweep':>8}{'graph':>8}{'naive graph':>13}{'sweep / naive':>15}")
    shares = {}
    for network, size in sizes.items():
        swept, whole, naive = (extra_mib(way, network, *size) for way in ("sweep", "graph", "oracle"))
        shares[network] = swept / naive
        shape = " × ".join(map(str, size[1:]))
        print(f"{network:12}{shape:>18}{swept:8.0f}{whole:8.0f}{naive:13.0f}{shares[network]:15.2f}")
    assert max(shares.values()) <= 1 / 3
