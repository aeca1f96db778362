"""Transfer: every usual network and the frozen encoder learn from a stored set, beside true and smoothed labels."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from tests import tiny
from tests.analysis import runs
from textdistill.analysis.study import Study
from textdistill.analysis.transfer import as_sentences, label_kinds
from textdistill.representations.words import WordTask


def test_words_train_the_networks_asked_for_and_a_head_on_the_frozen_encoder() -> None:
    found = runs.analyse("transfer", runs.run_of("words"), "--networks", "mlp,text_conv", "--nets", "2")
    assert [(row["network"], row["labels"]) for row in found["rows"]] == [
        (network, labels)
        for network in ("mlp", "text_conv", "minilm, frozen")
        for labels in ("distilled", "true", "smoothed")
    ]
    for row in found["rows"]:
        assert row["accuracy"]["n"] == (1 if "frozen" in row["network"] else 2)
        assert 0 <= row["accuracy"]["mean"] <= 100
        assert (row["accuracy"]["sd"] is None) == (row["accuracy"]["n"] == 1)
    stored = Study.of(runs.run_of("words")).distilled.length
    assert {row["steps"] for row in found["rows"]} == {stored, None}
    assert found["settings"]["lr"] == 0.01  # the recipe's own


def test_images_train_every_usual_network() -> None:
    found = runs.analyse("transfer", runs.run_of("pixels"), "--nets", "1")
    assert {row["network"] for row in found["rows"]} == {"lenet", "convnet", "dense"}


def test_with_tuned_steps_true_labels_tell_bright_above_from_bright_below() -> None:
    words = ("--networks", "dense", "--nets", "2", "--steps", "tuned")
    found = runs.analyse("transfer", runs.run_of("pixels"), *words)
    true = next(row for row in found["rows"] if row["labels"] == "true")
    assert true["accuracy"]["mean"] > 80
    assert all(1 <= row["steps"] <= 41 for row in found["rows"])


def test_the_same_call_gives_the_same_numbers() -> None:
    words = ("transfer", runs.run_of("pixels"), "--networks", "dense", "--nets", "2")
    assert runs.analyse(*words) == runs.analyse(*words)


def test_a_set_of_vectors_has_no_true_labels_and_nothing_an_encoder_could_read(tmp_path: Path) -> None:
    run = shutil.copytree(tiny.finished("fresh"), tmp_path / "run")
    found = runs.analyse("transfer", run, "--networks", "mlp", "--nets", "1")
    assert [(row["network"], row["labels"]) for row in found["rows"]] == [("mlp", "distilled")]
    assert "no rows of the task" in found["notes"][0]
    assert "no sentences that an encoder could read" in runs.mistake("transfer", run, "--encoder", "minilm")


def test_sentences_end_where_the_rows_they_are_end() -> None:
    study = Study.of(runs.run_of("words"))
    assert isinstance(study.task, WordTask)
    lengths = study.task.train.lengths[study.distilled.meta["rows"]]
    found = as_sentences(study)
    masks = [found.draw(step).batch.mask for step in range(found.inputs.shape[0])]
    assert torch.equal(torch.cat([mask.sum(1) for mask in masks if mask is not None]), lengths.clamp(1, 12))
    assert all(isinstance(one, type(found)) for one in label_kinds(found).values())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--networks", "lenet"), "for words allowed: text_conv"),
        (("--networks", "mpl"), "did you mean 'mlp'"),
        (("--steps", "some"), "allowed: stored, tuned"),
        (("--encoder", "/no/such/model"), "no such folder"),
        (("outer.steps=3",), "nothing is distilled anew"),
        (("twice",), "settings KEY=VALUE alone"),
    ],
)
def test_a_mistake_is_told_in_a_line(words: tuple[str, ...], told: str) -> None:
    assert told in runs.mistake("transfer", runs.run_of("words"), *words)


def test_images_and_text_only_options_and_wrong_names_and_folders_are_told(tmp_path: Path) -> None:
    assert "the samples of" in runs.mistake("transfer", runs.run_of("pixels"), "--encoder", "minilm")
    assert "did you mean 'transfer'" in runs.mistake("tranfer", runs.run_of("words"))
    assert "no such folder" in runs.mistake("transfer", tmp_path / "nowhere")


def test_every_analysis_is_listed_and_teaches_by_examples() -> None:
    from textdistill.analysis import ANALYSES

    listed = tiny.call("analyse", "--help").output
    for name in ANALYSES:
        assert f" {name} " in listed
        assert f"textdistill analyse {name} " in tiny.call("analyse", name, "--help").output
