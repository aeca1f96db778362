"""A sweep through submitit, whose own executor stands in for the cluster: real jobs, read back from the run folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tiny
from textdistill.runs.sweep.engines import through_submitit
from textdistill.runs.sweep.results import outcome
from textdistill.runs.sweep.trials import grid

pytestmark = pytest.mark.interop


def test_jobs_run_the_trials_and_a_failed_one_takes_no_other_along(tmp_path: Path) -> None:
    tiny.home()
    out, told = tmp_path / "sweep", list[str]()
    trials = grid([str(tiny.recipe_file(tmp_path))], ["outer.lr=0.01,1e9", "outer.runaway=1"], [0], out)
    through_submitit(
        trials, out, None, {"timeout_min": "5"}, lambda trial: told.append(trial.name), cluster="local", poll=0.5
    )  # fmt: skip
    assert sorted(told) == sorted(trial.name for trial in trials)
    good, bad = outcome(trials, out).rows
    assert (good.finished, bad.finished) == (1, 0)
    assert "the loss is nan" in bad.failed[0]["reason"]
