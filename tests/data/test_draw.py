"""Class-balanced draws."""

from __future__ import annotations

import numpy as np
import pytest

from textdistill.core.errors import DataError
from textdistill.data import balanced_rows, spread

LABELS = np.array([0] * 50 + [1] * 4 + [2] * 20)


def draw(per_class: int | list[int], seed: int = 0) -> tuple[np.ndarray, list[str]]:
    return balanced_rows(LABELS, per_class, np.random.default_rng(seed), 3)


def test_a_draw_has_as_many_rows_of_every_class_and_none_twice() -> None:
    rows, notes = draw(4)
    assert np.bincount(LABELS[rows]).tolist() == [4, 4, 4]
    assert len(set(rows.tolist())) == 12
    assert notes == []


def test_a_small_class_gives_what_it_has_and_says_so() -> None:
    rows, notes = draw(10)
    assert np.bincount(LABELS[rows]).tolist() == [10, 4, 10]
    assert notes == ["class 1 has 4 rows, 10 were asked for: all were taken"]
    assert "class 'b'" in balanced_rows(LABELS, 10, np.random.default_rng(0), 3, ["a", "b", "c"])[1][0]


def test_the_same_seed_draws_the_same_and_a_larger_draw_begins_with_the_smaller() -> None:
    assert draw(3)[0].tolist() == draw(3)[0].tolist() != draw(3, seed=1)[0].tolist()
    assert draw(7)[0][:3].tolist() == draw(3)[0][:3].tolist()
    assert draw([0, 0, 5])[0].tolist() == draw(5)[0][-5:].tolist()


@pytest.mark.parametrize("per_class", [-1, 0, [0, 0, 0], [1, 1], [1, -1, 1]])
def test_impossible_numbers_are_refused(per_class: int | list[int]) -> None:
    with pytest.raises(DataError, match="per class"):
        draw(per_class)


def test_a_class_without_rows_is_refused_only_if_asked_for() -> None:
    with pytest.raises(DataError, match="class 3 has no rows to draw 1 from"):
        balanced_rows(LABELS, 1, np.random.default_rng(0), 4)
    assert len(balanced_rows(LABELS, [1, 1, 1, 0], np.random.default_rng(0), 4)[0]) == 3


@pytest.mark.parametrize(
    ("total", "classes", "shares"), [(6, 3, [2, 2, 2]), (7, 3, [3, 2, 2]), (2, 5, [1, 1, 0, 0, 0])]
)
def test_a_total_is_spread_evenly(total: int, classes: int, shares: list[int]) -> None:
    assert spread(total, classes) == shares


def test_nothing_cannot_be_spread() -> None:
    with pytest.raises(DataError, match="0 samples over 3 classes"):
        spread(0, 3)
