"""Interrupted and resumed: the same bits and the same log as without the interruption, whatever the loop remembers."""

from __future__ import annotations

import json
import random
import signal
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from tests.core.cases import STARTS_CASES, learner_of, real_rows, tensors
from tests.stops import Stopped
from textdistill.core import stopping, watch
from textdistill.core.checkpoint import load_checkpoint
from textdistill.core.distill import Checkpoint, distill
from textdistill.core.errors import ArtifactError
from textdistill.core.inner import Adam
from textdistill.core.outer import Outer
from textdistill.core.schedule import DistilledSet
from textdistill.core.streams import Streams
from textdistill.objectives import Unrolled
from textdistill.synthetic.tensors import TensorData

REAL = real_rows(dtype=torch.float32)
STEPS = 11
OUTERS = {
    "plain": Outer(steps=STEPS),
    "average, best": Outer(steps=STEPS, average=0.9, keep="best", validate_every=2),
    "momentum, by steps": Outer(steps=STEPS, optimizer="sgd", momentum=0.9, schedule="step", decay_every=3, warmup=2),
}


def spoil(path: Path, damage: str) -> None:
    """A checkpoint as a full disk, a bad one or a kill leaves it."""
    whole = bytearray(path.read_bytes())
    whole[-3] ^= 8
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(whole[:-100] if damage == "cut" else whole)


def run(
    folder: Path,
    case: str = "pool",
    outer: Outer = OUTERS["plain"],
    stop_after: int | None = None,
    resume: bool = False,
    identity: str = "this",
    synthetic: TensorData | None = None,
    ask_after: int | None = None,
) -> DistilledSet:
    learner = learner_of("mlp", torch.float32)

    def stop(step: int, record: dict[str, float]) -> None:
        if step == stop_after:
            raise Stopped
        if step == ask_after:
            signal.raise_signal(signal.SIGTERM)

    return distill(
        synthetic or tensors(labels="simplex", dtype=torch.float32),
        Unrolled(optimizer=Adam(), batch=12, steps=2, inner_dropout=True, outer_dropout=True),
        REAL,
        learner=learner,
        starts=STARTS_CASES[case](learner, Streams(0, ("starts",))),
        outer=outer,
        # a score that goes up and down with the set, so that the best is neither the first nor the last
        validate=lambda current: float(torch.sin(40 * current.inputs.double().sum())),
        checkpoint=Checkpoint(folder, every=3, resume=resume, identity=identity, made_of={"the data": identity}),
        on_step=stop,
    )


def interrupted(folder: Path, case: str, outer: Outer, stops: list[int]) -> DistilledSet:
    """One run, stopped after each of these steps and resumed each time."""
    for stop in stops:
        with pytest.raises(Stopped):
            run(folder, case, outer, stop_after=stop, resume=True)
    return run(folder, case, outer, resume=True)


def same(one: DistilledSet, other: DistilledSet) -> bool:
    a, b = one.tensors(), other.tensors()
    kept = all(one.meta[key] == other.meta[key] for key in ("outer_steps", "kept_step", "validation"))
    return kept and a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def log(folder: Path) -> str:
    return (folder / "metrics.jsonl").read_text()


PAIRS = [(case, "average, best") for case in STARTS_CASES] + [("pool", "plain"), ("fresh", "momentum, by steps")]


@pytest.mark.parametrize(("case", "name"), PAIRS)
def test_a_resumed_run_ends_with_the_same_bits_and_log(tmp_path: Path, case: str, name: str) -> None:
    whole = run(tmp_path / "whole", case, OUTERS[name])
    stops = sorted(random.Random(f"{case} {name}").sample(range(STEPS), 3))
    resumed = interrupted(tmp_path / "resumed", case, OUTERS[name], stops)
    assert same(whole, resumed), f"stopped after steps {stops}"
    assert log(tmp_path / "whole") == log(tmp_path / "resumed")
    ends = [load_checkpoint(tmp_path / kind / "checkpoint.safetensors") for kind in ("whole", "resumed")]
    assert all(torch.equal(ends[0][0][key], ends[1][0][key]) for key in ends[0][0])
    assert {**ends[0][1], "seconds": 0} == {**ends[1][1], "seconds": 0}


def test_the_best_set_is_neither_first_nor_last_here(tmp_path: Path) -> None:
    result = run(tmp_path, outer=OUTERS["average, best"])
    scores = [json.loads(line).get("validation") for line in log(tmp_path).splitlines()]
    assert result.meta["validation"] == max(score for score in scores if score is not None)
    assert 2 < result.meta["kept_step"] < STEPS


@pytest.mark.parametrize("torn", ['{"step": 8, "lo', "\n", '{"step": 99}\n{"step": 8}\n'])
def test_a_torn_line_at_the_end_of_the_log_is_taken_again(tmp_path: Path, torn: str) -> None:
    whole = run(tmp_path / "whole")
    with pytest.raises(Stopped):
        run(tmp_path / "torn", stop_after=7)
    with (tmp_path / "torn" / "metrics.jsonl").open("a") as file:
        file.write(torn)
    assert same(whole, run(tmp_path / "torn", resume=True))
    assert log(tmp_path / "whole") == log(tmp_path / "torn")


