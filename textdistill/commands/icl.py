"""The command `icl`: what demonstrations do for a language model, beside none and beside real ones."""

from __future__ import annotations

import json as jsonlib
import resource
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textdistill.commands.options import REAL_DATA, Columns, Json, Machine, OptionGroup, grouped, one_of
from textdistill.commands.wording import Calibrate, PromptWords, Templates, template_of
from textdistill.core.errors import UserError
from textdistill.core.file_names import MANIFEST

if TYPE_CHECKING:
    import torch

    from textdistill.core.streams import Streams
    from textdistill.data import DataSettings, TextTable
    from textdistill.data.sets.text_set import TextSet
    from textdistill.export import Wording
    from textdistill.in_context import InContext, Prompting
    from textdistill.in_context.calibration import Calibration

ICL_HELP = """Put sets of texts before a language model as demonstrations, and count what it classifies rightly.

SET is a folder of sets, a run's folder or a file; NAME=SET names it. Beside them stand zero-shot, and real training
rows drawn at random, as K-centres, and as DSPy labels few shots. Choices (--order best, several --template,
--choose-shots) are made on training rows.

[bold]textdistill icl runs/d/sets/ours-5 --data sst2 --k 6 --orders 5 --sets 20[/bold]

[bold]textdistill icl a=one.jsonl b=two.jsonl --data reviews.csv --model gpt2 --calibrate rows --json[/bold]

[bold]textdistill icl runs/d/sets/ours-5 --data sst2 --also gpt2 --also gpt2-xl[/bold]   several models"""

CHOSEN = "chosen"
RANDOM_BEST = "random_best"
MODEL_HELP = "A causal language model: a hub id, a folder, a .gguf file or smollm2."
ALSO_HELP = "Another model that is asked the same; more than once for more of them."
DATA_HELP = "The real data: a known name, a hub id or a file; else those of the run that SET is."
CHOOSE_HELP = (
    f"Add `{CHOSEN}` (of the real rows), `SET {CHOSEN}` (of its samples), shots chosen by so many prompts, and "
    f"`{RANDOM_BEST}`, the best of as many random draws."
)
ORDER_HELP = "shuffled, interleaved, or best: the best of --orders shuffles on training rows."


@dataclass(frozen=True)
class Judge(OptionGroup):
    """The language model, and how it scores label words."""

    panel = "Language model"
    model: Annotated[str, typer.Option("--model", help=MODEL_HELP)] = "smollm2"
    also: Annotated[list[str] | None, typer.Option("--also", help=ALSO_HELP, show_default=False)] = None
    precision: Annotated[str, typer.Option("--precision", help="auto, float32 or bfloat16.")] = "auto"
    calibrate: Calibrate = "none"
    per_token: Annotated[bool, typer.Option("--per-token", help="Divide by the tokens of a label word.")] = False


@dataclass(frozen=True)
class Asked(OptionGroup):
    """The rows to classify."""

    panel = REAL_DATA
    data: Annotated[str | None, typer.Option("--data", help=DATA_HELP)] = None
    rows: Annotated[int, typer.Option("--rows", min=1, help="Rows to classify, drawn by --seed.")] = 200
    split: Annotated[str, typer.Option("--split", help="Of which split: test or validation.")] = "test"


@dataclass(frozen=True)
class Prompts(OptionGroup):
    """How many demonstrations, sets and orders."""

    panel = "Demonstrations"
    k: Annotated[int, typer.Option("--k", help="Demonstrations in a prompt, balanced by class.")] = 6
    orders: Annotated[int, typer.Option("--orders", help="Random orders of each set.")] = 5
    order: Annotated[str, typer.Option("--order", help=ORDER_HELP)] = "shuffled"
    sets: Annotated[int, typer.Option("--sets", min=1, help="Sets of each method, at most.")] = 5
    against: Annotated[
        str, typer.Option("--against", help="Of random, k_centers, labelled_few_shot; none for none.")
    ] = "random,k_centers,labelled_few_shot"
    encoder: Annotated[str, typer.Option("--encoder", help="Whose vectors K-centres go by.")] = "minilm"


