"""A run whose set a language model writes that is only shown rows: nothing is trained, and no row is in the set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests import tiny
from tests.in_context import models
from tests.text_level.runs import settings
from textdistill.core.errors import UserError
from textdistill.data.sets.text_sets import read_text_set
from textdistill.recipe.read import resolve
from textdistill.runs.plan.forecast import forecast
from textdistill.runs.plan.probe import measure
from textdistill.runs.readable.run import TextRun, run_texts
from textdistill.selection.sharpness import TRIALS, VALUES

GENERATORS = (
    "generator",
    "language_model",
    "sampling",
    "pool",
    "teacher",
    "learner",
    "objective",
    "starts",
    "outer",
    "checkpoint",
)


def recipe(**prompted: Any) -> Any:
    """Of the run in miniature without its generator; the language model reads letters, and its weights are random."""
    folder = tiny.home()
    models.furnish(folder / "prompted")
    given = {key: value for key, value in settings().items() if key not in GENERATORS}
    asked = {"model": str(folder / "prompted" / "model"), "rounds": 2, "sets": 2, "shown": 3, "samples": 120}
    asked |= {"length": 20, "temperature": 30.0, **prompted}
    given["choose"] = {**given["choose"], "methods": ["search_real", "prompted"], "headline": "prompted", "sizes": [2]}
    given["choose"]["prompted"] = asked
    given["judge"] = {**given["judge"], "by": [{"kind": "frozen"}]}
    return resolve(given)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TextRun:
    return run_texts(recipe(), tmp_path_factory.mktemp("prompted") / "run")


def test_the_set_is_written_and_no_row_of_the_table(run: TextRun) -> None:
    assert run.written
    rows = {" ".join(text.split()[:4]) for text, _ in tiny.sentences()}
    assert len(run.headline.texts) == 4
    assert not rows & set(run.headline.texts)
    pool = read_text_set(run.folder / "pool-prompted.jsonl", run.headline.classes)
    assert set(run.headline.texts) <= set(pool.texts)
    assert not rows & set(pool.texts)


def test_what_was_written_is_told(run: TextRun) -> None:
    told = run.metrics["generation"]["prompted"]
    assert sum(one["sampled"] + sum(one["redrawn"].values()) for one in told["rounds"]) == 2 * 2 * 60
    assert sum(told["kept"]) == sum(one["added"] for one in told["rounds"])
    assert "language_model" not in run.metrics  # nothing was trained
    assert run.metrics["cost"]["distill_seconds"] >= told["seconds"] > 0
    assert "Language model, prompted" in (run.folder / "report.html").read_text(encoding="utf-8")


def test_it_is_not_written_again_where_nothing_changed(run: TextRun) -> None:
    stage = run.folder / "stage-pool-prompted.json"
    before = stage.stat().st_mtime_ns
    again = run_texts(recipe(), run.folder, resume=True)
    assert stage.stat().st_mtime_ns == before
    assert again.headline.texts == run.headline.texts


def test_a_model_that_is_none_is_told_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="language model"):
        run_texts(recipe(model=str(tmp_path / "none.gguf")), tmp_path / "run")


def test_a_plan_counts_what_is_written_behind_prompts_and_the_searches_before(tmp_path: Path) -> None:
    made = recipe(samples=300, rounds=2, sets=3)
    measured = measure(made)
    told = {line.name: line for line in forecast(made, measured).lines}
    assert told["samples behind a prompt"].count == 2 * 2 * 3  # rounds, classes, prompts for 150 samples
    assert told["samples behind a prompt"].seconds > 0
    sets = made.text.choose.sets
    tried = len(VALUES) * TRIALS  # for the sharpness
    assert told["set by prompted"].count == sets + tried + 2 * 3
