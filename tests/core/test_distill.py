"""The outer loop: it learns, says what goes wrong, bounds its steps, and returns what it was asked to keep."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from tests.core.cases import LEARNER_CASES, OBJECTIVE_CASES, STARTS_CASES, learner_of, real_rows, taught, tensors
from textdistill.core.distill import Checkpoint, ClosedForm, Objective, distill
from textdistill.core.errors import DivergenceError, RecipeError, UserError
from textdistill.core.outer import OUTER_OPTIMIZERS, SCHEDULES, Outer
from textdistill.core.schedule import DistilledSet
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.objectives import Unrolled
from textdistill.synthetic.tensors import LABEL_KINDS, TensorData

REAL = real_rows(dtype=torch.float32)
QUIET = Outer(steps=1, optimizer="sgd", lr=1.0, schedule="constant", clip=None)


def run(
    synthetic: TensorData | None = None,
    objective: Objective | None = None,
    outer: Outer = QUIET,
    case: str = "fixed",
    network: str = "mlp",
    seed: int = 0,
    **more: Any,
) -> DistilledSet:
    learner = learner_of(network, torch.float32)
    return distill(
        synthetic or tensors(dtype=torch.float32),
        objective or Unrolled(batch=30),
        REAL,
        learner=learner,
        starts=STARTS_CASES[case](learner, Streams(seed, ("starts",))),
        outer=outer,
        seed=seed,
        **more,
    )


def losses(**more: Any) -> list[float]:
    found: list[float] = []
    run(outer=Outer(steps=25, lr=0.08), on_step=lambda step, record: found.append(record["loss"]), **more)
    return found


def equal(one: DistilledSet, other: DistilledSet) -> bool:
    a, b = one.tensors(), other.tensors()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("case", STARTS_CASES)
def test_every_source_of_starts_lowers_the_loss(case: str) -> None:
    found = losses(case=case)
    assert sum(found[-6:]) < 0.9 * sum(found[:6])


ITERATED = [name for name, objective in OBJECTIVE_CASES.items() if not isinstance(objective, ClosedForm)]


@pytest.mark.parametrize("name", ITERATED)
def test_every_objective_lowers_its_loss(name: str) -> None:
    # the real batch is small there: the noise of its loss is taken out by the mean
    objective: Any = OBJECTIVE_CASES[name]
    objective = replace(objective, batch=30) if hasattr(objective, "batch") else objective
    found = losses(synthetic=taught(objective, dtype=torch.float32), objective=objective)
    assert sum(found[-6:]) < 0.9 * sum(found[:6])


@pytest.mark.parametrize("name", sorted(OBJECTIVE_CASES.keys() - ITERATED))
def test_every_closed_form_lowers_its_loss_without_a_step(name: str) -> None:
    objective: Any = replace(OBJECTIVE_CASES[name], batch=len(REAL))  # type: ignore[type-var]
    synthetic = taught(objective, dtype=torch.float32)
    start = Start(learner_of("mlp", torch.float32).init(torch.Generator().manual_seed(0)))

    def loss() -> float:
        (outcome,) = objective.evaluate(synthetic, REAL, learner_of("mlp", torch.float32), [start], Streams(0))
        return float(outcome.loss)

    before = loss()
    assert losses(synthetic=synthetic, objective=objective) == []
    assert loss() < 0.9 * before


@pytest.mark.parametrize("network", ["text_conv", "bi_rnn last", "bi_lstm mean"])
def test_every_network_lowers_the_loss(network: str) -> None:
    assert {LEARNER_CASES[network][0]} < {"text_conv", "bi_rnn", "bi_lstm", "mlp"}
    found = losses(network=network)
    assert sum(found[-6:]) < 0.9 * sum(found[:6])


@pytest.mark.parametrize("labels", LABEL_KINDS)
def test_every_kind_of_label_lowers_the_loss_and_stays_what_it_is(labels: str) -> None:
    synthetic = tensors(labels=labels, dtype=torch.float32)
    before = synthetic.export().targets
    found: list[float] = []
    result = run(synthetic, outer=Outer(steps=25, lr=0.08), on_step=lambda _, record: found.append(record["loss"]))
    assert sum(found[-6:]) < 0.9 * sum(found[:6])
    assert torch.equal(result.targets, before) is (labels == "hard")
    if labels in ("simplex", "clamped", "softmax"):
        torch.testing.assert_close(result.targets.sum(-1), torch.ones(2, 3))
        assert result.targets.min() >= 0
    assert result.rates.min() > 0


@pytest.mark.parametrize("optimizer", OUTER_OPTIMIZERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_outer_optimizer_and_schedule_lowers_the_loss(optimizer: str, schedule: str) -> None:
    outer = Outer(steps=25, optimizer=optimizer, lr=1.0 if optimizer == "sgd" else 0.05, schedule=schedule)
    found: list[float] = []
    run(outer=outer, on_step=lambda _, record: found.append(record["loss"]))
    assert sum(found[-6:]) < 0.9 * sum(found[:6])


def test_the_same_seed_gives_the_same_bits_and_another_others() -> None:
    outer = Outer(steps=5)
    for case in STARTS_CASES:
        assert equal(run(outer=outer, case=case), run(outer=outer, case=case))
    assert not equal(run(outer=outer), run(outer=outer, seed=1))


def test_a_step_is_the_mean_gradient_over_the_starts() -> None:
    synthetic, learner, objective = tensors(dtype=torch.float32), learner_of("mlp", torch.float32), Unrolled(batch=30)
    before = {name: value.detach().clone() for name, value in synthetic.parameters().items()}
    streams = Streams(0, ("distill",)).child(0)
    starts = STARTS_CASES["fresh three"](learner, Streams(0, ("starts",)))
    begun = starts.next(0, synthetic, objective.inner(learner, streams))
    outcomes = objective.evaluate(synthetic, REAL, learner, begun, streams)
    found: dict[str, list[Tensor]] = {name: [] for name in before}
    for outcome in outcomes:
        for value in synthetic.parameters().values():
            value.grad = None
        synthetic.pullback(outcome.gradients)
        for name, value in synthetic.parameters().items():
            assert value.grad is not None
            found[name].append(value.grad.clone())
    records: list[dict[str, float]] = []
    run(synthetic, objective, case="fresh three", on_step=lambda _, record: records.append(record))
    for name, value in synthetic.parameters().items():
        torch.testing.assert_close(
            before[name] - value.detach(), torch.stack(found[name]).mean(0), rtol=1e-4, atol=1e-6
        )
    assert records[0]["loss"] == pytest.approx(sum(outcome.loss for outcome in outcomes) / 3)
    assert len({outcome.loss for outcome in outcomes}) == 3


def moved(outer: Outer) -> float:
    """How far one step takes the set's numbers, in the Euclidean norm over all fields."""
    synthetic = tensors(dtype=torch.float32)
    before = {name: value.detach().clone() for name, value in synthetic.parameters().items()}
    run(synthetic, outer=outer)
    total = sum(float(((value.detach() - before[name]) ** 2).sum()) for name, value in synthetic.parameters().items())
    return total**0.5