@dataclass(frozen=True)
class Choices(OptionGroup):
    """What is chosen on training rows, and by how many."""

    panel = "Choices on training rows"
    choose_shots: Annotated[int | None, typer.Option("--choose-shots", min=1, help=CHOOSE_HELP)] = None
    train_rows: Annotated[int, typer.Option("--train-rows", min=1, help="Training rows that choices are made by.")] = (
        100
    )
    pool: Annotated[int, typer.Option("--pool", min=1, help="Training rows that shots are drawn from.")] = 4000


def icl(
    given: Annotated[list[str] | None, typer.Argument(metavar="[SET]…", show_default=False)] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of rows, draws and orders.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A JSON file to write.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace it if it is there.")] = False,
    json: Json = False,
    *,
    machine: Machine,
    judge: Judge,
    asked: Asked,
    columns: Columns,
    prompts: Prompts,
    choices: Choices,
    template: Templates = None,
    words: PromptWords,
) -> None:
    """See ICL_HELP."""
    one_of("--split", asked.split, ("test", "validation"))
    _refuse_out(out, force)
    where = machine.ready()
    from textdistill import in_context as room
    from textdistill.core.streams import Streams
    from textdistill.data import load

    one_of("--calibrate", judge.calibrate, room.CALIBRATIONS)
    prompting = room.Prompting(prompts.k, prompts.orders, prompts.order)  # type: ignore[arg-type]
    streams, settings = Streams(seed, ("icl",)), _settings(asked.data, given or [], columns)
    real = load(settings)
    ours = _named(given or [], real.train.classes, prompts.sets)
    rows = room.drawn(real.test if asked.split == "test" else real.validation, asked.rows, streams.child("rows"))
    wordings = _wordings(template, words, rows)
    held, rest = room.held_out(real.train, choices.train_rows, choices.pool, streams.child("train"))
    methods = ours | _opponents(prompts, rest, streams, where)
    budget, calibrate = choices.choose_shots or 0, judge.calibrate
    held_rows = room.set_of(held)
    calibration = room.calibration_of(calibrate, held_rows, real.train.counts().tolist())
    asking = _Asking(
        methods, rows, held_rows, rest, wordings, prompting, calibrate, calibration, streams, prompts, budget
    )
    about = {**real.facts(settings.name), "split": asked.split, "asked": len(rows)}
    figures = [
        {**asking.of(model, judge, where, ours), "data": about, "prompting": asking.told}
        for model in dict.fromkeys([judge.model, *(judge.also or [])])
    ]
    told = figures[0] if len(figures) == 1 else {"models": {one["model"]["name"]: one for one in figures}}
    if out is not None:
        from textdistill.core.checkpoint import write_atomic

        write_atomic(out, jsonlib.dumps(told, indent=1, ensure_ascii=False) + "\n")
    if json:
        sys.stdout.write(jsonlib.dumps(told, ensure_ascii=False) + "\n")
    else:
        for one in figures:
            _show(one)


