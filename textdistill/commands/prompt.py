"""The command `prompt`: from a table to the few-shot prompt that a language model does best with."""

from __future__ import annotations

import json as jsonlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textdistill.commands.export import name_for
from textdistill.commands.options import Columns, Json, Machine, OptionGroup, grouped, one_of
from textdistill.commands.wording import Calibrate, PromptWords, Templates, left_out, template_of
from textdistill.core.errors import UserError
from textdistill.export import FORMATS

if TYPE_CHECKING:
    from textdistill.core.streams import Streams
    from textdistill.data import TextTable
    from textdistill.data.sets.text_set import TextSet
    from textdistill.export import Wording
    from textdistill.in_context.find_prompt import FoundPrompt, Reached

PROMPT_HELP = """From a labelled table to a few-shot prompt: a language model chooses shots, order and wording.

DATA is a file (CSV, JSON lines, Parquet), a known name or a hub id. Shots come from the readable set that a search
finds among its rows and from the rows themselves; the model chooses them, their order, the template and the label words
on training rows, by --budget prompts. The prompt is then asked about test rows, beside none, random rows, K-centres,
and the best of as many random draws as its shots took tries.

[bold]textdistill prompt reviews.csv --text review --label stars --k 6 --out prompt.txt[/bold]

[bold]textdistill prompt trec6 --model gpt2 --budget 100 --format lm-eval --out task[/bold]"""

MODEL_HELP = "A causal language model: a hub id, a folder, a .gguf file or smollm2."
MOST_ROWS = 20_000  # training rows that shots are sought among
SEARCHED, READABLE_PER_CLASS = 3, 5  # sets that the search finds, and how many samples of a class each has at least
DRAWN = 2000  # further real rows that shots are chosen from


@dataclass(frozen=True)
class Choice(OptionGroup):
    """What the model chooses by."""

    panel = "Choices on training rows"
    model: Annotated[str, typer.Option("--model", help=MODEL_HELP)] = "smollm2"
    k: Annotated[int, typer.Option("--k", min=1, help="Shots in the prompt, balanced by class.")] = 6
    budget: Annotated[int, typer.Option("--budget", min=1, help="Prompts that choices are made by.")] = 60
    train_rows: Annotated[int, typer.Option("--train-rows", min=1, help="Training rows that judge each of them.")] = 64
    calibrate: Calibrate = "none"
    random_tries: Annotated[
        bool,
        typer.Option("--random-tries/--no-random-tries", help="Give random shots as many tries; about half the time."),
    ] = True


@dataclass(frozen=True)
class Test(OptionGroup):
    """What the prompt is asked at the end, and beside what."""

    panel = "The test"
    rows: Annotated[int, typer.Option("--rows", min=1, help="Test rows to classify, drawn by --seed.")] = 200
    sets: Annotated[int, typer.Option("--sets", min=1, help="Random and K-centre prompts to compare with.")] = 5


