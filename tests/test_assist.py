"""Several processes make one run: `torchrun … -m textdistill run`, with the files of one alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests import tiny

ROOT = Path(__file__).resolve().parents[1]
COMMAND = ("run", "nguyen2021_kip_mnist_10", "--variant", "transfer")
LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
CHANGES = (
    *("data=digits", "synthetic.per_class=1", "learner.hidden=[8]", "outer.steps=4", "objective.batch=300"),
    *("checkpoint.every=1", "train.epochs=2", "evaluate.nets=1", "evaluate.draws=1", "evaluate.full.epochs=1"),
)


def run(out: Path) -> None:
    ended = subprocess.run(
        [*LAUNCH, "-m", "textdistill", *COMMAND, "--out", str(out), *CHANGES],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]


@pytest.mark.slow
def test_two_processes_leave_the_run_of_one(tmp_path: Path) -> None:
    alone = tiny.call(*COMMAND, "--out", tmp_path / "one", *CHANGES)
    assert alone.exit_code == 0, alone.output
    run(tmp_path / "two")
    assert sorted(file.name for file in (tmp_path / "one").iterdir()) == sorted(
        file.name for file in (tmp_path / "two").iterdir()
    )
    one, two = (load_file(tmp_path / name / "distilled.safetensors") for name in ("one", "two"))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-5, atol=1e-6)  # the set is kept in float32
    losses = [
        [json.loads(line)["loss"] for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert losses[0][-1] < losses[0][0]
