"""A text-level run: what it leaves behind, what it does not do twice, and where it goes on after a kill."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from safetensors.torch import load_file

import textdistill
from embeddings import default_cache_dir
from tests import tiny
from tests.text_level import runs
from textdistill.core.errors import RecipeError
from textdistill.data import load
from textdistill.data.sets.text_sets import read_text_set, read_text_sets
from textdistill.recipe.read import resolve
from textdistill.recipe.show import settings_of
from textdistill.runs.stored import data_of


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    tiny.home()
    with pytest.MonkeyPatch.context() as patch:  # a cache without the language models of other tests
        patch.setenv("TEXTDISTILL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield textdistill.run(runs.settings(), tmp_path_factory.mktemp("run") / "out")


def test_every_method_has_its_sets_of_every_size(finished):
    for method in runs.settings()["choose"]["methods"]:
        for size in runs.SIZES:
            sets = read_text_sets(finished.folder / "sets" / method / str(size), ("bad", "good"))
            assert len(sets) == 2
            for one in sets:
                assert np.bincount(one.labels, minlength=2).sum() == 2 * size
                if method != "ours_soft":  # a soft label may lean to another class than its sample's own
                    assert np.bincount(one.labels, minlength=2).tolist() == [size, size]


def test_soft_labels_stand_on_the_same_texts_as_the_hard_ones(finished):
    hard, soft = (read_text_set(finished.folder / "sets" / name / "2" / "00.jsonl") for name in ("ours", "ours_soft"))
    assert soft.texts == hard.texts
    assert soft.soft is not None
    assert soft.soft.sum(1) == pytest.approx(np.ones(4), abs=1e-5)
    assert hard.soft is None


def test_generated_sets_hold_no_copies_of_training_rows(finished):
    real = {" ".join(text.split()[:4]).casefold() for text, _ in tiny.sentences()}
    for method in ("vanilla_lm", "dilm", "ours"):
        for one in read_text_sets(finished.folder / "sets" / method / "2"):
            assert not {text.casefold() for text in one.texts} & real
    counted = finished.metrics["generation"]["matched"]
    assert {"sampled", "redrawn", "exact_copies", "near_copies", "repeated", "kept"} <= counted.keys()
    assert sum(counted["kept"]) <= counted["sampled"] == 24


def test_metrics_have_a_variant_for_every_judge_and_size_with_all_that_a_record_needs(finished):
    stored = json.loads((finished.folder / "metrics.json").read_text())
    assert stored["variants"].keys() == {"frozen@1", "frozen@2", "finetuned@2"}
    block = stored["variants"]["frozen@2"]
    assert block["distilled"]["accuracy"]["n"] == 2
    assert block["baselines"].keys() == {*runs.settings()["choose"]["methods"]} - {"ours"}
    assert block["samples"] == 4
    told = block["comparisons"]["ours - k_centers"]
    mean = {name: block["baselines"][name]["accuracy"]["mean"] for name in ("k_centers",)}
    assert told["difference"] == pytest.approx(block["distilled"]["accuracy"]["mean"] - mean["k_centers"], abs=1e-3)
    assert stored["cost"]["outer_steps"] == 5
    used = dict.fromkeys(("objective", "starts", "language_model", "pool", "judge"), "float32")
    assert stored["cost"]["precision"] == used
    assert json.loads((finished.folder / "manifest.json").read_text())["precision"] == used


def test_the_manifest_holds_every_setting_that_the_run_had(finished):
    """Settings that were left to their defaults, too: tomorrow's defaults may be others."""
    manifest = json.loads((finished.folder / "manifest.json").read_text())
    assert (manifest["format"], manifest["kind"]) == (1, "texts")
    stored = manifest["recipe"]
    assert stored["choose"]["near_copies"] is True
    assert stored["judge"]["penalty"] == 1e-3
    assert settings_of(resolve(stored, custom=False)) == stored


