"""The same step of a generator on one process and on two, which share its micro-batches."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from tests.objectives.test_distributed_blocks import LAUNCH, outcome_of

SCRIPT = "tests.synthetic.distributed_generator"


@pytest.mark.slow
def test_two_processes_find_what_one_does(tmp_path: Path) -> None:
    (one,) = outcome_of([sys.executable, "-m"], tmp_path / "one", SCRIPT)
    first, second = outcome_of(LAUNCH, tmp_path / "two", SCRIPT)
    assert [int(found.pop("processes")) for found in (one, first, second)] == [1, 2, 2]
    assert one.keys() == first.keys() == second.keys()
    assert "transformer.wte.weight" in one
    for name, value in one.items():
        assert torch.equal(first[name], second[name])  # to the bit, lest the processes drift apart
        torch.testing.assert_close(first[name], value, rtol=1e-10, atol=1e-12 + 1e-10 * float(value.abs().max()))
