"""How long networks train on learned labels: as recorded with the set, or by the rule of the labels beside them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.analysis import runs
from textdistill.core.errors import RecipeError
from textdistill.evaluation.baselines import run_baselines
from textdistill.evaluation.labels import to_train_for, tuned_steps, with_true_labels
from textdistill.evaluation.protocol import LOOKS_ON_THE_WAY, Bench, block, score_set, validator
from textdistill.evaluation.training import accuracy, predict
from textdistill.recipe.read import resolve
from textdistill.runs import pipeline
from textdistill.runs.artifact import learner_of, load

VALIDATED = ("evaluate.steps=validated", "evaluate.label_steps=40")
WAYS: dict[str, Callable[[], Path]] = {"second order": lambda: runs.run_of("pixels"), "ridge": runs.run_by_ridge}


@pytest.fixture(params=list(WAYS))
def run(request: pytest.FixtureRequest) -> Path:
    """A finished run of label distillation, in one form and in the other."""
    return WAYS[request.param]()


def bench_of(run: Path, *asked: str) -> Bench:
    recipe = load(run).recipe((*VALIDATED, *asked))
    task = pipeline.prepare_task(recipe)
    return pipeline.make_bench(recipe, task, learner_of(recipe, task.shape, len(task.classes)), 0)


def test_labels_train_for_the_recorded_steps_unless_told_otherwise(run: Path) -> None:
    protocol = json.loads((run / "metrics.json").read_text())["protocol"]
    assert protocol["steps"] == "recorded"
    assert protocol["inner_steps"] == load(run).distilled.length
    assert protocol["inner_steps_of_sets"] == protocol["recorded_steps_of_sets"] == [protocol["inner_steps"]]


def test_the_protocol_tells_the_validated_steps_and_the_recorded_ones_stay_with_the_set(
    run: Path, tmp_path: Path
) -> None:
    copy, stored = shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("analysis")), load(run)
    found = pipeline.evaluate(copy, recipe=stored.recipe(VALIDATED)).metrics
    protocol, bench = found["protocol"], bench_of(run)
    assert protocol["steps"] == "validated"
    tuned = stored.distilled.lasting(tuned_steps(bench, stored.distilled))  # whole times through its two batches
    assert protocol["inner_steps"] == tuned.length != stored.distilled.length
    assert protocol["inner_steps_of_sets"] == [protocol["inner_steps"]]
    assert protocol["recorded_steps_of_sets"] == [stored.distilled.length] == [load(copy).distilled.length]
    learner, params = stored.train(seed=0, steps=protocol["inner_steps"])
    again = accuracy(predict(learner, params, bench.test), bench.test.labels)
    assert found["distilled"]["accuracy"]["mean"] == pytest.approx(again, abs=1e-3)


def test_true_labels_score_as_a_set_what_they_score_as_a_baseline(run: Path) -> None:
    bench, stored = bench_of(run, "evaluate.baselines=[true_labels, random_real]"), load(run).distilled
    baselines, notes = run_baselines(bench, stored)
    true = with_true_labels(stored)
    assert true is not None
    trained = to_train_for(bench, true)
    assert trained.length == notes["steps"]["true_labels"]
    assert block(score_set(bench, trained, 1, "true labels")[0]) == baselines["true_labels"]
    assert 0 < notes["steps"]["random_real"] <= 40  # its own


@pytest.mark.parametrize(("way", "rate"), [("second order", 0.1), ("ridge", 1.0)])
def test_the_outer_loop_looks_at_a_set_by_the_rule_that_it_is_judged_by_in_the_end(way: str, rate: float) -> None:
    run = WAYS[way]()
    bench = bench_of(run, f"train.lr={rate}")  # too fast: the best is behind the networks when they end
    stored = load(run).distilled.lasting(2 * LOOKS_ON_THE_WAY)
    by_recorded = validator(replace(bench, settings=replace(bench.settings, steps="recorded")))
    every = [by_recorded(stored.lasting(2 * look)) for look in range(1, 1 + LOOKS_ON_THE_WAY)]
    assert validator(bench)(stored) == max(every) > min(every)
    assert by_recorded(stored) == every[-1]


def test_a_set_that_the_outer_loop_kept_by_another_rule_is_another_set() -> None:
    recorded, validated = (
        pipeline.distilling(load(runs.run_of("pixels")).recipe(("outer.keep=best", f"evaluate.steps={rule}")))
        for rule in ("recorded", "validated")
    )
    assert recorded != validated


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"steps": "validate"}, r"evaluate\.steps: 'validate'; allowed: recorded, validated"),
        ({"steps": "validated", "by": "objective"}, "by: 'objective' trains no networks; allowed with it: 'recorded'"),
    ],
)
def test_a_rule_that_cannot_be_used_is_told(settings: dict[str, str], told: str) -> None:
    by_kernel = {
        **{"title": "kernel", "data": {"name": "digits"}, "objective": {"name": "kip", "kernel": {"name": "ntk"}}},
        **{"synthetic": {"per_class": 1, "learn": ["inputs"]}, "learner": "dense", "starts": "fresh"},
    }
    with pytest.raises(RecipeError, match=told):
        resolve({**by_kernel, "evaluate": settings})
