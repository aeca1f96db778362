"""How many of each unit a run for readable sets has, and what it keeps on disk."""

from __future__ import annotations

import math
from typing import Any

from textdistill.recipe.read import Recipe
from textdistill.recipe.text_settings import TextLevel
from textdistill.selection.methods import METHODS, configured
from textdistill.selection.sharpness import TRIALS, VALUES, undecided
from textdistill.synthetic.prompted import BATCH as BEHIND_ONE_PROMPT


def counts(recipe: Recipe, facts: dict[str, Any]) -> dict[str, float]:
    """How many of each unit the recipe's run has."""
    settings = recipe.text
    assert settings is not None
    choose, classes, pools = settings.choose, facts["classes"], settings.choose.generated
    out: dict[str, float] = {
        "reading data": 1,
        "nearest rows, map, report": 1,
        "head on all rows": 1,
        "index of copies": 1,
    }
    if choose.search.words:
        out["words of all texts"] = 1
    grows = choose.grow.rounds * choose.grow.sets if "grown" in pools else 0  # searches whose members are written on
    written = (len(pools) - bool(grows)) * choose.pool * classes + grows * choose.size * classes * choose.grow.each
    asked = choose.prompted if "prompted" in choose.pools else None
    behind = 0 if asked is None else asked.rounds * classes * asked.of_each(classes)
    for name, letters in facts["unknown"].items():
        out[f"loading {name}"] = 1
        fresh = (written + behind) * facts["letters"] if name in (*choose.views, settings.judge.encoder) else 0
        out[f"letter encoded ({name})"] = letters + fresh
    if pools:
        out |= _written(recipe, settings, facts, written)
    least, sets = min(choose.sizes), choose.sets
    streams = {configured(METHODS[name], choose).stream for name in choose.made}
    out |= {f"set by {stream}": sets * sum(choose.sizes) / least for stream in streams}
    for name in choose.made:
        method = configured(METHODS[name], choose)
        if undecided(method):  # once for a stream and a size
            out[f"set by {method.stream}"] = (sets + len(VALUES) * TRIALS) * sum(choose.sizes) / least
    if grows:
        out["set by grown"] += grows * choose.size / least
    if asked is not None:
        out[f"loading {asked.model}"] = 1
        out["samples behind a prompt"] = asked.rounds * classes * math.ceil(asked.of_each(classes) / BEHIND_ONE_PROMPT)
        out["set by prompted"] += asked.rounds * asked.sets * choose.size / least
    soft = sum(METHODS[name].soft for name in choose.made)
    out["soft labels of a set"] = soft * sets * len(choose.sizes)
    for judgement in settings.judge.by:
        methods = [name for name in choose.methods if judgement.methods is None or name in judgement.methods]
        judged = len(methods) * len(judgement.sizes or choose.sizes) * min(sets, judgement.sets or sets)
        key = f"set judged by {judgement.kind}"
        if judgement.kind in ("frozen", "tfidf"):
            out[key] = out.get(key, 0) + judged
        else:
            name = f"network trained ({judgement.kind})"
            out[name] = out.get(name, 0) + judged * judgement.nets
    if choose.keep == "best":
        out["set judged by frozen"] = out.get("set judged by frozen", 0) + 2 * sets
    out["all rows by tfidf"] = 1
    out["texts of a set looked at"] = sets * sum(not METHODS[name].soft for name in choose.made)
    return out


def _written(recipe: Recipe, settings: TextLevel, facts: dict[str, Any], written: float) -> dict[str, float]:
    stage, classes = settings.language_model, facts["classes"]
    steps = stage.steps or stage.epochs * math.ceil(facts["rows"] / stage.batch)
    out: dict[str, float] = {"sample written": written}
    if not facts["model_kept"]:
        out |= {"tables as tokens": 1, "step of the language model": steps}
        out["look at validation rows"] = math.ceil(steps / stage.validate_every)
    if "matched" in settings.choose.pools:
        out |= {"teacher's sets": 1, "step of the matching": recipe.outer.steps}
        again = (
            math.ceil(recipe.outer.steps / settings.pool.every) * classes * settings.pool.batch * settings.pool.factor
        )
        out["sample written"] += again
        out["sample read and clustered"] = again
    return out


def sizes(recipe: Recipe, facts: dict[str, Any]) -> float:
    """MiB of features that the run keeps in the cache."""
    assert recipe.text is not None
    letters = sum(map(float, facts["unknown"].values()))
    return letters / max(1.0, float(facts["letters"])) * int(facts["width"]) * 4 / 2**20
