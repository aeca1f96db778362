"""The other processes of a run that several share: they compute along, and write nothing that stays."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from textdistill.core.file_names import LOCK
from textdistill.core.processes import meet
from textdistill.recipe.read import Recipe
from textdistill.runs.progress import Reporter


def assist(
    make: Callable[..., Any],
    recipe: Recipe,
    out: Path,
    *,
    seed: int = 0,
    resume: bool = False,
    device: str | None = None,
) -> None:
    """Take part in `make(recipe, out, …)`, which the process of rank 0 is running: all of it, to a folder of one's own.

    The folder goes with the process. To resume, it begins with a copy of rank 0's, who waits for that.
    """
    with TemporaryDirectory(prefix="textdistill-") as place:
        own = Path(place) / "run"
        meet()  # rank 0 has claimed its folder
        if resume and out.is_dir():
            shutil.copytree(out, own, ignore=shutil.ignore_patterns("analysis", "*.html", LOCK))
        meet()  # and may write into it
        make(recipe, own, seed=seed, resume=resume, device=device, reporter=Reporter(quiet=True))
