"""The unrolled objective: which rows it sees, which steps it takes, what it sends back."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch

from tests.core.cases import CLASSES, generator, learner_of, real_rows, tensors
from textdistill.core.schedule import Outcome
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.core.unroll import Graph
from textdistill.objectives import Unrolled

LEARNER = learner_of("mlp")
STREAMS = Streams(4).child(0)


def start(seed: int = 0, age: int = 0) -> Start:
    return Start(LEARNER.init(generator(seed)), age=age)


def evaluate(objective: Unrolled, starts: Iterable[Start] = (), streams: Streams = STREAMS) -> list[Outcome]:
    return objective.evaluate(tensors(), real_rows(), LEARNER, list(starts) or [start()], streams)


def test_it_is_the_loss_on_the_real_batch_after_the_schedule() -> None:
    objective, synthetic, real = Unrolled(batch=8), tensors(), real_rows()
    batch = real.batch(objective.real_rows(real, STREAMS))
    draws = [synthetic.draw(t, grad=False) for t in range(synthetic.length)]
    params, _ = objective.inner(LEARNER, STREAMS).run(start().params, None, draws)
    assert evaluate(objective)[0].loss == pytest.approx(float(LEARNER.loss(params, batch)), rel=1e-12)


@pytest.mark.parametrize(("age", "steps", "wanted"), [(0, None, [0, 1, 2, 3]), (0, 2, [0, 1]), (3, 3, [3, 4, 5])])
def test_steps_are_counted_from_the_starts_age(age: int, steps: int | None, wanted: list[int]) -> None:
    (outcome,) = evaluate(Unrolled(batch=8, steps=steps), [start(age=age)])
    assert sorted({at for at, _ in outcome.gradients}) == wanted


def test_dropout_is_off_unless_asked_for_inside_and_outside() -> None:
    losses = {
        (inside, outside): evaluate(Unrolled(batch=8, inner_dropout=inside, outer_dropout=outside))[0].loss
        for inside in (False, True)
        for outside in (False, True)
    }
    assert len(set(losses.values())) == 4
    assert losses[False, False] == evaluate(Unrolled(batch=8, gradient=Graph(window=50)))[0].loss


def test_dropout_is_another_at_every_step_and_every_outer_step() -> None:
    inner = Unrolled(inner_dropout=True).inner(LEARNER, STREAMS)
    other = Unrolled(inner_dropout=True).inner(LEARNER, Streams(4).child(1))
    seeds = {made.drop(step).initial_seed() for made in (inner, other) for step in range(3)}  # type: ignore[union-attr]
    assert len(seeds) == 6
    assert Unrolled().inner(LEARNER, STREAMS).drop(0) is None


def test_rows_are_drawn_from_all_real_rows() -> None:
    real = real_rows()
    seen = torch.cat([Unrolled(batch=30).real_rows(real, Streams(0).child(step)) for step in range(30)])
    assert set(seen.tolist()) == set(range(len(real)))


def test_no_more_rows_than_there_are() -> None:
    assert len(Unrolled(batch=256).real_rows(real_rows(10), STREAMS)) == 10


def test_balanced_rows_are_as_many_of_each_class() -> None:
    real = real_rows(50)
    real.labels[3:] = 0  # three classes, two of them rare
    for batch, each in ((9, 3), (10, 3), (2, 1)):
        rows = Unrolled(batch=batch, balanced=True).real_rows(real, STREAMS)
        assert torch.bincount(real.labels[rows], minlength=CLASSES).tolist() == [each] * CLASSES


def test_a_class_without_a_row_is_left_out() -> None:
    real = real_rows(50)
    real.labels[real.labels == 1] = 0
    rows = Unrolled(batch=9, balanced=True).real_rows(real, STREAMS)
    assert torch.bincount(real.labels[rows], minlength=CLASSES).tolist() == [3, 0, 3]
