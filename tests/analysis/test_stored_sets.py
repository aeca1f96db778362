"""Analyses of a set as it is stored: steps, rules and orders of training, what the labels say, prototypes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from tests import tiny
from tests.analysis import runs
from textdistill.analysis.meaning import blend
from textdistill.analysis.study import Study
from textdistill.analysis.training import Shuffled, on_the_way
from textdistill.analysis.variance import spread_of
from textdistill.core.schedule import DistilledSet

KINDS = ("words", "pixels")


def test_steps_are_shares_of_those_stored_and_the_spread_is_over_networks() -> None:
    run = runs.run_of("pixels")
    stored = Study.of(run).distilled.length
    found = runs.analyse("steps", run, "--deviations=-0.5,0,1", "--nets", "2")
    assert [row["steps"] for row in found["rows"]] == [stored // 2, stored, 2 * stored]
    assert [row["deviation"] for row in found["rows"]] == ["-50 %", "+0 %", "+100 %"]
    assert all(row["accuracy"].keys() == {"mean", "sd", "n"} and row["accuracy"]["n"] == 2 for row in found["rows"])


@pytest.mark.parametrize("run", [lambda: runs.run_of("words"), runs.run_by_ridge], ids=["standard", "ridge"])
def test_a_network_met_on_the_way_is_the_one_trained_for_so_many_steps(run: Callable[[], Path]) -> None:
    study = Study.of(run())
    bench, distilled = study.bench(), study.distilled
    met = dict(on_the_way(bench, distilled, [2, distilled.length], 0))
    for name, value in bench.trained(distilled, 0).items():
        torch.testing.assert_close(met[distilled.length][name], value)
    (alone,) = [params for _, params in on_the_way(bench, distilled, [2], 0)]
    assert all(torch.equal(alone[name], met[2][name]) for name in alone)


def test_a_fixed_start_has_one_network(tmp_path: Path) -> None:
    run = shutil.copytree(tiny.finished("fixed"), tmp_path / "run")
    found = runs.analyse("steps", run, "--deviations=0,1", "--nets", "3")
    assert {row["accuracy"]["n"] for row in found["rows"]} == {1}


def test_rules_rates_and_orders_are_tried_beside_the_stored_training() -> None:
    found = runs.analyse("optimizer", runs.run_of("words"), "--rules", "sgd:0.1,adam:0.01", "--nets", "2")
    accuracies = {row["training"]: row["accuracy"] for row in found["rows"]}
    assert list(accuracies) == [
        "as stored",
        "as stored, rates × 0.3",
        "as stored, rates × 3",
        "as stored, batches shuffled",
        "as stored, batches shuffled across epochs",
        "as stored, samples shuffled",
        "sgd, 0.1",
        "adam, 0.01",
    ]
    assert accuracies["adam, 0.01"] == accuracies["as stored"]  # which is this rule
    assert {one["n"] for one in accuracies.values()} == {2}


def test_images_are_tried_in_other_orders_as_texts_are() -> None:
    found = runs.analyse("optimizer", runs.run_of("pixels"), "--rules", "adam:0.01", "--nets", "1")
    orders = [row["training"] for row in found["rows"] if "shuffled" in row["training"]]
    assert [order.partition(", ")[2] for order in orders] == [
        *("batches shuffled", "batches shuffled across epochs", "samples shuffled"),
    ]


def test_shuffled_epochs_show_every_sample_with_its_label_once_each_in_an_order_of_its_own() -> None:
    values = torch.arange(6.0).view(3, 2, 1)
    plain = DistilledSet(values[..., None], values, torch.tensor([[0.1, 0.2, 0.3]]).repeat(4, 1))
    for by_sample in (False, True):
        shuffled = Shuffled(plain.inputs, plain.targets, plain.rates, order=1, by_sample=by_sample)
        epochs = [[shuffled.draw(3 * epoch + step) for step in range(3)] for epoch in range(4)]
        seen = []
        for draws in epochs:
            assert [float(draw.lr) for draw in draws if draw.lr is not None] == pytest.approx([0.1, 0.2, 0.3])
            assert all(torch.equal(draw.batch.inputs[..., 0], draw.batch.targets) for draw in draws)
            seen.append([int(value) for draw in draws for value in draw.batch.targets.flatten()])
            assert sorted(seen[-1]) == list(range(6))
        assert len({tuple(one) for one in seen}) > 1
        pairs = {tuple(one[k : k + 2]) for one in seen for k in (0, 2, 4)}
        assert (pairs <= {(0, 1), (2, 3), (4, 5)}) == (not by_sample)


def test_batches_shuffled_across_epochs_come_as_often_as_before_and_rates_stay() -> None:
    values = torch.arange(6.0).view(3, 2, 1)
    plain = DistilledSet(values[..., None], values, torch.arange(1.0, 13.0).view(4, 3))
    shuffled = Shuffled(plain.inputs, plain.targets, plain.rates, order=1, across=True)
    draws = [shuffled.draw(step) for step in range(12)]
    assert [float(draw.lr) for draw in draws if draw.lr is not None] == list(range(1, 13))
    first = [int(draw.batch.targets[0]) for draw in draws]
    assert sorted(first) == sorted([0, 2, 4] * 4)
    assert any(sorted(first[at : at + 3]) != [0, 2, 4] for at in range(0, 12, 3))  # no epoch need hold them all


@pytest.mark.parametrize("run", [lambda: runs.run_of("words"), runs.run_by_ridge], ids=["second order", "ridge"])
def test_the_labels_gradient_varies_over_real_batches_and_ridge_is_told_beside_the_second_order(
    run: Callable[[], Path],
) -> None:
    found = runs.analyse("gradient-variance", run(), "--draws", "3", "--ages", "0,2", "--nets", "2")
    assert [(row["way"], row["steps"]) for row in found["rows"]] == [
        (way, steps) for way in ("second order", "ridge") for steps in (0, 2)
    ]
    for row in found["rows"]:
        assert row["variance / squared mean"]["n"] == 2
        assert row["variance"] > 0
        assert row["variance / squared mean"]["mean"] > 0


def test_the_variance_of_gradients_is_numpys_and_the_other_knows_no_scale() -> None:
    gradients = torch.randn(7, 4, 3, dtype=torch.float64)
    variance, relative = spread_of(gradients)
    assert variance == pytest.approx(gradients.numpy().var(0, ddof=1).mean())
    mean = gradients.numpy().mean(0)
    assert relative == pytest.approx(gradients.numpy().var(0, ddof=1).sum() / (mean**2).sum())
    assert spread_of(100 * gradients)[1] == pytest.approx(relative)


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_told_class_by_class(kind: str) -> None:
    study = Study.of(runs.run_of(kind))
    found = runs.analyse("labels", runs.run_of(kind))
    owners = torch.tensor(study.distilled.meta["owners"])
    values = study.distilled.targets.flatten(0, 1).double()
    for label, row in enumerate(found["rows"]):
        mine = values[owners == label]
        assert row["class"] == study.artifact.classes[label]
        assert row["value"]["mean"] == pytest.approx(float(mine[:, label].mean()), abs=1e-4)
        assert row["value"]["n"] == row["samples"] == len(mine)
        assert row["label"] == pytest.approx(mine.mean(0).tolist(), abs=1e-5)
        assert 0 <= row["entropy"]["mean"] <= 1
        assert row["kept"] == 100 * float((mine.argmax(1) == label).double().mean())


def test_labels_of_foreign_samples_are_told_by_the_classes_they_had_there(tmp_path: Path) -> None:
    run, other = tmp_path / "run", tmp_path / "other.csv"
    lengths = [(text, "long" if len(text) > 90 else "short") for text, _ in tiny.sentences()[::2]]
    pd.DataFrame(lengths, columns=["text", "label"]).to_csv(other, index=False)
    recipe = runs.recipe_of("words")
    result = tiny.call("run", recipe, f"synthetic.base={other}", "--out", run)
    assert result.exit_code == 0, result.output
    found = runs.analyse("labels", run)
    assert {row["class"] for row in found["rows"]} <= {"long", "short"}
    assert found["settings"]["foreign"]
    assert all("kept" not in row for row in found["rows"])
    compared = runs.analyse("transfer", run, "--networks", "mlp", "--nets", "1", "--encoder", "none")
    assert [row["labels"] for row in compared["rows"]] == ["distilled"]
    chosen = runs.analyse("bases", run, "--runs", "1", "--nets", "1")
    assert "no true labels here" in chosen["notes"][0]
    assert len(chosen["rows"]) == 4


def test_prototypes_of_images_look_like_their_classes_and_of_words_are_their_foremost_sentences() -> None:
    images = runs.analyse("prototypes", runs.run_of("pixels"))
    assert [row["class"] for row in images["rows"]] == ["above", "below"]
    assert all(row["likeness"] > 0.5 for row in images["rows"])
    words = runs.analyse("prototypes", runs.run_of("words"), "--top", "2")
    samples = Study.of(runs.run_of("words")).samples()
    assert samples is not None
    for row in words["rows"]:
        ranked = sorted(((one["labels"][row["class"]], one["text"]) for one in samples), reverse=True)
        assert [one["text"] for one in row["foremost"]] == [text for _, text in ranked[:2]]
        assert row["label"]["n"] == 4


def test_a_prototype_is_the_mean_of_the_inputs_weighted_by_the_label() -> None:
    inputs, values = torch.randn(5, 2, 3), torch.rand(5, 4)
    wanted = torch.stack([(values[:, [c], None] * inputs).sum(0) / values[:, c].sum() for c in range(4)])
    torch.testing.assert_close(blend(inputs, values), wanted)


def hard(tmp_path: Path) -> Path:
    """A run that learned inputs alone."""
    run = tmp_path / "hard"
    words = ("synthetic.learn=[inputs]", "synthetic.labels=hard", "evaluate.baselines=[]")
    result = tiny.call("run", tiny.recipe_file(tmp_path), "--out", run, *words)
    assert result.exit_code == 0, result.output
    return run


def test_what_a_run_cannot_be_asked_is_told_in_a_line(tmp_path: Path) -> None:
    run = hard(tmp_path)
    for name in ("labels", "prototypes", "bases", "ridge-labels", "inputs", "gradient-variance"):
        assert f"analyse {name}: {run} learned inputs and no soft labels" in runs.mistake(name, run)
    vectors = tiny.finished("fixed")
    for name in ("prototypes", "bases", "ridge-labels", "inputs"):
        assert f"analyse {name}: the samples of {vectors} are no real rows" in runs.mistake(name, vectors)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("steps", "--deviations=-1,0"), "allowed: numbers above -1"),
        (("steps", "--deviations=some"), "numbers parted by commas"),
        (("optimizer", "--rules", "adm:0.1"), "did you mean 'adam'"),
        (("optimizer", "--rules", "adam"), "allowed: NAME:RATE"),
        (("gradient-variance", "--ages=-1"), "numbers of steps, 0 or more"),
        (("target-size", "--rows", "1"), "allowed: numbers of 2 or more"),
        (("target-size", "--rows", "100000"), "the training split has"),
    ],
)
def test_options_that_make_no_sense_are_told(words: tuple[str, ...], told: str) -> None:
    assert told in runs.mistake(words[0], runs.run_of("words"), *words[1:])


def test_damaged_samples_are_told(tmp_path: Path) -> None:
    run = shutil.copytree(runs.run_of("words"), tmp_path / "run")
    (run / "samples.jsonl").write_text("{", encoding="utf-8")
    assert "samples.jsonl: not readable" in runs.mistake("prototypes", run)
    (run / "samples.jsonl").write_text("{}\n", encoding="utf-8")
    assert "1 samples, but the set has 4" in runs.mistake("transfer", run)


def test_shuffling_keeps_its_order_when_it_lasts_longer() -> None:
    plain = DistilledSet(torch.rand(3, 2, 1), torch.rand(3, 2, 2), torch.ones(1, 3))
    shuffled = Shuffled(plain.inputs, plain.targets, plain.rates, order=5, by_sample=True)
    longer = replace(shuffled, rates=torch.ones(2, 3))
    assert all(torch.equal(shuffled.draw(k).batch.inputs, longer.draw(k).batch.inputs) for k in range(3))
