"""What no setting can tell by itself: papers that are known, and settings that must fit together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textdistill.core.errors import RecipeError, UserError, did_you_mean
from textdistill.core.schedule import TENSOR_FIELDS
from textdistill.evaluation.settings import VALIDATED
from textdistill.objectives.augment import name_faults
from textdistill.recipe.cite import BIBTEX
from textdistill.recipe.works_with import learnable, refusal
from textdistill.synthetic.settings import REAL_INITS


def check(made: Mapping[str, Any], paper: str, faults: list[str]) -> None:
    """Add to `faults` one line for each setting of `made` (sections and parts by name) that cannot be used."""
    for key in (key.strip() for key in paper.split(",")):
        if key and key not in BIBTEX:
            faults.append(f"paper: {key!r}; allowed: {', '.join(sorted(BIBTEX))}{did_you_mean(key, BIBTEX)}")
    if "data" in made:
        faults.extend(f"data.{fault}" for fault in made["data"].between())
    if "synthetic" in made:
        _sizes(made["synthetic"], faults)
    _together(made, faults)


def _sizes(synthetic: Any, faults: list[str]) -> None:
    """How many samples there are must be told once, and be dealt out evenly."""
    if (synthetic.samples is None) == (synthetic.per_class is None):
        faults.append("synthetic: give either samples (M in total) or per_class (for each class)")
        return
    key, what = ("samples", "samples") if synthetic.per_class is None else ("per_class", "of each class")
    number = getattr(synthetic, key)
    if synthetic.steps >= 1 and number % synthetic.steps:
        faults.append(
            f"synthetic.{key}: {number}; allowed: a multiple of synthetic.steps ({synthetic.steps}), "
            f"since every inner step has as many {what}"
        )


def _together(made: Mapping[str, Any], faults: list[str]) -> None:
    """What one section asks of another."""
    if "objective" not in made or "synthetic" not in made:
        return
    objective, starts = made["objective"], made.get("starts")
    try:
        objective.make()
    except UserError as error:
        faults.extend(error.faults if isinstance(error, RecipeError) else [f"objective: {error}"])
        return
    except (TypeError, ValueError):  # settings are missing or of the wrong type, as told above
        pass
    learn = set(made["synthetic"].learn) & set(TENSOR_FIELDS)
    if "generator" in made:
        learn = {"weights"}  # a generator's samples have nothing else
        if starts is not None and getattr(starts.type, "trains_on_set", False):
            faults.append("starts: it trains networks on a set that stays; a generator writes anew; allowed: on_real")
    elif made["synthetic"].labels == "hard":
        learn -= {"targets"}  # they stay as they are
    kind = getattr(made["representation"], "kind", "words") if "representation" in made else None
    refused = refusal(kind, objective, starts, made.get("learner"), learn)
    if refused is not None:
        faults.append(refused)
    init = made["synthetic"].init
    if "inputs" not in learnable(kind) and init not in REAL_INITS:
        faults.append(f"synthetic.init: {init!r}; {kind} stay what they are: allowed: {', '.join(REAL_INITS)}")
    if "train" in made:
        faults.extend(name_faults(made["train"].augment, kind, "train.augment"))
    if "evaluate" in made and made["evaluate"].by == "objective":
        if not hasattr(objective.type, "regression"):
            faults.append(
                f"evaluate.by: 'objective', but {objective.name} cannot classify by itself; allowed with it: 'networks'"
            )
        if made["evaluate"].steps == VALIDATED:
            faults.append(
                "evaluate.steps: 'validated', but by: 'objective' trains no networks; allowed with it: 'recorded'"
            )
