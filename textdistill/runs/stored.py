"""What a finished run was made from, asked of its folder: the recipe, and the real data."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from textdistill.core.errors import ArtifactError, RecipeError
from textdistill.core.manifest import kind_of
from textdistill.data import DataSettings
from textdistill.recipe.read import Recipe, resolve
from textdistill.reports.text_folder import read_folder
from textdistill.runs.artifact import Artifact, load

DATA_DIR = "TEXTDISTILL_DATA_DIR"


def data_folder(given: str | Path | None) -> str | None:
    """The folder of local data sets: the one given, else that of the environment variable `TEXTDISTILL_DATA_DIR`."""
    return str(given) if given is not None else os.environ.get(DATA_DIR) or None


def stored_recipe(artifact: Artifact, overrides: Sequence[str] = (), data_dir: str | Path | None = None) -> Recipe:
    """The recipe of a stored set, with other evaluation settings or another folder of data if wished."""
    other = [override for override in overrides if not override.startswith("evaluate.")]
    if other:
        faults = [
            f"{override}: of a stored set the evaluation alone can be changed (evaluate.KEY=VALUE)"
            for override in other
        ]
        raise RecipeError(faults)
    return artifact.recipe(overrides, data_folder(data_dir))


def data_of(folder: str | Path, data_dir: str | Path | None = None) -> DataSettings:
    """Which real data a finished run, of texts or not, was made from."""
    if kind_of(Path(folder)) is None:
        return stored_recipe(load(folder), data_dir=data_dir).data
    manifest = read_folder(Path(folder)).manifest
    if manifest.kind != "texts":
        raise ArtifactError(f"{folder}: the judgement of a set, not a run; name the real data instead")
    return resolve(manifest.recipe, (), None, data_dir=data_folder(data_dir), custom=False).data
