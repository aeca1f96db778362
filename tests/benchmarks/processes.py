"""What a second process on a second core brings: the same five works by one process of one thread, and by two.

python -m tests.benchmarks.processes            a table of seconds, and whether both found the same
python -m tests.benchmarks.processes --rounds 9 --only KIP search

For machines with two free cores. The two ways take turns, each `--rounds` times in processes that stay, so that what
else the machine does slows both alike; medians are compared. The start of a process is not counted.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
WORKS = ("KIP", "DM step", "encoder", "search", "evaluation")
ROUNDS, SETS, TEXTS = 5, 4, 192
Work = Callable[[int], float]  # of the number of the round: texts of another round are other texts


def works(cache: Path) -> dict[str, Callable[[], Work]]:
    """Makers of what is measured: each of them is the code that runs use, on made-up data."""
    from tests.benchmarks.cases import matching
    from tests.benchmarks.evaluation_case import Problem as Evaluation
    from tests.benchmarks.kip_case import Problem as Kip
    from tests.benchmarks.search_case import CLASSES
    from tests.benchmarks.search_case import Problem as Search
    from tests.benchmarks.sentences import sentences
    from textdistill.core.spread import over_cores
    from textdistill.learners.pretrained.frozen_encoder import Encoder
    from textdistill.selection import SearchSettings, View, search_set

    def kip() -> Work:
        problem = Kip(500, 5000)
        return lambda _: problem.ours()[0]

    def dm() -> Work:
        work = matching("dm", 10, 48)
        return lambda _: work.ours()

    def encoder() -> Work:
        made, texts = Encoder("minilm", cache=cache), sentences(TEXTS, seed=1)
        return lambda turn: float(made.features([f"{turn} {text}" for text in texts]).abs().sum())

    def search() -> Work:
        problem = Search(4000, 2000, 5, 100)
        view, settings = View(problem.pool, problem.real), SearchSettings(sweeps=2, rows=2000)

        def found(number: int) -> np.ndarray:
            rng = np.random.default_rng(number)
            return search_set([view], problem.labels.numpy(), problem.wanted.numpy(), [5] * CLASSES, rng, settings)

        return lambda _: float(sum(rows.sum() for rows in over_cores(found, range(SETS), alone=True)))

    def evaluation() -> Work:
        problem = Evaluation(4000, 8, 60)
        return lambda _: problem.ours()

    return {"KIP": kip, "DM step": dm, "encoder": encoder, "search": search, "evaluation": evaluation}


def serve(cache: Path) -> None:
    """Measure what is asked for, line by line (`WORK ROUND`); process 0 listens, answers, and tells the others."""
    from textdistill.core.processes import agreed, end_processes, meet, rank, start_processes

    torch.set_num_threads(1)
    start_processes()
    makers, made = works(cache), dict[str, Work]()
    while asked := agreed(sys.stdin.readline().strip() if rank() == 0 else ""):
        name, _, turn = asked.rpartition(" ")
        if name not in made:
            made[name] = makers[name]()
            made[name](-1)  # what is made at the first call is not counted
        meet()
        began = time.perf_counter()
        value = made[name](int(turn))
        taken = time.perf_counter() - began
        if rank() == 0:
            print(json.dumps([taken, value]), flush=True)
    end_processes()


class Group:
    """So many processes that measure."""

    def __init__(self, processes: int, place: Path):
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        module = ["-m", "tests.benchmarks.processes", "--serve", str(place / str(processes))]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, *(launcher if processes > 1 else []), *module]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, name: str, turn: int) -> tuple[float, float]:
        """Seconds, and what was found."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(name, turn, file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{name}: the processes ended with exit code {self.process.wait()}")
        taken, value = json.loads(line)
        return taken, value

    def end(self) -> None:
        """Say that there is nothing more to measure."""
        self.process.communicate()


def main() -> None:
    """The table."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rounds", type=int, default=ROUNDS)
    words.add_argument("--only", nargs="+", choices=WORKS, default=list(WORKS))
    words.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    asked = words.parse_args()
    if asked.serve:
        serve(asked.serve)
        return
    with tempfile.TemporaryDirectory(prefix="textdistill-bench-") as place:
        groups = [Group(processes, Path(place)) for processes in (1, 2)]
        print(f"{'work':12} {'one, s':>8} {'two, s':>8} {'times as fast':>14}  {'difference':>10}")
        for name in asked.only:
            taken: list[list[float]] = [[], []]
            apart = 0.0
            for turn in range(asked.rounds):
                (one, first), (two, second) = (group.ask(name, turn) for group in groups)
                taken[0].append(one)
                taken[1].append(two)
                apart = max(apart, abs(first - second) / max(abs(first), math.ulp(1.0)))
            one, two = map(statistics.median, taken)
            print(f"{name:12} {one:8.2f} {two:8.2f} {one / two:14.2f}  {apart:10.1e}", flush=True)
        for group in groups:
            group.end()


if __name__ == "__main__":
    main()
