"""The same work by one process and by two."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.distributed.script import main
from textdistill.core.processes import count, end_processes, own_share, rank, rows_of_processes, sum_over_processes

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = "tests.distributed.script"
LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]


@pytest.mark.slow
def test_two_processes_find_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone, together = tmp_path / "one", tmp_path / "two"
    for folder in (alone, together):
        folder.mkdir()
    monkeypatch.setattr(sys, "argv", ["", str(alone)])
    main()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [*LAUNCH, SCRIPT, str(together)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240
    )
    assert ended.returncode == 0, ended.stderr
    one, first, second = (
        load_file(file) for file in (alone / "0.safetensors", *sorted(together.glob("*.safetensors")))
    )
    for name, expected in {"kernels.processes": [1, 2, 2], "writer.processes": [1, 2, 2]}.items():
        assert [int(found.pop(name)) for found in (one, first, second)] == expected
    rows = [found.pop("kernels.rows").tolist() for found in (one, first, second)]
    assert [*rows[1], *rows[2]] == rows[0]
    assert one.keys() == first.keys() == second.keys()
    assert "writer.transformer.wte.weight" in one
    for name, value in one.items():
        assert torch.equal(first[name], second[name])  # to the bit, lest the processes drift apart
        # features are float32, and summed in another order where other texts stand beside
        rtol = 1e-5 if value.dtype == torch.float32 else 1e-9
        torch.testing.assert_close(first[name], value, rtol=rtol, atol=1e-12 + rtol * float(value.abs().max()))


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
