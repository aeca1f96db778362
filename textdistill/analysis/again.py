"""Distilling again: with other seeds, other base examples, fewer target rows; each run is kept and gone on with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from textdistill.analysis.result import ACCURACY, Result, summary
from textdistill.analysis.study import Study
from textdistill.core.errors import UserError
from textdistill.core.schedule import DistilledSet
from textdistill.core.streams import Streams
from textdistill.evaluation.labels import best_steps, with_true_labels
from textdistill.evaluation.protocol import Bench, score_set, validator
from textdistill.recipe.read import Recipe
from textdistill.representations.task import Task
from textdistill.runs.initial_rows import base_task, owners_of, source_of
from textdistill.runs.pipeline import distill_into, distilling, prepare_task
from textdistill.synthetic.initial import make_tensors

SIZES = (100, 500, 1000, 5000, 10_000, 20_000)


def distil(
    study: Study,
    name: str,
    label: str,
    recipe: Recipe | None = None,
    task: Task | None = None,
    seed: int | None = None,
    base_seed: int | None = None,
) -> DistilledSet:
    """A distillation in RUN/analysis/NAME/LABEL-…; one that is finished or begun there is gone on with.

    The folder's name ends with a digest of the settings, so that others never meet it.
    """
    recipe, seed = recipe or study.recipe, study.artifact.seed if seed is None else seed
    facts = json.dumps([distilling(recipe), recipe.variant, seed, base_seed], default=str)
    folder = study.out / name / f"{label}-{hashlib.sha256(facts.encode()).hexdigest()[:8]}"
    return distill_into(
        folder, recipe, task or study.task, seed, True, str(study.where), study.reporter, base_seed=base_seed
    )


def unchanged(study: Study) -> bool:
    """Whether the overrides leave the distillation as it was, so that the stored set is one of its outcomes."""
    return all(word.startswith(("evaluate.", "checkpoint.")) for word in study.overrides)


def first(study: Study, name: str) -> DistilledSet:
    """The stored set; where settings differ, one distilled with them by the run's own seed."""
    return study.distilled if unchanged(study) else distil(study, name, "same-seed")


def scores_of(study: Study, bench: Bench, distilled: DistilledSet, label: str) -> list[float]:
    """Test accuracies of networks trained by the set's own schedule."""
    nets = 1 if distilled.theta0 is not None else study.nets
    with study.reporter.stage("scoring", nets) as bar:
        bench = replace(bench, theta0=distilled.theta0, tick=bar.advance)
        scores, _ = score_set(bench, distilled, study.nets, label)
    return [net["accuracy"] for net in scores]


def _mean(scores: Sequence[float]) -> float:
    return sum(scores) / len(scores)


def _runs(runs: int) -> None:
    if runs < 1:
        raise UserError(f"--runs: {runs}; allowed: 1 or more")


def repeat(study: Study, *, runs: int = 2) -> Result:
    """The stored set beside `runs` further distillations with other seeds; base examples stay where they are fixed.

    Bohdal et al. 2020, Table 5.
    """
    _runs(runs)
    seed, fixed = study.artifact.seed, "rows" in study.distilled.meta
    bench, rows, means = study.bench(), [], []
    for trial in range(runs + 1):
        label, base_seed = f"seed {seed + trial}", seed if fixed and trial else None
        distilled = (
            first(study, "repeat")
            if trial == 0
            else distil(study, "repeat", f"seed-{seed + trial}", seed=seed + trial, base_seed=base_seed)
        )
        scores = scores_of(study, bench, distilled, label)
        rows.append({"distillation": label, "steps": distilled.length, ACCURACY: summary(scores)})
        means.append(_mean(scores))
    rows.append({"distillation": "means of all", ACCURACY: summary(means)})
    same = "the same base examples" if fixed else "all that is random drawn anew"
    settings = {"runs": runs, "nets": study.nets, "seed": study.seed, "overrides": list(study.overrides)}
    result = Result("repeat", f"{runs + 1} distillations, {same}", rows, "distillation", settings=settings)
    result.write(study.out)
    return result


