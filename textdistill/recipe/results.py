"""The recorded results of all recipes as one Markdown table, made from them alone: what docs/results.md shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textdistill.core.bounds import settings_in
from textdistill.evaluation.reference import of_networks, why_above
from textdistill.evaluation.statistics import Summary, ratio_of
from textdistill.recipe.read import Recipe, list_recipes, load_recipe, read_yaml
from textdistill.recipe.told import PUBLISHED_SETTINGS

HEAD = (
    *("recipe", "start", "paper", "ratio %", "accuracy %", "full data", "ratio taken against"),
    *("K-centres", "best baseline", "snapped", "n", "min", "otherwise than the paper"),
)
BEGIN, END = "<!-- results: textdistill ls --markdown -->", "<!-- end of results -->"
ON_TEST, ABOVE = "†", "‡"
TUNED = f"{ON_TEST} settings chosen by accuracy on test rows, not yet again by validation rows: a development figure."


def results_markdown() -> str:
    """One row for each recorded variant; means ± standard deviations, `min` the minutes of one distillation.

    `paper` is the published ratio, or the accuracy marked as such. The spread of a ratio is that of both its sides,
    `ratio taken against` says which training on all rows it is a share of. The best baseline is the best of all,
    k-nearest neighbours too. Marks are explained below the table.
    """
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    legend: dict[str, None] = {}
    for name, path in list_recipes().items():
        values = read_yaml(path)
        for variant, ours in ((values.get("results") or {}).get("ours") or {}).items():
            recipe = load_recipe(name, variant=variant if variant in (values.get("variants") or {}) else None)
            cells, marks = _row(recipe, variant, ours)
            lines.append("| " + " | ".join(cells) + " |")
            legend |= dict.fromkeys(marks)
    return "\n".join([*lines, *(f"\n{told}" for told in legend)])


def _row(recipe: Recipe, variant: str, ours: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The cells of a row, and what its marks mean."""
    best, reference = ours.get("best_baseline") or {}, _reference(recipe, ours)
    on_test = recipe.raw.get("tuned_on") == "test"
    share = _ratio(ours)
    above = share is not None and share.mean > 100
    cells = [
        f"`{recipe.name.split('/')[-1]}`" + (f" {ON_TEST}" if on_test else ""),
        variant,
        _published((recipe.results.get("published") or {}).get(variant)),
        (_shown(share) if share else "–") + (f" {ABOVE}" if above else ""),
        f"**{_score(ours.get('accuracy'))}**",
        _score(ours.get("full")),
        reference or "–",
        _score(ours.get("k_centers")),
        f"{_score(best)} {best['name']}" if best else "–",
        _score(ours.get("snapped")),
        str((ours.get("accuracy") or {}).get("n", "–")),
        f"{ours['minutes']:.1f}" if "minutes" in ours else "–",
        _otherwise(recipe, variant, ours),
    ]
    return cells, [TUNED] * on_test + [f"{ABOVE} {why_above(reference)}."] * above


def _reference(recipe: Recipe, ours: Mapping[str, Any]) -> str | None:
    """What the record says of its training on all rows; of networks, that is in the recipe's settings."""
    if "full" not in ours:
        return None
    if "reference" in ours:
        return str(ours["reference"])
    return None if recipe.text is not None else of_networks(recipe.evaluate, recipe.learner.name)


def _ratio(ours: Mapping[str, Any]) -> Summary | None:
    """The ratio with the spread of both its sides, which records of before have of one side alone."""
    share, accuracy, full = (ours.get(key) for key in ("ratio", "accuracy", "full"))
    if not isinstance(share, Mapping) or not isinstance(accuracy, Mapping) or not isinstance(full, Mapping):
        return None
    both = ratio_of(_summary(accuracy), _summary(full))
    return Summary(float(share["mean"]), both.sd, both.n)


def _otherwise(recipe: Recipe, variant: str, ours: Mapping[str, Any]) -> str:
    """In which numbers the recipe differs from the paper (in brackets); `–` where the paper's are not known."""
    published = recipe.raw.get("published_settings") or {}
    n = int((ours.get("accuracy") or {}).get("n", 1))
    seeds = len(ours.get("seeds") or [0])
    own = {"outer_steps": recipe.outer.steps, "real_batch": _batch(recipe), "sets": n, "distillations": seeds}
    if recipe.text is None and recipe.starts.name != "fixed":
        own["networks"] = n
    told = [
        f"{called} {own[key]:,} ({published[key]:,})"
        for key, called in PUBLISHED_SETTINGS.items()
        if key in published and own.get(key) is not None and own[key] != published[key]
    ]
    return "; ".join(told) or ("as the paper" if published else "–")


def _batch(recipe: Recipe) -> int | None:
    """Real rows of an outer step."""
    known = settings_in(recipe.objective.type)
    batch = recipe.objective.settings.get("batch", known["batch"].default if "batch" in known else None)
    return batch if isinstance(batch, int) else None


def _published(result: Any) -> str:
    if not isinstance(result, Mapping):
        return "–"
    if "ratio" in result:
        return _score(result["ratio"])
    return f"{_score(result.get('accuracy'))} (accuracy)"


def _summary(score: Mapping[str, Any]) -> Summary:
    """A recorded score; of one repetition nothing is known of a spread."""
    n = int(score.get("n", 1))
    return Summary(float(score["mean"]), float(score["sd"]) if n > 1 and "sd" in score else None, n)


def _score(score: Any) -> str:
    if not isinstance(score, Mapping) or "mean" not in score:
        return "–"
    n = score.get("n")  # papers do not always say it
    return _shown(Summary(score["mean"], None if n == 1 else score.get("sd"), n or 2))


def _shown(score: Summary) -> str:
    return f"{score.mean:.1f}" + (f" ± {score.sd:.1f}" if score.sd and score.n > 1 else "")
