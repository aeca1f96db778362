"""From recipe to folder: the same seed gives the same bits, stopped or not, and the Python of the README is true."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import textdistill
from tests import tiny
from textdistill.core.errors import ArtifactError, RecipeError, UserError
from textdistill.recipe.read import Recipe, resolve
from textdistill.runs import pipeline
from textdistill.runs.run_files import claim

SET = ("distilled.safetensors", "manifest.json")


def recipe(*overrides: str, variant: str | None = None) -> Recipe:
    return resolve(tiny.settings(), overrides, variant)


def content(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in SET}


def log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("variant", ["fixed", "fresh"])
def test_the_same_seed_gives_the_same_bits_and_another_does_not(variant: str, tmp_path: Path) -> None:
    one = recipe(variant=variant)
    task = pipeline.prepare_task(one)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        pipeline.distill_into(tmp_path / name, one, task, seed)
    assert content(tmp_path / "a") == content(tmp_path / "b")
    assert content(tmp_path / "a")["distilled.safetensors"] != content(tmp_path / "c")["distilled.safetensors"]


def test_a_run_with_other_settings_or_another_seed_is_not_gone_on_with(tmp_path: Path) -> None:
    task = pipeline.prepare_task(recipe())
    pipeline.distill_into(tmp_path, recipe(), task, 0)
    for other, seed in ((recipe("outer.steps=5"), 0), (recipe(), 1)):
        with pytest.raises(ArtifactError, match="belongs to another run"):
            pipeline.distill_into(tmp_path, other, task, seed, resume=True)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()
    # How it is evaluated, and where the data lie, makes no other run.
    same = recipe("evaluate.nets=7", "checkpoint.every=9", f"data.data_dir={tmp_path}")
    pipeline.distill_into(tmp_path, same, task, 0, resume=True)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before


def test_with_another_way_of_training_a_finished_distillation_is_kept(tmp_path: Path) -> None:
    task = pipeline.prepare_task(recipe())
    before = pipeline.distill_into(tmp_path, recipe(), task, 0)
    steps = log(tmp_path)
    other = recipe("train.epochs=3", "train.lr=0.5")
    found = pipeline.distill_into(tmp_path, other, task, 0, resume=True)
    assert log(tmp_path) == steps
    assert torch.equal(found.inputs, before.inputs)
    assert found.length == 3 * before.inputs.shape[0]
    assert bool((found.rates == 0.5).all())
    # Where validation chooses among the steps' sets, training is part of the choice.
    chosen = ("outer.keep=best", "outer.validate_every=1")
    pipeline.distill_into(tmp_path / "best", recipe(*chosen), task, 0)
    with pytest.raises(ArtifactError, match="belongs to another run"):
        pipeline.distill_into(tmp_path / "best", recipe(*chosen, "train.lr=0.5"), task, 0, resume=True)


def test_repeats_are_distillations_with_seeds_of_their_own(tmp_path: Path) -> None:
    words = ("evaluate.repeats=3", "evaluate.baselines=[]", "evaluate.snapped=false", "outer.steps=1")
    run = pipeline.run(recipe(*words), tmp_path / "run", seed=4)
    assert run.metrics["protocol"]["seeds"] == [4, 5, 6]
    assert run.metrics["distilled"]["accuracy"]["n"] == 3
    stored = [tmp_path / "run", *sorted((tmp_path / "run" / "repeats").iterdir())]
    assert [json.loads((one / "manifest.json").read_text())["seed"] for one in stored] == [4, 5, 6]
    again = pipeline.evaluate(tmp_path / "run")
    assert again.metrics["distilled"] == run.metrics["distilled"]


def test_the_best_set_by_validation_is_kept_when_asked_for(tmp_path: Path) -> None:
    one = recipe("outer.keep=best", "outer.validate_every=1", "outer.steps=4")
    made = pipeline.distill_into(tmp_path, one, pipeline.prepare_task(one), 0)
    scores = [record["validation"] for record in log(tmp_path)]
    assert made.meta["validation"] == max(scores)
    assert made.meta["kept_step"] == 1 + scores.index(max(scores))


@pytest.mark.parametrize("name", ["noise", "real", "k_centers", "kmeans", "class_average"])
def test_every_initialisation_begins_a_set(name: str, tmp_path: Path) -> None:
    one = recipe(f"synthetic.init={name}", "outer.steps=1", "synthetic.per_class=null", "synthetic.samples=3")
    made = pipeline.distill_into(tmp_path, one, pipeline.prepare_task(one), 0)
    assert made.inputs.shape == (1, 3, 12, tiny.DIMENSION)
    assert made.inputs.isfinite().all()


def test_a_run_killed_before_its_first_checkpoint_can_be_resumed_and_other_files_bar_the_way(tmp_path: Path) -> None:
    for name in ("metrics.jsonl.tmp", ".checkpoint.safetensors.123.tmp", "error.log"):
        (tmp_path / name).touch()
    claim(tmp_path)
    claim(tmp_path, resume=True)
    (tmp_path / "metrics.jsonl").touch()
    with pytest.raises(UserError, match="a run that is not finished"):
        claim(tmp_path)
    claim(tmp_path, resume=True)
    (tmp_path / "repeats" / "1").mkdir(parents=True)
    (tmp_path / "repeats" / "1" / "manifest.json").touch()
    (tmp_path / "repeats" / "1" / "own.txt").touch()
    claim(tmp_path, force=True)
    assert [path.name for path in sorted(tmp_path.rglob("*")) if path.is_file()] == ["own.txt"]


def test_python_does_what_the_command_line_does(tmp_path: Path) -> None:
    result = textdistill.run(tiny.settings(), out=tmp_path / "run", variant="fixed")
    command = json.loads((tiny.finished() / "metrics.json").read_text())
    assert result.metrics["distilled"] == command["distilled"]
    assert result.metrics["baselines"] == command["baselines"]
    stored = textdistill.load(tmp_path / "run")
    assert stored.distilled.samples == result.artifact.distilled.samples == 4
    learner, params = stored.train(seed=3)
    assert set(params) == set(learner.init(torch.Generator()))
    assert textdistill.evaluate(tmp_path / "run", overrides=["evaluate.baselines=[]"]).metrics["baselines"] == {}
    assert len(textdistill.decode(tmp_path / "run", k=2).sentences[0].alternatives[0]) == 1
    with pytest.raises(UserError, match="holds a finished run"):
        textdistill.run(tiny.settings(), out=tmp_path / "run")


def test_python_takes_a_loaded_recipe_but_no_second_overrides(tmp_path: Path) -> None:
    loaded = textdistill.load_recipe("quickstart", overrides=["outer.steps=30"])
    assert loaded.outer.steps == 30
    with pytest.raises(RecipeError, match="belong to `load_recipe`"):
        textdistill.run(loaded, out=tmp_path / "x", overrides=["outer.steps=3"])
    assert not (tmp_path / "x").exists()


def test_the_readme_s_python_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (tiny.ROOT / "README.md").read_text(encoding="utf-8")
    snippets = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert snippets
    shutil.copytree(tiny.finished("fresh"), tmp_path / "runs" / "q")
    monkeypatch.chdir(tmp_path)
    seen: list[dict[str, Any]] = []

    def run(name: str, **asked: Any) -> pipeline.Run:
        seen.append({"name": name, **asked})
        textdistill.load_recipe(name, overrides=asked.get("overrides", ()))
        return pipeline.evaluate(tmp_path / "runs" / "q")

    monkeypatch.setattr(textdistill, "run", run, raising=False)
    for snippet in snippets:
        exec(compile(snippet, "README.md", "exec"), {})
    assert [one["name"] for one in seen] == ["quickstart"]


def test_importing_the_package_is_quick_and_offers_its_names() -> None:
    script = (
        "import sys, textdistill; print('torch' in sys.modules, sorted(textdistill.__all__), textdistill.__version__)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tiny.ROOT)
    names = ["__version__", "decode", "distill", "evaluate", "load", "load_recipe", "run"]
    assert done.stdout.strip() == f"False {names} {textdistill.__version__}"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = textdistill.nothing
    assert set(textdistill.__all__) <= set(dir(textdistill))