def test_stopped_before_the_first_checkpoint_it_begins_again(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        run(tmp_path / "early", stop_after=1)
    assert not (tmp_path / "early" / "checkpoint.safetensors").exists()
    assert same(run(tmp_path / "early", resume=True), run(tmp_path / "whole"))
    assert log(tmp_path / "early") == log(tmp_path / "whole")


def test_a_finished_run_is_only_read(tmp_path: Path) -> None:
    whole = run(tmp_path, outer=OUTERS["average, best"])
    before = (log(tmp_path), (tmp_path / "checkpoint.safetensors").read_bytes())
    synthetic = tensors(labels="simplex", dtype=torch.float32, seed=9)
    assert same(whole, run(tmp_path, outer=OUTERS["average, best"], resume=True, synthetic=synthetic))
    assert before == (log(tmp_path), (tmp_path / "checkpoint.safetensors").read_bytes())


def test_without_resume_a_run_begins_anew(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole")
    with pytest.raises(Stopped):
        run(tmp_path / "again", stop_after=7)
    assert same(whole, run(tmp_path / "again"))
    assert log(tmp_path / "whole") == log(tmp_path / "again")


def test_another_run_is_not_gone_on_with(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        run(tmp_path, stop_after=7)
    before = log(tmp_path)
    with pytest.raises(ArtifactError, match=r"checkpoint\.safetensors: belongs to another run .*--out"):
        run(tmp_path, resume=True, identity="that")
    assert log(tmp_path) == before


def test_asked_to_stop_it_ends_after_the_step_at_hand_with_a_checkpoint(tmp_path: Path) -> None:
    with stopping.heed(), pytest.raises(stopping.Stopped):
        run(tmp_path / "asked", ask_after=3)  # so in the step of number 4, after which no checkpoint is due
    assert load_checkpoint(tmp_path / "asked" / "checkpoint.safetensors")[1]["step"] == 5
    assert same(run(tmp_path / "asked", resume=True), run(tmp_path / "whole"))
    assert log(tmp_path / "asked") == log(tmp_path / "whole")


def test_asked_to_stop_in_the_last_step_it_is_finished(tmp_path: Path) -> None:
    with stopping.heed():
        made = run(tmp_path / "asked", ask_after=STEPS - 1)
        with pytest.raises(stopping.Stopped):
            stopping.end_if_asked()
    assert same(made, run(tmp_path / "whole"))


@pytest.mark.parametrize("damage", ["cut", "bit", "gone"])
def test_where_the_last_checkpoint_is_damaged_it_goes_on_from_the_one_before(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Stopped):
        run(tmp_path / "torn", stop_after=7)
    path = tmp_path / "torn" / "checkpoint.safetensors"
    spoil(path, damage)
    watch.show_by(lambda *_: nullcontext(lambda *_: None))  # nobody shows progress: lines go to stderr
    assert same(run(tmp_path / "torn", resume=True), run(tmp_path / "whole"))
    told = capsys.readouterr().err
    assert ("going on from the checkpoint before it" in told) == (damage != "gone")
    assert len(told.splitlines()) <= 1
    assert log(tmp_path / "torn") == log(tmp_path / "whole")


def test_where_both_checkpoints_are_damaged_it_says_so_and_touches_neither(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        run(tmp_path, stop_after=7)
    files = [tmp_path / "checkpoint.safetensors", tmp_path / "checkpoint-before.safetensors"]
    for path in files:
        spoil(path, "cut")
    before = [path.read_bytes() for path in files]
    with pytest.raises(ArtifactError, match=r"checkpoint\.safetensors: not a readable checkpoint"):
        run(tmp_path, resume=True)
    assert before == [path.read_bytes() for path in files]


def test_what_differs_from_the_run_before_is_named(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        run(tmp_path, stop_after=7)
    with pytest.raises(ArtifactError, match="belongs to another run \\(the data differs\\)"):
        run(tmp_path, resume=True, identity="that")


def test_a_line_of_the_log_that_the_disk_spoilt_costs_no_other_line(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        run(tmp_path, stop_after=7)
    path = tmp_path / "metrics.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"\xff" + lines[2][1:], *lines[3:]]))
    run(tmp_path, resume=True)
    assert [json.loads(line)["step"] for line in log(tmp_path).splitlines()] == [0, 1, *range(3, STEPS)]


def test_no_temporary_file_is_left(tmp_path: Path) -> None:
    interrupted(tmp_path, "fresh", OUTERS["plain"], [4, 8])
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "checkpoint-before.safetensors",
        "checkpoint.safetensors",
        "metrics.jsonl",
    ]
