"""What the end of a run says where its figures say less than they seem to."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from textdistill.commands.text_tables import by_judge, verdicts
from textdistill.data import Splits, TextTable
from textdistill.data.cuts import SplitReport
from textdistill.learners.pretrained.frozen_encoder import Encoder
from textdistill.reports.text_folder import Variant
from textdistill.reports.text_tables import bars_of
from textdistill.runs.readable.finish import most_frequent

MANY = {"class": "same", "of": 2, "accuracy": 68.3}
EVEN = {"class": "bad", "of": 2, "accuracy": 50.0}


def variant(own: float, others: dict[str, float], full: float, usual: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        **{"learner": "frozen:minilm", "headline": "search_real", "samples": 20},
        "distilled": {"accuracy": {"mean": own, "sd": 1.0, "n": 5}},
        "baselines": {name: {"accuracy": {"mean": mean, "sd": 1.0, "n": 5}} for name, mean in others.items()},
        **{"full": {"accuracy": {"mean": full, "n": 1}}, "kept": own, "comparisons": {}},
        **{"protocol": {"most_frequent": usual, "train_rows": 400}, **more},
    }


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (variant(80.0, {"k_centers": 70.0}, 85.0, EVEN), []),
        (variant(63.0, {"k_centers": 60.0}, 75.0, MANY), ["the set (63.0) does no better than naming same"]),
        (variant(49.0, {"random_real": 48.0}, 50.5, EVEN), ["all training rows (50.5) do hardly better"]),
        (variant(72.0, {"k_centers": 74.0}, 85.0, MANY), ["K-centres (74.0) is better than Search among"]),
        (variant(80.0, {}, 85.0, EVEN, samples=400), ["the set is all training rows"]),
    ],
)  # fmt: skip
def test_a_set_that_does_not_help_is_said_not_to(block: dict[str, Any], said: list[str]) -> None:
    lines = verdicts("Judge", block)
    assert len(lines) == len(said)
    for line, wanted in zip(lines, said, strict=True):
        assert line.startswith(f"Judge: {wanted}")


@pytest.mark.parametrize(("usual", "there"), [(MANY, True), (EVEN, False)])
def test_naming_the_most_frequent_class_is_a_line_where_classes_are_unlike(usual: dict[str, Any], there: bool) -> None:
    block = variant(63.0, {"k_centers": 60.0}, 75.0, usual)
    screen = Console(file=io.StringIO(), width=120, color_system=None)
    screen.print(by_judge({"frozen": block}, 5))
    shown = screen.file.getvalue()  # type: ignore[attr-defined]
    assert (f"Naming {usual['class']} always" in shown) == there
    bars, _ = bars_of(Variant.model_validate(block))
    names = [bar.name for bar in bars]
    assert (f"Naming {usual['class']} always" in names) == there
    assert {"The set that is listed", "All training data", "Search among real rows", "K-centres"} <= set(names)


def test_the_most_frequent_class_is_that_of_training_rows_and_counts_test_rows() -> None:
    def table(labels: list[int]) -> TextTable:
        return TextTable("own", ("a", "b", "c"), [str(row) for row in labels], None, np.array(labels))

    splits = Splits(table([0, 0, 0, 1, 2]), table([0]), table([0, 1, 1, 1]), SplitReport("own", {}, 0, 0, 0), ())
    assert most_frequent(splits) == {"class": "a", "of": 3, "accuracy": 25.0}


def test_texts_of_signs_that_an_encoder_does_not_know_are_counted() -> None:
    assert Encoder("minilm").unread(["a fine film", "😀 😻", "good 😀 day", "🤖"]) == 0.5
