"""The same step of a generator on one process and on two, which share its micro-batches."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.objectives.test_distributed_blocks import LAUNCH, outcome_of, outcome_of_one
from tests.synthetic.distributed_generator import main

SCRIPT = "tests.synthetic.distributed_generator"


@pytest.mark.slow
def test_two_processes_find_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = outcome_of_one(main, tmp_path / "one", monkeypatch)
    first, second = outcome_of(LAUNCH, tmp_path / "two", SCRIPT)
    assert [int(found.pop("processes")) for found in (one, first, second)] == [1, 2, 2]
    assert one.keys() == first.keys() == second.keys()
    assert "transformer.wte.weight" in one
    for name, value in one.items():
        assert torch.equal(first[name], second[name])  # to the bit, lest the processes drift apart
        torch.testing.assert_close(first[name], value, rtol=1e-10, atol=1e-12 + 1e-10 * float(value.abs().max()))
