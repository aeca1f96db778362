"""Whatever happens to a run loses nothing: signals, kills, full disks, changed data, clocks, and company."""

from __future__ import annotations

import json
import os
import random
import resource
import shlex
import shutil
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
import torch

from embeddings import WordVectors
from embeddings.cache import VectorCache
from embeddings.vectors import ReadReport
from tests import kills, tiny, warm
from tests.text_level import runs
from textdistill.core import stopping
from textdistill.core.errors import ArtifactError, UserError
from textdistill.core.file_names import LOCK
from textdistill.learners.pretrained.feature_store import FeatureStore, key_of
from textdistill.recipe.read import resolve
from textdistill.runs import pipeline, progress
from textdistill.runs.lock import held
from textdistill.runs.readable.run import run_texts

PATIENCE = 120


def command(*words: str, bytes_a_file: int | None = None) -> None:
    """The command line; where asked, of a system that takes no file of more than so many bytes."""
    from textdistill.commands.cli import app

    if bytes_a_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_a_file, bytes_a_file))
    app(list(words), prog_name="textdistill")


def begun(*words: object, told: Path, bytes_a_file: int | None = None) -> BaseProcess:
    texts = [str(word) for word in words]
    return warm.start(
        _command, texts, bytes_a_file, told=told, TEXTDISTILL_CACHE=str(tiny.home() / "cache"), GIT_DIR=os.devnull
    )


def _command(words: list[str], bytes_a_file: int | None) -> None:
    command(*words, bytes_a_file=bytes_a_file)


