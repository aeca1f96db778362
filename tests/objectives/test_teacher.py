"""The representative teacher: a set at a time in place of rows drawn uniformly, and all else as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.core.cases import CLASSES, Rows, generator, learner_of, real_rows
from tests.objectives.test_gradient_matching import STREAMS, start_of, weighted
from textdistill.core.batch import RealData
from textdistill.core.errors import DataError
from textdistill.objectives.gradient_matching import GradientMatching
from textdistill.objectives.moments import ChoosesRows, rows_by_class
from textdistill.objectives.teacher import RepresentativeRows
from textdistill.selection import k_centers

REAL = real_rows()


def sets(count: int, each: int) -> list[np.ndarray]:
    """K-centres of the inputs themselves, from other random streams."""
    return [k_centers(REAL.inputs, REAL.labels, [each] * CLASSES, np.random.default_rng(seed)) for seed in range(count)]


def test_every_step_sees_the_rows_of_one_set_and_all_sets_have_their_turn() -> None:
    chosen = sets(4, 3)
    real = RepresentativeRows(REAL, chosen)
    seen = set()
    for seed in range(60):
        found = rows_by_class(real, 100, generator(seed))
        assert found.keys() == {0, 1, 2}
        assert all(bool((REAL.labels[rows] == label).all()) for label, rows in found.items())
        rows = tuple(sorted(torch.cat(list(found.values())).tolist()))
        assert rows in {tuple(sorted(one.tolist())) for one in chosen}
        seen.add(rows)
    assert len(seen) == len({tuple(sorted(one.tolist())) for one in chosen}) > 1


def test_fewer_rows_are_drawn_from_the_set_and_the_same_stream_draws_the_same() -> None:
    real = RepresentativeRows(REAL, sets(1, 6))
    found = [rows_by_class(real, 2, generator(seed)) for seed in (0, 0, 1)]
    assert all(len(rows) == 2 for rows in found[0].values())
    assert all(torch.equal(found[0][label], found[1][label]) for label in found[0])
    assert any(not torch.equal(found[0][label], found[2][label]) for label in found[0])


def test_it_is_the_whole_data_for_everyone_else() -> None:
    real = RepresentativeRows(REAL, sets(2, 3))
    assert isinstance(real, RealData)
    assert isinstance(real, ChoosesRows)
    assert not isinstance(REAL, ChoosesRows)
    assert (len(real), real.classes, real.shape) == (len(REAL), REAL.classes, REAL.shape)
    assert torch.equal(real.labels, REAL.labels)
    assert torch.equal(real.batch(torch.arange(60)).inputs, REAL.inputs)


def test_an_objective_matches_the_rows_of_the_set() -> None:
    learner, chosen = learner_of("mlp"), sets(1, 4)
    objective = GradientMatching("whole", batch=100)
    (found,) = objective.evaluate(weighted(), RepresentativeRows(REAL, chosen), learner, [start_of(learner)], STREAMS)
    rows = torch.from_numpy(chosen[0])
    assert REAL.lengths is not None
    alone = Rows(REAL.inputs[rows], REAL.labels[rows], REAL.lengths[rows])
    (wanted,) = objective.evaluate(weighted(), alone, learner, [start_of(learner)], STREAMS)
    assert found.loss == pytest.approx(wanted.loss, rel=1e-10)


def test_classes_that_a_set_has_no_rows_of_are_left_out() -> None:
    real = RepresentativeRows(REAL, [torch.tensor([0, 3, 1])])
    assert {label: sorted(rows.tolist()) for label, rows in rows_by_class(real, 9, generator()).items()} == {
        0: [0, 3],
        1: [1],
    }


def test_no_sets_and_rows_that_there_are_not_are_refused() -> None:
    with pytest.raises(DataError, match="no sets of rows"):
        RepresentativeRows(REAL, [])
    with pytest.raises(DataError, match=r"representative set 1: rows 3 to 60; allowed: 0 to 59"):
        RepresentativeRows(REAL, [torch.tensor([1]), torch.tensor([3, 60])])
