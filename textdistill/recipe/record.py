"""Own results in a recipe's file: `results.ours.VARIANT`, written by `run --record` alone.

`results:` is the last top-level key of a recipe. Only the text of `results.ours` is written anew; whatever stands above
it, comments included, stays as it is.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from textdistill.core.checkpoint import write_atomic
from textdistill.core.errors import RecipeError, UserError
from textdistill.core.machine import describe
from textdistill.core.precision import said
from textdistill.core.yaml_text import parse_yaml
from textdistill.recipe.read import Recipe
from textdistill.selection.methods import METHODS

# Settings that change how a result is looked at, not what was distilled: a recorded run may override these.
FREE = ("evaluate.", "checkpoint.", "data.data_dir", "judge.released")
_WIDTH = 140
_TOP = re.compile(r"^[^\s#]")  # a line that begins a top-level key
_OURS = re.compile(r"^  ours\s*:")
_SISTER = re.compile(r"^ {0,2}[^\s#]")  # a line at the level of `ours` or above


def check_recordable(recipe: Recipe, overrides: Sequence[str]) -> Path:
    """The file that a run of `recipe` may be recorded in; `UserError` for a run that is not the recipe's own."""
    if recipe.source is None:
        raise UserError("--record: the run has no recipe file; give a recipe by name or path")
    changed = [one for one in overrides if not one.startswith(FREE)]
    if changed:
        raise UserError(
            f"--record: {', '.join(changed)} makes another experiment than {recipe.source} describes; "
            "write it into the file (or into a variant), or leave out --record"
        )
    if not os.access(recipe.source, os.W_OK) or not os.access(recipe.source.parent, os.W_OK):
        raise UserError(f"--record: {recipe.source} cannot be written; give the path of a copy that can")
    _rewritten(recipe.source.read_text(encoding="utf-8"), recipe.source, None)
    return recipe.source


# The baselines that stand in every record, beside the best of all.
RECORDED = (
    *("random_real", "k_centers", "true_labels", "smoothed_labels"),
    *(name for name in METHODS if name not in ("random_real", "k_centers")),  # of readable sets
)


def entry(metrics: Mapping[str, Any], commit: str | None) -> dict[str, Any]:
    """What is recorded of a run: percentages rounded to two decimals, minutes of distilling, seeds, commit, machine."""

    def score(block: Mapping[str, Any], name: str = "accuracy") -> dict[str, Any]:
        kept = {key: block[name].get(key) for key in ("mean", "sd", "n")}
        if kept["sd"] is None or kept["n"] == 1:  # nothing was repeated, so nothing is said of a spread
            del kept["sd"]
        return {key: round(value, 2) if isinstance(value, float) else value for key, value in kept.items()}

    distilled, baselines = metrics["distilled"], metrics.get("baselines", {})
    out: dict[str, Any] = {name: score(distilled, name) for name in distilled}
    if "kept" in metrics:
        out["kept"] = round(float(metrics["kept"]), 2)
    if "full" in metrics:
        out["ratio"] = score(metrics, "ratio")
        out["full"] = score(metrics["full"])
        if "reference" in metrics["protocol"]:
            out["reference"] = metrics["protocol"]["reference"]
    if "distilled_snapped" in metrics:
        out["snapped"] = score(metrics["distilled_snapped"])
    if baselines:
        # Soft labels on the set's own texts, or on others', stand on a row of their own.
        hard = {name: block for name, block in baselines.items() if name not in METHODS or not METHODS[name].soft}
        best = max(hard or baselines, key=lambda name: float(baselines[name]["accuracy"]["mean"]))
        out["best_baseline"] = {"name": best, **score(baselines[best])}
    out |= {name: score(baselines[name]) for name in RECORDED if name in baselines}
    out["samples"] = metrics["samples"]
    out["minutes"] = round(float(metrics["cost"]["distill_seconds"]) / 60, 2)
    if used := metrics["cost"].get("precision"):
        out["precision"] = said(used)
    out["seeds"] = list(metrics["protocol"]["seeds"])
    out["commit"] = commit
    out["machine"] = describe(int(metrics["cost"]["threads"]))
    return out


def variant_name(recipe: Recipe, metrics: Mapping[str, Any]) -> str:
    """Under which name a result stands: the variant's, or, in a recipe without variants, how its networks start."""
    return recipe.variant or str(metrics["protocol"]["start"])


def record(path: Path, variant: str, result: Mapping[str, Any]) -> None:
    """Write `result` as `results.ours.variant` into the recipe at `path`, whole or not at all.

    Others who record into the same folder at the same moment wait, so that no result is lost. `RecipeError` when
    `results` is not the last top-level key.
    """
    with _alone_in(path.parent):
        text = path.read_text(encoding="utf-8")
        write_atomic(path, _rewritten(text, path, (variant, dict(result))))


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """The block runs in one process at a time for each folder; the lock is the folder's own and leaves no file."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _rewritten(text: str, path: Path, update: tuple[str, dict[str, Any]] | None) -> str:
    """The recipe's text with the update in `results.ours`; without one, a trial of whether that can be written."""
    values = parse_yaml(text)
    results = values.get("results") or {}
    if not isinstance(results, dict) or not isinstance(results.get("ours") or {}, dict):
        raise RecipeError([f"results: {results!r:.80}; allowed: `published` and `ours`, by variant"], str(path))
    lines = text.splitlines()
    begins = [number for number, line in enumerate(lines) if _TOP.match(line)]
    at = next((number for number in begins if lines[number].startswith("results:")), None)
    if at is not None and at != begins[-1]:
        behind = [lines[number].split(":")[0] for number in begins if number > at]
        raise RecipeError([f"results: must be the last key of the file; move {', '.join(behind)} above it"], str(path))
    variant, result = update or ("-", {})
    order = list(values.get("variants") or {})
    ours = {**(results.get("ours") or {}), variant: result}
    names = sorted(ours, key=lambda name: (order.index(name) if name in order else len(order), str(name)))
    ours = {name: ours[name] for name in names}
    wanted = {**results, "ours": ours}
    head, block = (lines, ["results:"]) if at is None else (lines[:at], lines[at:])
    # Where the block is not written the way we write it (say, on one line), all of it is written anew.
    for tail in (_with_ours(block, ours), _yaml({"results": wanted})):
        body = "\n".join([*head, *tail]) + "\n"
        try:
            if parse_yaml(body) == {**values, "results": wanted}:
                return body
        except yaml.YAMLError:
            continue
    raise RecipeError(
        ["results: cannot be put at the end of this file; write its keys one a line (no JSON)"], str(path)
    )


def _with_ours(block: Sequence[str], ours: Mapping[str, Any]) -> list[str]:
    """The lines of `results:` with its part `ours` replaced, or put last."""
    new = [f"  {line}" for line in _yaml({"ours": dict(ours)})]
    start = next((number for number, line in enumerate(block) if _OURS.match(line)), None)
    if start is None:
        kept = list(block)
        while len(kept) > 1 and not kept[-1].strip():
            kept.pop()
        return [*kept, *new]
    later = (number for number in range(start + 1, len(block)) if _SISTER.match(block[number]))
    end = next(later, len(block))
    return [*block[:start], *new, *block[end:]]


def _yaml(values: Mapping[str, Any]) -> list[str]:
    """YAML in which the innermost mappings and lists stand on one line."""
    text = yaml.safe_dump(dict(values), default_flow_style=None, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return text.splitlines()
