"""The same kernel regression on one process and on two."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.core.distributed_spread import main as spread_main
from tests.objectives.distributed_script import main
from textdistill.core.processes import count, end_processes, own_share, rank, rows_of_processes, sum_over_processes

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = "tests.objectives.distributed_script"
LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]


def outcome_of(command: list[str], folder: Path, script: str = SCRIPT) -> list[dict[str, Tensor]]:
    """What each process wrote."""
    folder.mkdir()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [*command, script, str(folder)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240
    )
    assert ended.returncode == 0, ended.stderr
    return [load_file(file) for file in sorted(folder.iterdir())]


def outcome_of_one(main: Callable[[], None], folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """What the script writes in this process."""
    folder.mkdir()
    monkeypatch.setattr(sys, "argv", ["", str(folder)])
    main()
    return load_file(folder / "0.safetensors")


@pytest.mark.slow
def test_two_processes_find_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = outcome_of_one(main, tmp_path / "one", monkeypatch)
    first, second = outcome_of(LAUNCH, tmp_path / "two")
    assert [int(found["processes"]) for found in (one, first, second)] == [1, 2, 2]
    assert [*first.pop("rows").tolist(), *second.pop("rows").tolist()] == one.pop("rows").tolist()
    for found in (one, first, second):
        del found["processes"]
    assert one.keys() == first.keys() == second.keys()
    for name, value in one.items():
        assert torch.equal(first[name], second[name])  # to the bit, lest the processes drift apart
        torch.testing.assert_close(first[name], value, rtol=1e-10, atol=1e-10 * float(value.abs().max()))


@pytest.mark.slow
def test_a_step_of_every_kind_features_and_pieces_are_those_of_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = outcome_of_one(spread_main, tmp_path / "one", monkeypatch)
    first, second = outcome_of(LAUNCH, tmp_path / "two", "tests.core.distributed_spread")
    assert one.keys() == first.keys() == second.keys()
    for name, value in one.items():
        assert torch.equal(first[name], second[name])
        # features are float32, and summed in another order where other texts stand beside
        rtol = 1e-5 if value.dtype == torch.float32 else 1e-9
        torch.testing.assert_close(first[name], value, rtol=rtol, atol=rtol * float(value.abs().max()))


def test_alone_all_is_ones_own() -> None:
    assert (rank(), count(), own_share(7)) == (0, 1, range(7))
    rows = torch.arange(6.0).view(2, 3)
    assert torch.equal(sum_over_processes([rows])[0], rows)
    assert torch.equal(rows_of_processes(rows), rows)
    end_processes()


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
def test_shares_are_even_and_leave_nothing_out(processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("textdistill.core.processes.count", lambda: processes)
    for total in (0, 1, 7, 100):
        shares = []
        for number in range(processes):
            monkeypatch.setattr("textdistill.core.processes.rank", lambda number=number: number)
            shares.append(own_share(total))
        assert [row for share in shares for row in share] == list(range(total))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
