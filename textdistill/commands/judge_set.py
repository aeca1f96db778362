"""What `evaluate --set` does: read the sets and the real rows, judge, show, and write a report."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from textdistill.core.errors import UserError
from textdistill.core.file_names import LOOK, MANIFEST, METRICS

if TYPE_CHECKING:
    from textdistill.data import Splits, TextTable
    from textdistill.data.sets.text_set import TextSet
    from textdistill.runs.readable.outside import Asked


@dataclass(frozen=True)
class Request:
    """The options of `evaluate --set`."""

    sets: Path
    real: str
    text: str | None = None
    text_pair: str | None = None
    label: str | None = None
    data_dir: str | None = None
    learners: str = "frozen"
    labels: str | None = None
    encoder: str | None = None
    nets: int = 5
    baseline_sets: int | None = None
    fluency_model: str | None = None
    seed: int = 0
    out: Path | None = None
    force: bool = False


def evaluate_set(request: Request, json: bool) -> None:
    """Judge the sets of `request` and tell the figures."""
    from textdistill.commands.tables import show_evaluation
    from textdistill.data import DataSettings, load
    from textdistill.evaluation.text_learners import Frozen
    from textdistill.learners.pretrained.language_models import load_causal
    from textdistill.reports.headline import look
    from textdistill.runs.progress import Reporter
    from textdistill.runs.readable.outside import SET, judge_outside
    from textdistill.runs.run_files import claim

    asked = _asked(request)
    settings = DataSettings(
        request.real,
        text=request.text,
        text_pair=request.text_pair,
        label=request.label,
        data_dir=request.data_dir,
    )
    splits = load(settings)
    sets, cost, rates = _sets(request.sets, splits.train.classes)
    if request.out is not None:
        claim(request.out, force=request.force)
    model = None if request.fluency_model is None else load_causal(request.fluency_model)
    with Reporter().stage("judging", None) as bar:
        metrics = judge_outside(sets, splits, asked, rates=rates, tick=bar.advance)
        bar.advance("reading the texts")
        seen = look(sets, splits, Frozen(asked.encoder, asked.penalty), model=model)
    metrics["cost"] = {**cost, **metrics["cost"]}
    metrics["texts"] = {SET: seen["texts"]}
    if request.out is not None:
        _write(request, asked, metrics, seen, sets[0], splits)
    if json:
        sys.stdout.write(jsonlib.dumps(metrics, indent=1) + "\n")
    else:
        show_evaluation(metrics)
        if request.out is not None:
            typer.echo(f"report: {request.out / 'report.html'}")


def _asked(request: Request) -> Asked:
    from textdistill.learners.pretrained.encoder_files import PACKAGED
    from textdistill.runs.readable.outside import Asked

    return Asked(
        learners=_words(request.learners),
        recipes=None if request.labels is None else _words(request.labels),
        encoder=request.encoder or PACKAGED,
        nets=request.nets,
        baseline_sets=request.baseline_sets,
        seed=request.seed,
    )


def _words(told: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in told.split(",") if word.strip()))


def _sets(path: Path, classes: Sequence[str]) -> tuple[list[TextSet], dict[str, Any], int]:
    """The sets, what distilling them cost, and how many learning rates come with each, as far as a folder tells."""
    from textdistill.data.sets.text_sets import read_text_sets
    from textdistill.reports.run_folder import facts_in
    from textdistill.reports.text_folder import kind_of

    manifest, metrics = facts_in(path, MANIFEST), facts_in(path, METRICS)
    place = path
    if kind_of(path) == "texts":  # of a run, all sets that it is remembered by
        headline = manifest.get("headline")
        if isinstance(headline, dict):
            own = path / "sets" / str(headline.get("method")) / str(headline.get("size"))
            place = own if own.resolve().is_relative_to(path.resolve()) and own.is_dir() else path
    told = metrics.get("cost")
    known = ("distill_seconds", "outer_steps", "peak_rss_mib")
    cost = {
        key: told[key]
        for key in known
        if isinstance(told, dict) and isinstance(told.get(key), int | float) and not isinstance(told[key], bool)
    }
    rates = manifest.get("learning_rates")
    count = sum(len(one) for one in rates if isinstance(one, list)) if isinstance(rates, list) else 0
    return read_text_sets(place, classes), cost, count


def _write(
    request: Request,
    asked: Asked,
    metrics: dict[str, Any],
    seen: dict[str, Any],
    first: TextSet,
    splits: Splits[TextTable],
) -> None:
    """The folder of the report."""
    from textdistill.core.checkpoint import write_atomic
    from textdistill.data.sets.text_sets import write_text_set
    from textdistill.reports.headline import write_look
    from textdistill.reports.text_report import write_text_page
    from textdistill.runs.artifact import commit, versions
    from textdistill.runs.readable.outside import SET

    out = request.out
    if out is None:
        raise UserError("--out: a folder is needed for a report")
    size = int(next(iter(metrics["variants"])).rpartition("@")[2])
    manifest = {
        "kind": "evaluation",
        "title": f"{request.sets.name} for {request.real}",
        "set": str(request.sets),
        "seed": request.seed,
        "commit": commit(),
        "versions": versions(),
        "recipe": {"evaluate": asdict(asked)},
        "data": {**splits.facts(request.real), "classes": list(splits.train.classes)},
        "headline": {"method": SET, "size": size},
    }
    write_atomic(out / MANIFEST, jsonlib.dumps(manifest, indent=1, default=str) + "\n")
    write_text_set(out, first)
    write_look(out / LOOK, seen)
    write_atomic(out / METRICS, jsonlib.dumps(metrics, indent=1) + "\n")
    write_text_page(out)
