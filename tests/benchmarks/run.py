"""`make bench`: every case of the registry in one process, a table on the terminal and the same as JSON.

`python -m tests.benchmarks.run [--only NAME ...] [--quick] [--out FILE]`. It ends within ten minutes on any machine
with nothing else to do: a case has some 20 CPU seconds, all of them nine minutes, and what has no time left says so.
The exit status is 1 where a ratio that was promised is missed, or where ours and the oracle found different numbers.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from tests.benchmarks.cases import CASES, Case
from tests.benchmarks.measure import FEWEST, SIZE, Costs, OutOfTime, compared, limit
from textdistill.core.checkpoint import write_atomic
from textdistill.core.errors import UserError, did_you_mean
from textdistill.core.machine import describe
from textdistill.core.precision import product_type
from textdistill.runs.artifact import commit

OUT = Path("runs/bench.json")
EACH, QUICK, ALL = 20.0, 6.0, 540.0  # CPU seconds: a case, a case with --quick, all of them
FORMAT = 1
Row = dict[str, Any]


def main(argv: Sequence[str] | None = None, cases: Mapping[str, Case] = CASES) -> int:
    """Measure, print, store; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.run", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[], help=f"of {', '.join(cases)}")
    parser.add_argument("--quick", action="store_true", help=f"about {QUICK:g} s a case in place of {EACH:g}")
    parser.add_argument("--out", type=Path, default=OUT, help=f"where the JSON goes ({OUT})")
    options = parser.parse_args(argv)
    for name in options.only:
        if name not in cases:
            parser.error(f"--only: {name!r}; allowed: {', '.join(cases)}{did_you_mean(name, tuple(cases))}")
    chosen = {
        name: case for name, case in cases.items() if case.applies() and (not options.only or name in options.only)
    }
    began, worked = time.perf_counter(), time.process_time()
    about = {
        "format": FORMAT,
        "machine": describe(torch.get_num_threads()),
        "torch": str(torch.__version__),
        "commit": commit(),
        "auto": product_type("auto", torch.device("cpu")),
    }
    print(f"{about['machine']}; torch {about['torch']}; commit {about['commit']}; auto means {about['auto']} here\n")
    print(HEAD, flush=True)
    rows = []
    for number, (name, case) in enumerate(chosen.items()):
        left = ALL - (time.process_time() - worked)
        each = min(QUICK if options.quick else EACH, left / (len(chosen) - number))
        rows.append(measured(name, case, each, left))
        print(line(rows[-1]), flush=True)
    about |= {"seconds": round(time.perf_counter() - began, 1), "cpu_seconds": round(time.process_time() - worked, 1)}
    write_atomic(options.out, json.dumps({**about, "rows": rows}, indent=1, allow_nan=False) + "\n")
    print(f"\n{FOOT}\n{about['seconds']:.0f} s, {about['cpu_seconds']:.0f} CPU-s; {options.out}")
    return 1 if any(row["missed"] for row in rows) else 0


def measured(name: str, case: Case, budget: float, left: float) -> Row:
    """The row of one case; where there are no figures, why (`note`)."""
    row: Row = {"name": name, "title": case.title, "precision": case.precision, "most": case.most}
    row |= {**dict.fromkeys(FIGURES), "missed": [], "note": ""}
    began, worked = time.perf_counter(), time.process_time()
    try:
        with limit(left):
            works = case.make()
        spent = time.process_time() - worked
        costs = compared(works.ours, works.oracle, case.dtype, min(budget, (left - spent) / 3))
    except OutOfTime:
        return {**row, "note": f"gave up after {time.process_time() - worked:.0f} CPU-s"}
    except UserError as error:  # such as a package that is not installed
        return {**row, "note": str(error).split("\n")[0]}
    finally:
        works = None  # type: ignore[assignment]
        gc.collect()
    row |= {**figures(costs, case.per), "seconds": round(time.perf_counter() - began, 1)}
    if case.most is not None and costs.ratio > case.most:
        row["missed"].append(f"ratio above {case.most:g}")
    if not abs(costs.value - costs.oracle_value) <= case.close * abs(costs.oracle_value):
        row["missed"].append(f"found {costs.value:.6g}, the oracle {costs.oracle_value:.6g}")
    return row


def figures(costs: Costs, per: int) -> Row:
    """What is stored of a comparison whose calls were `per` steps: all but memory and rate for one step."""
    found = asdict(costs)
    found |= {key: found[key] / per for key in ("ours", "oracle", "gflop", "oracle_gflop")}
    return {**found, "ratio": costs.ratio, "share": costs.share}


FIGURES = ("n", "ours", "oracle", "gflop", "oracle_gflop", "rate", "mib", "oracle_mib", "value", "oracle_value")
FIGURES = (*FIGURES, "ratio", "share", "seconds")
HEAD = (
    f"{'':24}{'CPU-s':>9}{'oracle':>9}{'ratio':>7}{'at most':>9}{'GFLOP':>9}{'oracle':>9}{'of matmul':>11}"
    f"{'MiB':>7}{'oracle':>8}{'n':>4}"
)
FOOT = (
    "CPU seconds (medians of n calls in turn), operations and peak memory beyond what was there before, of one step of "
    "ours and of the\nplain way (oracle); `of matmul`: our operations a second as a share of a product's of two "
    f"{SIZE} × {SIZE} matrices in the row's type.\nFewer than {FEWEST} calls: one takes too long here. "
    "What a row is made of stands in the JSON (`title`) and in tests/benchmarks/cases.py."
)


def line(row: Row) -> str:
    """One line of the table."""
    if row["note"]:
        return f"{row['name']:24}  {row['note']}"
    most = "" if row["most"] is None else f"{row['most']:.2f}"
    memory = "".join(f"{'–' if row[key] is None else format(row[key], '.0f'):>{w}}" for key, w in MEMORY)
    told = (
        f"{row['name']:24}{row['ours']:9.3f}{row['oracle']:9.3f}{row['ratio']:7.2f}{most:>9}{row['gflop']:9.2f}"
        f"{row['oracle_gflop']:9.2f}{row['share']:11.0%}{memory}{row['n']:4}"
    )
    return told + "".join(f"  MISSED: {what}" for what in row["missed"])


MEMORY = (("mib", 7), ("oracle_mib", 8))

if __name__ == "__main__":
    raise SystemExit(main())
