"""What a sweep came to: a row for each recipe and its values, mean and spread over seeds, and the comparison."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from textdistill.core.checkpoint import write_atomic
from textdistill.core.errors import UserError
from textdistill.core.file_names import METRICS
from textdistill.core.json_files import facts_in
from textdistill.evaluation.statistics import summarise
from textdistill.reports.compare_runs import Compared, Read, compare_read, pooled, read_run
from textdistill.runs.sweep.trials import Trial, by_group

RESULTS, CHARTS = "sweep.json", ("sweep.png", "sweep.html")


@dataclass(frozen=True)
class Row:
    """The trials of one group: how many ended how, and by judge and samples a class what those reached, in percent.

    A score is the mean and the standard deviation over seeds of each trial's own mean; `ratio` is of the run's
    headline. `minutes` are a trial's wall clock, on average.
    """

    group: str
    seeds: list[int]
    finished: int
    failed: list[dict[str, Any]]
    scores: list[dict[str, Any]] = field(default_factory=list)
    ratio: dict[str, float | int | None] | None = None
    minutes: float | None = None


@dataclass(frozen=True)
class Outcome:
    """All rows, the comparison where there is one (else `apart` says why not), and the files that show it."""

    rows: list[Row]
    compared: Compared | None
    apart: str | None
    files: list[Path] = field(default_factory=list)

    @property
    def failures(self) -> int:
        """How many trials have no result."""
        return sum(len(row.seeds) - row.finished for row in self.rows)

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        told = None if self.compared is None else self.compared.as_dict()
        return {"rows": [asdict(row) for row in self.rows], "compared": told, "apart": self.apart}


def outcome(trials: Sequence[Trial], out: Path) -> Outcome:
    """Read what the trials left, and write table, chart and page into the sweep's folder `out`."""
    from textdistill.reports.compare_chart import write_chart

    rows, groups = [], []
    for group, same in by_group(trials).items():
        row, read = _row(group, same)
        rows.append(row)
        groups += [pooled(read, group)] if read else []
    compared, apart = None, None
    if len(groups) > 1:
        try:
            compared = compare_read(groups, least=1)
        except UserError as error:  # other data, other learners: each row stands for itself
            apart = " ".join(str(error).split())
    found = Outcome(rows, compared, apart, [out / name for name in CHARTS] if compared is not None else [])
    if compared is not None:
        for path in found.files:
            write_chart(path, compared)
    write_atomic(out / RESULTS, json.dumps(found.as_dict(), indent=1) + "\n")
    return found


def _row(group: str, trials: Sequence[Trial]) -> tuple[Row, list[Read]]:
    read, ratios, seconds, failed = list[Read](), list[float](), list[float](), list[dict[str, Any]]()
    for trial in trials:
        told = trial.told()
        if told.get("state") != "finished":
            reason = told.get("reason") or "not finished; the same command goes on with it"
            failed.append({"seed": trial.seed, "reason": reason, "log": str(trial.log)})
            continue
        read.append(read_run(trial.folder, trial.name))
        seconds.append(float(told.get("seconds") or 0.0))
        metrics = facts_in(trial.folder, METRICS)
        ratio = metrics.get("ratio")
        if isinstance(ratio, dict) and isinstance(ratio.get("mean"), int | float):
            ratios.append(float(ratio["mean"]))
    scores = []
    for (judge, size), entry in pooled(read, group).entries.items() if read else ():
        score = {key: getattr(entry.score, key) for key in ("mean", "sd", "n")}
        scores.append({"judge": judge, "size": size, **score, "full": entry.full})
    row = Row(
        group,
        [trial.seed for trial in trials],
        len(read),
        failed,
        scores,
        summarise(ratios).as_dict() if ratios else None,
        round(sum(seconds) / len(seconds) / 60, 2) if seconds else None,
    )
    return row, read
