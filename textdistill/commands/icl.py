"""The command `icl`: what demonstrations do for a language model, beside none and beside real ones."""

from __future__ import annotations

import json as jsonlib
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textdistill.commands.options import DataDir, Device, Json, Threads, set_threads
from textdistill.commands.wording import (
    TEMPLATE_HELP,
    Instruction,
    LabelWord,
    Separator,
    template_of,
    unescaped,
    words_of,
)
from textdistill.core.errors import UserError
from textdistill.core.file_names import MANIFEST

if TYPE_CHECKING:
    from textdistill.data import DataSettings, TextTable
    from textdistill.data.sets.text_set import TextSet
    from textdistill.export import Wording
    from textdistill.in_context import InContext

ICL_HELP = """Put sets of texts before a language model as demonstrations, and count what it classifies rightly.

SET is a folder of sets, a run's folder or a file; NAME=SET names it. Beside them stand zero-shot, and real training
rows drawn at random, as K-centres, and as DSPy labels few shots. Choices (--order best, several --template,
--choose-shots) are made on training rows.

[bold]textdistill icl runs/d/sets/ours-5 --data sst2 --k 6 --orders 5 --sets 20[/bold]

[bold]textdistill icl a=one.jsonl b=two.jsonl --data reviews.csv --model gpt2 --calibrate --json[/bold]"""

CHOSEN = "chosen"
MODEL_HELP = "A causal language model: a hub id, a folder, a .gguf file or smollm2."
DATA_HELP = "The real data: a known name, a hub id or a file; else those of the run that SET is."
CHOOSE_HELP = f"Add `{CHOSEN}` (of the real rows), `SET {CHOSEN}` (of its samples): shots chosen by so many prompts."
ORDER_HELP = "shuffled, interleaved, or best: the best of --orders shuffles on training rows."


