"""What every objective promises: gradients for what it trains, the same outcome from the same streams, one a start."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.core.cases import OBJECTIVE_CASES, generator, learner_of, real_rows, taught
from textdistill.core.distill import Objective
from textdistill.core.schedule import Outcome
from textdistill.core.starts import Start
from textdistill.core.streams import Streams

LEARNER = learner_of("mlp")
STREAMS = Streams(4).child(0)


def start(seed: int = 0) -> Start:
    return Start(LEARNER.init(generator(seed)))


def evaluate(objective: Objective, starts: Iterable[Start] = (), streams: Streams = STREAMS) -> list[Outcome]:
    return objective.evaluate(taught(objective), real_rows(), LEARNER, list(starts) or [start()], streams)


@pytest.mark.parametrize("case", OBJECTIVE_CASES)
def test_it_trains_what_it_says_and_nothing_else(case: str) -> None:
    objective = OBJECTIVE_CASES[case]
    (outcome,) = evaluate(objective)
    assert {name for _, found in outcome.gradients for name in found} == taught(objective).learned
    assert all(value.isfinite().all() for _, found in outcome.gradients for value in found.values())
    assert outcome.loss > 0


@pytest.mark.parametrize("case", OBJECTIVE_CASES)
def test_what_it_does_not_train_gets_no_gradient_though_it_wants_one(case: str) -> None:
    objective = OBJECTIVE_CASES[case]
    synthetic = taught(objective)
    synthetic.learned = frozenset({"inputs", "targets", "lr"})
    synthetic.to("cpu")
    (outcome,) = objective.evaluate(synthetic, real_rows(), LEARNER, [start()], STREAMS)
    assert {name for _, found in outcome.gradients for name in found} <= objective.trains


@pytest.mark.parametrize("case", OBJECTIVE_CASES)
def test_the_same_streams_give_the_same_outcome_and_others_another(case: str) -> None:
    objective = OBJECTIVE_CASES[case]
    assert evaluate(objective)[0].loss == evaluate(objective)[0].loss
    assert evaluate(objective)[0].loss != evaluate(objective, streams=Streams(4).child(1))[0].loss


@pytest.mark.parametrize("case", OBJECTIVE_CASES)
def test_each_start_has_an_outcome_of_its_own_on_the_same_rows(case: str) -> None:
    objective = OBJECTIVE_CASES[case]
    both = evaluate(objective, [start(0), start(1)])
    assert [outcome.loss for outcome in both] == [evaluate(objective, [start(k)])[0].loss for k in (0, 1)]
