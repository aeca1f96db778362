"""The outer optimiser: its schedules, a rate for each field, and its settings."""

from __future__ import annotations

import math

import pytest
import torch

from textdistill.core.outer import OUTER_OPTIMIZERS, SCHEDULES, Outer, learning_rate, make_optimizer


def test_cosine_falls_from_the_rate_to_its_floor() -> None:
    outer = Outer(steps=100, lr=0.2, floor=0.1)
    rates = [learning_rate(outer, step) for step in range(101)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[50] == pytest.approx(0.2 * (0.1 + 0.9 / 2))
    assert rates[100] == pytest.approx(0.02)
    assert rates == sorted(rates, reverse=True)


def test_steps_halve_as_in_the_paper() -> None:
    outer = Outer(schedule="step", lr=0.01, decay=0.5, decay_every=40)
    assert [learning_rate(outer, step) for step in (0, 39, 40, 79, 80)] == [0.01, 0.01, 0.005, 0.005, 0.0025]


def test_constant_stays() -> None:
    assert {learning_rate(Outer(schedule="constant", lr=0.3), step) for step in (0, 10, 499)} == {0.3}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_warming_up_climbs_by_equal_steps_to_the_rate(schedule: str) -> None:
    outer = Outer(steps=50, schedule=schedule, lr=1.0, warmup=4, decay_every=1000)
    assert [learning_rate(outer, step) for step in range(5)] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])


def test_a_schedule_of_one_step_has_a_rate() -> None:
    for schedule in SCHEDULES:
        assert learning_rate(Outer(steps=1, schedule=schedule, lr=0.5), 0) == pytest.approx(0.5)
        assert math.isfinite(learning_rate(Outer(steps=2, schedule=schedule, warmup=2), 1))


def test_a_field_has_its_own_scale() -> None:
    outer = Outer(lr=0.1, schedule="constant", scale={"lr": 0.3})
    assert learning_rate(outer, 0, "lr") == pytest.approx(0.03)
    assert learning_rate(outer, 0, "inputs") == pytest.approx(0.1)


@pytest.mark.parametrize("name", OUTER_OPTIMIZERS)
def test_the_optimizer_has_one_named_group_for_each_field(name: str) -> None:
    parameters = {"inputs": torch.zeros(2, requires_grad=True), "lr": torch.zeros(1, requires_grad=True)}
    outer = Outer(optimizer=name, lr=0.1, betas=(0.3, 0.4), momentum=0.7, weight_decay=0.2)
    optimizer = make_optimizer(parameters, outer)
    assert [group["name"] for group in optimizer.param_groups] == ["inputs", "lr"]
    assert all(group["lr"] == 0.1 for group in optimizer.param_groups)
    wanted = {
        "adam": {"betas": (0.3, 0.4), "weight_decay": 0},
        "adamw": {"betas": (0.3, 0.4), "weight_decay": 0.2},
        "sgd": {"momentum": 0.7, "weight_decay": 0},
    }[name]
    assert all(group[key] == value for group in optimizer.param_groups for key, value in wanted.items())


def test_weight_decay_is_decoupled_from_the_gradient() -> None:
    value = torch.ones(1, requires_grad=True)
    optimizer = make_optimizer({"weights": value}, Outer(optimizer="adamw", lr=0.1, weight_decay=0.5))
    value.grad = torch.zeros(1)
    optimizer.step()
    assert float(value.detach()) == pytest.approx(1 - 0.1 * 0.5)
