"""Scores in percent: right against hand-made values and scikit-learn, offline, without traces, fast."""

from __future__ import annotations

import socket
from pathlib import Path

import evaluate
import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from textdistill.core.errors import DataError, UserError
from textdistill.evaluation.confusion import confusion
from textdistill.evaluation.metrics import METRICS, score


def test_each_metric_by_hand() -> None:
    # TP 2, FP 1, FN 1, TN 4
    references = [1, 1, 1, 0, 0, 0, 0, 0]
    predictions = [1, 1, 0, 1, 0, 0, 0, 0]
    found = score(["accuracy", "f1", "macro_f1", "matthews"], predictions, references)
    assert found == pytest.approx(
        {
            "accuracy": 75.0,
            "f1": 100 * 4 / 6,
            "macro_f1": 100 * (4 / 6 + 8 / 10) / 2,
            "matthews": 100 * (2 * 4 - 1 * 1) / (3 * 3 * 5 * 5) ** 0.5,
        }
    )


def test_f1_is_that_of_class_one_for_two_classes_and_macro_for_more() -> None:
    rng = np.random.default_rng(0)
    two, guess = rng.integers(0, 2, 50), rng.integers(0, 2, 50)
    assert score(["f1"], guess, two)["f1"] == pytest.approx(100 * f1_score(two, guess))
    three, guess = rng.integers(0, 3, 50), rng.integers(0, 3, 50)
    assert score(["f1"], guess, three)["f1"] == pytest.approx(100 * f1_score(three, guess, average="macro"))


def test_scores_are_the_same_through_evaluates_own_interface() -> None:
    rng = np.random.default_rng(1)
    references, predictions = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    for name, kind in METRICS.items():
        metric = kind()
        assert isinstance(metric, evaluate.Metric)
        computed = metric.compute(predictions=predictions, references=references)
        assert 100 * computed[name] == pytest.approx(score([name], predictions, references)[name])


def test_scores_come_in_the_order_asked_and_tensors_and_lists_agree() -> None:
    predictions, references = [0, 1, 2, 2], [0, 1, 1, 2]
    listed = score(["matthews", "accuracy"], predictions, references)
    assert list(listed) == ["matthews", "accuracy"]
    assert score(["matthews", "accuracy"], torch.tensor(predictions), np.array(references)) == listed
    assert listed["accuracy"] == 100 * accuracy_score(references, predictions)
    assert listed["matthews"] == pytest.approx(100 * matthews_corrcoef(references, predictions))


@pytest.mark.parametrize(("predicted", "true"), [(0, 0), (0, 1), (1, 0)])
def test_one_class_alone_gives_finite_scores_and_no_warning(predicted: int, true: int) -> None:
    found = score(list(METRICS), [predicted] * 4, [true] * 4)
    right = 100.0 * (predicted == true)
    assert found == {"accuracy": right, "f1": 0.0, "macro_f1": right, "matthews": 0.0}


def test_an_unknown_metric_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UserError, match=r"'acuracy' is unknown \(did you mean 'accuracy'\?\); known: accuracy, f1"):
        score(["acuracy"], [0], [0])


def test_no_rows_and_unequal_sides_are_refused() -> None:
    with pytest.raises(DataError, match="no rows to score"):
        score(["accuracy"], [], [])
    with pytest.raises(DataError, match="2 predictions for 3 references"):
        score(["accuracy"], [0, 1], [0, 1, 1])


def test_nothing_is_fetched_and_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(evaluate.config, "HF_METRICS_CACHE", tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    for kind in METRICS.values():
        kind().compute(predictions=[0, 1], references=[0, 1])
    score(list(METRICS), [0, 1], [0, 1])
    assert list(tmp_path.iterdir()) == []


def test_confusion_counts_true_classes_down_and_predicted_ones_across() -> None:
    assert confusion([0, 1, 1, 1, 0], [0, 0, 1, 1, 1], ["no", "yes", "never"]) == [[1, 1, 0], [1, 2, 0], [0, 0, 0]]


@pytest.mark.parametrize(("classes", "wanted"), [(["only"], [[2]]), (["one", "two"], [[2, 0], [0, 0]])])
def test_confusion_takes_tensors_and_a_single_class_and_gives_plain_integers(
    classes: list[str], wanted: list[list[int]]
) -> None:
    counts = confusion(torch.tensor([0, 0]), torch.tensor([0, 0]), classes)
    assert counts == wanted
    assert type(counts[0][0]) is int


def test_confusion_refuses_classes_it_has_no_name_for() -> None:
    with pytest.raises(DataError, match="row 1: prediction 2 is no class; classes are 0 to 1"):
        confusion([0, 2], [0, 1], ["a", "b"])
    with pytest.raises(DataError, match="row 0: reference -1 is no class"):
        confusion([0, 1], [-1, 1], ["a", "b"])
    with pytest.raises(DataError, match="no predictions to count"):
        confusion([], [], ["a", "b"])
    with pytest.raises(DataError, match="1 predictions for 2 references"):
        confusion([0], [0, 1], ["a", "b"])
