"""The distilled set on disk: it trains again to the same accuracy, and whatever is wrong with it is told, not run."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests import tiny
from textdistill.core.errors import ArtifactError, RecipeError
from textdistill.evaluation.training import accuracy, predict
from textdistill.recipe.show import settings_of
from textdistill.runs import pipeline
from textdistill.runs.artifact import Artifact, commit, load, versions

CONTRACT = {"full", "distilled", "distilled_snapped", "baselines", "ratio", "samples", "cost", "protocol"}
BASELINES = {
    *("random_real", "best_random_real", "kmeans", "class_average", "knn_random_real", "knn_kmeans"),
    *("k_centers", "herding"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(tiny.finished(), tmp_path / "run")


def change(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    edit(manifest)
    path.write_text(json.dumps(manifest), encoding="utf-8")


def change_tensors(folder: Path, edit: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "distilled.safetensors")
    edit(tensors)
    save_file(tensors, folder / "distilled.safetensors")


def told(folder: Path) -> str:
    with pytest.raises(ArtifactError) as caught:
        load(folder)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_a_run_s_folder_holds_what_the_contract_names() -> None:
    names = {path.name for path in tiny.finished().iterdir()}
    assert names == {
        *("distilled.safetensors", "manifest.json", "metrics.jsonl", "metrics.json", "report.html", "README.md"),
        *("decoded.json", "picture.json", "references.bib", "checkpoint.safetensors", "cost.json"),
        *("checkpoint-before.safetensors", ".lock"),
    }


@pytest.mark.parametrize(("variant", "nets"), [("fixed", 1), ("fresh", 2)])
def test_metrics_json_has_the_contract_s_keys(variant: str, nets: int) -> None:
    metrics = json.loads((tiny.finished(variant) / "metrics.json").read_text(encoding="utf-8"))
    assert metrics.keys() >= CONTRACT
    assert set(metrics["baselines"]) == BASELINES
    blocks = [metrics["full"], metrics["distilled"], metrics["distilled_snapped"], *metrics["baselines"].values()]
    for block in blocks:
        assert set(block["accuracy"]) == {"mean", "sd", "n", "scores"}
        assert len(block["accuracy"]["scores"]) == block["accuracy"]["n"]
        assert (block["accuracy"]["sd"] is None) == (block["accuracy"]["n"] == 1)
        assert 0 <= block["accuracy"]["mean"] <= 100
    assert metrics["distilled"]["accuracy"]["n"] == metrics["ratio"]["n"] == nets
    share = 100 * metrics["distilled"]["accuracy"]["mean"] / metrics["full"]["accuracy"]["mean"]
    assert metrics["ratio"]["mean"] == pytest.approx(share, abs=1e-2)
    assert metrics["samples"] == 4
    assert metrics["cost"].keys() >= {"distill_seconds", "outer_steps", "peak_rss_mib"}
    assert metrics["protocol"]["start"] == variant
    assert sum(map(sum, metrics["confusion"])) == metrics["protocol"]["test_rows"]


def test_the_manifest_says_what_the_set_came_from() -> None:
    manifest = json.loads((tiny.finished("fresh") / "manifest.json").read_text(encoding="utf-8"))
    stored = load(tiny.finished("fresh"))
    assert manifest["recipe"] == json.loads(json.dumps(settings_of(stored.recipe())))
    assert manifest["recipe"]["evaluate"]["ordinary"] == {"steps": 100, "lr": 0.001}  # defaults are written down
    assert (manifest["variant"], manifest["seed"], manifest["classes"]) == ("fresh", 0, ["bad", "good"])
    assert manifest["commit"] == commit() or manifest["commit"] is None or "+" in manifest["commit"]
    assert manifest["versions"].keys() >= {"python", "torch", "numpy", "textdistill"} <= versions().keys()
    assert len(manifest["data"]["fingerprint"]) == len(manifest["vectors"]["fingerprint"]) == 64
    assert manifest["initialisation"] == "fresh"
    assert torch.tensor(manifest["learning_rates"]).shape == stored.distilled.rates.shape == (2, 1)


@pytest.mark.parametrize("variant", ["fixed", "fresh"])
def test_a_stored_set_trains_to_the_recorded_accuracy_with_one_call(variant: str) -> None:
    stored = load(tiny.finished(variant))
    task = pipeline.prepare_task(stored.recipe())
    learner, params = stored.train()
    found = accuracy(predict(learner, params, task.test), task.test.labels)
    metrics = json.loads((tiny.finished(variant) / "metrics.json").read_text(encoding="utf-8"))
    if variant == "fixed":
        assert found == pytest.approx(metrics["distilled"]["accuracy"]["mean"], abs=1e-4)
    else:  # one of two networks
        other = 2 * metrics["distilled"]["accuracy"]["mean"] - found
        spread = abs(found - other) / 2**0.5
        assert spread == pytest.approx(metrics["distilled"]["accuracy"]["sd"], abs=1e-3)


def test_another_seed_starts_elsewhere_unless_the_start_is_stored() -> None:
    for variant, same in (("fixed", True), ("fresh", False)):
        stored = load(tiny.finished(variant))
        first, second = stored.train(0)[1], stored.train(1)[1]
        assert all(torch.equal(first[name], second[name]) for name in first) is same


@pytest.mark.slow
def test_a_new_process_trains_to_the_same_accuracy(tmp_path: Path) -> None:
    folder = shutil.copytree(tiny.finished("fresh"), tmp_path / "run")
    before = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    started = tiny.process("evaluate", folder, "--json")
    out, err = started.communicate(timeout=300)
    assert started.returncode == 0, err
    after = json.loads(out)
    for key in ("distilled", "distilled_snapped", "distilled_ordinary", "full", "baselines", "ratio", "confusion"):
        assert after[key] == before[key]


@pytest.mark.parametrize("name", ["distilled.safetensors", "manifest.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert f"{name}: missing" in told(folder)


@pytest.mark.parametrize("name", ["distilled.safetensors", "manifest.json"])
def test_a_link_that_leads_outside_the_folder_is_not_followed(folder: Path, name: str, tmp_path: Path) -> None:
    shutil.move(folder / name, tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    assert f"{name}: leads outside the folder" in told(folder)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "not readable JSON"),
        ("{", "not readable JSON"),
        ("[" * 100_000, "not readable JSON"),
        ("[]", "format 'list'"),
        ('{"format": 2}', "format 2; this version reads format 1"),
        ("\udcff", "not readable JSON"),
    ],
    ids=["empty", "cut", "deep", "list", "newer", "bytes"],
)
def test_a_malformed_manifest_is_named(folder: Path, text: str, expected: str) -> None:
    (folder / "manifest.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert expected in told(folder)


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda m: m.pop("recipe"), "recipe missing"),
        (lambda m: m.update(recipe=3), "recipe missing"),
        (lambda m: m.update(classes=["one"]), "must name the 2 classes"),
        (lambda m: m.pop("classes"), "must name the 2 classes"),
        (lambda m: m.update(seed="x"), "seed"),
        (lambda m: m.pop("seed"), "seed"),
    ],
)
def test_a_manifest_that_lacks_something_is_told(
    folder: Path, edit: Callable[[dict[str, Any]], object], expected: str
) -> None:
    change(folder, edit)
    assert expected in told(folder)


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda t: t["inputs"].view(-1)[:1].fill_(float("nan")), "inputs holds values that are not finite"),
        (lambda t: t["learning_rates"].fill_(float("inf")), "learning_rates holds values that are not finite"),
        (lambda t: t.update(targets=t["targets"].long()), "targets holds values that are not finite numbers"),
        (lambda t: t.pop("targets"), "lacks targets"),
        (lambda t: t.update(inputs=t["inputs"][0, 0]), "have 2, 3, 2 axes"),
        (lambda t: t.update(targets=t["targets"][:, :1].clone()), "do not fit together"),
        (lambda t: t.update(targets=torch.cat([t["targets"]] * 2, -1)), "must name the 4 classes"),
    ],
)
def test_tensors_that_cannot_be_a_set_are_told(
    folder: Path, edit: Callable[[dict[str, torch.Tensor]], object], expected: str
) -> None:
    change_tensors(folder, edit)
    assert expected in told(folder)


def test_a_file_that_is_not_safetensors_is_told(folder: Path) -> None:
    (folder / "distilled.safetensors").write_bytes(b"\x80\x04pickle?")
    assert "not a readable safetensors file" in told(folder)


@pytest.mark.parametrize("kind", ["learner", "objective", "starts"])
def test_a_stranger_s_part_is_refused_and_never_imported(folder: Path, kind: str, tmp_path: Path) -> None:
    (tmp_path / "stranger.py").write_text("raise SystemExit('imported')")
    change(folder, lambda m: m["recipe"].update({kind: {"name": "stranger:system"}}))
    sys.path.insert(0, str(tmp_path))
    try:
        with pytest.raises(RecipeError, match=f"{kind}.name: 'stranger:system'.*never loaded from a stored set"):
            load(folder).recipe()
    finally:
        sys.path.remove(str(tmp_path))
    assert "stranger" not in sys.modules
    change(folder, lambda m: m["recipe"].update({kind: {"name": "os:system"}}))
    result = tiny.call("evaluate", folder)
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    assert "no such folder" in told(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    assert "no such folder" in told(tmp_path / "file")


def test_theta0_of_a_fixed_start_is_stored_and_fits_the_network() -> None:
    stored: Artifact = load(tiny.finished())
    assert stored.distilled.theta0 is not None
    drawn = stored.learner().init(torch.Generator())
    assert {name: value.shape for name, value in stored.distilled.theta0.items()} == {
        name: value.shape for name, value in drawn.items()
    }
    assert load(tiny.finished("fresh")).distilled.theta0 is None


def test_theta0_that_fits_no_network_is_told(folder: Path) -> None:
    change_tensors(folder, lambda t: t.update({"theta0.linear_bias": torch.zeros(9)}))
    result = tiny.call("evaluate", folder)
    assert result.exit_code == 2
    assert "theta0" in result.stderr
