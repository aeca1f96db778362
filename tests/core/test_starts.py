"""Where inner weights start from: what each source promises, and what survives a checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.core.cases import STARTS_CASES, learner_of, real_rows, tensors
from textdistill.core.checkpoint import load_checkpoint, save_checkpoint
from textdistill.core.inner import SGD, Adam
from textdistill.core.pool import Pool
from textdistill.core.schedule import Outcome
from textdistill.core.starts import Fixed, Fresh, Start, Starts, Trained
from textdistill.core.streams import Streams
from textdistill.core.unroll import Inner
from textdistill.objectives import Unrolled

LEARNER = learner_of("mlp")
INNER = Inner(LEARNER, SGD(momentum=0.5))


def make(case: str, seed: int = 0) -> Starts:
    return STARTS_CASES[case](LEARNER, Streams(seed, ("starts",)))


def same(one: Start, other: Start) -> bool:
    return (
        one.age == other.age
        and one.params.keys() == other.params.keys()
        and all(torch.equal(one.params[name], other.params[name]) for name in one.params)
        and len(one.state or []) == len(other.state or [])
        and all(torch.equal(a, b) for a, b in zip(one.state or [], other.state or [], strict=True))
    )


def use(starts: Starts, step: int, inner: Inner = INNER) -> list[Start]:
    """One outer step's starts, each unrolled, and told what came of it."""
    synthetic = tensors()
    begun = list(starts.next(step, synthetic, inner))
    objective = Unrolled(optimizer=inner.optimizer, batch=4, steps=2)
    outcomes = objective.evaluate(synthetic, real_rows(), inner.learner, begun, Streams(1).child(step))
    for start, outcome in zip(begun, outcomes, strict=True):
        starts.after_step(step, start, outcome)
    return begun


@pytest.mark.parametrize("case", STARTS_CASES)
def test_the_same_seed_gives_the_same_weights_and_another_others(case: str) -> None:
    runs = [[start for step in range(6) for start in use(make_one, step)] for make_one in (make(case), make(case))]
    assert all(same(a, b) for a, b in zip(*runs, strict=True))
    assert not same(use(make(case, seed=1), 0)[0], runs[0][0])


@pytest.mark.parametrize("case", STARTS_CASES)
def test_weights_are_the_learners_and_carry_no_graph(case: str) -> None:
    starts = make(case)
    for step in range(4):
        for start in use(starts, step):
            assert {name: value.shape for name, value in start.params.items()} == {
                name: value.shape for name, value in LEARNER.init(torch.Generator()).items()
            }
            assert not any(value.requires_grad for value in (*start.params.values(), *(start.state or [])))


@pytest.mark.parametrize("case", STARTS_CASES)
def test_a_source_goes_on_from_a_checkpoint_as_if_nothing_had_happened(case: str, tmp_path: Path) -> None:
    inner = Inner(LEARNER, Adam())
    first = make(case)
    for step in range(5):
        use(first, step, inner)
    remembered = first.state_dict()
    save_checkpoint(tmp_path / "c", dict(remembered.pop("tensors", {})), remembered)
    stored, meta = load_checkpoint(tmp_path / "c")
    second = make(case)
    second.load_state_dict({**meta, "tensors": stored})
    for step in range(5, 12):
        for a, b in zip(use(first, step, inner), use(second, step, inner), strict=True):
            assert same(a, b)


@pytest.mark.parametrize(("case", "count"), [("fixed", 1), ("fixed three", 3), ("fresh", 1), ("fresh three", 3)])
def test_several_nets_are_several_different_ones(case: str, count: int) -> None:
    begun = use(make(case), 0)
    assert len(begun) == count
    assert all(start.age == 0 for start in begun)
    assert not any(same(a, b) for i, a in enumerate(begun) for b in begun[:i])


