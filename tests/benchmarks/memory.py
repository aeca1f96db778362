"""The extra memory of one long unroll, measured as the peak of a process of its own.

`python -m tests.benchmarks.memory WAY NETWORK STEPS SAMPLES LENGTH DIMENSION` prints the MiB beyond a short one's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def extra_mib(way: str, network: str, steps: int, samples: int, length: int, dimension: int) -> float:
    """Peak memory of an unroll by `way` (graph, sweep, or the oracle's graph), less what a short one needs, in MiB."""
    sizes = [str(size) for size in (steps, samples, length, dimension)]
    # what is freed goes back at once, or the heap's own habits would be measured
    env = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    command = [sys.executable, "-m", "tests.benchmarks.memory", way, network, *sizes]
    done = subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, text=True)
    return float(done.stdout)


def main(way: str, network: str, *sizes: str) -> None:
    """Measure in this process, and print."""
    from tests.benchmarks.problem import make_problem, oracle_step, our_step
    from textdistill.core.distill import peak_rss_mib
    from textdistill.core.unroll import Graph, Sweep

    steps, samples, length, dimension = map(int, sizes)
    learner, problem = make_problem(network, steps, samples, length, dimension, real=16)

    def unroll(count: int) -> None:
        if way == "oracle":
            oracle_step(problem, network, count)
        else:
            our_step(learner, problem, {"graph": Graph(), "sweep": Sweep()}[way], count)

    unroll(2)
    before = peak_rss_mib()
    unroll(steps)
    print(peak_rss_mib() - before)


if __name__ == "__main__":
    main(*sys.argv[1:])
