"""Pictures: a map whose axes the real rows set, and what is left undrawn."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from textdistill.core.errors import DataError
from textdistill.reports import pictures


def test_the_map_has_the_axes_of_the_real_rows_alone() -> None:
    rng = np.random.default_rng(1)
    real = rng.normal(size=(300, 5)) * [5, 2, 0.1, 0.1, 0.1]
    far = pictures.embedding_picture(real, np.zeros(300), real[:1] + 100, [0])
    near = pictures.embedding_picture(real, np.zeros(300), real[:1], [0])
    assert far["real"] == near["real"]
    assert near["distilled"][0] == near["real"][0]
    assert far["explained"][0] == pytest.approx(25 / 29.03, abs=0.05)
    spread = np.asarray(near["real"])[:, :2].std(axis=0)
    assert spread == pytest.approx([5, 2], rel=0.15)


def test_a_crowded_map_keeps_the_share_of_each_class() -> None:
    labels = np.repeat([0, 1], [900, 100])
    picture = pictures.embedding_picture(
        np.random.default_rng(0).normal(size=(1000, 3)), labels, np.zeros((0, 3)), [], limit=100
    )
    assert Counter(point[2] for point in picture["real"]) == {0: 90, 1: 10}
    assert picture["distilled"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones((1, 2)), [0], np.ones((1, 2)), [0]), "n >= 2"),
        ((np.ones((3, 2)), [0, 1, 0], np.ones((1, 3)), [0]), "same d"),
        ((np.ones((3, 2)), [0, 1], np.ones((1, 2)), [0]), "one class index per row"),
        ((np.full((3, 2), np.nan), [0, 1, 0], np.ones((1, 2)), [0]), "NaN"),
    ],
)
def test_a_map_of_what_does_not_fit_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        pictures.embedding_picture(*arguments)


def test_what_cannot_be_drawn_is_left_out() -> None:
    assert pictures.curve("loss", "outer loss", [0, 1], [None, math.nan]) is None
    assert pictures.learning_rates([[0.1]]) is None
    assert pictures.learning_rates([[0.1, math.inf]]) is None
    assert pictures.distances([math.nan], 0.5) is None


def test_numbers_on_the_axes_are_not_shortened_with_the_coordinates() -> None:
    drawn = str(pictures.curve("loss", "outer loss", [0, 1, 2], [0.0111, 0.0117, 0.0122]))
    written = [part.split("<")[0] for part in drawn.split(">") if part.split("<")[0].startswith("0.01")]
    assert len(written) == len(set(written)) > 2


def test_two_pictures_of_the_same_numbers_share_no_identifier() -> None:
    one, other = (str(pictures.curve(name, "outer loss", [0, 1], [1.0, 2.0])) for name in ("one", "other"))
    assert other.replace("other", "one") == one
    assert 'id="one-' in one
    assert 'id="one-' not in other
