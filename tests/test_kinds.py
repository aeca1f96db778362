"""Both kinds of data go one way: a run on images, labels distilled on real sentences, sets judged by the objective."""

from __future__ import annotations

import functools
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from tests import tiny
from textdistill.commands.tables import accuracies
from textdistill.core.errors import RecipeError, UserError
from textdistill.recipe.read import Recipe, resolve
from textdistill.representations.pixels import PixelTask
from textdistill.representations.words import WordTask
from textdistill.runs import pipeline
from textdistill.runs.artifact import load

DIGITS: dict[str, Any] = {
    "title": "digits in miniature",
    "data": {"name": "digits", "train_rows": 300, "test_rows": 200},
    "synthetic": {"per_class": 1, "epochs": 2, "lr": 0.1},
    "learner": {"name": "dense", "hidden": [16]},
    "objective": {"name": "unrolled", "batch": 64},
    "outer": {"steps": 3},
    "evaluate": {
        "nets": 2,
        "draws": 2,
        "full_nets": 1,
        "full": {"epochs": 6, "lr": 0.01},
        "rates": [0.1],
        "validation_rows": 30,
    },
}
LABELS: dict[str, Any] = {
    "synthetic": {
        **{"samples": 6, "steps": 2, "init": "k_centers", "labels": "clamped", "label_init": "uniform"},
        **{"learn": ["targets"], "lr": 0.01},
    },
    "objective": {"name": "unrolled", "steps": 1, "batch": 16},
    "starts": {"name": "plateau", "window": 2},
    "outer": {"steps": 8, "keep": "best", "validate_every": 4},
    "train": {"optimizer": "adam", "lr": 0.01},
    "evaluate": {
        **{"nets": 2, "full_nets": 1, "traditional": False, "full": {"epochs": 1}, "label_steps": 40},
        **{"baselines": ["true_labels", "smoothed_labels"], "validation_rows": 20},
    },
}


def labels(**changes: Any) -> Recipe:
    """Label distillation on the small table of reviews."""
    settings = {key: value for key, value in tiny.settings().items() if key not in ("variants", "starts")}
    return resolve({**settings, **LABELS, **changes})


@functools.cache
def of_digits() -> Path:
    folder = tiny.home() / "digits"
    pipeline.run(resolve(DIGITS), folder)
    return folder


@functools.cache
def of_labels() -> Path:
    folder = tiny.home() / "labels"
    pipeline.run(labels(), folder)
    return folder


def metrics(folder: Path) -> Any:
    return json.loads((folder / "metrics.json").read_text())


def test_image_data_bring_their_representation_and_network_with_them() -> None:
    recipe = resolve({**{k: v for k, v in DIGITS.items() if k != "learner"}})
    assert recipe.representation.kind == "pixels"
    assert recipe.learner.type.__name__ == "LeNet"


def test_a_run_on_images_leaves_pictures_and_a_report_instead_of_words() -> None:
    left = {file.name for file in of_digits().iterdir()}
    assert {"grid.png", "images.json", "report.html", "metrics.json", "distilled.safetensors"} <= left
    assert "decoded.json" not in left
    assert (of_digits() / "report.html").read_text().count("data:image/png;base64,") >= 10
    found = metrics(of_digits())
    assert found["full"]["accuracy"]["mean"] > 50
    assert set(found["baselines"]) >= {"random_real", "kmeans", "class_average", "knn_kmeans", "k_centers"}


def test_images_have_no_words_to_decode() -> None:
    from textdistill import api

    with pytest.raises(UserError, match=r"holds images, which have no words; look at .*grid\.png"):
        api.decode(of_digits())


def test_a_set_of_images_is_loaded_and_trains_again() -> None:
    stored = load(of_digits())
    learner, params = stored.train(seed=0)
    task = pipeline.prepare_task(stored.recipe())
    assert isinstance(task, PixelTask)
    assert learner.logits(params, task.test.batch(torch.arange(5))).shape == (5, 10)


def test_distilled_labels_leave_the_sentences_with_them() -> None:
    lines = [json.loads(line) for line in (of_labels() / "samples.jsonl").read_text().splitlines()]
    assert len(lines) == 6
    real = {text for text, _ in tiny.sentences()}
    for line in lines:
        assert line["text"] in real
        assert line["label"] == max(line["labels"], key=line["labels"].get)
        assert sum(line["labels"].values()) == pytest.approx(1, abs=1e-4)
    stored = load(of_labels())
    assert [stored.classes[owner] for owner in stored.distilled.meta["owners"]] == [
        line["source_label"] for line in lines
    ]


