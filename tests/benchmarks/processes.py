"""What a second process on a second core brings: the same five works by one process of one thread, and by two.

python -m tests.benchmarks.processes            a table of seconds, and whether both found the same
python -m tests.benchmarks.processes --rounds 9 --only KIP search

For machines with two free cores. The ways take turns, each `--rounds` times in processes that stay, so that what else
the machine does slows all alike; medians are compared. The start of a process is not counted. `allowed` is what the
cores allow: how much more gets done where two processes do the whole work at once, each for itself. It is below 2 where
they share caches, memory and heat.
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
OTHERS = 1000  # texts of other rounds than these were seen before
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
        problem = Kip(500, 20_000)
        return lambda _: problem.ours()[0]

    def dm() -> Work:
        work = matching("dm", 10, 128)
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
        module = ["-m", "tests.benchmarks.processes", "--serve", str(place)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, *(launcher if processes > 1 else []), *module]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, name: str, turn: int) -> None:
        """Begin with a work."""
        assert self.process.stdin is not None
        print(name, turn, file=self.process.stdin, flush=True)

    def answer(self, name: str) -> tuple[float, float]:
        """Seconds, and what was found."""
        assert self.process.stdout is not None
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
        one, two, beside = (Group(count, Path(place) / name) for name, count in (("a", 1), ("b", 2), ("c", 1)))
        ways = [(one,), (two,), (one, beside)]
        print(f"{'work':12} {'one, s':>8} {'two, s':>8} {'times as fast':>14} {'allowed':>8}  {'difference':>10}")
        for name in asked.only:
            taken: list[list[float]] = [[] for _ in ways]
            apart = 0.0
            for turn in range(-1, asked.rounds):  # the first is for what is made at the first call
                found = [_together(groups, name, turn + OTHERS * (len(groups) > 1)) for groups in ways]
                if turn >= 0:
                    for seconds, (now, _) in zip(taken, found, strict=True):
                        seconds.append(now)
                    (_, first), (_, second), _ = found
                    apart = max(apart, abs(first - second) / max(abs(first), math.ulp(1.0)))
            alone, shared, both = map(statistics.median, taken)
            print(
                f"{name:12} {alone:8.2f} {shared:8.2f} {alone / shared:14.2f} {2 * alone / both:8.2f}  {apart:10.1e}",
                flush=True,
            )
        for group in (one, two, beside):
            group.end()


def _together(groups: tuple[Group, ...], name: str, turn: int) -> tuple[float, float]:
    """The seconds of the slowest of groups that work at once, and what the first found."""
    for group in groups:
        group.ask(name, turn)
    answers = [group.answer(name) for group in groups]
    return max(seconds for seconds, _ in answers), answers[0][1]


if __name__ == "__main__":
    main()