def prompt(
    data: Annotated[str, typer.Argument(metavar="DATA", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file or folder to write.")] = None,
    format: Annotated[str, typer.Option("--format", "-f", help=", ".join(FORMATS) + ".")] = "prompt",
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Of rows and draws.")] = 0,
    json: Json = False,
    *,
    machine: Machine,
    columns: Columns,
    choice: Choice,
    test: Test,
    template: Templates = None,
    words: PromptWords,
) -> None:
    """See PROMPT_HELP."""
    one_of("--format", format, tuple(FORMATS))
    if out is not None and out.exists() and not force:
        raise UserError(f"--out: {out}: there already; choose another name, or replace it with --force")
    where = machine.ready()
    from textdistill import in_context as room
    from textdistill.core.streams import Streams
    from textdistill.data import load
    from textdistill.export import Material, write
    from textdistill.in_context.find_prompt import find_prompt, reached, wordings_of
    from textdistill.runs.progress import Reporter

    one_of("--calibrate", choice.calibrate, room.CALIBRATIONS)
    streams = Streams(seed, ("prompt",))
    real = load(replace(columns.of(data), most_rows=MOST_ROWS))
    held, rest = room.held_out(real.train, choice.train_rows, len(real.train), streams.child("train"))
    held_rows = room.set_of(held)
    calibration = room.calibration_of(choice.calibrate, held_rows, real.train.counts().tolist())
    rows = room.drawn(real.test, test.rows, streams.child("rows"))
    wordings = wordings_of(rows, [str(template_of(text)) for text in template or ()], _words(words, rows))
    reporter = Reporter()
    with reporter.stage("choosing a readable set", None) as bar:
        pools, beside = _candidates(rest, choice.k, test.sets, streams, bar.advance)
    causal = room.load_scorer(choice.model, precision="auto", device=where)
    likelihood = room.Likelihood(causal)
    minutes = _expected(likelihood, wordings[0], beside["random"][0], held_rows, choice, test)
    asked_for = (2 if choice.random_tries else 1) * choice.budget
    count = asked_for + 2 * test.sets + 2 + len(wordings)
    typer.echo(
        f"{asked_for} prompts on {len(held_rows)} training rows, then {2 * test.sets + 3} on {len(rows)} test rows: "
        f"about {minutes:.0f} minute{'s' if round(minutes) != 1 else ''}",
        err=True,
    )
    with reporter.stage(f"asking {choice.model}"[:24], count) as bar:
        scorer = room.validation_scorer(likelihood, held_rows, calibration=calibration, tick=bar.advance)
        found = find_prompt(pools, choice.k, scorer, wordings, streams.child("find"), choice.budget)
        empty = found.shots.take([])
        plain = room.best_wording(scorer, wordings, [empty])
        asked = {"chosen": ([found.shots], found.wording), "zero-shot": ([empty], plain)}
        asked |= {name: (sets, found.wording) for name, sets in beside.items()}
        tried = {"chosen": found.prompts, "zero-shot": len(wordings) if len(wordings) > 1 else 0}
        if choice.random_tries:  # in the wording that the chosen shots have
            tried["random_best"] = found.for_shots
            lucky = room.best_draw(
                pools["real rows"], choice.k, scorer, found.wording, streams.numpy("lucky"), found.for_shots
            )
            asked["random_best"] = ([lucky], found.wording)
        outcome: dict[str, Reached] = {}
        for name, (several, wording) in asked.items():
            bar.advance(name, len(several))
            outcome[name] = reached(likelihood, several, wording, rows, streams.child(name), calibration)
    figures = _figures(found, outcome, choice, streams, causal.fingerprint, real.facts(data), len(rows))
    figures["tried"] = {name: tried.get(name, 0) for name in outcome}
    if (line := left_out(found.shots, room.set_of(rest))) is not None:
        typer.echo(line, err=True)
    if out is not None:
        material = Material(found.shots, found.wording, name_for(out), "hard", rows, {}, {})
        write(out, FORMATS[format](), material, force)
    if json:
        sys.stdout.write(jsonlib.dumps(figures, indent=1, ensure_ascii=False) + "\n")
    else:
        _show(figures, found)
        if out is not None:
            typer.echo(f"{format}: {out}")


def _words(words: PromptWords, rows: TextSet) -> list[Wording]:
    """The label words that compete: those given, else the classes as they are and capitalised."""
    from textdistill.export import Shots

    given = words.chosen()
    choices = [given]
    capital = {name: name[:1].upper() + name[1:] for name in rows.classes}
    if "label_words" not in given and len(set(capital.values())) == len(capital):
        choices.append({**given, "label_words": capital})
    return [Shots(**choice).wording(rows) for choice in choices]


def _candidates(
    train: TextTable, k: int, sets: int, streams: Streams, tick: Callable[[str], None]
) -> tuple[dict[str, TextSet], dict[str, list[TextSet]]]:
    """What shots are chosen from (a readable set, real rows), and what they are compared with."""
    import numpy as np

    from textdistill.in_context import interleaved, joined, opponents, set_of
    from textdistill.learners.pretrained.frozen_encoder import Encoder
    from textdistill.recipe.text_settings import Choose
    from textdistill.runs.readable.choose import Chooser

    encoder, whole = Encoder(), set_of(train)
    settings = Choose(sets=SEARCHED, methods=("search_real",), headline="search_real")
    chooser = Chooser(train, {}, settings, lambda name, texts, pairs: encoder.features(texts, pairs), streams, tick)
    searched = chooser.sets("search_real", max(READABLE_PER_CLASS, -(-k // len(train.classes))))
    pools = {
        "readable set": joined(searched),
        "real rows": whole.take(np.sort(streams.numpy("pool").permutation(len(train))[:DRAWN])),
    }
    named = opponents(["random", "k_centers"], train, k, sets, streams, lambda: encoder)
    beside = {name: [one.take(interleaved(one, k)) for one in several] for name, several in named.items()}
    return pools, beside


def _expected(likelihood: Any, wording: Wording, shots: TextSet, held: TextSet, choice: Choice, test: Test) -> float:
    """Minutes that all prompts will take, by the time of one on a few rows."""
    few = held.take(range(min(8, len(held))))
    for _ in range(2):  # the first call also makes ready what later ones find
        began = time.perf_counter()
        likelihood.in_words(wording, shots, few)
        each = (time.perf_counter() - began) / len(few)
    tries = (2 if choice.random_tries else 1) * choice.budget
    return each * (tries * len(held) + (2 * test.sets + 3) * test.rows) / 60


def _figures(
    found: FoundPrompt,
    outcome: Mapping[str, Reached],
    choice: Choice,
    streams: Streams,
    fingerprint: str,
    data: Mapping[str, Any],
    asked: int,
) -> dict[str, Any]:
    from textdistill.in_context.find_prompt import difference

    return {
        "model": {"name": choice.model, "fingerprint": fingerprint},
        "data": {**data, "asked": asked},
        "template": found.wording.template,
        "label_words": list(found.wording.label_words),
        "prompts": found.prompts,
        "pools": {name: round(score, 4) for name, score in found.scores.items()},
        "accuracy": {
            name: {"mean": round(one.accuracy, 4), "low": round(one.low, 4), "high": round(one.high, 4)}
            | {"by_prompt": list(one.by_prompt)}
            for name, one in outcome.items()
        },
        "chosen_better_by": {
            name: dict(zip(("mean", "low", "high"), (round(value, 4) for value in gap), strict=True))
            for name, other in outcome.items()
            if name != "chosen" and (gap := difference(outcome["chosen"], other, streams.child("gap", name)))
        },
        "shots": [
            {"text": text, "label": found.shots.classes[label]}
            | ({} if found.shots.pairs is None else {"text_pair": found.shots.pairs[row]})
            for row, (text, label) in enumerate(zip(found.shots.texts, found.shots.labels.tolist(), strict=True))
        ],
    }


def _show(figures: Mapping[str, Any], found: FoundPrompt) -> None:
    from rich.table import Table

    from textdistill.commands.screen import screen

    console = screen()
    console.print(found.wording.prefix(found.shots).rstrip(), markup=False, soft_wrap=True)
    console.print()
    table = Table()
    interval = "95 % interval"
    for name in ("prompt", "prompts", "tried", "accuracy", interval, "± sd", "chosen better by", interval):
        table.add_column(name, justify="left" if name == "prompt" else "right")
    for name, block in sorted(figures["accuracy"].items(), key=lambda item: -item[1]["mean"]):
        gap = figures["chosen_better_by"].get(name)
        against = ("", "") if gap is None else (f"{gap['mean']:+.1f}", f"{gap['low']:+.1f} to {gap['high']:+.1f}")
        interval = f"{block['low']:.1f} to {block['high']:.1f}"
        prompts = (str(len(block["by_prompt"])), str(figures["tried"][name]))
        cells = (*prompts, f"{block['mean']:.1f}", interval, _spread(block["by_prompt"]), *against)
        table.add_row(name.replace("_", "-"), *cells, style="bold" if name == "chosen" else None)
    console.print(table)
    console.print(
        "tried: prompts scored on training rows to choose those of a line; intervals: of other test rows and other "
        "random draws, not corrected for their number",
        markup=False,
    )
    scores = ", ".join(f"{name} {score:.3f}" for name, score in figures["pools"].items())
    console.print(
        f"{figures['model']['name']}, {figures['data']['asked']} test rows; chosen by {figures['prompts']} prompts on "
        f"training rows (mean log-probability of the right word: {scores})",
        markup=False,
    )


def _spread(scores: Sequence[float]) -> str:
    from textdistill.evaluation.statistics import summarise

    return f"{summarise(scores).sd:.1f}" if len(scores) > 1 else ""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("prompt", help=PROMPT_HELP)(grouped(prompt))
