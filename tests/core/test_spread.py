"""Independent pieces over the cores: results in order, threads shared and given back, the first fault told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tests.core.cases import generator, learner_of, randn
from textdistill.core.batch import Batch
from textdistill.core.spread import over_cores


@pytest.fixture(params=[1, 2, 5])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_come_in_order_and_pieces_share_the_threads(threads: int) -> None:
    found = over_cores(lambda item: (item, torch.get_num_threads()), range(2))
    assert found == [(item, max(1, threads // 2)) for item in range(2)]
    assert torch.get_num_threads() == threads
    assert over_cores(lambda item: torch.get_num_threads(), range(1)) == [threads]
    assert over_cores(lambda item: torch.get_num_threads(), range(1), alone=True) == [1]
    assert over_cores(lambda item: torch.get_num_threads(), range(2), alone=True) == [1, 1]
    assert over_cores(lambda item: item, []) == []


def test_pieces_within_pieces(threads: int) -> None:
    found = over_cores(lambda outer: over_cores(lambda inner: 10 * outer + inner, range(3)), range(4))
    assert found == [[10 * outer + inner for inner in range(3)] for outer in range(4)]
    assert torch.get_num_threads() == threads


def test_a_fault_is_raised_and_the_threads_are_given_back(threads: int) -> None:
    def work(item: int) -> int:
        if item == 1:
            raise ValueError("the second piece")
        return item

    with pytest.raises(ValueError, match="the second piece"):
        over_cores(work, range(9))
    assert torch.get_num_threads() == threads


def test_learners_apart_compute_side_by_side_what_one_computes_alone(threads: int) -> None:
    learner = learner_of("text_conv")
    batch = Batch(randn(6, 5, 3), randn(6, 3, seed=1))
    starts = [learner.init(generator(seed)) for seed in range(12)]

    def loss(seed: int) -> torch.Tensor:
        own = learner.apart()
        return torch.stack([own.loss(starts[seed], batch) for _ in range(20)])

    for seed, found in enumerate(over_cores(loss, range(12))):
        assert torch.equal(found, learner.loss(starts[seed], batch).expand(20))
