"""What is wrong with texts and labels in Python is told in the words of the arguments, by positions from 0."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest

import textdistill
from textdistill.core.errors import UserError
from textdistill.data.in_memory import table_of
from textdistill.runs.own_texts import in_arguments

TEXTS = [f"the words of text {row}" for row in range(40)]
LABELS = ["good", "bad"] * 20
NOTHING: tuple[Any, ...] = (
    None,
    float("nan"),
    np.float32("nan"),
    pd.NA,
    pd.NaT,
    "",
    "  ",
)


def fault(*given: Any, **named: Any) -> str:
    with pytest.raises(UserError) as caught:
        textdistill.distill(*given, **named)
    told = str(caught.value)
    assert "\n" not in told
    assert "/tmp" not in told
    assert ".parquet" not in told
    assert "--" not in told
    return told


@pytest.mark.parametrize("value", NOTHING, ids=repr)
def test_whatever_stands_for_a_missing_value_is_told_and_may_be_left_out(value: Any) -> None:
    labels = ["x", value, "y", "x"]
    assert fault(["a"] * 4, labels) == (
        "labels: missing at position 1; fill them in, or leave these rows out with missing='drop'"
    )
    assert table_of(["a"] * 4, labels, missing="drop")["label"].tolist() == ["x", None, "y", "x"]
    assert fault(["a", value, "b", value], list("xyxy")).startswith("texts: missing at positions 1, 3; fill them in")


@pytest.mark.parametrize("kind", ["string", "Int64", "category", "object"])
def test_columns_of_pandas_with_missing_labels_are_told(kind: str) -> None:
    values = [1, 2, None, 1] if kind == "Int64" else ["x", "y", None, "x"]
    assert fault(["a b"] * 4, pd.Series(values, dtype=kind)).startswith("labels: missing at position 2; ")


def test_missing_texts_pairs_and_labels_are_told_at_once_and_by_the_names_of_columns() -> None:
    frame = pd.DataFrame({"a": ["x", None], "b": ["", "y"], "c": [None, "1"]})
    assert fault(frame, text="a", text_pair="b", label="c") == (
        "column 'a': missing at position 1; column 'c': missing at position 0; column 'b': missing at position 0; "
        "fill them in, or leave these rows out with missing='drop'"
    )
    assert fault(frame, text="a", text_pair="b", label="c", missing="drop").endswith("no row is whole, fill them in")
    many = fault(TEXTS, [None] * 10 + LABELS[10:])
    assert many.startswith("labels: missing at positions 0, 1, 2, 3, 4, ... (10 in all); ")


def test_a_class_label_without_a_value_is_missing() -> None:
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["a", "b"])})
    table = datasets.Dataset.from_dict({"text": ["x", "y"], "label": [1, None]}, features=features)
    assert table_of(table, missing="drop")["label"].tolist() == ["b", None]


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (np.arange(40)[:, None] % 2, "labels: of shape (40, 1); one value for each row is needed: give a single"),
        (np.eye(40), "labels: of shape (40, 40); one value for each row is needed"),
        (pd.DataFrame({"y": LABELS}), "give a single column, such as labels.iloc[:, 0]"),
        ([[0], [1]] * 20, "labels at position 0: [0] (list); a label is a string, an integer or true/false"),
        ([1, "x"] * 20, "labels: of several kinds (1 at position 0 is a number, 'x' at position 1 is a string); write"),
        ([True, 1] * 20, "labels: of several kinds (True at position 0 is a true/false, 1 at position 1 is a number)"),
        ([pd.Timestamp("2024-01-01"), "x"] * 20, "labels at position 0: Timestamp('2024-01-01 00:00:00') (Timestamp)"),
    ],
)
def test_labels_that_are_no_column_of_one_kind_are_refused(labels: Any, told: str) -> None:
    assert told in fault(TEXTS, labels)


@pytest.mark.parametrize("labels", [np.arange(40) % 2, np.arange(40) % 2 > 0, [np.int64(row % 2) for row in range(40)]])
def test_numbers_of_numpy_are_python_s_own(labels: Any) -> None:
    assert set(table_of(TEXTS, labels)["label"]) in ({"0", "1"}, {"False", "True"})


@pytest.mark.parametrize(
    ("given", "named", "told"),
    [
        ((TEXTS, LABELS), {"per_class": 0}, "per_class: 0; allowed: a whole number, 1 or more"),
        ((TEXTS, LABELS), {"per_class": 2.5}, "per_class: 2.5; allowed: a whole number, 1 or more"),
        ((TEXTS, LABELS), {"missing": "dorp"}, "missing: 'dorp'; allowed: refuse, drop (did you mean 'drop'?)"),
        ((TEXTS, LABELS), {"methods": ["serch_real"]}, "methods: 'serch_real'; allowed: "),
        ((TEXTS, LABELS), {"methods": []}, "methods: empty; allowed: "),
        ((TEXTS[:3], LABELS[:3]), {}, "3 rows are too few to hold out a test split"),
        ((TEXTS, ["x"] * 40), {}, "every row has the label 'x' in labels; two classes or more are needed"),
        ((TEXTS, range(40)), {}, "labels has 40 different values in 40 rows: is it an id, or a quantity"),
        (
            (["half \ud83d", *TEXTS[1:]], LABELS),
            {},
            "texts at position 0: half a character (a lone surrogate, U+D83D); leave it out",
        ),
        (
            (TEXTS, LABELS),
            {"overrides": ["data.classes=[good, poor]"]},
            "unknown label 'bad' in labels at positions 1, 3, 5, 7, 9, ... (20 in all); allowed: 'good', 'poor'",
        ),
    ],
)
def test_faults_speak_of_the_arguments(given: tuple[Any, ...], named: dict[str, Any], told: str) -> None:
    assert told in fault(*given, **named)


def test_what_is_said_of_the_file_becomes_what_the_caller_gave() -> None:
    said = (
        "/x/t.parquet: column 'label' is odd at rows 3, 4, 5, ... (9 in all); data.merge_labels=true (--merge-labels)"
    )
    called = {"text": "column 'review'", "label": "column 'stars'"}
    assert in_arguments(said, Path("/x/t.parquet"), called) == (
        "column 'stars' is odd at positions 2, 3, 4, ... (9 in all); data.merge_labels=true"
    )