def test_fixed_is_the_same_at_every_step_and_fresh_never() -> None:
    for case, constant in [("fixed", True), ("fixed three", True), ("fresh", False), ("fresh three", False)]:
        starts = make(case)
        one, later = use(starts, 0), use(starts, 17)
        assert all(same(a, b) is constant for a, b in zip(one, later, strict=True))


def test_only_one_fixed_start_belongs_to_the_set() -> None:
    theta0 = make("fixed").theta0()
    assert theta0 is not None
    assert same(Start(theta0), use(make("fixed"), 3)[0])
    assert all(make(case).theta0() is None for case in STARTS_CASES if case != "fixed")


def test_trained_starts_are_fresh_ones_trained_for_a_random_while() -> None:
    most, synthetic = 3, tensors()
    starts = Trained(LEARNER, Streams(0), most=most)
    found = [starts.next(step, synthetic, INNER)[0] for step in range(40)]
    assert {start.age for start in found} == set(range(most + 1))
    for step, start in enumerate(found[:8]):
        drawn = LEARNER.init(Streams(0).torch("theta0", step))
        params, state = INNER.run(drawn, None, [synthetic.draw(t, grad=False) for t in range(start.age)])
        assert same(start, Start(params, state, start.age))


def test_a_curriculum_lets_networks_grow_as_old_as_the_outer_step_is_late() -> None:
    starts, synthetic = Trained(LEARNER, Streams(0), most=4, growing=20), tensors()
    ages = [starts.next(step, synthetic, INNER)[0].age for step in range(120)]
    assert set(ages[:5]) == {0}
    assert all(age <= 4 * step // 20 for step, age in enumerate(ages[:20]))
    assert set(ages[20:]) == set(range(5))


def test_trained_starts_follow_the_set_as_it_is_now() -> None:
    starts = Trained(LEARNER, Streams(0), most=3)
    step = next(s for s in range(40) if starts.next(s, tensors(), INNER)[0].age)
    assert not same(starts.next(step, tensors(seed=1), INNER)[0], starts.next(step, tensors(seed=5), INNER)[0])


def test_a_pool_goes_on_with_the_weights_that_a_step_left_and_begins_anew_when_they_are_old() -> None:
    pool = Pool(LEARNER, Streams(0), size=1, most=4)
    ages, last = [], None
    for step in range(7):
        (start,) = pool.next(step, tensors(), INNER)
        ages.append(start.age)
        if start.age == 0:
            assert same(start, Start(LEARNER.init(Streams(0).torch("theta0", step))))
        else:
            assert last is not None
            assert same(start, last)
        params = {name: value + 1 for name, value in start.params.items()}
        ended: list[tuple[int, dict[str, Tensor]]] = [(start.age + t, {}) for t in (1, 0)]
        outcome = Outcome(0.0, ended, params, [torch.ones(1)])
        pool.after_step(step, start, outcome)
        last = Start(params, outcome.state, start.age + 2)
    assert ages == [0, 2, 4, 0, 2, 4, 0]


def test_a_pool_keeps_as_many_networks_as_it_is_large_and_uses_all() -> None:
    pool = Pool(LEARNER, Streams(0), size=3, most=100)
    slots = set()
    for step in range(30):
        slots |= {start.slot for start in use(pool, step)}
    assert slots == {0, 1, 2}
    assert pool.state_dict()["ages"].keys() == {"0", "1", "2"}


def test_a_pools_state_of_an_optimizer_without_memory_comes_back_usable() -> None:
    pool = Pool(LEARNER, Streams(0), size=1)
    inner = Inner(LEARNER, SGD())
    use(pool, 0, inner)
    restored = Pool(LEARNER, Streams(0), size=1)
    restored.load_state_dict(pool.state_dict())
    assert same(use(pool, 1, inner)[0], use(restored, 1, inner)[0])


@pytest.mark.parametrize("kind", [Fixed, Fresh])
def test_asking_twice_gives_the_same(kind: type) -> None:
    starts = kind(LEARNER, Streams(0))
    assert same(starts.next(3, tensors(), INNER)[0], starts.next(3, tensors(), INNER)[0])
