"""A run for readable sets without a generator: what it leaves is all that its methods need, and nothing is trained."""

from __future__ import annotations

import json
import shutil
from typing import Any

import numpy as np
import pytest

import textdistill
from tests import tiny
from tests.text_level import runs
from textdistill.core.errors import RecipeError
from textdistill.data.sets.text_sets import read_text_set, read_text_sets
from textdistill.recipe.read import resolve
from textdistill.recipe.show import settings_of
from textdistill.runs.artifact import commit
from textdistill.runs.run import variants
from textdistill.selection.methods import AMONG_REAL_ROWS

METHODS = ["random_real", "k_centers", "search_real", "random_real_soft", "k_centers_soft"]


def recipe(**choose: Any) -> dict[str, Any]:
    whole = runs.settings()
    asked = {key: value for key, value in whole["choose"].items() if key not in ("methods", "consistent", "pool")}
    kept = {key: whole[key] for key in ("title", "paper", "data", "representation")}
    judge = {**whole["judge"], "by": [{"kind": "frozen"}]}
    return {**kept, "choose": {**asked, "methods": METHODS, **choose}, "judge": judge}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Any:
    tiny.home()
    with pytest.MonkeyPatch.context() as patch:
        cache = tmp_path_factory.mktemp("cache")
        patch.setenv("TEXTDISTILL_CACHE", str(cache))
        yield textdistill.run(recipe(), tmp_path_factory.mktemp("run") / "out")
    assert not (cache / "generators").exists()  # no language model was trained


def test_the_folder_holds_sets_figures_and_a_report_and_no_generator(finished: Any) -> None:
    names = {path.name for path in finished.folder.iterdir()}
    assert names == {
        *(".lock", "README.md", "headline.json", "manifest.json", "metrics.json", "references.bib", "report.html"),
        *("samples.jsonl", "sets"),
    }
    for method in METHODS:
        for size in runs.SIZES:
            sets = read_text_sets(finished.folder / "sets" / method / str(size), ("bad", "good"))
            assert [len(one) for one in sets] == [2 * size] * 2
    assert read_text_set(finished.folder).texts == finished.headline.texts


def test_the_figures_are_those_of_any_readable_set_without_what_was_not_done(finished: Any) -> None:
    metrics = json.loads((finished.folder / "metrics.json").read_text())
    assert metrics["variants"].keys() == {"frozen@1", "frozen@2"}
    block = metrics["variants"]["frozen@2"]
    assert block["headline"] == "search_real"
    assert block["baselines"].keys() == {*METHODS} - {"search_real"}
    assert not {"language_model", "matching", "generation"} & metrics.keys()
    assert metrics["cost"]["distill_seconds"] >= 0
    assert metrics["cost"]["precision"] == {"judge": "float32"}
    page = (finished.folder / "report.html").read_text(encoding="utf-8")
    assert "outer steps" not in page
    assert "Search among real rows" in page


def test_soft_labels_teach_with_the_same_texts(finished: Any) -> None:
    for method in ("random_real", "k_centers"):
        sets, soft = (
            read_text_sets(finished.folder / "sets" / name / "2", ("bad", "good"))
            for name in (method, f"{method}_soft")
        )
        for one, other in zip(sets, soft, strict=True):
            assert other.texts == one.texts
            assert one.soft is None
            assert other.soft is not None
            assert not np.array_equal(other.soft, one.targets)


def test_the_manifest_holds_the_recipe_without_what_says_nothing(finished: Any) -> None:
    stored = json.loads((finished.folder / "manifest.json").read_text())
    assert stored["recipe"].keys() == {"title", "paper", "data", "representation", "choose", "judge"}
    assert settings_of(resolve(stored["recipe"], custom=False)) == stored["recipe"]
    assert stored["headline"] == {"method": "search_real", "size": 2}


def test_it_is_resumed_judged_again_exported_and_recorded_as_others_are(finished: Any, tmp_path: Any) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(finished.folder, copied)
    before = {path: path.stat().st_mtime_ns for path in (copied / "sets").rglob("*.jsonl")}
    again = textdistill.run(recipe(), copied, resume=True)
    assert all(path.stat().st_mtime_ns == when for path, when in before.items())
    assert again.metrics["cost"]["distill_seconds"] == finished.metrics["cost"]["distill_seconds"]
    result = tiny.call("evaluate", copied, "judge.penalty=0.01", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["cost"]["distill_seconds"] == again.metrics["cost"]["distill_seconds"]
    assert tiny.call("report", copied).exit_code == 0
    assert tiny.call("export", copied, "--format", "csv", "--out", tmp_path / "set.csv").exit_code == 0
    made = variants(resolve(recipe()), again)
    assert made.keys() == {"frozen@1", "frozen@2"}
    assert again.commit == commit()


def test_a_set_is_the_one_that_a_run_with_a_generator_chooses(finished: Any, tmp_path: Any) -> None:
    """What is chosen among real rows does not depend on what else a recipe asks for."""
    other = recipe(methods=["search_real"], sizes=[2])
    alone = textdistill.run(other, tmp_path / "alone")
    assert alone.headline.texts == finished.headline.texts
    assert np.array_equal(alone.headline.labels, finished.headline.labels)


def test_without_methods_those_that_need_no_generator_are_meant() -> None:
    made = recipe()
    del made["choose"]["methods"]
    asked = resolve(made).text
    assert asked is not None
    assert asked.choose.headline == "search_real"
    assert set(asked.choose.methods) <= set(AMONG_REAL_ROWS)
    named = resolve(recipe(methods=["random_real", "herding"])).text
    assert named is not None
    assert named.choose.headline == "herding"
    assert resolve(recipe(methods="herding")).text is not None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"choose": {"methods": ["random_real", "ours"], "headline": "random_real"}},
            "choose.methods: 'ours' chooses among what a generator writes; add a section generator, or choose among "
            "real rows: random_real, herding",
        ),
        ({"language_model": {"steps": 3}}, "language_model: only beside a generator; allowed: title"),
        ({"objective": {"batch": 3}}, "objective: only beside a generator"),
        ({"evaluate": {"nets": 3}}, "evaluate: not beside choose"),
    ],
)
def test_what_needs_a_generator_is_refused_without_one(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(RecipeError) as caught:
        resolve({**recipe(), **changes})
    assert any(fault.startswith(told) for fault in caught.value.faults), caught.value.faults
    assert len(caught.value.faults) == 1


def test_a_run_that_was_stopped_while_it_chose_is_known_for_one(tmp_path: Any, monkeypatch: Any) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("textdistill.runs.readable.choose.Chooser.sets", _stopped)
        with pytest.raises(KeyboardInterrupt):
            textdistill.run(recipe(), tmp_path)
    assert textdistill.run(recipe(), tmp_path, resume=True).metrics["variants"]


def _stopped(*asked: Any) -> None:
    raise KeyboardInterrupt