def icl(
    sets: Annotated[list[str] | None, typer.Argument(metavar="[SET]…", show_default=False)] = None,
    model: Annotated[str, typer.Option("--model", help=MODEL_HELP)] = "smollm2",
    data: Annotated[str | None, typer.Option("--data", help=DATA_HELP)] = None,
    text: Annotated[str | None, typer.Option("--text", help="The data's column of texts.")] = None,
    text_pair: Annotated[str | None, typer.Option("--text-pair", help="That of second texts.")] = None,
    label: Annotated[str | None, typer.Option("--label", help="That of labels.")] = None,
    data_dir: DataDir = None,
    k: Annotated[int, typer.Option("--k", help="Demonstrations in a prompt, balanced by class.")] = 6,
    orders: Annotated[int, typer.Option("--orders", help="Random orders of each set.")] = 5,
    order: Annotated[str, typer.Option("--order", help=ORDER_HELP)] = "shuffled",
    number: Annotated[int, typer.Option("--sets", min=1, help="Sets of each method, at most.")] = 5,
    rows: Annotated[int, typer.Option("--rows", min=1, help="Rows to classify, drawn by --seed.")] = 200,
    split: Annotated[str, typer.Option("--split", help="Of which split: test or validation.")] = "test",
    calibrate: Annotated[bool, typer.Option("--calibrate", help="Contextual calibration (Zhao et al. 2021).")] = False,
    per_token: Annotated[bool, typer.Option("--per-token", help="Divide by the tokens of a label word.")] = False,
    template: Annotated[
        list[str] | None, typer.Option("--template", help=f"{TEMPLATE_HELP} Of several the best is taken.")
    ] = None,
    label_word: LabelWord = None,
    instruction: Instruction = None,
    separator: Separator = None,
    against: Annotated[
        str, typer.Option("--against", help="Of random, k_centers, labelled_few_shot; none for none.")
    ] = "random,k_centers,labelled_few_shot",
    choose_shots: Annotated[int | None, typer.Option("--choose-shots", min=1, help=CHOOSE_HELP)] = None,
    judges: Annotated[int, typer.Option("--train-rows", min=1, help="Training rows that choices are made by.")] = 100,
    pool: Annotated[int, typer.Option("--pool", min=1, help="Training rows that shots are drawn from.")] = 4000,
    encoder: Annotated[str, typer.Option("--encoder", help="Whose vectors K-centres go by.")] = "minilm",
    precision: Annotated[str, typer.Option("--precision", help="auto, float32 or bfloat16.")] = "auto",
    seed: Annotated[int, typer.Option("--seed", help="Of rows, draws and orders.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A JSON file to write.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace it if it is there.")] = False,
    device: Device = None,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """See ICL_HELP."""
    from textdistill.commands.options import one_of

    one_of("--split", split, ("test", "validation"))
    _refuse_out(out, force)
    set_threads(threads)
    from textdistill import in_context as room
    from textdistill.core.device import pick_device
    from textdistill.core.streams import Streams
    from textdistill.data import load
    from textdistill.learners.pretrained.frozen_encoder import Encoder
    from textdistill.runs.progress import Reporter

    prompting = room.Prompting(k, orders, order, calibrate)  # type: ignore[arg-type]
    streams, where = Streams(seed, ("icl",)), pick_device(device)
    settings = _settings(data, sets or [], text, text_pair, label, data_dir)
    real = load(settings)
    given = _named(sets or [], real.train.classes, number)
    asked = _drawn(real.test if split == "test" else real.validation, rows, streams.child("rows"))
    wordings = _wordings(template, label_word, instruction, separator, asked)
    held, rest = _held_out(real.train, judges, pool, streams.child("train"))
    names = [] if against in ("", "none") else against.split(",")
    methods = given | room.opponents(names, rest, k, number, streams, lambda: Encoder(encoder, device=where))
    causal = room.load_scorer(model, precision=precision, device=where)
    likelihood = room.Likelihood(causal, per_token=per_token)
    budget = choose_shots or 0
    pools = _pools(given, _set(rest), k, number) if budget else {}
    counts = [len(found) for found in (*methods.values(), *pools.values())]
    prompts = room.rounds(counts, prompting, len(wordings)) + budget * sum(map(len, pools.values()))
    before = _cpu_seconds()
    with Reporter().stage(f"asking {model}"[:24], prompts) as bar:
        scorer = room.validation_scorer(likelihood, _set(held), calibrate=calibrate, tick=bar.advance)
        for name, several in pools.items():
            methods[name] = [
                room.choose_shots(
                    one,
                    k,
                    scorer,
                    wordings[0],
                    streams.numpy("choose", name, place),
                    starts=min(4, budget),
                    budget=budget,
                )
                for place, one in enumerate(several)
            ]
        found = room.judge_prompts(
            methods, likelihood, wordings, asked, prompting, scorer=scorer, streams=streams, tick=bar.advance
        )
    cost = {"prompts": prompts, "cpu_seconds": round(_cpu_seconds() - before, 2)}
    told = {
        **{"model": {"name": model, "fingerprint": causal.fingerprint, "weights": str(causal.model.dtype)[6:]}},
        **{"data": {**real.facts(settings.name), "split": split, "asked": len(asked)}},
        **{"prompting": {"k": k, "orders": prompting.each, "order": order, "calibrate": calibrate}},
        **{"methods": found.as_dict(), "comparisons": _comparisons(found, [*given, *pools], streams), "cost": cost},
    }
    if out is not None:
        from textdistill.core.checkpoint import write_atomic

        write_atomic(out, jsonlib.dumps(told, indent=1, ensure_ascii=False) + "\n")
    if json:
        sys.stdout.write(jsonlib.dumps(told, ensure_ascii=False) + "\n")
    else:
        _show(told)


def _refuse_out(out: Path | None, force: bool) -> None:
    if out is None:
        return
    if out.suffix != ".json" or out.is_dir():
        raise UserError(f"--out: {out}: the figures are JSON; give the name of a file that ends in .json")
    if out.exists() and not force:
        raise UserError(f"--out: {out}: there already; choose another name, or replace it with --force")


def _settings(
    data: str | None,
    sets: Sequence[str],
    text: str | None,
    text_pair: str | None,
    label: str | None,
    folder: Path | None,
) -> DataSettings:
    """The real data: those named, else those that the first set's run was made from."""
    from textdistill.data import DataSettings

    place = None if folder is None else str(folder)
    if data is not None:
        return DataSettings(data, text, text_pair, label, place)
    if any(one is not None for one in (text, text_pair, label)):
        raise UserError("--text, --text-pair and --label name columns of --data; give it too")
    for one in sets:
        run = Path(one.rpartition("=")[2])
        if (run / MANIFEST).is_file():
            from textdistill.runs.stored import data_of

            return data_of(run, place)
    raise UserError("--data: name the real data whose rows are asked about, such as sst2 or a file of labelled texts")


def _named(given: Sequence[str], classes: tuple[str, ...], most: int) -> dict[str, list[TextSet]]:
    """The sets by the name of their method."""
    from textdistill.data.sets.text_sets import read_text_sets
    from textdistill.in_context.opponents import OPPONENTS, ZERO_SHOT

    found: dict[str, list[TextSet]] = {}
    for one in given:
        name, sign, path = one.partition("=")
        if not sign or Path(one).exists():
            name, path = Path(one).resolve().name.split(".")[0], one
        if not name or name in (*found, *OPPONENTS, ZERO_SHOT, CHOSEN):
            raise UserError(f"{one!r}: the name {name!r} is taken; give another: NAME={path}")
        found[name] = read_text_sets(path, classes)[:most]
    return found


def _pools(given: dict[str, list[TextSet]], rows: TextSet, k: int, number: int) -> dict[str, list[TextSet]]:
    """What shots are chosen from: the real rows, and each set that has more samples than a prompt shows."""
    own = {name: found for name, found in given.items() if all(len(one) > k for one in found)}
    return {CHOSEN: [rows] * number} | {f"{name} {CHOSEN}": found for name, found in own.items()}


def _wordings(
    templates: Sequence[str] | None,
    label_word: Sequence[str] | None,
    instruction: str | None,
    separator: str | None,
    asked: TextSet,
) -> list[Wording]:
    from textdistill.export import Shots

    more = {"label_words": words_of(label_word), "instruction": instruction, "separator": unescaped(separator)}
    more = {key: value for key, value in more.items() if value is not None}
    chosen = [template_of(one) for one in templates] if templates else [None]
    return [Shots(template=one, **more).wording(asked) for one in chosen]  # type: ignore[arg-type]


def _drawn(table: TextTable, rows: int, streams: Any) -> TextSet:
    places = streams.numpy().permutation(len(table))[:rows]
    return _set(table.take(sorted(places.tolist())))


def _held_out(train: TextTable, rows: int, pool: int, streams: Any) -> tuple[TextTable, TextTable]:
    """Training rows that choices are made by, balanced by class, and others that shots are drawn from."""
    import numpy as np

    from textdistill.data import balanced_rows, spread

    wanted = zip(spread(rows, len(train.classes)), train.counts().tolist(), strict=True)
    most = [min(asked, have // 2) for asked, have in wanted]
    if not any(most):
        raise UserError(f"{train.name}: {len(train)} training rows are too few to hold any out; give more")
    held = balanced_rows(train.labels, most, streams.numpy("held"), len(train.classes))[0]
    others = np.setdiff1d(np.arange(len(train)), held)
    return train.take(held), train.take(np.sort(streams.numpy("pool").permutation(others)[:pool]))


def _set(table: TextTable) -> TextSet:
    from textdistill.data.sets.text_set import TextSet

    return TextSet(table.texts, table.labels, table.classes, table.pairs)


def _comparisons(found: InContext, ours: Sequence[str], streams: Any) -> dict[str, Any]:
    """Our methods less all others."""
    return {
        f"{a} - {b}": found.compare(a, b, streams=streams).as_dict()
        for a in ours
        for b in found.cells
        if a in found.cells and b not in ours
    }


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _show(told: dict[str, Any]) -> None:
    from rich.table import Table

    from textdistill.commands.tables import screen

    asked, how = told["data"]["asked"], told["prompting"]
    title = f"{told['model']['name']}, {asked} {told['data']['split']} rows: accuracy and macro F1 in percent"
    table = Table(title=title, title_justify="left")
    table.add_column("demonstrations")
    for name in ("shots", "accuracy", "± sd of sets", "sd of orders", "macro F1", "sets", "orders"):
        table.add_column(name, justify="right")
    for method, one in sorted(told["methods"].items(), key=lambda item: -item[1]["accuracy"]["mean"]):
        first, second = one["accuracy"], one["macro_f1"]
        sets = f"{first['sd']:.1f}" if first["n"] > 1 else ""
        within = f"{first['sd_orders']:.1f}" if first["orders"] > 1 else ""
        cells = (str(one["shots"]), f"{first['mean']:.1f}", sets, within, f"{second['mean']:.1f}")
        table.add_row(method, *cells, str(first["n"]), str(first["orders"]))
    console = screen()
    console.print(table)
    for pair, gap in told["comparisons"].items():
        interval = "" if gap["low"] is None else f", 95% interval {gap['low']:+.1f} to {gap['high']:+.1f}"
        chance = "" if gap["p"] is None else f", p = {gap['p']:.2g}"
        console.print(f"{pair}: {gap['difference']:+.1f}{interval}{chance}", markup=False)
    templates = {one["template"] for one in told["methods"].values()}
    if len(templates) > 1:
        for method, one in told["methods"].items():
            console.print(f"{method}: template {one['template']!r}", markup=False)
    calibrated = ", calibrated" if how["calibrate"] else ""
    each = told["cost"]["cpu_seconds"] / max(1, told["cost"]["prompts"])
    console.print(f"{told['cost']['prompts']} prompts, {each:.1f} CPU-seconds each{calibrated}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("icl", help=ICL_HELP)(icl)
