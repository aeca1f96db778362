"""The check of devices does not rot: one objective, held against itself in another type; a fault keeps nothing back."""

from __future__ import annotations

import pytest
import torch

from tests import device_check
from tests.core.cases import OBJECTIVE_CASES


def test_an_outer_step_in_float32_is_that_of_float64_to_its_bound() -> None:
    found = device_check.check(torch.device("cpu"), only=["unrolled sweep × words"])
    [row] = found["rows"].values()
    assert row["ok"]
    assert 0 < row["off"]["float32"] <= device_check.BOUNDS["float32"]
    assert found["failed"] == []


def test_a_step_on_the_same_device_in_the_same_type_is_the_same() -> None:
    assert device_check.alike("kip", "pixels", torch.device("cpu"), ["float64"])["off"] == {"float64": 0.0}


def test_a_check_that_fails_is_told_and_keeps_no_other_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> device_check.Row:
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(device_check, "encoder", broken)
    found = device_check.check(torch.device("cpu"), only=["encoder", "label solve × words"])
    assert found["failed"] == ["encoder"]
    assert found["rows"]["encoder"]["fault"] == "RuntimeError: no such kernel"
    assert found["rows"]["label solve × words"]["ok"]


def test_every_objective_stands_with_every_kind_of_input_that_it_takes() -> None:
    names = {case for case, _ in device_check.pairs()}
    assert names == OBJECTIVE_CASES.keys()
    assert ("kip of convolved words", "pixels") not in device_check.pairs()