def test_clipping_bounds_a_step_and_only_a_longer_one() -> None:
    free = moved(QUIET)
    assert moved(replace(QUIET, clip=free / 10)) == pytest.approx(free / 10, rel=1e-3)
    assert moved(replace(QUIET, clip=10 * free)) == pytest.approx(free, rel=1e-5)


def test_a_scale_and_the_schedule_reach_the_optimizer() -> None:
    synthetic = tensors(dtype=torch.float32)
    before = {name: value.detach().clone() for name, value in synthetic.parameters().items()}
    run(synthetic, outer=replace(QUIET, scale={"inputs": 0.0, "lr": 0.0}))
    same = {name: torch.equal(value.detach(), before[name]) for name, value in synthetic.parameters().items()}
    assert same == {"inputs": True, "targets": False, "lr": True}


def test_what_is_not_learned_stays() -> None:
    synthetic = tensors(dtype=torch.float32, learned=("targets",))
    before = synthetic.export()
    result = run(synthetic, outer=Outer(steps=3))
    assert torch.equal(result.inputs, before.inputs)
    assert torch.equal(result.rates, before.rates)
    assert not torch.equal(result.targets, before.targets)


def test_a_learned_field_that_the_objective_does_not_train_is_refused() -> None:
    class LabelsOnly(Unrolled):
        trains: ClassVar[frozenset[str]] = frozenset({"targets"})

    objective = LabelsOnly()
    with pytest.raises(RecipeError, match=r"synthetic\.learn: \['inputs', 'lr'\].*LabelsOnly.*\['targets'\]"):
        run(objective=objective)


def test_nothing_to_learn_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"synthetic\.learn: nothing"):
        run(tensors(dtype=torch.float32, learned=("targets",), labels="hard"))


def test_a_loss_that_is_no_number_names_the_step_and_what_to_lower() -> None:
    with pytest.raises(DivergenceError, match=r"outer step 0: .*nan.*lower synthetic\.lr .* or outer\.lr"):
        run(tensors(dtype=torch.float32, lr=1e30))


