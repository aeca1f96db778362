"""What `import textdistill` offers, lazily: run a recipe; load, evaluate or decode what it left."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textdistill.core.errors import ArtifactError, RecipeError, UserError
from textdistill.evaluation.decode import Decoded, Metric
from textdistill.recipe.read import Recipe, resolve
from textdistill.recipe.read import load_recipe as _load_recipe
from textdistill.reports.text_folder import kind_of, read_folder
from textdistill.runs import pipeline
from textdistill.runs.artifact import Artifact, load
from textdistill.runs.progress import Reporter
from textdistill.runs.readable.run import TextRun
from textdistill.runs.run import run as run_recipe

if TYPE_CHECKING:
    from textdistill.data import DataSettings

__all__ = ["Artifact", "Run", "TextRun", "decode", "evaluate", "load", "load_recipe", "run"]

Run = pipeline.Run
DATA_DIR = "TEXTDISTILL_DATA_DIR"


def data_folder(given: str | Path | None) -> str | None:
    """The folder of local data sets: the one given, else that of the environment variable `TEXTDISTILL_DATA_DIR`."""
    return str(given) if given is not None else os.environ.get(DATA_DIR) or None


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


def stored_recipe(artifact: Artifact, overrides: Sequence[str] = (), data_dir: str | Path | None = None) -> Recipe:
    """The recipe of a stored set, with other evaluation settings or another folder of data if wished."""
    other = [one for one in overrides if not one.startswith("evaluate.")]
    if other:
        told = [f"{one}: of a stored set the evaluation alone can be changed (evaluate.KEY=VALUE)" for one in other]
        raise RecipeError(told)
    return artifact.recipe(overrides, data_folder(data_dir))


def data_of(folder: str | Path, data_dir: str | Path | None = None) -> DataSettings:
    """Which real data a finished run, of texts or not, was made from."""
    if kind_of(Path(folder)) is None:
        return stored_recipe(load(folder), data_dir=data_dir).data
    manifest = read_folder(Path(folder)).manifest
    if manifest.kind != "texts":
        raise ArtifactError(f"{folder}: the judgement of a set, not a run; name the real data instead")
    return resolve(manifest.recipe, (), None, data_dir=data_folder(data_dir), custom=False).data


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
    return pipeline.evaluate(folder, recipe=recipe, device=device, reporter=Reporter(quiet=not progress))


def decode(folder: str | Path, *, k: int = 1, metric: Metric = "cosine", data_dir: str | Path | None = None) -> Decoded:
    """The stored set in words: for each position the `k` nearest, with distances ("cosine" or "euclidean")."""
    task = pipeline.prepare_task(stored_recipe(load(folder), data_dir=data_dir))
    decoded = pipeline.decode_run(folder, task=task, k=k, metric=metric)
    if decoded is None:
        raise UserError(f"{folder}: holds images, which have no words; look at {Path(folder) / 'grid.png'}")
    return decoded
