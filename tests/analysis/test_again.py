"""Analyses that distil again: what they compare, that they keep what they made, and that settings make it another."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from torch import Tensor

from tests.analysis import runs
from textdistill.analysis import again
from textdistill.analysis.study import Study
from textdistill.core.learner import Params
from textdistill.evaluation.protocol import Bench
from textdistill.objectives.ridge_labels import CLASSIFIER, SCALE
from textdistill.runs import pipeline
from textdistill.runs.artifact import load

KINDS = ("words", "pixels")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return shutil.copytree(runs.run_of("pixels"), tmp_path / "run", ignore=shutil.ignore_patterns("analysis"))


def sets_in(run: Path, name: str) -> dict[str, Path]:
    """The distilled sets that an analysis keeps, by the first part of their folders' names."""
    return {path.name.rsplit("-", 1)[0]: path for path in sorted((run / "analysis" / name).iterdir())}


@pytest.mark.parametrize("kind", KINDS)
def test_repeats_have_other_seeds_and_the_same_base_examples(kind: str) -> None:
    run = runs.run_of(kind)
    found = runs.analyse("repeat", run, "--runs", "2", "--nets", "2")
    assert [row["distillation"] for row in found["rows"]] == ["seed 0", "seed 1", "seed 2", "means of all"]
    assert [row["accuracy"]["n"] for row in found["rows"]] == [2, 2, 2, 3]
    means = [row["accuracy"]["mean"] for row in found["rows"]]
    assert means[3] == pytest.approx(sum(means[:3]) / 3, abs=1e-3)
    stored = load(run).distilled
    for path in sets_in(run, "repeat").values():
        repeated = load(path).distilled
        assert repeated.meta["rows"] == stored.meta["rows"]
        assert not repeated.targets.equal(stored.targets)


def test_what_was_distilled_is_kept_and_other_settings_make_another(run: Path) -> None:
    words = ("repeat", run, "--runs", "1", "--nets", "1")
    first = runs.analyse(*words)
    (kept,) = sets_in(run, "repeat").values()
    before = (kept / "distilled.safetensors").stat().st_mtime_ns
    assert runs.analyse(*words) == first
    assert (kept / "distilled.safetensors").stat().st_mtime_ns == before
    runs.analyse(*words, "outer.steps=2")
    assert len(list((run / "analysis" / "repeat").iterdir())) == 3  # the first seed, too, under these settings
    assert runs.analyse(*words, "evaluate.batch=50")["rows"] == first["rows"]


def test_what_was_begun_is_gone_on_with(run: Path) -> None:
    words = ("repeat", run, "--runs", "1", "--nets", "1")
    whole = runs.analyse(*words)["rows"]
    (kept,) = sets_in(run, "repeat").values()
    for name in ("cost.json", "distilled.safetensors", "manifest.json"):
        (kept / name).unlink()
    assert (kept / "checkpoint.safetensors").is_file()
    assert runs.analyse(*words)["rows"] == whole


@pytest.mark.parametrize("kind", KINDS)
def test_bases_are_other_rows_and_the_best_are_chosen_by_validation(kind: str) -> None:
    run = runs.run_of(kind)
    found = runs.analyse("bases", run, "--runs", "1", "--candidates", "2", "--nets", "2")
    told = [(row["base examples"], row["labels"]) for row in found["rows"]]
    assert told == [
        ("draw 0", "distilled"),
        ("draw 1", "distilled"),
        ("means of all", "distilled"),
        ("best of 2 by validation", "distilled"),
        ("best of 2 by true labels", "true"),
        ("best of 2 by true labels", "distilled"),
    ]
    assert load(sets_in(run, "bases")["draw-1"]).distilled.meta["rows"] != load(run).distilled.meta["rows"]
    checked = found["settings"]["validation"]
    assert found["rows"][3]["accuracy"] == found["rows"][checked.index(max(checked))]["accuracy"]
    assert found["rows"][5]["accuracy"] == found["rows"][found["settings"]["chosen"]]["accuracy"]


