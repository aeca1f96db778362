"""A run in miniature on real sentences: a table of reviews, settings that take seconds, one finished run to look at."""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from typer.testing import CliRunner, Result

from textdistill.commands.cli import app
from textdistill.data.packaged import read_packaged
from textdistill.data.words import tokenise

ROOT = Path(__file__).resolve().parents[1]
ROWS = 300
DIMENSION = 16
SETTINGS: dict[str, Any] = {
    "title": "in miniature",
    "paper": "sucholutsky2021",
    "representation": {"length": 12, "max_words": 2000},
    "synthetic": {"per_class": 2, "steps": 1, "epochs": 2, "init": "real", "lr": 0.1},
    "learner": {"name": "text_conv", "filters": 8},
    "objective": {"name": "unrolled", "batch": 16},
    "starts": {"name": "fixed"},
    "outer": {"steps": 3},
    "checkpoint": {"every": 1},
    "evaluate": {
        **{"nets": 1, "draws": 1, "full_nets": 1, "traditional": False, "full": {"epochs": 1}, "rates": [0.1]},
        "validation_rows": 20,
    },
    "variants": {"fixed": {}, "fresh": {"starts": {"name": "fresh"}, "evaluate": {"nets": 2}}},
}


@functools.cache
def sentences() -> list[tuple[str, int]]:
    """Real sentences with their labels (0 and 1), both classes alike."""
    rows = read_packaged("rotten_tomatoes")
    pairs = list(zip(rows.read("text"), map(int, rows.read("label")), strict=True))
    return [pair for label in (0, 1) for pair in [one for one in pairs if one[1] == label][: ROWS // 2]]


@functools.cache
def home() -> Path:
    """A folder for this process's tests, with the table, the recipe and the cache."""
    folder = Path(tempfile.mkdtemp(prefix="textdistill-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    table = pd.DataFrame(sentences(), columns=["review", "stars"])
    table["stars"] = table["stars"].map({0: "bad", 1: "good"})
    table.to_csv(folder / "reviews.csv", index=False)
    # Vectors of the table's own words: any will do here, and the packaged ones take seconds to read.
    words = sorted({word for text, _ in sentences() for word in tokenise(text)})
    values = np.random.default_rng(0).normal(size=(len(words), DIMENSION)).round(4)
    lines = (" ".join([word, *map(str, row)]) for word, row in zip(words, values.tolist(), strict=True))
    (folder / "vectors.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    os.environ["TEXTDISTILL_CACHE"] = str(folder / "cache")
    os.environ.pop("TEXTDISTILL_DATA_DIR", None)
    return folder


def settings() -> dict[str, Any]:
    """The settings with the table as their data."""
    data = {"name": str(home() / "reviews.csv"), "text": "review", "label": "stars"}
    made = {**SETTINGS, "data": data}
    made["representation"] = {**SETTINGS["representation"], "vectors": str(home() / "vectors.txt")}
    return json.loads(json.dumps(made))  # type: ignore[no-any-return]


def recipe_file(folder: Path) -> Path:
    """The settings as a recipe file in `folder`."""
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(settings(), sort_keys=False), encoding="utf-8")
    return path


def call(*words: str | Path) -> Result:
    """The command line in this process."""
    home()
    return CliRunner().invoke(app, [str(word) for word in words])


def process(*words: str | Path) -> subprocess.Popen[str]:
    """The command line in a process of its own, whose figures do not depend on a checkout's commit."""
    cache = str(home() / "cache")
    environment = {**os.environ, "GIT_DIR": os.devnull, "OMP_NUM_THREADS": "1", "TEXTDISTILL_CACHE": cache}
    command = [sys.executable, "-m", "textdistill", *map(str, words)]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_heed_interrupts,
    )


def _heed_interrupts() -> None:
    # Tests that run in the background (CI, nohup) ignore interrupts, and what they start would inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def finished(variant: str = "fixed") -> Path:
    """The folder of one finished run; tests that change it work on a copy."""
    return _finished(variant)


@functools.cache
def _finished(variant: str) -> Path:
    folder = home() / f"finished-{variant}"
    result = call("run", recipe_file(home()), "--variant", variant, "--out", folder, "--json")
    assert result.exit_code == 0, result.output
    (home() / f"{variant}.out").write_text(result.stdout, encoding="utf-8")
    return folder
