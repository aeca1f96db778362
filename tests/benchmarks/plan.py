"""What `textdistill plan` says beside what the run then takes: ten recipes of all kinds, in a shortened form.

`python -m tests.benchmarks.plan [--only NAME ...] [--clock] [--out FILE]`. Plan and run follow each other at once, each
with an empty cache of its own, and with what comes in packages alone: no hub is asked. A table on the terminal, the
same as JSON. Times are the processor's seconds, of one thread: what others do on the machine meanwhile would be in
those of the clock, which `--clock` takes. The exit status is 1 where a time is further off than 30 %, or a memory than
25 %.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

OUT = Path("runs/plan.json")
TIME_OFF, MEMORY_OFF = 0.30, 0.25
WORDS = ("data.name=rotten_tomatoes", "evaluate.nets=3", "evaluate.full_nets=1", "evaluate.full.epochs=3")
# Digits that come in a package, and short training: the rest is as the recipe has it.
DIGITS = ("evaluate.nets=2", "evaluate.full.epochs=2", "evaluate.draws=1")
CASES: dict[str, tuple[str, ...]] = {
    "TDD, IMDB": (*("quickstart", "outer.steps=20", "evaluate.nets=2", "evaluate.draws=1", "evaluate.full.epochs=2"),),
    "TDD fresh, phrases": (
        *("text/sucholutsky2021_tdd_trec6_m6", "--variant", "fresh", *WORDS, "outer.steps=60"),
        *("evaluate.draws=2", "evaluate.traditional=false"),
    ),
    "DC, words": ("text/textdistill_dc_trec6_60", *WORDS, "outer.steps=60", "train.epochs=60"),
    "DM, words": ("text/textdistill_dm_trec6_60", *WORDS, "outer.steps=200", "train.epochs=60"),
    "DM, digits": ("image/zhao2023_dm_mnist_1", *DIGITS, "outer.steps=15", "train.epochs=60"),
    "KIP, digits": ("image/nguyen2021_kip_mnist_10", *DIGITS, "outer.steps=10", "train.epochs=60"),
    "labels, digits": (
        *("image/bohdal2020_ld_mnist_10", *DIGITS, "outer.steps=60", "outer.validate_every=30"),
        *("evaluate.label_steps=200", "evaluate.baselines=[random_real,k_centers]"),
    ),
    "DD, digits": ("image/wang2018_dd_mnist_m10", *DIGITS, "outer.steps=60"),
    "search, reviews": ("readable/textdistill_search_rt", "data.most_rows=2000", "choose.sets=3"),
    "DiLM, reviews": (
        *("dilm/textdistill_dilm_trec6", "data.name=rotten_tomatoes", "data.most_rows=1500", "generator.layers=2"),
        *("generator.width=64", "generator.vocabulary=1000", "generator.longest=32", "language_model.epochs=4"),
        *("language_model.validate_every=40", "pool.batch=8", "pool.factor=4", "pool.every=20", "outer.steps=40"),
        *("teacher.sets=2", "choose.sets=3", "choose.pool=60", "choose.sizes=[5]", "choose.size=5"),
        *("choose.consistent=false", "sampling.length=24"),
    ),
}


def command(*words: str, cache: Path, clock: bool) -> tuple[str, float, float]:
    """What `textdistill` says with these words, the seconds that it takes and the most MiB that it has."""
    environment = {**os.environ, "TEXTDISTILL_CACHE": str(cache), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "textdistill", *words], stdout=out, stderr=told, env=environment, text=True
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        spent = time.monotonic() - began if clock else used.ru_utime + used.ru_stime
        out.seek(0)
        told.seek(0)
        if process.returncode:
            raise SystemExit(f"textdistill {' '.join(words)}\n{told.read()}")
        return out.read(), spent, used.ru_maxrss / 2**10


def measured(words: tuple[str, ...], clock: bool) -> dict[str, Any]:
    """One recipe: what is said beforehand, and what is so."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        counted = () if clock else ("--cpu-seconds",)
        said, planning, _ = command(
            "plan", *words, "--device", "cpu", "--json", *counted, cache=folder / "first", clock=clock
        )
        plan = json.loads(said)
        _, seconds, peak = command(
            "run", *words, "--device", "cpu", "--json", "--out", str(folder / "run"),
            cache=folder / "second", clock=clock,
        )  # fmt: skip
    return {
        "said": {"seconds": plan["seconds"], "peak_mib": plan["peak_mib"]},
        "measured": {"seconds": round(seconds, 1), "peak_mib": round(peak, 1)},
        "time": round(plan["seconds"] / seconds, 3),
        "memory": round(plan["peak_mib"] / peak, 3),
        "planning_seconds": round(planning, 1),
        "stages": plan["stages"],
    }


def main() -> int:
    """The command; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.plan", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=list(CASES), default=list(CASES))
    parser.add_argument("--clock", action="store_true", help="seconds of the clock, on an idle machine")
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    rows: dict[str, Any] = {}
    print(f"{'recipe':<20}{'said':>9}{'took':>9}{'ratio':>7}{'said MiB':>10}{'had MiB':>9}{'ratio':>7}{'plan':>8}")
    for name in asked.only:
        rows[name] = row = measured(CASES[name], asked.clock)
        said, was = row["said"], row["measured"]
        print(
            f"{name:<20}{said['seconds']:>7.0f} s{was['seconds']:>7.0f} s{row['time']:>7.2f}"
            f"{said['peak_mib']:>10.0f}{was['peak_mib']:>9.0f}{row['memory']:>7.2f}{row['planning_seconds']:>6.0f} s",
            flush=True,
        )
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    off = [name for name, row in rows.items() if abs(row["time"] - 1) > TIME_OFF or abs(row["memory"] - 1) > MEMORY_OFF]
    print(
        f"within {TIME_OFF:.0%} of the time and {MEMORY_OFF:.0%} of the memory: {len(rows) - len(off)} of {len(rows)}"
    )
    return int(bool(off))


if __name__ == "__main__":
    raise SystemExit(main())
