"""Many runs: the grid, what is finished stays, what fails takes no other along, one table over seeds."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import tiny
from textdistill.core.errors import RecipeError, UserError
from textdistill.runs.sweep.carry_out import reason
from textdistill.runs.sweep.engines import through_submitit
from textdistill.runs.sweep.results import outcome
from textdistill.runs.sweep.trials import Trial, grid, seeds_of, values_of


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    tiny.home()
    return tiny.recipe_file(tmp_path)


def finished(trials: list[Trial]) -> None:
    """Every trial with the folder of a finished run, each a percent better than the one before."""
    for place, trial in enumerate(trials):
        shutil.copytree(tiny.finished(), trial.folder)
        file = trial.folder / "metrics.json"
        metrics = json.loads(file.read_text())
        score = metrics["distilled"]["accuracy"]
        score |= {"mean": 50.0 + place, "scores": [50.0 + place for _ in score["scores"]]}
        metrics["ratio"]["mean"] = 80.0 + place
        file.write_text(json.dumps(metrics))
        trial.end("finished", None, 60.0)


@pytest.mark.parametrize(("text", "seeds"), [("0..2", [0, 1, 2]), ("3", [3]), ("0..1,7,1", [0, 1, 7])])
def test_seeds_are_numbers_and_ranges_none_twice(text: str, seeds: list[int]) -> None:
    assert seeds_of(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "3..1", "-1", "0...2", "0..99999999"])
def test_other_seeds_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="--seeds"):
        seeds_of(text)


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("outer.lr=0.1,1", ["0.1", "1"]),
        ("synthetic.learn=[inputs, lr],[lr]", ["[inputs, lr]", "[lr]"]),
        ("data.name='a,b.csv',c.csv", ["'a,b.csv'", "c.csv"]),
        ("outer.scale={lr: 1, targets: 2}", ["{lr: 1, targets: 2}"]),
        ("outer.clip=null,null", ["null"]),
    ],
)
def test_a_comma_parts_values_but_not_within_brackets_or_quotes(word: str, values: list[str]) -> None:
    assert values_of(word) == (word.split("=")[0], values)


def test_the_grid_is_recipes_by_values_by_seeds_and_each_trial_is_a_command_of_its_own(recipe: Path) -> None:
    words = ["outer.lr=0.1,0.2", "outer.steps=2"]
    trials = grid([str(recipe)], words, [0, 1], recipe.parent / "sweep", options=("--device", "cpu"))
    assert [(trial.group, trial.seed) for trial in trials] == [
        ("tiny-fixed outer.lr=0.1", 0),
        ("tiny-fixed outer.lr=0.1", 1),
        ("tiny-fixed outer.lr=0.2", 0),
        ("tiny-fixed outer.lr=0.2", 1),
    ]
    assert trials[3].words == [
        *("run", str(recipe), "outer.lr=0.2", "outer.steps=2", "--seed", "1"),
        *("--out", str(recipe.parent / "sweep" / "tiny-fixed-outer.lr=0.2-seed-1"), "--resume", "--device", "cpu"),
    ]
    assert len({trial.identity for trial in trials}) == 4


def test_the_faults_of_all_trials_are_told_at_once_before_any_runs(recipe: Path) -> None:
    with pytest.raises(RecipeError) as told:
        grid([str(recipe)], ["outer.lr=-1,0.1", "outer.stepz=3"], [0, 1], recipe.parent / "sweep")
    assert len(told.value.faults) == 2  # each once, however many trials have it
    assert not (recipe.parent / "sweep").exists()


def test_a_trial_of_other_settings_in_the_folder_is_refused_by_name(recipe: Path) -> None:
    out = recipe.parent / "sweep"
    [trial] = grid([str(recipe)], [], [0], out)
    trial.end("finished", None, 1.0)
    [same] = grid([str(recipe)], ["checkpoint.every=7"], [0], out)  # no matter to any figure
    assert same.state() == "finished"
    [other] = grid([str(recipe)], ["outer.steps=5"], [0], out)
    with pytest.raises(UserError, match="tiny-fixed-seed-0 is a trial of other settings; choose another --out"):
        other.state()


def test_the_table_has_the_mean_and_spread_over_seeds_and_what_is_finished_is_not_run_again(recipe: Path) -> None:
    out = recipe.parent / "sweep"
    words = ("outer.lr=0.1,0.2", "--seeds", "0..1", "--out", out)
    trials = grid([str(recipe)], ["outer.lr=0.1,0.2"], [0, 1], out)
    finished(trials)
    shown = tiny.call("sweep", recipe, *words, "--json")
    assert shown.exit_code == 0, shown.output
    first, second = json.loads(shown.stdout)["rows"]
    assert (first["finished"], second["finished"]) == (2, 2)
    score = second["scores"][0]
    assert (score["mean"], score["sd"], score["n"]) == (52.5, pytest.approx(0.7071), 2)
    assert second["ratio"]["mean"] == 82.5
    [gap] = json.loads(shown.stdout)["compared"]["differences"]
    assert (gap["difference"], gap["claim"]) == (-2.0, "tiny-fixed outer.lr=0.1 - tiny-fixed outer.lr=0.2")
    assert {path.name for path in out.iterdir() if path.is_file()} == {"sweep.json", "sweep.png", "sweep.html"}
    assert not list((out / "trials").glob("*.log"))  # nothing was started
    assert "52.50 ± 0.71" in tiny.call("sweep", recipe, *words).stdout


def test_a_failed_trial_stands_in_the_table_with_its_reason_and_takes_no_other_along(recipe: Path) -> None:
    out = recipe.parent / "sweep"
    trials = grid([str(recipe)], [], [0, 1], out)
    finished(trials[:1])
    trials[1].end("failed", "outer step 1: the loss is nan", 2.0)
    shown = tiny.call("sweep", recipe, "--seeds", "0..1", "--out", out)
    assert shown.exit_code == 1
    assert "seed 1: outer step 1: the loss is nan" in shown.stdout
    assert "1 of 2 trials have no result; --retry tries those that failed again" in shown.stderr
    [row] = outcome(trials, out).rows
    assert (row.finished, row.scores[0]["n"]) == (1, 1)


def test_the_reason_is_what_the_trial_said_or_the_signal_that_ended_it(recipe: Path) -> None:
    [trial] = grid([str(recipe)], [], [0], recipe.parent / "sweep")
    trial.log.parent.mkdir(parents=True)
    trial.log.write_text("distilling 3 of 9\ntextdistill: --out: cannot be used;\n  choose another\n")
    assert reason(2, trial) == "--out: cannot be used; choose another"
    assert reason(-signal.SIGKILL, trial) == "killed by SIGKILL, as when memory is used up"
    trial.log.write_text("Segmentation in step 3\n\n")
    assert reason(1, trial) == "exit code 1: Segmentation in step 3"


def test_without_the_extra_slurm_says_what_to_install(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    trials = grid([str(recipe)], [], [0], recipe.parent / "sweep")
    with pytest.raises(UserError, match=r"needs submitit; pip install 'textdistill\[cluster\]'"):
        through_submitit(trials, recipe.parent / "sweep", None, {}, lambda trial: None)


def test_a_dry_run_lists_trials_with_their_state_and_makes_no_folder(recipe: Path) -> None:
    shown = tiny.call("sweep", recipe, "--seeds", "0..2", "--out", recipe.parent / "sweep", "--dry-run")
    assert shown.exit_code == 0, shown.output
    assert "3 trials: 3 new" in shown.stdout
    assert not (recipe.parent / "sweep").exists()


def plain(metrics: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metrics.items() if key != "cost"}


@pytest.mark.slow
def test_trials_run_as_processes_of_which_one_fails_and_the_other_is_the_run_by_itself(recipe: Path) -> None:
    out = recipe.parent / "sweep"
    words = ("sweep", recipe, "outer.lr=0.01,1e9", "outer.runaway=1", "--out", out, "--jobs", "2", "--json")
    ended = tiny.call(*words)
    assert ended.exit_code == 1, ended.output
    good, bad = json.loads(ended.stdout)["rows"]
    assert good["finished"] == 1
    assert "outer step 1: the loss is nan" in bad["failed"][0]["reason"]
    alone = recipe.parent / "alone"
    assert tiny.call("run", recipe, "outer.lr=0.01", "outer.runaway=1", "--out", alone).exit_code == 0
    trial = out / "tiny-fixed-outer.lr=0.01-seed-0"
    made, expected = (json.loads((folder / "metrics.json").read_text()) for folder in (trial, alone))
    assert plain(made) == plain(expected)
    before = (out / "trials" / "tiny-fixed-outer.lr=1e9-seed-0.json").stat().st_mtime_ns
    assert tiny.call(*words).exit_code == 1  # neither is run again
    assert (out / "trials" / "tiny-fixed-outer.lr=1e9-seed-0.json").stat().st_mtime_ns == before