def test_a_later_step_is_named_by_its_number() -> None:
    synthetic = tensors(dtype=torch.float32)

    def spoil(step: int, record: dict[str, float]) -> None:
        if step == 2:
            with torch.no_grad():
                synthetic.parameters()["inputs"].fill_(torch.inf)

    with pytest.raises(DivergenceError, match="outer step 3"):
        run(synthetic, outer=Outer(steps=9), on_step=spoil)


def test_a_runaway_loss_is_stopped() -> None:
    outer = replace(QUIET, steps=200, lr=300.0, runaway=3.0)
    with pytest.raises(DivergenceError, match=r"outer step \d+: the loss .* more than 3 times the first .*outer\.clip"):
        run(outer=outer)


def test_divergence_is_the_users_to_mend() -> None:
    assert issubclass(DivergenceError, UserError)


def test_the_best_set_by_validation_is_kept() -> None:
    scores = iter([0.2, 0.9, 0.9, 0.1])
    seen: list[DistilledSet] = []

    def validate(current: DistilledSet) -> float:
        seen.append(current)
        return next(scores)

    outer = Outer(steps=8, validate_every=2, keep="best")
    result = run(outer=outer, validate=validate)
    assert equal(replace(result, theta0=None), seen[1])  # the first of two as good
    assert result.meta["kept_step"] == 4
    assert result.meta["validation"] == 0.9


def test_the_last_set_is_kept_unless_asked_otherwise() -> None:
    seen: list[DistilledSet] = []
    result = run(outer=Outer(steps=5, validate_every=2), validate=lambda current: seen.append(current) or -len(seen))
    assert len(seen) == 3  # after steps 2, 4 and the last
    assert equal(replace(result, theta0=None), seen[-1])
    assert result.meta["kept_step"] == 5


def test_an_average_over_the_steps_is_validated_and_returned() -> None:
    plain = tensors(dtype=torch.float32)
    average = {name: value.detach().clone() for name, value in plain.parameters().items()}

    def follow(step: int, record: dict[str, float]) -> None:
        keep = min(0.5, (1 + step) / (10 + step))
        for name, value in plain.parameters().items():
            average[name] = keep * average[name] + (1 - keep) * value.detach()

    run(plain, outer=Outer(steps=12), on_step=follow)
    seen: list[DistilledSet] = []
    averaged = tensors(dtype=torch.float32)
    result = run(
        averaged,
        outer=Outer(steps=12, average=0.5, validate_every=12),
        validate=lambda current: seen.append(current) or 0.0,
    )
    torch.testing.assert_close(result.inputs, average["inputs"])
    torch.testing.assert_close(result.targets, average["targets"])
    assert equal(replace(result, theta0=None), seen[0])
    # and the steps themselves went on from the set, not from its average
    assert torch.equal(averaged.export().inputs, plain.export().inputs)


def test_the_log_has_a_line_for_each_step_and_says_what_the_caller_was_told(tmp_path: Path) -> None:
    told: list[tuple[int, dict[str, float]]] = []
    run(
        outer=Outer(steps=5, validate_every=2, lr=0.1, schedule="constant"),
        validate=lambda current: 0.5,
        checkpoint=Checkpoint(tmp_path / "run"),
        on_step=lambda step, record: told.append((step, record)),
    )
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert lines == [record for _, record in told]
    assert [step for step, _ in told] == list(range(5)) == [line["step"] for line in lines]
    assert [("validation" in line) for line in lines] == [False, True, False, True, True]
    assert all(line["lr"] == 0.1 and line["gradient_norm"] > 0 for line in lines)


def test_the_result_brings_its_cost_and_the_weights_of_a_fixed_start() -> None:
    result = run(outer=Outer(steps=2))
    cost = result.meta["cost"]
    assert cost["outer_steps"] == 2
    assert cost["distill_seconds"] > 0
    assert cost["peak_rss_mib"] > 50
    drawn = learner_of("mlp", torch.float32).init(Streams(0, ("starts",)).torch("theta0", 0))
    assert result.theta0 is not None
    assert all(torch.equal(result.theta0[name], value) for name, value in drawn.items())
    assert run(case="fresh").theta0 is None


def test_nothing_else_is_drawn_from_or_reseeded() -> None:
    before = torch.get_rng_state()
    run(outer=Outer(steps=2), objective=Unrolled(batch=8, inner_dropout=True), case="pool")
    assert torch.equal(torch.get_rng_state(), before)