@dataclass(frozen=True)
class _Asking:
    """What every model is asked: the same sets in the same orders, the same rows, the same wordings."""

    methods: dict[str, list[TextSet]]
    rows: TextSet
    held: TextSet
    rest: TextTable
    wordings: list[Wording]
    prompting: Prompting
    calibrate: str
    calibration: Calibration | None
    streams: Streams
    prompts: Prompts
    budget: int

    @property
    def told(self) -> dict[str, Any]:
        """How prompts are made, for the figures."""
        return {**asdict(self.prompting), "orders": self.prompting.each, "calibrate": self.calibrate}

    def of(self, model: str, judge: Judge, where: torch.device, ours: dict[str, list[TextSet]]) -> dict[str, Any]:
        """The figures of one model; what is chosen is chosen for it."""
        from textdistill import in_context as room
        from textdistill.runs.progress import Reporter

        prompting, wordings, streams, budget = self.prompting, self.wordings, self.streams, self.budget
        methods, count = dict(self.methods), self.prompts.sets
        causal = room.load_scorer(model, precision=judge.precision, device=where)
        likelihood = room.Likelihood(causal, per_token=judge.per_token)
        pools = _pools(ours, room.set_of(self.rest), self.prompts) if budget else {}
        luck = {RANDOM_BEST: [room.set_of(self.rest)] * count} if budget else {}
        counts = [len(sets) for sets in (*methods.values(), *pools.values(), *luck.values())]
        number = room.rounds(counts, prompting, len(wordings))
        number += budget * sum(map(len, (*pools.values(), *luck.values())))
        before = _cpu_seconds()
        with Reporter().stage(f"asking {model}"[:24], number) as bar:
            tick = bar.advance
            scorer = room.validation_scorer(likelihood, self.held, calibration=self.calibration, tick=tick)
            methods |= room.chosen_sets(pools, self.prompts.k, scorer, wordings[0], streams, budget)
            methods |= room.chosen_sets(luck, self.prompts.k, scorer, wordings[0], streams, budget, starts=budget)
            scores = room.judge_prompts(
                methods,
                likelihood,
                wordings,
                self.rows,
                prompting,
                scorer=scorer,
                calibration=self.calibration,
                streams=streams,
                tick=tick,
            )
        told = {
            name: {**block, "tried": block["tried"] + (budget if name in {**pools, **luck} else 0)}
            for name, block in scores.as_dict().items()
        }
        for method, block in told.items():
            if block["absent"]:
                named = ", ".join(f"{name} ({count})" for name, count in block["absent"].items())
                sets = block["accuracy"]["n"]
                typer.echo(f"warning: {method}: sets of {sets} that show no example of a class: {named}", err=True)
        return {
            "model": {"name": model, "fingerprint": causal.fingerprint, "weights": str(causal.model.dtype)[6:]},
            "methods": told,
            "comparisons": _comparisons(scores, [*ours, *pools], streams),
            "cost": {"prompts": number, "cpu_seconds": round(_cpu_seconds() - before, 2)},
        }


def _refuse_out(out: Path | None, force: bool) -> None:
    if out is None:
        return
    if out.suffix != ".json" or out.is_dir():
        raise UserError(f"--out: {out}: the figures are JSON; give the name of a file that ends in .json")
    if out.exists() and not force:
        raise UserError(f"--out: {out}: there already; choose another name, or replace it with --force")


def _settings(data: str | None, sets: Sequence[str], columns: Columns) -> DataSettings:
    """The real data: those named, else those that the first set's run was made from."""
    if data is not None:
        return columns.of(data)
    if columns.named:
        raise UserError("--text, --label and the like are said of the table in --data; give it too")
    for given in sets:
        run = Path(given.rpartition("=")[2])
        if (run / MANIFEST).is_file():
            from textdistill.runs.stored import data_of

            return data_of(run, columns.data_dir)
    raise UserError("--data: name the real data whose rows are asked about, such as sst2 or a file of labelled texts")


def _named(given: Sequence[str], classes: tuple[str, ...], most: int) -> dict[str, list[TextSet]]:
    """The sets by the name of their method."""
    from textdistill.data.sets.text_sets import read_text_sets
    from textdistill.in_context.opponents import OPPONENTS, ZERO_SHOT

    sets: dict[str, list[TextSet]] = {}
    for argument in given:
        name, sign, path = argument.partition("=")
        if not sign or Path(argument).exists():
            name, path = Path(argument).resolve().name.split(".")[0], argument
        if not name or name in (*sets, *OPPONENTS, ZERO_SHOT, CHOSEN, RANDOM_BEST):
            raise UserError(f"{argument!r}: the name {name!r} is taken; give another: NAME={path}")
        sets[name] = read_text_sets(path, classes)[:most]
    return sets


