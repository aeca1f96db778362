"""What a run will take: units counted as the run counts them, the best setting to halve, what fits into memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests import tiny
from textdistill.commands.plan import mib_of, time_of
from textdistill.core.errors import UserError
from textdistill.evaluation import protocol
from textdistill.objectives.label_solve import LabelSolve
from textdistill.recipe.read import Recipe, resolve
from textdistill.runs import pipeline
from textdistill.runs.plan import tensors
from textdistill.runs.plan.accelerators import ACCELERATORS, SHARE, seconds_on
from textdistill.runs.plan.forecast import FEWER_ROWS, LAST_STEPS, ROUNDING, fitting, forecast
from textdistill.runs.plan.probe import Measured
from textdistill.runs.plan.units import Meter, Operations, Unit
from textdistill.runs.progress import Reporter

CPU = torch.device("cpu")


def recipe_of(*overrides: str, variant: str | None = None) -> Recipe:
    tiny.home()
    return resolve(tiny.settings(), overrides, variant)


@pytest.mark.slow
@pytest.mark.parametrize(("variant", "more"), [("fixed", ()), ("fresh", ("evaluate.draws=2", "evaluate.rates=[]"))])
def test_as_many_inner_steps_are_foretold_as_the_evaluation_takes(
    variant: str, more: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of("outer.steps=1", *more, variant=variant)
    facts = tensors.probe(recipe, tmp_path / "probe", CPU, Meter(CPU, 0.0))
    taken = []
    original = protocol.train_by_schedule

    def counted(distilled: Any, *rest: Any) -> Any:
        taken.append(distilled.length)
        return original(distilled, *rest)

    monkeypatch.setattr(protocol, "train_by_schedule", counted)
    pipeline.run(recipe, tmp_path / "run", device="cpu", reporter=Reporter(quiet=True))
    foretold = tensors.counts(recipe, facts)
    assert foretold["inner step"] == sum(taken)


def test_the_probe_of_a_loop_takes_few_steps_of_many_and_counts_their_operations(tmp_path: Path) -> None:
    meter = Meter(CPU, 0.0)
    recipe = recipe_of("outer.steps=100000")
    tensors.probe(recipe, tmp_path, CPU, meter)
    step = meter.units["outer step"]
    assert step.seconds > 0
    assert step.operations > 0
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) < 20
    assert tensors.counts(recipe, {**_facts(), "length": 2})["outer step"] == 100_000


@pytest.mark.parametrize(("batch", "seen"), [(None, {4, 8}), (6, {6})])
def test_a_closed_form_is_looked_at_on_few_rows(
    batch: int | None, seen: set[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensors, "FEW_PAIRED", 4)
    monkeypatch.setattr(tensors, "MANY_PAIRED", 8)
    rows: set[int] = set()
    original = LabelSolve.real_rows

    def real_rows(self: LabelSolve, *more: Any) -> torch.Tensor:
        found = original(self, *more)
        rows.add(len(found))
        return found

    monkeypatch.setattr(LabelSolve, "real_rows", real_rows)
    settings = {
        **tiny.settings(),
        "objective": {"name": "label_solve", "batch": batch},
        "synthetic": {"per_class": 2, "init": "real", "learn": ["targets"]},
        "starts": {"name": "fresh"},
        "variants": {},
    }
    tiny.home()
    meter = Meter(CPU, 0.0)
    tensors.probe(resolve(settings), tmp_path, CPU, meter)
    assert rows == seen
    assert meter.units["solving"].seconds > 0


def test_operations_are_those_of_products_and_convolutions_derivatives_among_them() -> None:
    left = torch.ones(3, 5, requires_grad=True)
    with Operations() as counter:
        torch.autograd.grad((left @ torch.ones(5, 7)).sum(), left)
    assert counter.total == 2 * (2 * 3 * 5 * 7)


def _facts() -> dict[str, Any]:
    facts = dict.fromkeys(("closed", "predictor", "owned", "watched", "texts", "full_kept"), False)
    return {**facts, "fixed": True, "floating": True, "snapped": True, "plain": True, "length": 2, "steps": 1}


def measured(**seconds: float) -> Measured:
    units = {name.replace("_", " "): Unit("stage", value, 1e9) for name, value in seconds.items()}
    return Measured(units, _facts(), 500.0, 1.0, 2.0)


def test_a_forecast_adds_up_and_names_the_setting_whose_half_saves_most() -> None:
    recipe = recipe_of("outer.steps=10", "evaluate.full_nets=2")
    found = forecast(recipe, measured(outer_step=1.0, pass_over_the_training_rows=30.0))
    assert found.seconds == 1.0 + 10 * 1.0 + 2 * 30.0  # a process begins, ten steps, two networks of one pass
    assert found.operations == (10 + 2) * 1e9
    assert found.shorter == ("evaluate.full_nets", "1", 30.0)
    steps = forecast(recipe, measured(outer_step=1.0, pass_over_the_training_rows=0.5))
    assert steps.shorter == ("outer.steps", "5", 5.0)


def test_time_on_a_card_is_operations_by_its_peak_and_the_stated_share() -> None:
    assert seconds_on("A100", 19.5e12) == pytest.approx(1 / SHARE)
    assert seconds_on("A100", 312e12, "bfloat16") == pytest.approx(1 / SHARE)
    assert seconds_on("T4", 8.1e12, "bfloat16") == pytest.approx(1 / SHARE)  # which has no such unit
    assert all(peak.float32 <= peak.tf32 or not peak.tf32 for peak in ACCELERATORS.values())


def test_the_first_of_the_exact_ways_that_fits_is_chosen_and_a_window_only_after_them() -> None:
    peaks = {"graph": 900.0, "sweep": 600.0, "window": 450.0}

    def measure_of(recipe: Recipe) -> Measured:
        gradient = recipe.objective.make().gradient
        name = "window" if gradient.window else gradient.name
        return replace(measured(outer_step=1.0), peak_mib=peaks[name])

    def way(mib: float) -> tuple[list[str], str]:
        found, _ = fitting(lambda more: recipe_of(*more), mib, measure_of)
        return found.overrides, found.changes

    assert way(1000) == ([], ROUNDING)
    assert way(700) == (["evaluate.batch=64", "objective.gradient.name=sweep"], ROUNDING)
    assert way(500) == (
        ["evaluate.batch=64", "objective.gradient.name=sweep", "objective.gradient.window=1"],
        LAST_STEPS,
    )
    with pytest.raises(UserError, match="--memory: 400 MiB; the least that was found is 450 MiB, with evaluate.batch"):
        way(400)


def test_a_kernels_full_data_score_takes_fewer_rows_where_no_block_is_small_enough() -> None:
    settings = {**tiny.settings(), "objective": {"name": "kip"}, "synthetic": {"per_class": 2, "learn": ["inputs"]}}

    def fits_with(overrides: Sequence[str]) -> Recipe:
        return resolve({**settings, "starts": {"name": "fresh"}, "variants": {}}, overrides)

    def measure_of(recipe: Recipe) -> Measured:
        return replace(measured(outer_step=1.0), peak_mib=900.0 if recipe.evaluate.full.rows is None else 300.0)

    found, _ = fitting(fits_with, 400, measure_of)
    assert found.overrides == ["evaluate.batch=64", "objective.memory_mib=16", "evaluate.full.rows=4000"]
    assert found.changes == FEWER_ROWS


@pytest.mark.parametrize(
    ("text", "mib"), [("4GiB", 4096.0), ("800 MiB", 800.0), ("1.5gib", 1536.0), ("1GB", 1e9 / 2**20)]
)
def test_a_size_of_memory_is_read(text: str, mib: float) -> None:
    assert mib_of(text) == pytest.approx(mib)


@pytest.mark.parametrize("text", ["4", "GiB", "-1GiB", "0MiB", "4TiB"])
def test_another_size_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="--memory: .*; allowed: a number with MiB, MB, GiB or GB"):
        mib_of(text)


def test_times_are_said_as_people_say_them() -> None:
    assert [time_of(seconds) for seconds in (0.04, 12.3, 600, 7200)] == ["0.04 s", "12 s", "10 min", "2.0 h"]


@pytest.mark.slow
def test_the_command_tells_time_memory_and_disk_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, temporary = tiny.recipe_file(tmp_path), tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.chdir(tmp_path)
    told = tiny.call("plan", recipe, "--seconds", "0.1", "--device", "cpu", "--json")
    assert told.exit_code == 0, told.output
    plan = json.loads(told.stdout)
    assert plan["seconds"] > 0
    assert plan["peak_mib"] > 100
    assert plan["disk_mib"] > 0
    assert {unit["name"] for unit in plan["units"]} >= {"outer step", "inner step", "test rows classified"}
    assert plan["accelerators"]["float32"].keys() == ACCELERATORS.keys()
    assert list(temporary.iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"tiny.yaml", "temporary"}
    broken = tiny.call("plan", recipe, "data.name=nowhere.csv", "--device", "cpu")
    assert broken.exit_code == 2
    assert "nowhere.csv" in broken.stderr