def test_the_sentences_themselves_do_not_change() -> None:
    stored, task = load(of_labels()), pipeline.prepare_task(labels())
    assert isinstance(task, WordTask)
    rows = torch.tensor(stored.distilled.meta["rows"])
    kept = task.fitted(task.train.batch(rows).inputs, tuple(stored.distilled.inputs.shape[2:]))
    assert torch.equal(stored.distilled.inputs.flatten(0, 1), kept)


def test_networks_train_for_as_many_steps_as_were_learned_at_the_plan_s_rate() -> None:
    rates = load(of_labels()).distilled.rates
    assert rates.shape[0] > 1
    assert bool((rates == 0.01).all())


def test_true_and_smoothed_labels_stand_beside_with_steps_of_their_own() -> None:
    found = metrics(of_labels())
    assert set(found["baselines"]) == {"true_labels", "smoothed_labels"}
    assert all(0 < found["protocol"]["baseline_steps"][name] <= 40 for name in found["baselines"])


def test_sentences_of_other_data_have_no_true_labels_to_compare_with(tmp_path: Path) -> None:
    settings = {**LABELS["synthetic"], "base": "rotten_tomatoes", "length": 12}
    made = pipeline.run(labels(synthetic=settings), tmp_path / "run")
    assert made.metrics["baselines"] == {}
    lines = [json.loads(line) for line in (tmp_path / "run" / "samples.jsonl").read_text().splitlines()]
    assert {line["source_label"] for line in lines} <= {"negative", "positive"}
    assert {tuple(line["labels"]) for line in lines} == {("bad", "good")}


def test_kernel_regression_is_judged_without_a_network(tmp_path: Path) -> None:
    recipe = resolve(
        {
            **DIGITS,
            "synthetic": {"per_class": 1, "init": "real", "learn": ["inputs", "targets"]},
            "objective": {"name": "kip", "kernel": {"name": "ntk"}},
            "starts": "fresh",
            "outer": {"steps": 20, "lr": 0.05},
            "evaluate": {**DIGITS["evaluate"], "by": "objective", "nets": 1, "baselines": ["random_real"]},
        }
    )
    found = pipeline.run(recipe, tmp_path / "run").metrics
    assert found["full"]["accuracy"]["mean"] > 90
    assert found["distilled"]["accuracy"]["mean"] > found["baselines"]["random_real"]["accuracy"]["mean"]
    assert found["protocol"]["full_rows"] == found["protocol"]["train_rows"]  # so few are soon solved


@pytest.mark.parametrize("by", ["objective", "networks"])
def test_a_full_data_score_of_some_rows_says_of_how_many(by: str, tmp_path: Path) -> None:
    full = {"rows": 20, "epochs": 2}
    objective = {"name": "kip", "kernel": {"name": "ntk"}}
    evaluate = {**DIGITS["evaluate"], "by": by, "nets": 1, "baselines": [], "full": full}
    synthetic = {"per_class": 1, "init": "real", "learn": ["targets"]}
    settings = {"synthetic": synthetic, "objective": objective, "starts": "fresh", "outer": {"steps": 1}}
    found = pipeline.run(resolve({**DIGITS, **settings, "evaluate": evaluate}), tmp_path / "run").metrics
    rows = found["protocol"]["train_rows"]
    assert found["protocol"]["full_rows"] == 20 < rows
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(accuracies(found))
    assert f"full data (20 of {rows} rows)" in console.export_text()
    assert f"All training data (20 of {rows} rows)" in (tmp_path / "run" / "report.html").read_text()


def test_what_cannot_classify_is_no_judge() -> None:
    with pytest.raises(RecipeError, match=r"evaluate\.by: 'objective', but unrolled cannot classify"):
        resolve({**DIGITS, "evaluate": {"by": "objective"}})


def test_transformations_of_the_other_kind_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"train\.augment: 'drop' is for words"):
        resolve({**DIGITS, "train": {"augment": ["drop"]}})


def test_augmented_training_is_the_same_every_time(tmp_path: Path) -> None:
    plan = {"optimizer": {"name": "sgd", "momentum": 0.9}, "epochs": 3, "lr": 0.01, "augment": ["crop", "scale"]}
    recipe = resolve({**DIGITS, "train": plan, "evaluate": {**DIGITS["evaluate"], "baselines": []}})
    first = pipeline.run(recipe, tmp_path / "one").metrics["distilled"]
    shutil.rmtree(tmp_path / "one")
    assert pipeline.run(recipe, tmp_path / "one").metrics["distilled"] == first


@pytest.mark.parametrize("owners", [[0, 1], "none", [0, 0, 0, 0, 0, 99]])
def test_damaged_owners_of_a_stored_set_are_told(owners: Any, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(of_labels(), folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "owners": owners}))
    with pytest.raises(UserError, match="owners must number one class for each sample"):
        load(folder)
