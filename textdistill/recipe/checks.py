"""What no single setting's type can tell: ranges, names, and settings that must fit together."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from textdistill.core.errors import RecipeError, UserError, did_you_mean
from textdistill.core.outer import OUTER_OPTIMIZERS, SCHEDULES
from textdistill.evaluation.settings import BASELINES, BY, VALIDATED
from textdistill.learners.recurrent import POOLS
from textdistill.objectives.augment import name_faults
from textdistill.recipe.cite import BIBTEX
from textdistill.recipe.works_with import learnable, refusal
from textdistill.synthetic.settings import INITS, LABEL_INITS, REAL_INITS
from textdistill.synthetic.tensors import LABEL_KINDS

FIELDS = ("inputs", "targets", "lr")
# Setting by its dotted key (a list means each of its values) -> the names it may take.
NAMES: dict[str, Sequence[str]] = {
    "outer.optimizer": OUTER_OPTIMIZERS,
    "outer.schedule": SCHEDULES,
    "outer.keep": ("last", "best"),
    "outer.scale": FIELDS,
    "synthetic.init": INITS,
    "synthetic.labels": LABEL_KINDS,
    "synthetic.label_init": LABEL_INITS,
    "synthetic.learn": FIELDS,
    "evaluate.baselines": BASELINES,
    "evaluate.by": BY,
    "learner.pool": POOLS,
}
# Setting -> the least it may be.
LEAST: dict[str, float] = {
    **dict.fromkeys(("outer.steps", "outer.validate_every", "outer.decay_every", "checkpoint.every"), 1),
    **dict.fromkeys(("outer.warmup", "outer.momentum", "outer.floor", "outer.average", "outer.decay"), 0),
    **dict.fromkeys(("representation.length", "representation.max_words"), 1),
    **dict.fromkeys((f"representation.word2vec.{key}" for key in ("dimension", "epochs", "window", "min_count")), 1),
    "representation.word2vec.negative": 0,
    **dict.fromkeys((f"synthetic.{key}" for key in ("steps", "epochs", "length", "samples", "per_class")), 1),
    "synthetic.noise": 0,
    **dict.fromkeys((f"evaluate.{key}" for key in ("nets", "repeats", "full_nets", "draws", "batch")), 1),
    **dict.fromkeys(("evaluate.validation_rows", "evaluate.validation_nets"), 1),
    "evaluate.label_steps": 1,
    "train.epochs": 1,
    "train.decay": 0,
    "train.decay_at": 0,
    **dict.fromkeys((f"train.optimizer.{key}" for key in ("momentum", "weight_decay", "beta1", "beta2", "eps")), 0),
    **dict.fromkeys((f"evaluate.full.{key}" for key in ("epochs", "batch", "patience", "rows")), 1),
    "evaluate.full.weight_decay": 0,
    "evaluate.ordinary.steps": 1,
    **dict.fromkeys(("learner.filters", "learner.widths", "learner.hidden", "learner.train", "learner.length"), 1),
    "learner.dropout": 0,
    **dict.fromkeys(("objective.batch", "objective.steps", "objective.gradient.window"), 1),
    **dict.fromkeys((f"objective.optimizer.{key}" for key in ("momentum", "weight_decay", "beta1", "beta2", "eps")), 0),
    "outer.betas": 0,
    **dict.fromkeys((f"starts.{key}" for key in ("nets", "size", "window", "patience", "matches", "batch")), 1),
    **dict.fromkeys(("starts.most", "starts.steps", "outer.weight_decay"), 0),
    **dict.fromkeys((f"starts.optimizer.{key}" for key in ("momentum", "weight_decay", "beta1", "beta2", "eps")), 0),
}
BELOW_ONE = (
    *("outer.betas", "outer.momentum", "outer.average", "learner.dropout"),
    *("train.decay_at", "train.optimizer.momentum", "train.optimizer.beta1", "train.optimizer.beta2"),
    *("objective.optimizer.momentum", "objective.optimizer.beta1", "objective.optimizer.beta2"),
    *("starts.optimizer.momentum", "starts.optimizer.beta1", "starts.optimizer.beta2"),
)
ABOVE_ZERO = (
    *("starts.lr", "objective.rate", "objective.pace"),
    *("outer.lr", "outer.clip", "outer.runaway", "synthetic.lr", "evaluate.rates"),
    *("evaluate.full.lr", "evaluate.ordinary.lr", "train.lr", "outer.stop_below"),
)
_PART_OF_SUM = re.compile(r"(\.parts\.\d+)\.objective\b")


def check(made: Mapping[str, Any], paper: str, faults: list[str]) -> None:
    """Add to `faults` one line for each setting of `made` (sections and parts by name) that cannot be used."""
    # What a setting may be called stands in the table here, or with the settings it belongs to (`choices`).
    own = {
        f"{key}.{name}": allowed
        for key, value in made.items()
        for name, allowed in getattr(value[0] if isinstance(value, tuple) else value, "choices", {}).items()
    }
    names = {**NAMES, **own}
    for told, value in _settings(made):
        # A part of a weighted sum is checked as if it stood alone, and told by its place.
        path, told = _PART_OF_SUM.sub("", told), _PART_OF_SUM.sub(r"\1", told)
        if isinstance(value, float) and not math.isfinite(value) and path != "outer.runaway":
            faults.append(f"{told}: {value}; allowed: finite numbers")
        elif isinstance(value, str) and path in names:
            allowed = names[path]
            if value not in allowed:
                faults.append(f"{told}: {value!r}; allowed: {', '.join(allowed)}{did_you_mean(value, allowed)}")
        elif isinstance(value, int | float):
            if path in LEAST and value < LEAST[path]:
                faults.append(f"{told}: {value}; allowed: {LEAST[path]:g} or more")
            if path in ABOVE_ZERO and not value > 0:
                faults.append(f"{told}: {value}; allowed: above 0")
            if path in BELOW_ONE and not value < 1:
                faults.append(f"{told}: {value}; allowed: below 1")
    for key in (key.strip() for key in paper.split(",")):
        if key and key not in BIBTEX:
            faults.append(f"paper: {key!r}; allowed: {', '.join(sorted(BIBTEX))}{did_you_mean(key, BIBTEX)}")
    if "data" in made:
        faults.extend(f"data.{fault}" for fault in made["data"].faults())
    if "synthetic" in made:
        _sizes(made["synthetic"], faults)
    _together(made, faults)


def _settings(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every single setting with its dotted key; what a list holds, under the key of the list."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    elif isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], type):
        value = value[1]  # a part: its class and its settings
    elif isinstance(value, Mapping) and path in NAMES:
        yield from ((path, key) for key in value)
        yield from ((f"{path}.{key}", item) for key, item in value.items())
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _settings(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, tuple | list | frozenset):
        for number, item in enumerate(value):
            yield from _settings(item, f"{path}.{number}" if dataclasses.is_dataclass(item) else path)
    else:
        yield path, value


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
    part, settings = made["objective"]
    try:
        objective = part(**settings)  # what it can do may follow from its settings
    except UserError as error:
        faults.extend(error.faults if isinstance(error, RecipeError) else [f"objective: {error}"])
        return
    except (TypeError, ValueError):  # settings are missing or of the wrong type, as told above
        objective = part
    learn = set(made["synthetic"].learn) & set(FIELDS)
    if "generator" in made:
        learn = {"weights"}  # a generator's samples have nothing else
        if getattr(made.get("starts", (None,))[0], "trains_on_set", False):
            faults.append("starts: it trains networks on a set that stays; a generator writes anew; allowed: on_real")
    elif made["synthetic"].labels == "hard":
        learn -= {"targets"}  # they stay as they are
    kind = getattr(made["representation"], "kind", "words") if "representation" in made else None
    starts, learner = (made[key][0] if key in made else None for key in ("starts", "learner"))
    refused = refusal(kind, objective, starts, learner, learn)
    if refused is not None:
        faults.append(refused)
    init = made["synthetic"].init
    if "inputs" not in learnable(kind) and init not in REAL_INITS:
        faults.append(f"synthetic.init: {init!r}; {kind} stay what they are: allowed: {', '.join(REAL_INITS)}")
    if "train" in made:
        faults.extend(name_faults(made["train"].augment, kind, "train.augment"))
    if "evaluate" in made and made["evaluate"].by == "objective":
        if not hasattr(objective, "regression"):
            faults.append(
                f"evaluate.by: 'objective', but {part.__name__} cannot classify by itself; allowed with it: 'networks'"
            )
        if made["evaluate"].steps == VALIDATED:
            faults.append(
                "evaluate.steps: 'validated', but by: 'objective' trains no networks; allowed with it: 'recorded'"
            )
