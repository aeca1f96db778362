"""A finished text-level run judged again: its sets as they lie in the folder, fresh learners, the report anew."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from textdistill.core.errors import ArtifactError, RecipeError
from textdistill.core.file_names import METRICS
from textdistill.core.json_files import existing
from textdistill.data.sets.text_sets import read_text_sets
from textdistill.recipe.read import Recipe, resolve
from textdistill.recipe.text_settings import TextLevel
from textdistill.reports.text_folder import read_folder
from textdistill.representations.texts import prepare_texts
from textdistill.runs.artifact import commit
from textdistill.runs.lock import held
from textdistill.runs.progress import Reporter
from textdistill.runs.readable.finish import finish, judge_sets
from textdistill.runs.readable.judge import Sets, scores_of, with_kept, with_variants
from textdistill.runs.readable.report import look_at
from textdistill.runs.readable.run import SETS, TextRun


def judge_again(
    folder: str | Path,
    *,
    overrides: Sequence[str] = (),
    data_dir: str | None = None,
    reporter: Reporter | None = None,
) -> TextRun:
    """Judge the sets of a run's folder again and rewrite its metrics.json, headline.json and report.

    `overrides` are `judge.KEY=VALUE`. What the run itself cost and found stays as it was told.
    """
    with held(existing(folder)):
        return _judged_again(Path(folder), overrides, data_dir, reporter or Reporter(quiet=True))


def _judged_again(folder: Path, overrides: Sequence[str], data_dir: str | None, reporter: Reporter) -> TextRun:
    run = read_folder(folder)
    other = [override for override in overrides if not override.startswith("judge.")]
    if other:
        raise RecipeError(
            f"{override}: of a finished text-level run the judges alone can be changed (judge.KEY=VALUE)"
            for override in other
        )
    if run.manifest.kind != "texts":
        raise ArtifactError(f"{folder}: the judgement of a set; judge that again: textdistill evaluate --set …")
    recipe = resolve(run.manifest.recipe, overrides, None, data_dir=data_dir, custom=False)
    settings = _settings(recipe, folder)
    with reporter.stage(f"reading {recipe.data.name}", None):
        task = prepare_texts(recipe.data, recipe.representation)
    if run.classes != list(task.splits.train.classes):
        raise ArtifactError(
            f"{folder}: its classes are {', '.join(run.classes)}, those of {recipe.data.name} "
            f"{', '.join(task.splits.train.classes)}; give the data that it was made from"
        )
    sets = _sets(folder, settings, task.splits.train.classes)
    number = 0 if run.metrics.kept is None else run.metrics.kept.number
    own = sets[settings.choose.headline, settings.choose.size]
    if number >= len(own):
        raise ArtifactError(f"{folder / METRICS}: kept.number: {number}, but there are {len(own)} sets; run it again")
    metrics, judging = judge_sets(sets, task, settings, run.manifest.seed or 0, reporter)
    before: dict[str, Any] = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    kept = ("cost", "language_model", "matching", "generation", "kept")
    metrics = {**metrics, **{key: before[key] for key in kept if key in before}}
    metrics.setdefault("cost", {})["judging_seconds"] = judging
    metrics = with_kept(with_variants(metrics), settings.choose)
    own.insert(0, own.pop(number))
    finish(folder, metrics, lambda: look_at(sets, task.splits, settings, reporter))
    headline = replace(own[0], scores=scores_of(metrics, settings.choose))
    return TextRun(folder, metrics, headline, commit())


def _settings(recipe: Recipe, folder: Path) -> TextLevel:
    if recipe.text is None:
        raise ArtifactError(f"{folder}: its recipe chooses no readable sets; run it again")
    return recipe.text


def _sets(folder: Path, settings: TextLevel, classes: tuple[str, ...]) -> Sets:
    """All sets of all methods and sizes that the folder has."""
    choose, sets = settings.choose, {}
    for method in choose.made:
        for size in choose.sizes:
            place = folder / SETS / method / str(size)
            if place.is_dir():
                sets[method, size] = read_text_sets(place, classes)
    if (choose.headline, choose.size) not in sets:
        raise ArtifactError(
            f"{folder / SETS / choose.headline / str(choose.size)}: missing, so there is nothing to judge; "
            "run it with --resume"
        )
    return sets
