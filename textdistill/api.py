"""What `import textdistill` offers, lazily: run a recipe; load, evaluate or decode what it left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textdistill.core.errors import RecipeError, UserError
from textdistill.recipe.read import Recipe, resolve
from textdistill.recipe.read import load_recipe as _load_recipe
from textdistill.representations.decode import Decoded, Metric
from textdistill.runs import pipeline
from textdistill.runs.artifact import Artifact, load
from textdistill.runs.lock import held
from textdistill.runs.own_texts import distill
from textdistill.runs.progress import Reporter
from textdistill.runs.readable.run import TextRun
from textdistill.runs.run import run as run_recipe
from textdistill.runs.stored import data_folder, stored_recipe

__all__ = ["Artifact", "Run", "TextRun", "decode", "distill", "evaluate", "load", "load_recipe", "run"]

Run = pipeline.Run


def load_recipe(
    recipe: str | Path | Mapping[str, Any],
    *,
    overrides: Sequence[str] = (),
    variant: str | None = None,
    data_dir: str | Path | None = None,
) -> Recipe:
    """A recipe by its name, its path or its settings, with a variant and `dotted.key=value` overrides laid over it.

    Every fault is found before `RecipeError` is raised; an unknown name is a `UserError`.
    """
    folder = data_folder(data_dir)
    if isinstance(recipe, Mapping):
        return resolve(recipe, overrides, variant, data_dir=folder)
    return _load_recipe(str(recipe), overrides, variant, folder)


def run(
    recipe: str | Path | Mapping[str, Any] | Recipe,
    out: str | Path,
    *,
    overrides: Sequence[str] = (),
    variant: str | None = None,
    data_dir: str | Path | None = None,
    seed: int = 0,
    resume: bool = False,
    force: bool = False,
    device: str | None = None,
    progress: bool = False,
    track: Sequence[str] = (),
) -> Run | TextRun:
    """Distil by a recipe (name, path, settings or `Recipe`) into the folder `out`, evaluate, decode and report.

    Returns a `Run`: `.folder`, `.artifact`, `.metrics` (as in metrics.json, percent) and `.decoded`; of a recipe with a
    generator a `TextRun`: `.folder`, `.metrics`, and `.headline`, the set of texts it is known by. `resume` goes on
    where an earlier call was stopped, to the same bits; `force` starts anew in a folder that holds a run. `track` names
    trackers that are told every step's numbers (`tensorboard:DIR`, `trackio`, `wandb:PROJECT`). The user's mistakes are
    `UserError`s.
    """
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe, overrides=overrides, variant=variant, data_dir=data_dir)
    elif overrides or variant is not None or data_dir is not None:
        raise RecipeError(["overrides, variant and data_dir belong to `load_recipe`, not to a recipe that is loaded"])
    return run_recipe(
        recipe, out, seed=seed, resume=resume, force=force, device=device, quiet=not progress, track=track
    )


def evaluate(
    folder: str | Path,
    *,
    overrides: Sequence[str] = (),
    data_dir: str | Path | None = None,
    device: str | None = None,
    progress: bool = False,
) -> Run:
    """Train networks on a stored set again and score them; rewrites metrics.json, words or images, and the report.

    `overrides` are `evaluate.KEY=VALUE`.
    """
    recipe = stored_recipe(load(folder), overrides, data_dir)
    with held(Path(folder)):
        return pipeline.evaluate(folder, recipe=recipe, device=device, reporter=Reporter(quiet=not progress))


def decode(folder: str | Path, *, k: int = 1, metric: Metric = "cosine", data_dir: str | Path | None = None) -> Decoded:
    """The stored set in words: for each position the `k` nearest, with distances ("cosine" or "euclidean")."""
    task = pipeline.prepare_task(stored_recipe(load(folder), data_dir=data_dir))
    decoded = pipeline.decode_run(folder, task=task, k=k, metric=metric)
    if decoded is None:
        raise UserError(f"{folder}: holds images, which have no words; look at {Path(folder) / 'grid.png'}")
    return decoded