def wait_for_steps(out: Path, process: BaseProcess, steps: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while process.is_alive() and time.monotonic() < deadline:
        log = out / "metrics.jsonl"
        if log.exists() and log.read_bytes().count(b"\n") >= steps:
            return
        time.sleep(0.01)
    raise AssertionError("it never came so far")


def steps_in(out: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (out / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "count"), [("tdd", 2), ("kip", 1), ("dilm", 2), ("readable", 1), ("evaluation", 1)])
def test_killed_at_any_moment_and_resumed_a_run_leaves_what_it_would_have_left(
    kind: str, count: int, tmp_path: Path
) -> None:
    tiny.home()
    row = kills.Bench(tmp_path, random.Random(kind), by_clock=False).row(kind, count)
    assert (row.kills, row.identical, row.faults) == (count, count, [])


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_after_its_step_with_the_command_that_goes_on(
    number: signal.Signals, tmp_path: Path
) -> None:
    out, told = tmp_path / "a folder", tmp_path / "told"
    process = begun("run", tiny.recipe_file(tmp_path), "outer.steps=100000", "checkpoint.every=90000", "--out", out,
                    told=told)  # fmt: skip
    wait_for_steps(out, process, 3)
    os.kill(process.pid or 0, number)
    process.join(PATIENCE)
    assert process.exitcode == 128 + number
    [line] = [line for line in told.read_text().splitlines() if line.startswith("stopped")]
    assert line.startswith(f"stopped by {number.name}; go on with: textdistill run ")
    done = len(steps_in(out))
    again = begun(*shlex.split(line.partition("go on with: textdistill ")[2]), told=tmp_path / "again")
    wait_for_steps(out, again, done + 2)
    again.terminate()
    again.join(PATIENCE)
    assert steps_in(out) == list(range(len(steps_in(out)))), "a step was taken twice, or is missing"
    assert again.exitcode == 128 + signal.SIGTERM


def stubborn(ready: Path) -> None:
    with stopping.heed(), stopping.between_steps():
        ready.touch()
        while True:
            time.sleep(0.01)


def test_a_second_interrupt_ends_a_process_at_once(tmp_path: Path) -> None:
    process = warm.start(stubborn, tmp_path / "ready")
    while not (tmp_path / "ready").exists():
        time.sleep(0.01)
    for _ in range(PATIENCE * 5):
        os.kill(process.pid or 0, signal.SIGINT)
        process.join(0.2)
        if not process.is_alive():
            break
    assert process.exitcode == -signal.SIGINT


@pytest.mark.parametrize(("stage", "changes"), [("evaluating", []), ("judging", runs.SIZES)])
def test_a_signal_while_it_evaluates_or_judges_ends_it_at_once_and_it_goes_on(
    stage: str, changes: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, out = tmp_path / "tiny.yaml", tmp_path / "out"
    recipe.write_text(json.dumps(kills.settings_of("readable" if changes else "tdd")))
    advance = progress.Stage.advance

    def signalled(bar: progress.Stage, note: str = "", steps: int = 1) -> None:
        if bar.line().startswith(stage):
            signal.raise_signal(signal.SIGTERM)
        advance(bar, note, steps)

    with monkeypatch.context() as patch:
        patch.setattr(progress.Stage, "advance", signalled)
        result = tiny.call("run", recipe, "--out", out)
    assert result.exit_code == 143, result.output
    line = result.stderr.strip().splitlines()[-1]
    assert line == f"stopped by SIGTERM; go on with: textdistill run {recipe} --out {out} --resume"
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")}
    assert tiny.call(*shlex.split(line.partition("textdistill ")[2])).exit_code == 0
    assert before == {path: path.stat().st_mtime_ns for path in before}, "nothing was distilled again"


@pytest.mark.slow
def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    """The system takes no files of more than 5,000 bytes: the log yes, a checkpoint no."""
    words = ("run", tiny.recipe_file(tmp_path), "evaluate.snapped=false", "evaluate.baselines=[]", "--out")
    out, whole = tmp_path / "out", tmp_path / "whole"
    process = begun(*words, out, told=tmp_path / "told", bytes_a_file=5000)
    process.join(PATIENCE)
    told = [line for line in (tmp_path / "told").read_text().splitlines() if line.startswith("textdistill: ")]
    assert process.exitcode == 2, told
    assert len(told) == 1
    assert f"{out}/checkpoint.safetensors: File too large; check" in told[0]
    assert f"go on with: textdistill run {tmp_path}/tiny.yaml" in told[0]
    assert not list(out.glob(".*.tmp")), "half a file is no file"
    for folder, more in ((out, ["--resume"]), (whole, [])):
        assert tiny.call(*words, folder, *more).exit_code == 0
    for name in ("distilled.safetensors", "metrics.jsonl"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_computed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = tiny.call("run", tiny.recipe_file(tmp_path), "--out", tmp_path / "file" / "out")
    assert result.exit_code == 2
    assert "cannot be used as a folder (Not a directory); choose another" in result.stderr
    if os.geteuid():  # to root everything is writable
        (tmp_path / "locked").mkdir(0o500)
        result = tiny.call("run", tiny.recipe_file(tmp_path), "--out", tmp_path / "locked")
        assert result.exit_code == 2
        assert "cannot be used as a folder (Permission denied)" in result.stderr


def test_data_that_changed_since_the_start_are_told_and_nothing_is_replaced(tmp_path: Path) -> None:
    table = tmp_path / "reviews.csv"
    shutil.copy(tiny.home() / "reviews.csv", table)
    settings = tiny.settings() | {"data": {"name": str(table), "text": "review", "label": "stars"}}
    texts = kills.settings_of("readable") | {"data": settings["data"]}
    recipe, chooses = resolve(settings), resolve(texts)
    pipeline.distill_into(tmp_path / "run", recipe, pipeline.prepare_task(recipe), 0)
    run_texts(chooses, tmp_path / "texts")
    files = [path for path in tmp_path.glob("*/**/*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    table.write_text(table.read_text() + "a line more,good\n")
    with pytest.raises(ArtifactError, match=r"belongs to another run \(the data"):
        pipeline.distill_into(tmp_path / "run", recipe, pipeline.prepare_task(recipe), 0, resume=True)
    with pytest.raises(ArtifactError, match="the data differ from those that this run began with"):
        run_texts(chooses, tmp_path / "texts", resume=True)
    assert before == {path: path.read_bytes() for path in files}


def test_a_clock_that_was_set_back_makes_nothing_be_done_again(tmp_path: Path) -> None:
    recipe = resolve(tiny.settings())
    task = pipeline.prepare_task(recipe)
    made = pipeline.distill_into(tmp_path / "run", recipe, task, 0)
    later = time.time() + 10 * 365 * 86400
    for path in (*(tmp_path / "run").iterdir(), *(tiny.home() / "cache").rglob("*")):
        os.utime(path, (later, later))
    log = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    (tmp_path / "run" / "cost.json").unlink()  # as if it had been stopped just before its end
    again = pipeline.distill_into(tmp_path / "run", recipe, task, 0, resume=True)
    assert torch.equal(again.inputs, made.inputs)
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == log


def test_a_second_run_in_the_same_folder_is_refused_while_the_first_is_at_work(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "metrics.jsonl").write_text('{"step": 0}\n')
    with held(out):
        for word in ("--resume", "--force"):
            result = tiny.call("run", tiny.recipe_file(tmp_path), "--out", out, word)
            assert result.exit_code == 2
            assert "another process is at work there; wait for it, or choose another folder" in result.stderr
    assert (out / "metrics.jsonl").read_text() == '{"step": 0}\n'
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").touch()
    with pytest.raises(UserError, match="holds other files, such as letter.txt"):
        pipeline_run(tmp_path / "other")
    assert not (tmp_path / "other" / LOCK).exists(), "somebody else's folder gets no lock"


def test_a_run_that_is_refused_leaves_no_folder_behind(tmp_path: Path) -> None:
    recipe = tiny.recipe_file(tmp_path)
    (tmp_path / "mine").mkdir()
    for out in (tmp_path / "new", tmp_path / "mine"):
        result = tiny.call("run", recipe, f"data.name={tmp_path / 'no.csv'}", "--out", out)
        assert result.exit_code == 2, result.output
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "mine").is_dir(), "a folder that was there stays"


def pipeline_run(out: Path) -> None:
    from textdistill.runs.run import run

    run(resolve(tiny.settings()), out, quiet=True)


def share(folder: Path, number: int) -> None:
    """One of many processes that use the same caches, and count together."""
    store, cache = FeatureStore(folder / "features"), VectorCache(folder / "vectors")
    words = WordVectors(["a", "b"], np.ones((2, 3), np.float32), "v", ReadReport(rows=2, kept=2))
    for turn in range(4):
        keys = [key_of(f"text {turn} {place % 7} {number % 3}") for place in range(20)]
        store.put(keys, torch.stack([vector(key) for key in keys]))
        rows, vectors = store.get(keys)
        assert all(torch.equal(vectors[row], vector(key)) for key, row in rows.items())
        assert rows.keys() == set(keys), "what was put is found, whatever the others do"
        cache.put("k" * 64, words)
        found = cache.get("k" * 64, "v")
        assert found is None or (found.matrix == 1).all()
        with held(folder / "count", wait=True):
            file = folder / "count" / "number"
            file.write_text(str(int(file.read_text() if file.exists() else "0") + 1))


def vector(key: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(key), dtype=torch.uint8).float()


def test_ten_processes_share_the_caches_and_a_lock(tmp_path: Path) -> None:
    processes = [warm.start(share, tmp_path, number, told=tmp_path / f"{number}.log") for number in range(10)]
    for process in processes:
        process.join(PATIENCE)
    told = "".join(log.read_text() for log in tmp_path.glob("*.log") if "Traceback" in log.read_text())
    assert [process.exitcode for process in processes] == [0] * 10, told
    assert (tmp_path / "count" / "number").read_text() == "40"
