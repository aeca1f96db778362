"""What `evaluate --set` does: read the sets and the real rows, judge, show, and write a report."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textdistill.commands.options import Columns, OptionGroup
from textdistill.core.file_names import METRICS, REPORT

if TYPE_CHECKING:
    from textdistill.core.manifest import Manifest
    from textdistill.data.sets.text_set import TextSet
    from textdistill.runs.readable.outside import Asked

FLUENCY_HELP = "Whose perplexity: a hub id, a folder, a .gguf file, smollm2."
BASELINES_HELP = "Sets of each baseline; as many as given, 5 at least."


@dataclass(frozen=True)
class Request(OptionGroup):
    """The options of `evaluate --set`."""

    panel = "Anybody's set"
    sets: Annotated[
        Path | None, typer.Option("--set", help="Anybody's set: a file, or a folder of files.", show_default=False)
    ] = None
    real: Annotated[str | None, typer.Option("--real", help="Its real data: a name, hub id, file or folder.")] = None
    learners: Annotated[str, typer.Option("--learners", help="frozen, finetuned, text_conv, bi_lstm, tfidf.")] = (
        "frozen"
    )
    labels: Annotated[str | None, typer.Option("--labels", help="hard, teacher, distilled; all that go.")] = None
    encoder: Annotated[str | None, typer.Option("--encoder", help="Of frozen and finetuned; minilm.")] = None
    nets: Annotated[int, typer.Option("--nets", min=1, help="Networks a set, where they differ.")] = 5
    baseline_sets: Annotated[int | None, typer.Option("--baseline-sets", min=1, help=BASELINES_HELP)] = None
    fluency_model: Annotated[str | None, typer.Option("--fluency-model", help=FLUENCY_HELP)] = None
    seed: Annotated[int, typer.Option("--seed", help="Everything random follows from it.")] = 0
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A folder for the report.", show_default=False)] = None
    force: Annotated[bool, typer.Option("--force", help="Replace the report that is in --out.")] = False

    def idle(self) -> str | None:
        """An option that was given though no set was."""
        given = {"--real": self.real, "--out": self.out, "--fluency-model": self.fluency_model, "--labels": self.labels}
        return next((name for name, value in given.items() if value is not None), None)


def evaluate_set(sets: Path, real: str, request: Request, columns: Columns, json: bool) -> None:
    """Judge the sets beside rows of `real`, as the request says, and tell the figures."""
    from textdistill.commands.tables import show_evaluation
    from textdistill.core.manifest import Headline, Manifest
    from textdistill.data import load
    from textdistill.learners.pretrained.language_models import load_causal
    from textdistill.runs.artifact import commit, versions
    from textdistill.runs.progress import Reporter
    from textdistill.runs.readable.outside import SET, judge_outside, look_outside
    from textdistill.runs.run_files import claim

    asked = _asked(request)
    splits = load(columns.of(real))
    given, cost, rates = _sets(sets, splits.train.classes)
    if request.out is not None:
        claim(request.out, force=request.force)
    model = None if request.fluency_model is None else load_causal(request.fluency_model)
    with Reporter().stage("judging", None) as bar:
        metrics = judge_outside(given, splits, asked, rates=rates, tick=bar.advance)
        bar.advance("reading the texts")
        seen = look_outside(given, splits, asked, model)
    metrics["cost"] = {**cost, **metrics["cost"]}
    metrics["texts"] = {SET: seen["texts"]}
    if request.out is not None:
        size = int(next(iter(metrics["variants"])).rpartition("@")[2])
        manifest = Manifest(
            kind="evaluation",
            title=_spelled(f"{sets.name} for {real}"),
            set=_spelled(sets),
            seed=request.seed,
            commit=commit(),
            versions=versions(),
            recipe={"evaluate": asdict(asked)},
            data={**splits.facts(real), "classes": list(splits.train.classes)},
            headline=Headline(method=SET, size=size),
        )
        _write(request.out, manifest, metrics, seen, given[0])
    if json:
        sys.stdout.write(jsonlib.dumps(metrics, indent=1) + "\n")
    else:
        show_evaluation(metrics)
        if request.out is not None:
            typer.echo(f"report: {request.out / REPORT}")


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


def _spelled(path: object) -> str:
    """The path with `?` for each byte that is no text: names of files may hold any, a manifest's title may not."""
    return str(path).encode(errors="replace").decode()


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def _sets(path: Path, classes: Sequence[str]) -> tuple[list[TextSet], dict[str, Any], int]:
    """The sets, what distilling them cost, and how many learning rates come with each, as far as a folder tells."""
    from textdistill.core.json_files import facts_in
    from textdistill.core.manifest import kind_of, manifest_in
    from textdistill.data.sets.text_sets import read_text_sets

    manifest, metrics = manifest_in(path), facts_in(path, METRICS)
    place = path
    if kind_of(path) == "texts":  # of a run, all sets that it is remembered by
        headline = manifest.get("headline")
        if isinstance(headline, dict):
            own = path / "sets" / str(headline.get("method")) / str(headline.get("size"))
            place = own if own.resolve().is_relative_to(path.resolve()) and own.is_dir() else path
    stored = metrics.get("cost")
    known = ("distill_seconds", "outer_steps", "peak_rss_mib")
    cost = {
        key: stored[key]
        for key in known
        if isinstance(stored, dict) and isinstance(stored.get(key), int | float) and not isinstance(stored[key], bool)
    }
    rates = manifest.get("learning_rates")
    count = sum(len(epoch) for epoch in rates if isinstance(epoch, list)) if isinstance(rates, list) else 0
    return read_text_sets(place, classes), cost, count


def _write(out: Path, manifest: Manifest, metrics: dict[str, Any], seen: dict[str, Any], first: TextSet) -> None:
    """The folder of the report."""
    from textdistill.core.manifest import write_manifest
    from textdistill.data.sets.text_sets import write_text_set
    from textdistill.reports.text_report import write_text_page
    from textdistill.runs.readable.finish import finish

    write_manifest(out, manifest)
    write_text_set(out, first)
    finish(out, metrics, lambda: seen, report=write_text_page)
