"""The other processes of a distillation that several share: they compute along, and write nothing that stays."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from textdistill.recipe.read import Recipe
from textdistill.runs.pipeline import distill_into, prepare_task


def assist(recipe: Recipe, out: Path, *, seed: int = 0, resume: bool = False, device: str | None = None) -> None:
    """Take part in the distillations of `pipeline.run(recipe, out, …)`, which the process of rank 0 is running.

    Checkpoints are this process's own, in a folder that goes with it; to resume, it begins with a copy of rank 0's.
    """
    task = prepare_task(recipe)
    with TemporaryDirectory(prefix="textdistill-") as place:
        for repeat in range(recipe.evaluate.repeats):
            theirs = out if repeat == 0 else out / "repeats" / str(repeat)
            own = Path(place) / str(repeat)
            if resume and theirs.is_dir():
                shutil.copytree(theirs, own, ignore=shutil.ignore_patterns("repeats", "analysis", "*.html"))
            distill_into(own, recipe, task, seed + repeat, resume, device)
