"""Copies of training rows: the index finds what comparing all with all finds; strangers have an even chance."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from textdistill.core.errors import DataError, UserError
from textdistill.data.table import TextTable, normalise
from textdistill.evaluation.copies import NEAR, CopyIndex, copies, membership


def table(texts: list[str], pairs: list[str] | None = None) -> TextTable:
    return TextTable("rows", ("a", "b"), texts, pairs, np.zeros(len(texts), np.int64))


def plainly_near(text: str, rows: list[str], near: float) -> bool:
    """By the definition: every row's bigrams, ends included, against the text's."""

    def grams(one: str) -> set[tuple[str, str]]:
        words = re.findall(r"\w+", normalise(one))
        return set(pairwise(["<", *words, ">"])) if words else set()

    own = grams(text)
    return normalise(text) in map(normalise, rows) or any(
        bool(own & other) and len(own & other) / len(own | other) >= near - 1e-12 for other in map(grams, rows)
    )


texts = st.lists(st.sampled_from(["a", "b", "c", "d", "!"]), max_size=12).map(" ".join)


@given(st.lists(texts, min_size=1, max_size=8), st.lists(texts, min_size=1, max_size=4), st.sampled_from([0.3, 0.8, 1]))
def test_the_index_finds_what_comparing_all_with_all_finds(rows: list[str], asked: list[str], near: float) -> None:
    exact, nearly = copies(asked, None, table(rows), near)
    assert exact.tolist() == [normalise(one) in map(normalise, rows) for one in asked]
    assert nearly.tolist() == [plainly_near(one, rows, near) for one in asked]


LONG = "one two three four five six seven eight nine ten eleven twelve"


@pytest.mark.parametrize(
    ("text", "exact", "near"),
    [
        (f"  {LONG.upper()}\n", True, True),
        (f"{LONG} !!!", False, True),
        (LONG.replace("six", "six and"), False, True),
        (f"{LONG} and", False, True),
        (LONG.replace("six", "6"), False, False),
        ("one two three", False, False),
        (" ".join(reversed(LONG.split())), False, False),
        ("", False, False),
        ("?!", False, False),
        ("... .", True, True),
    ],
)
def test_near_copies_differ_in_signs_or_in_one_word_of_many(text: str, exact: bool, near: bool) -> None:
    found = copies([text], None, table([LONG, "... .", "something else"]))
    assert [bool(mask[0]) for mask in found] == [exact, near]


def test_a_pair_is_a_copy_if_both_its_texts_are() -> None:
    index = CopyIndex(table(["a b c", "d e f"], ["g h i", "j k l"]))
    exact, near = index.masks(["A b c", "a b c", "a b c!"], ["g H i", "j k l", "g h, i"])
    assert exact.tolist() == [True, False, False]
    assert near.tolist() == [True, False, True]
    with pytest.raises(DataError, match="the rows are pairs, the samples texts"):
        index.masks(["a b c"])


def test_the_threshold_is_a_share() -> None:
    assert copies(["a b"], None, table(["a c"]), near=0.1)[1].all()
    with pytest.raises(UserError, match="near copies: 0; allowed: above 0"):
        CopyIndex(table(["a"]), near=0)
    assert NEAR == 0.8


def points(n: int, seed: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.from_numpy(np.random.default_rng(seed).normal(size=(n, 8))), dim=1)


def test_strangers_are_as_near_to_rows_never_seen_as_to_training_rows() -> None:
    found = membership(points(400, 0), points(300, 1), points(300, 2))
    assert found["expected"] == 50
    assert abs(found["nearer_train"] - 50) < 8
    assert found["p"] > 0.01
    assert abs(found["train_distance"] / found["usual_distance"] - 1) < 0.1
    assert membership(points(400, 0), points(900, 1), points(300, 2))["expected"] == 75


def test_what_was_learned_by_heart_is_not() -> None:
    train = points(300, 1)
    found = membership(train[:100] + 0.01 * points(100, 3), train, points(300, 2))
    assert found["nearer_train"] == 100
    assert found["p"] < 1e-6
    assert found["train_distance"] < 0.1 * found["usual_distance"]


def test_ties_tell_nothing_and_nothing_cannot_be_judged() -> None:
    same = points(20, 0)
    assert (membership(same, same, same)["nearer_train"], membership(same, same, same)["p"]) == (50, 1)
    with pytest.raises(DataError, match="5 points, 0 and 3 rows"):
        membership(points(5, 0), points(0, 0), points(3, 0))