def bases(study: Study, *, runs: int = 4, candidates: int = 10) -> Result:
    """The stored set beside sets on `runs` other draws of base examples, and the best draw by validation.

    One choice is that of the distilled set with the highest validation accuracy among these; another, where base
    examples are rows of the task, that of the draw out of `candidates` whose true labels train best (0: none), the
    paper's; labels are then learned for it. Bohdal et al. 2020, Tables 6 and 7.
    """
    _runs(runs)
    study.need_labels("bases")
    study.need_real_inputs("bases")
    seed = study.artifact.seed
    bench, rows, means, checked = study.bench(), [], [], []

    def on_draw(draw: int) -> DistilledSet:
        if draw == 0:
            return first(study, "bases")
        return distil(study, "bases", f"draw-{seed + draw}", base_seed=seed + draw)

    for draw in range(runs + 1):
        label, distilled = f"draw {seed + draw}", on_draw(draw)
        scores = scores_of(study, bench, distilled, label)
        validate = validator(replace(bench, theta0=distilled.theta0))
        rows.append({"base examples": label, "labels": "distilled", ACCURACY: summary(scores)})
        means.append(_mean(scores))
        checked.append(validate(distilled))
    rows.append({"base examples": "means of all", "labels": "distilled", ACCURACY: summary(means)})
    best = max(range(len(checked)), key=lambda draw: checked[draw])
    label = f"best of {runs + 1} by validation"
    rows.append({"base examples": label, "labels": "distilled", ACCURACY: rows[best][ACCURACY]})
    settings: dict[str, Any] = {"runs": runs, "candidates": candidates, "nets": study.nets, "seed": study.seed}
    settings |= {
        "overrides": list(study.overrides),
        "validation": [round(accuracy, 4) for accuracy in checked],
        "best": best,
    }
    notes = []
    if candidates and study.recipe.synthetic.base is None:
        label = f"best of {candidates} by true labels"
        chosen, true = _best_candidate(study, bench, candidates, seed)
        for kind, distilled in (("true", true), ("distilled", on_draw(chosen - seed))):
            scores = scores_of(study, bench, distilled, label)
            rows.append({"base examples": label, "labels": kind, ACCURACY: summary(scores)})
        settings["chosen"] = chosen
    elif candidates:
        notes.append("base examples of another data set have no true labels here by which a draw could be chosen")
    result = Result(
        "bases", f"{runs + 1} draws of base examples", rows, "base examples", "labels", settings=settings, notes=notes
    )
    result.write(study.out)
    return result


def _best_candidate(study: Study, bench: Bench, candidates: int, seed: int) -> tuple[int, DistilledSet]:
    """The seed of the draw whose true labels reach the highest validation accuracy, and that set, for as many steps.

    Three networks each, looked at on the way to `evaluate.label_steps` steps, as in the paper's appendix D.
    """
    best = -1.0
    chosen: tuple[int, DistilledSet] | None = None
    with study.reporter.stage("choosing a draw", candidates) as bar:
        for candidate in range(seed, seed + candidates):
            true = with_true_labels(drawn_base(study, candidate))
            if true is None:
                raise ValueError("rows of the task have owners")
            length, reached = best_steps(bench, true)
            if reached > best:
                best, chosen = reached, (candidate, true.lasting(length))
            bar.advance(f"draw {candidate}: validation {reached:.1f} %")
    if chosen is None:
        raise ValueError("no candidates")
    return chosen


def drawn_base(study: Study, base_seed: int) -> DistilledSet:
    """The set before its first outer step, on the base examples that `base_seed` draws."""
    recipe, task = study.recipe, study.task
    base = base_task(recipe, task)
    source = source_of(recipe, task, base, Streams(base_seed))
    rng = Streams(base_seed).torch("initial")
    shape = task.shaped(recipe.synthetic.length)
    made = make_tensors(recipe.synthetic, shape, len(task.classes), source, rng).export()
    return replace(made, meta={**made.meta, "owners": owners_of(made.meta["rows"], base)})


def target_size(study: Study, *, sizes: Sequence[int] = SIZES) -> Result:
    """Test accuracy of sets distilled from fewer real rows, beside that from all of them (Bohdal et al., Table 8)."""
    total = len(study.task.train)
    sizes = sorted(set(sizes))
    if not sizes or sizes[0] < 2:
        raise UserError(f"--rows: {sizes}; allowed: numbers of 2 or more")
    usable = [size for size in sizes if size < total]
    if not usable:
        raise UserError(f"--rows: {sizes}; the training split has {total} rows: give fewer")
    rows: list[dict[str, Any]] = []
    for size in usable:
        recipe = study.artifact.recipe([*study.overrides, f"data.train_rows={size}"], study.recipe.data.data_dir)
        task = prepare_task(recipe, study.reporter)
        distilled = distil(study, "target-size", f"rows-{size}", recipe, task)
        scores = scores_of(study, study.bench(task=task), distilled, f"{size} rows")
        rows.append({"target rows": len(task.train), "steps": distilled.length, ACCURACY: summary(scores)})
    distilled = first(study, "target-size")
    scores = scores_of(study, study.bench(), distilled, "all rows")
    rows.append({"target rows": total, "steps": distilled.length, ACCURACY: summary(scores)})
    notes = [f"left out, for the training split has {total} rows: {sorted(set(sizes) - set(usable))}"]
    settings = {"sizes": usable, "nets": study.nets, "seed": study.seed, "overrides": list(study.overrides)}
    title = f"{study.distilled.samples} samples distilled from fewer target rows"
    result = Result(
        "target-size",
        title,
        rows,
        "target rows",
        lines=True,
        settings=settings,
        notes=notes if len(usable) < len(sizes) else [],
    )
    result.write(study.out)
    return result