def test_a_candidate_is_the_draw_that_its_distillation_begins_with() -> None:
    study = Study.of(runs.run_of("words"))
    for seed in (0, 1):
        drawn = again.drawn_base(study, seed)
        distilled = study.distilled if seed == 0 else again.distil(study, "bases", "draw-1", base_seed=1)
        assert drawn.meta["rows"] == distilled.meta["rows"]
        assert drawn.meta["owners"] == distilled.meta["owners"]
        assert drawn.inputs.equal(distilled.inputs)


@pytest.mark.parametrize("kind", KINDS)
def test_fewer_target_rows_are_tried_beside_all(kind: str) -> None:
    run = runs.run_of(kind)
    found = runs.analyse("target-size", run, "--rows", "20,100000", "--nets", "2")
    total = len(Study.of(run).task.train)
    assert [row["target rows"] for row in found["rows"]] == [20, total]
    assert "left out" in found["notes"][0]
    assert all(row["accuracy"]["n"] == 2 for row in found["rows"])
    assert load(sets_in(run, "target-size")["rows-20"]).manifest.data["rows"]["train"] == 20


@pytest.mark.parametrize("kind", KINDS)
def test_both_ways_of_learning_labels_meet_both_kinds_of_networks_on_the_same_samples(kind: str) -> None:
    run = runs.run_of(kind)
    found = runs.analyse("ridge-labels", run, "--nets", "2")
    assert [(row["labels"], row["network"]) for row in found["rows"]] == [
        (labels, network) for labels in ("second order", "ridge") for network in ("standard", "ridge")
    ]
    other = load(sets_in(run, "ridge-labels")["ridge"])
    assert other.manifest.recipe["objective"]["name"] == "ridge_labels"
    assert other.distilled.inputs.equal(load(run).distilled.inputs)


def test_a_run_by_ridge_regression_is_compared_with_the_second_order(run: Path) -> None:
    first = runs.analyse("ridge-labels", run, "--nets", "2")
    by_ridge = shutil.move(sets_in(run, "ridge-labels")["ridge"], run.parent / "ridge")
    found = runs.analyse("ridge-labels", Path(by_ridge), "--nets", "2")
    assert found["settings"]["run"] == "ridge"
    assert list(sets_in(Path(by_ridge), "ridge-labels")) == ["second-order"]
    assert found["rows"] == first["rows"]  # the same two sets, on the same two kinds of networks


def test_standard_networks_of_a_run_by_ridge_regression_have_no_ridge_classifier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[Params] = []

    class Watched(Bench):
        def test_scores(self, params: Params) -> tuple[dict[str, float], Tensor]:
            scored.append(params)
            return super().test_scores(params)

    run = shutil.copytree(runs.run_by_ridge(), tmp_path / "run", ignore=shutil.ignore_patterns("analysis"))
    monkeypatch.setattr(pipeline, "Bench", Watched)
    found = runs.analyse("ridge-labels", run, "--nets", "1")
    assert [row["network"] for row in found["rows"]].count("standard") == len(scored) == 2
    assert not any({CLASSIFIER, SCALE} & params.keys() for params in scored)


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_are_learned_with_hard_labels_from_the_same_samples(kind: str) -> None:
    run = runs.run_of(kind)
    found = runs.analyse("inputs", run, "--nets", "2", "outer.lr=0.1")
    assert [row["learned"] for row in found["rows"]] == ["labels", "inputs", "nothing (true labels)"]
    learned, stored = load(sets_in(run, "inputs")["inputs"]).distilled, load(run).distilled
    assert set(learned.targets.unique().tolist()) == {0.0, 1.0}
    assert not learned.inputs.equal(stored.inputs)
    moved = (learned.inputs - stored.inputs).abs().max()
    assert moved < 0.1 * 8  # six steps of Adam from the same samples


def test_other_settings_than_the_parts_know_are_told(run: Path) -> None:
    assert "outer.stepz" in runs.mistake("repeat", run, "outer.stepz=3")
