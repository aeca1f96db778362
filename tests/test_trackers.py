"""Optional trackers: told of every step where they are asked for; one clear error where one is missing."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import tiny
from textdistill.core.errors import UserError
from textdistill.runs import trackers
from textdistill.runs.progress import Reporter


class Board:
    """TensorBoard's writer, as far as it is used."""

    made: list[Board] = []  # noqa: RUF012

    def __init__(self, log_dir: str):
        self.folder, self.told, self.closed = log_dir, [], False  # type: ignore[var-annotated]
        Board.made.append(self)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.told.append((name, value, step))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> type[Board]:
    Board.made.clear()
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=Board))
    return Board


def test_a_run_tells_every_step_and_its_result_to_tensorboard(board: type[Board], tmp_path: Path) -> None:
    out = tmp_path / "runs" / "mine"
    result = tiny.call("run", tiny.recipe_file(tmp_path), "--out", out, "--track", "tensorboard")
    assert result.exit_code == 0, result.output
    [made] = board.made
    assert made.closed
    assert made.folder == str((tmp_path / "runs" / "tensorboard" / "mine").resolve())
    assert [step for name, _, step in made.told if name == "distilling/loss"] == [0, 1, 2]
    assert "result/distilled/accuracy" in {name for name, _, _ in made.told}


def test_services_are_begun_told_and_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[tuple[str, Any]] = []
    for name in ("wandb", "trackio"):
        service = SimpleNamespace(
            init=lambda project, name, config: calls.append((name, (project, config["seed"]))),
            log=lambda values: calls.append(("log", values)),
            finish=lambda: calls.append(("finish", None)),
        )
        monkeypatch.setitem(sys.modules, name, service)
    with trackers.opened(["wandb:mine", "trackio"], tmp_path / "run", {"seed": 3}) as told:
        Reporter(quiet=True, trackers=told).track("matching", 5, {"loss": 0.5, "note": "x", "bad": float("nan")})
    assert calls[:2] == [("run", ("mine", 3)), ("run", ("textdistill", 3))]
    assert calls[2] == ("log", {"matching/step": 5, "matching/loss": 0.5})
    assert calls[-2:] == [("finish", None)] * 2


def test_trackers_are_closed_when_the_run_fails(board: type[Board], tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), trackers.opened([f"tensorboard:{tmp_path / 'board'}"], tmp_path, {}):
        raise RuntimeError
    [made] = board.made
    assert made.closed
    assert made.folder == str(tmp_path / "board")


def test_a_missing_package_is_told_before_anything_is_done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)  # as if it were not installed
    result = tiny.call("run", tiny.recipe_file(tmp_path), "--out", tmp_path / "out", "--track", "wandb")
    assert result.exit_code == 2
    assert "wandb is not installed" in result.stderr
    assert "pip install wandb" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_an_unknown_tracker_is_told_with_the_nearest_name() -> None:
    with pytest.raises(UserError, match="did you mean 'tensorboard'"):
        trackers.check(["tensorbord:x"])


def test_results_are_the_means_by_their_names() -> None:
    score = {"accuracy": {"mean": 80.0, "sd": 1.0, "n": 3}}
    plain = {"full": score, "distilled": score, "baselines": {"kmeans": score}, "ratio": {"mean": 95.0}}
    names = {"full/accuracy", "distilled/accuracy", "kmeans/accuracy", "ratio"}
    assert trackers.results(plain).keys() == names
    assert trackers.results({"variants": {"frozen@5": plain}}).keys() == {f"frozen@5/{name}" for name in names}
