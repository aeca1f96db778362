"""Soft labels as probabilities, as weighted rows, or as classes; and what trains on the tables that hold them."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from tests.export.samples import hostile, material, plain
from textdistill.core.errors import UserError
from textdistill.data.sets.text_set import TextSet
from textdistill.export import FORMATS
from textdistill.export.csv_rows import FORMULA, Csv
from textdistill.export.soft import probabilities, weighted

CLASSES = ("bad", "good")


def soft(values: list[list[float]]) -> TextSet:
    table = np.array(values)
    return TextSet([f"text {row}" for row in range(len(table))], table.argmax(1), CLASSES, soft=table)


def rows_of(name: str, samples: TextSet, labels: str) -> list[dict[str, str]]:
    (content,) = FORMATS[name]().files(material(samples, labels=labels)).values()
    if name == "csv":
        return list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    return [json.loads(line) for line in content.decode().splitlines()]


def test_values_without_a_negative_are_divided_by_their_sum() -> None:
    assert probabilities(soft([[3, 1], [0, 2]])).tolist() == [[0.75, 0.25], [0, 1]]


def test_a_negative_anywhere_makes_it_a_softmax_everywhere() -> None:
    found = probabilities(soft([[0.0, np.log(3)], [-1, -1]]))
    np.testing.assert_allclose(found, [[0.25, 0.75], [0.5, 0.5]])


def test_hard_labels_are_one_hot() -> None:
    assert probabilities(plain(2)).tolist() == [[1, 0], [0, 1]]


def test_weighted_rows_have_the_loss_of_the_soft_labels() -> None:
    samples = soft([[0.7, 0.3], [0, 1], [2, 2]])
    rows, weights = weighted(samples)
    assert rows.texts == ["text 0", "text 0", "text 1", "text 2", "text 2"]
    logs = np.log(np.random.default_rng(0).dirichlet([1, 1], size=3))  # what some network says of each text
    by_row = -sum(
        weight * logs[int(text[-1]), label]
        for text, label, weight in zip(rows.texts, rows.labels, weights, strict=True)
    )
    assert by_row == pytest.approx(-(probabilities(samples) * logs).sum())


@pytest.mark.parametrize("name", ["csv", "jsonl"])
def test_scikit_learn_learns_from_weighted_rows_what_it_learns_from_each_class_s_share(name: str) -> None:
    table = pd.DataFrame(rows_of(name, soft([[0.9, 0.1], [0.2, 0.8], [0, 1]]), "weights"))
    model = make_pipeline(CountVectorizer(token_pattern=r"\w+"), LogisticRegression(C=1e6))
    model.fit(table["text"], table["label"], logisticregression__sample_weight=table["weight"].astype(float))
    shares = model.predict_proba(["text 0", "text 1", "text 2"])
    np.testing.assert_allclose(shares, [[0.9, 0.1], [0.2, 0.8], [0, 1]], atol=0.01)


@pytest.mark.parametrize("name", ["csv", "jsonl"])
def test_hard_labels_alone_when_asked(name: str) -> None:
    assert rows_of(name, soft([[0.9, 0.1]]), "hard") == [{"text": "text 0", "label": "bad"}]


def test_probabilities_stand_in_columns_or_in_a_mapping() -> None:
    told = {"text": "text 0", "label": "bad"}
    assert rows_of("csv", soft([[3, 1]]), "soft") == [{**told, "p_bad": "0.75", "p_good": "0.25"}]
    assert rows_of("jsonl", soft([[3, 1]]), "soft") == [{**told, "labels": {"bad": 0.75, "good": 0.25}}]


@pytest.mark.parametrize("name", ["csv", "jsonl"])
@pytest.mark.parametrize("pairs", [False, True], ids=["single", "pairs"])
def test_our_own_reader_gives_the_same_set(name: str, pairs: bool, tmp_path: object) -> None:
    from pathlib import Path

    from textdistill.data.sets.text_sets import read_text_set

    samples = hostile(pairs, soft=True)
    path = Path(str(tmp_path)) / FORMATS[name].names[0]
    path.write_bytes(FORMATS[name]().files(material(samples, labels="soft"))[path.name])
    found = read_text_set(path, samples.classes)
    assert (found.texts, found.pairs, found.classes) == (samples.texts, samples.pairs, samples.classes)
    assert found.labels.tolist() == samples.labels.tolist()
    np.testing.assert_allclose(found.targets, samples.targets)


def test_pandas_reads_a_csv_back_exactly(tmp_path: object) -> None:
    samples = hostile(pairs=True)
    (content,) = Csv().files(material(samples)).values()
    table = pd.read_csv(io.BytesIO(content), keep_default_na=False)
    assert table["text"].tolist() == samples.texts
    assert table["text_pair"].tolist() == samples.pairs


def test_cells_hold_the_exact_text_unless_safe_ones_are_asked_for() -> None:
    samples = hostile()
    exact = rows_of("csv", samples, "hard")
    assert "=cmd|' /C calc'!A1" in [row["text"] for row in exact]


def test_safe_cells_are_never_computed_and_lose_their_apostrophe_to_give_the_text_back() -> None:
    texts = ["=1+1", "+1 for this", "-", "@sum", "\tx", "\rx", "\nx", "'quoted'", "plain", "-1.5", "", " =1"]
    samples = TextSet(texts, np.zeros(len(texts), dtype=int), ("-", "+1"))
    (content,) = Csv(safe_cells=True).files(material(samples)).values()
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    assert [row["text"].removeprefix("'") for row in rows] == texts
    assert rows[0]["label"] == "'-"
    unsafe = [row["text"] for row in rows if row["text"].startswith(tuple(set(FORMULA) - {"'"}))]
    assert unsafe == ["-1.5"]  # a number is only a number


def test_a_csv_cannot_hold_the_character_nul() -> None:
    samples = TextSet(["fine", "not\0fine"], np.array([0, 1]), CLASSES)
    with pytest.raises(UserError, match="row 2, column text holds NUL"):
        Csv().files(material(samples))
