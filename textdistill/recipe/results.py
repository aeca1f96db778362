"""The recorded results of all recipes as one Markdown table, made from them alone: what docs/results.md shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textdistill.recipe.read import list_recipes, read_yaml

HEAD = (
    *("recipe", "start", "paper", "ratio %", "accuracy %", "full data"),
    *("K-centres", "best baseline", "snapped", "n", "min"),
)
BEGIN, END = "<!-- results: textdistill ls --markdown -->", "<!-- end of results -->"


def results_markdown() -> str:
    """One row for each recorded variant; means ± standard deviations, `min` the minutes of one distillation.

    `paper` is the published ratio, or the accuracy marked as such. The best baseline is the best of all, k-nearest
    neighbours too.
    """
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    for name, path in list_recipes().items():
        results = read_yaml(path).get("results") or {}
        for variant, ours in (results.get("ours") or {}).items():
            lines.append("| " + " | ".join(_row(name, variant, ours, results.get("published") or {})) + " |")
    return "\n".join(lines)


def _row(name: str, variant: str, ours: Mapping[str, Any], published: Mapping[str, Any]) -> list[str]:
    best = ours.get("best_baseline") or {}
    return [
        f"`{name.split('/')[-1]}`",
        variant,
        _published(published.get(variant)),
        _score(ours.get("ratio")),
        f"**{_score(ours.get('accuracy'))}**",
        _score(ours.get("full")),
        _score(ours.get("k_centers")),
        f"{_score(best)} {best['name']}" if best else "–",
        _score(ours.get("snapped")),
        str((ours.get("accuracy") or {}).get("n", "–")),
        f"{ours['minutes']:.1f}" if "minutes" in ours else "–",
    ]


def _published(result: Any) -> str:
    if not isinstance(result, Mapping):
        return "–"
    if "ratio" in result:
        return _score(result["ratio"])
    return f"{_score(result.get('accuracy'))} (accuracy)"


def _score(score: Any) -> str:
    if not isinstance(score, Mapping) or "mean" not in score:
        return "–"
    return f"{score['mean']:.1f}" + (f" ± {score['sd']:.1f}" if score.get("sd") else "")