def _opponents(prompts: Prompts, train: TextTable, streams: Streams, where: torch.device) -> dict[str, list[TextSet]]:
    """Sets of real rows to compare with."""
    from textdistill.in_context import opponents
    from textdistill.learners.pretrained.frozen_encoder import Encoder

    names = [] if prompts.against in ("", "none") else prompts.against.split(",")
    return opponents(names, train, prompts.k, prompts.sets, streams, lambda: Encoder(prompts.encoder, device=where))


def _pools(ours: dict[str, list[TextSet]], rows: TextSet, prompts: Prompts) -> dict[str, list[TextSet]]:
    """What shots are chosen from: the real rows, and each set that has more samples than a prompt shows."""
    larger = {name: sets for name, sets in ours.items() if all(len(samples) > prompts.k for samples in sets)}
    return {CHOSEN: [rows] * prompts.sets} | {f"{name} {CHOSEN}": sets for name, sets in larger.items()}


def _wordings(templates: Sequence[str] | None, words: PromptWords, rows: TextSet) -> list[Wording]:
    from textdistill.export import Shots

    chosen = [template_of(text) for text in templates] if templates else [None]
    return [Shots(template=template, **words.chosen()).wording(rows) for template in chosen]


def _comparisons(scores: InContext, ours: Sequence[str], streams: Streams) -> dict[str, Any]:
    """Our methods less all others, with Holm's p among them."""
    from textdistill.evaluation.statistics import corrected

    return corrected(
        {
            f"{a} - {b}": scores.compare(a, b, streams=streams).as_dict()
            for a in ours
            for b in scores.cells
            if a in scores.cells and b not in ours
        }
    )


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _show(figures: dict[str, Any]) -> None:
    from rich.table import Table

    from textdistill.commands.screen import screen

    asked, how = figures["data"]["asked"], figures["prompting"]
    title = f"{figures['model']['name']}, {asked} {figures['data']['split']} rows: accuracy and macro F1 in percent"
    table = Table(title=title, title_justify="left")
    table.add_column("demonstrations")
    for name in ("shots", "accuracy", "± sd of sets", "sd of orders", "macro F1", "sets", "orders", "tried"):
        table.add_column(name, justify="right")
    for method, block in sorted(figures["methods"].items(), key=lambda item: -item[1]["accuracy"]["mean"]):
        first, second = block["accuracy"], block["macro_f1"]
        sets = f"{first['sd']:.1f}" if first["n"] > 1 else ""
        within = f"{first['sd_orders']:.1f}" if first["orders"] > 1 else ""
        cells = (str(block["shots"]), f"{first['mean']:.1f}", sets, within, f"{second['mean']:.1f}")
        table.add_row(method, *cells, str(first["n"]), str(first["orders"]), str(block["tried"]))
    console = screen()
    console.print(table)
    console.print("tried: prompts scored on training rows to choose one prompt of that line")
    for pair, gap in figures["comparisons"].items():
        interval = "" if gap["low"] is None else f", 95% interval {gap['low']:+.1f} to {gap['high']:+.1f}"
        test = "paired" if gap["paired"] else "not paired"
        chance = "" if gap["p_holm"] is None else f", p = {gap['p_holm']:.2g} (Holm, {test})"
        console.print(f"{pair}: {gap['difference']:+.1f}{interval}{chance}", markup=False)
    templates = {block["template"] for block in figures["methods"].values()}
    if len(templates) > 1:
        for method, block in figures["methods"].items():
            console.print(f"{method}: template {block['template']!r}", markup=False)
    calibrated = "" if how["calibrate"] == "none" else f", calibrated ({how['calibrate']})"
    each = figures["cost"]["cpu_seconds"] / max(1, figures["cost"]["prompts"])
    console.print(f"{figures['cost']['prompts']} prompts, {each:.1f} CPU-seconds each{calibrated}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("icl", help=ICL_HELP)(grouped(icl))