def test_matching_moves_the_generator_and_leaves_the_language_model_alone(finished):
    moved = load_file(finished.folder / "generator" / "model.safetensors")
    [place] = (default_cache_dir() / "generators").glob("*/generator/model.safetensors")
    first = load_file(place)
    assert moved.keys() == first.keys()
    assert any(not torch.equal(moved[name], first[name]) for name in moved)


def test_the_folder_can_be_exported_from_and_read_by_a_person(finished):
    headline = read_text_set(finished.folder)
    assert headline.texts == finished.headline.texts
    readme = (finished.folder / "README.md").read_text(encoding="utf-8")
    assert "frozen@2" in readme
    assert "maekawa2024" in (finished.folder / "references.bib").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["lm-eval", "promptfoo"])
def test_a_model_is_asked_about_the_test_rows_of_the_runs_own_data(finished, tmp_path, name):
    result = tiny.call("export", finished.folder, "--format", name, "--k", "2", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    asked = load(data_of(finished.folder)).test.texts
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    told = "".join(path.read_text(encoding="utf-8") for path in files if path.suffix != ".parquet")
    told += "".join(str(pq.read_table(path).to_pylist()) for path in files if path.suffix == ".parquet")
    plain = [text for text in asked if text.replace(" ", "").isalpha()]
    assert sum(text in told for text in plain) >= min(len(plain), 20)


def test_the_page_shows_samples_neighbours_map_curves_and_confusion(finished):
    page = (finished.folder / "report.html").read_text(encoding="utf-8")
    for part in ("results", "course", "samples", "labels", "map", "confusion", "reading", "cite"):
        assert f'<section id="{part}"' in page, part
    seen = json.loads((finished.folder / "headline.json").read_text())
    assert len(seen["near"]) == 4
    assert np.array(seen["confusion"]).sum() == finished.metrics["protocol"]["test_rows"]
    right = 100 * np.trace(seen["confusion"]) / np.sum(seen["confusion"])
    assert right == pytest.approx(
        finished.metrics["variants"]["frozen@2"]["distilled"]["accuracy"]["scores"][0], abs=1e-3
    )
    assert seen["soft_of"] == "ours_soft"
    looks = (finished.folder / "language-model.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in looks] == [30, 60]


def test_the_sets_are_judged_again_to_the_same_scores(finished, tmp_path):
    copied = tmp_path / "again"
    shutil.copytree(finished.folder, copied)
    (copied / "generator" / "model.safetensors").unlink()  # only the sets are needed
    result = tiny.call("evaluate", copied, "--json")
    assert result.exit_code == 0, result.output
    again = json.loads(result.stdout)
    for name, block in finished.metrics["variants"].items():
        assert again["variants"][name]["distilled"] == block["distilled"]
        assert again["variants"][name]["comparisons"] == block["comparisons"]
    assert again["generation"] == finished.metrics["generation"]
    refused = tiny.call("evaluate", copied, "choose.over=2")
    assert refused.exit_code == 2
    assert "the judges alone can be changed" in refused.stderr


def test_a_second_run_does_no_stage_again(finished, tmp_path):
    copied = tmp_path / "again"
    shutil.copytree(finished.folder, copied)
    before = {path: path.stat().st_mtime_ns for path in copied.rglob("*") if path.suffix in (".safetensors", ".jsonl")}
    again = textdistill.run(runs.settings(), copied, resume=True)
    changed = [path for path, when in before.items() if path.stat().st_mtime_ns != when]
    assert sorted(path.name for path in changed) == ["language-model.jsonl", "samples.jsonl"]
    assert again.metrics["variants"].keys() == finished.metrics["variants"].keys()
    for name, block in again.metrics["variants"].items():
        assert block["distilled"] == finished.metrics["variants"][name]["distilled"]


def test_other_settings_of_the_choice_choose_anew_and_train_nothing(finished, tmp_path):
    copied = tmp_path / "other"
    shutil.copytree(finished.folder, copied)
    generator = (copied / "generator" / "model.safetensors").stat().st_mtime_ns
    settings = runs.settings()
    settings["choose"]["over"] = 2
    textdistill.run(settings, copied, resume=True)
    assert (copied / "generator" / "model.safetensors").stat().st_mtime_ns == generator
    assert json.loads((copied / "sets/ours/1/stage-choice.json").read_text()) != json.loads(
        (finished.folder / "sets/ours/1/stage-choice.json").read_text()
    )


def test_the_command_shows_a_table_for_each_judge_and_records_every_variant(tmp_path):
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(yaml.safe_dump(runs.settings(), sort_keys=False), encoding="utf-8")
    result = tiny.call("run", recipe, "--out", tmp_path / "out", "--record")
    assert result.exit_code == 0, result.output
    assert "Frozen encoder, linear head: test accuracy in percent, by samples a class" in result.stdout
    assert "written, not taken: 0.0 % of the samples are copies of training rows, 0.0 % near" in result.stdout
    assert "to be shared without the data: samples.jsonl alone" in result.stdout
    ours = yaml.safe_load(recipe.read_text())["results"]["ours"]
    assert ours.keys() == {"frozen@1", "frozen@2", "finetuned@2"}
    assert ours["frozen@2"]["accuracy"]["n"] == 2


def test_sets_are_chosen_anew_where_the_representation_pools_otherwise(tmp_path):
    made = runs.settings()
    own = {key: made[key] for key in ("title", "paper", "data", "representation")}
    own["choose"] = {"sizes": [3], "size": 3, "sets": 1, "methods": ["k_centers"], "headline": "k_centers"}
    own["choose"]["views"] = made["choose"]["views"]
    own["judge"] = {"encoder": made["judge"]["encoder"]}
    notes, texts = [], []
    for pool in ("mean", "cls"):
        own["representation"] = {**own["representation"], "pool": pool}
        texts.append(textdistill.run(own, tmp_path / "out", resume=pool == "cls").headline.texts)
        notes.append(json.loads((tmp_path / "out/sets/k_centers/3/stage-choice.json").read_text())["identity"])
    assert notes[0] != notes[1]
    assert texts[0] != texts[1]


@pytest.mark.parametrize(
    ("section", "value", "told"),
    [
        ("choose", {"sizes": [0], "size": 0}, "choose.sizes: 0; allowed: 1 or more"),
        ("choose", {"methods": ["oors"]}, "did you mean 'ours'?"),
        ("judge", {"by": [{"kind": "frozn"}]}, "judge.by.0.kind: 'frozn'; allowed: frozen"),
        ("pool", {"batch": 0}, "pool.batch: 0; allowed: 1 or more"),
        ("teacher", {"rows": 0}, "teacher.rows: 0; allowed: 1 or more"),
        ("sampling", {"top_p": 0}, "sampling.top_p: 0.0; allowed: above 0, up to 1"),
        ("synthetic", {"per_class": 2}, "synthetic: not beside a generator"),
        ("objective", {"name": "unrolled"}, "['weights'] get no gradient from unrolled"),
        ("starts", {"name": "chain"}, "starts: it trains networks on a set that stays"),
    ],
)
def test_faults_of_a_recipe_are_told_by_their_key(section, value, told):
    made = {**runs.settings(), section: value}
    with pytest.raises(RecipeError) as caught:
        resolve(made)
    assert any(told in fault for fault in caught.value.faults), caught.value.faults


def test_sections_of_the_text_level_are_refused_without_a_generator():
    with pytest.raises(RecipeError, match="pool: only beside a generator"):
        resolve({**tiny.settings(), "pool": {"batch": 3}})
    with pytest.raises(RecipeError, match="choose: not beside synthetic"):
        resolve({**tiny.settings(), "choose": {"sets": 3}})
