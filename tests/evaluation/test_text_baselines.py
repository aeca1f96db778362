"""Baselines of real rows: balanced, seeded, each by its own rule."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from textdistill.core.errors import DataError, UserError
from textdistill.core.streams import Streams
from textdistill.data import balanced_rows
from textdistill.data.sets.text_set import TextSet
from textdistill.data.table import TextTable
from textdistill.evaluation.text_baselines import TEXT_BASELINES, baseline_sets, nearest_real_sets
from textdistill.selection import herding
from textdistill.selection.candidates import Candidates
from textdistill.selection.methods.best_k_centers import BestKCenters

CLASSES = ("negative", "positive")


def clusters(n: int = 120, pairs: bool = False) -> tuple[TextTable, Tensor]:
    """Each class is three groups of rows far from one another, and the classes lie on two sides."""
    rng = np.random.default_rng(0)
    labels, group = np.arange(n) % 2, rng.integers(0, 3, n)
    points = np.stack([4.0 * labels, 10.0 * group, np.zeros(n)], 1) + rng.normal(scale=0.3, size=(n, 3))
    seconds = [f"pair {row}" for row in range(n)] if pairs else None
    return TextTable("own", CLASSES, [f"row {row}" for row in range(n)], seconds, labels), torch.from_numpy(points)


TRAIN, POINTS = clusters()


def rows_of(one: TextSet) -> list[int]:
    rows: list[int] = one.meta["rows"]
    return rows


@pytest.mark.parametrize("name", [name for name in TEXT_BASELINES if name != "nearest_real"])
def test_sets_are_balanced_rows_that_another_seed_or_set_changes(name: str) -> None:
    sets = baseline_sets(name, TRAIN, POINTS, 2, 3, Streams(3))
    for one in sets:
        assert np.bincount(one.labels).tolist() == [2, 2]
        assert one.texts == [TRAIN.texts[row] for row in rows_of(one)]
        assert len(set(rows_of(one))) == 4
    assert len({tuple(rows_of(one)) for one in sets}) > 1
    again = baseline_sets(name, TRAIN, POINTS, 2, 2, Streams(3))
    assert [rows_of(one) for one in again] == [rows_of(one) for one in sets[:2]]
    other = baseline_sets(name, TRAIN, POINTS, 2, 3, Streams(4))
    assert [rows_of(one) for one in other] != [rows_of(one) for one in sets]


def test_k_centers_take_a_row_near_the_middle_of_every_group() -> None:
    (one,) = baseline_sets("k_centers", TRAIN, POINTS, 3, 1, Streams(0))
    groups = (POINTS[rows_of(one), 1] / 10).round().int().tolist()
    assert sorted(groups[:3]) == sorted(groups[3:]) == [0, 1, 2]


def test_herding_herds_its_own_half() -> None:
    (one,) = baseline_sets("herding", TRAIN, POINTS, 5, 1, Streams(0))
    whole = herding(POINTS, TRAIN.labels, [5, 5], np.random.default_rng(0)).tolist()
    assert rows_of(one) != whole
    few, points = clusters(n=8)
    (one,) = baseline_sets("herding", few, points, 4, 1, Streams(0))
    assert sorted(rows_of(one)) == list(range(8))


def test_the_best_k_centers_are_better_on_held_out_rows_than_the_first() -> None:
    rng = np.random.default_rng(1)
    noise = torch.from_numpy(rng.normal(size=(len(TRAIN), 3))) + 0.5 * torch.from_numpy(TRAIN.labels)[:, None]
    candidates = Candidates(TRAIN.labels, TRAIN.classes, lambda: [noise])
    tried = [BestKCenters(tries=tries).choose(candidates, [2, 2], Streams(0), 0).tolist() for tries in range(1, 11)]
    (one,) = baseline_sets("best_k_centers", TRAIN, noise, 2, 1, Streams(0))
    assert rows_of(one) == tried[-1] != tried[0]
    judges = np.setdiff1d(np.arange(len(TRAIN)), balanced_rows(TRAIN.labels, 6, _held_out(), 2)[0])
    assert set(tried[-1]) <= set(judges.tolist())
    with pytest.raises(DataError, match="too few to hold any out"):
        baseline_sets("best_k_centers", *clusters(n=4), 1, 1, Streams(0))


def _held_out() -> np.random.Generator:
    return Streams(0).numpy("baseline", "best_k_centers", 0, "held-out")


def test_the_nearest_real_rows_have_the_class_of_their_sample_and_never_repeat() -> None:
    points = POINTS[[0, 0, 1]] + 0.001
    sample = TextSet(["a", "b", "c"], np.array([0, 0, 1]), CLASSES)
    crossed = TextSet(["a"], np.array([1]), CLASSES)
    first, second = baseline_sets(
        "nearest_real",
        TRAIN,
        POINTS,
        1,
        2,
        Streams(0),
        synthetic=[sample, crossed],
        synthetic_features=[points, points[:1]],
    )
    assert rows_of(first)[0] == 0
    assert rows_of(first)[2] == 1
    assert len(set(rows_of(first))) == 3
    assert first.labels.tolist() == [0, 0, 1]
    distances = (POINTS - points[0]).norm(dim=1)
    own = torch.tensor([row for row in range(len(TRAIN)) if TRAIN.labels[row] == 0])
    assert rows_of(first)[1] == int(own[distances[own].argsort()[1]])
    assert second.labels.tolist() == [1]
    assert TRAIN.labels[rows_of(second)[0]] == 1


def test_pairs_stay_pairs_and_a_small_class_gives_what_it_has() -> None:
    train, points = clusters(pairs=True)
    (one,) = baseline_sets("random", train, points, 2, 1, Streams(0))
    assert one.pairs == [f"pair {row}" for row in rows_of(one)]
    few = train.take([0, 1, 3, 5])
    (one,) = baseline_sets("random", few, points[:4], 3, 1, Streams(0))
    assert np.bincount(one.labels).tolist() == [1, 3]


def test_what_cannot_be_chosen_is_told() -> None:
    with pytest.raises(UserError, match=r"baseline 'kcenters' is unknown \(did you mean 'k_centers'\?\)"):
        baseline_sets("kcenters", TRAIN, POINTS, 1, 1, Streams(0))
    with pytest.raises(DataError, match="7 feature rows for 120 training rows"):
        baseline_sets("random", TRAIN, POINTS[:7], 1, 1, Streams(0))
    with pytest.raises(UserError, match="no synthetic sets to be near to"):
        baseline_sets("nearest_real", TRAIN, POINTS, 1, 1, Streams(0))
    sample = TextSet(["a", "b"], np.array([0, 0]), CLASSES)
    with pytest.raises(DataError, match="0 tables of features for 1 synthetic sets"):
        nearest_real_sets([sample], [], TRAIN, POINTS)
    with pytest.raises(DataError, match="class 'negative': 2 samples for 1 training rows"):
        nearest_real_sets([sample], [POINTS[:2]], TRAIN.take([0, 1]), POINTS[:2])
    strange = TextSet(["a"], np.array([0]), ("a", "b"))
    with pytest.raises(DataError, match="synthetic set 0: classes"):
        nearest_real_sets([strange], [POINTS[:1]], TRAIN, POINTS)
