"""Finished runs of label distillation in miniature: on real sentences, and on little images of two kinds."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from tests import tiny

LABELS: dict[str, Any] = {
    "title": "labels in miniature",
    "paper": "bohdal2020",
    "synthetic": {
        **{"per_class": 2, "steps": 2, "init": "real", "labels": "clamped", "label_init": "uniform"},
        **{"learn": ["targets"], "lr": 0.01},
    },
    "objective": {"name": "unrolled", "steps": 1, "batch": 16},
    "starts": {"name": "plateau", "lr": 0.01, "window": 2},
    "outer": {"steps": 6, "lr": 0.05, "schedule": "constant", "clip": None},
    "checkpoint": {"every": 2},
    "train": {"optimizer": {"name": "adam", "eps": 1.0e-8}, "lr": 0.01},
    "evaluate": {
        **{"nets": 1, "draws": 1, "full_nets": 1, "traditional": False, "full": {"epochs": 1}, "rates": [0.1]},
        **{"validation_rows": 20, "label_steps": 40, "baselines": []},
    },
}


def images(folder: Path, rows: int = 30, side: int = 12) -> Path:
    """Squares that are bright above, and such that are bright below, in noise."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(("above", "below")):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for row in range(rows):
            pixels = rng.integers(0, 120, (side, side), dtype=np.uint8)
            pixels[slice(side // 2) if label == 0 else slice(side // 2, None)] += 100
            Image.fromarray(pixels).save(folder / name / f"{row:03}.png")
    return folder


def recipe_of(kind: str) -> Path:
    """The recipe, on `words` or `pixels`, as a file."""
    home = tiny.home()
    settings = {**LABELS, "learner": {"name": "text_conv", "filters": 8}}
    if kind == "words":
        plain = tiny.settings()
        settings |= {"data": plain["data"], "representation": plain["representation"]}
    else:
        settings |= {"data": {"name": str(images(home / "squares"))}, "representation": {"name": "pixels"}}
        settings["learner"] = {"name": "lenet", "filters": [4, 8], "hidden": [16, 12]}
    recipe = home / f"labels-{kind}.yaml"
    recipe.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return recipe


@functools.cache
def run_of(kind: str) -> Path:
    """The folder of a finished run on `words` or `pixels`."""
    return _finished(kind, tiny.home() / f"labels-{kind}")


@functools.cache
def run_by_ridge() -> Path:
    """The folder of a finished run on `pixels` whose labels were learned by ridge regression."""
    return _finished("pixels", tiny.home() / "labels-ridge", "objective={name: ridge_labels, batch: 16}")


def _finished(kind: str, folder: Path, *overrides: str) -> Path:
    result = tiny.call("run", recipe_of(kind), *overrides, "--out", folder, "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    return folder


def analyse(name: str, run: Path, *words: str | Path) -> dict[str, Any]:
    """What `analyse NAME RUN --json` prints, which is what it wrote, with a picture beside it."""
    result = tiny.call("analyse", name, run, *words, "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    written = (run / "analysis" / f"{name}.json").read_text(encoding="utf-8")
    assert json.loads(result.stdout) == json.loads(written)
    assert (run / "analysis" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    found: dict[str, Any] = json.loads(written)
    return found


def mistake(*words: str | Path) -> str:
    """What `analyse` says that must fail by the user's mistake, in a line or two."""
    result = tiny.call("analyse", *words)
    assert result.exit_code == 2, (result.exit_code, result.output, result.exception)
    assert result.stdout == ""
    assert 1 <= len(result.stderr.strip().splitlines()) <= 3, result.stderr
    return str(result.stderr)
