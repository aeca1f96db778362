"""Metrics to a tracker of experiments while a run goes on, where one is asked for: TensorBoard, trackio or wandb."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from textdistill.core.errors import UserError, did_you_mean

KINDS = ("tensorboard", "trackio", "wandb")
PROJECT = "textdistill"


class Tracker(Protocol):
    """Whatever is told of every step: `stage` is `distilling`, `language model`, …, `result` at the end."""

    def log(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Numbers of one step; stages count their steps from 0 each."""
        ...

    def close(self) -> None:
        """Nothing more comes."""
        ...


@contextmanager
def opened(asked: Sequence[str], out: Path, settings: Mapping[str, Any]) -> Iterator[list[Tracker]]:
    """The trackers that words such as `tensorboard:DIR`, `wandb:PROJECT` or `trackio` ask for, closed at the end.

    The run is called by the name of its folder `out`. TensorBoard's files lie in DIR, else in `tensorboard/NAME` beside
    the folder. Raises `UserError` for an unknown tracker, and where its package is not installed.
    """
    trackers: list[Tracker] = []
    try:
        trackers += [_open(word, out, settings) for word in asked]
        yield trackers
    finally:
        for tracker in trackers:
            tracker.close()


def check(asked: Sequence[str]) -> None:
    """Raise what `opened` would for unknown trackers and missing packages, without opening any."""
    for word in asked:
        _module(word.partition(":")[0])


def numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers among some values."""
    return {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def results(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The means of metrics.json by their names, such as `distilled/accuracy` or `frozen@10/ratio`."""
    out: dict[str, float] = {}
    for name, block in metrics.get("variants", {"": metrics}).items():
        before = f"{name}/" if name else ""
        scored = {key: block.get(key) for key in ("full", "distilled", "distilled_snapped")}
        for key, scores in {**scored, **block.get("baselines", {})}.items():
            for metric, summary in (scores or {}).items():
                out[f"{before}{key}/{metric}"] = summary["mean"]
        if "ratio" in block:
            out[f"{before}ratio"] = block["ratio"]["mean"]
    return out


def _module(kind: str) -> Any:
    if kind not in KINDS:
        raise UserError(f"--track: {kind!r}; allowed: {', '.join(KINDS)}{did_you_mean(kind, KINDS)}")
    name = "torch.utils.tensorboard" if kind == "tensorboard" else kind
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"--track: {kind} is not installed ({str(error).splitlines()[0]}); "
            f"pip install {kind}, or textdistill[track], or leave --track out"
        ) from None


def _open(asked: str, out: Path, settings: Mapping[str, Any]) -> Tracker:
    kind, _, where = asked.partition(":")
    module, name = _module(kind), out.resolve().name
    if kind == "tensorboard":
        return _TensorBoard(module, Path(where) if where else out.resolve().parent / "tensorboard" / name)
    return _Service(module, where or PROJECT, name, settings)


class _TensorBoard:
    """Scalars called `STAGE/NAME`."""

    def __init__(self, module: Any, folder: Path):
        self._writer = module.SummaryWriter(log_dir=str(folder))

    def log(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(f"{stage}/{name}", value, step)

    def close(self) -> None:
        self._writer.close()


class _Service:
    """wandb, and trackio, which is called alike: one run, whose stages count their own steps as `STAGE/step`."""

    def __init__(self, module: Any, project: str, name: str, settings: Mapping[str, Any]):
        self._module = module
        module.init(project=project, name=name, config=dict(settings))

    def log(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        self._module.log({f"{stage}/step": step, **{f"{stage}/{name}": value for name, value in values.items()}})

    def close(self) -> None:
        self._module.finish()
