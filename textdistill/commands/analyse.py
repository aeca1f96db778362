"""The commands `textdistill analyse NAME RUN`: what a finished run's set is worth beyond its own accuracy."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from textdistill.analysis import ANALYSES
from textdistill.commands.options import DataDir, Device, Json, Threads, set_threads, split_words
from textdistill.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from textdistill.analysis.result import Result
    from textdistill.analysis.study import Study

ABOUT = """Analyse a finished run: one analysis a call, several seeds, a table, RUN/analysis/NAME.json and NAME.png.

[bold]textdistill analyse transfer runs/q[/bold]

[bold]textdistill analyse steps runs/q --nets 20 --json[/bold]

[bold]textdistill analyse repeat runs/q --runs 3 outer.steps=100[/bold]   those that distil again take settings, too"""

TRANSFER = """Train networks of other families, and a linear head on a frozen sentence encoder, on the set.

Each is trained by Adam on the set's batches, for the steps stored with the set or (--steps tuned) for the number with
the best validation accuracy; beside the learned labels the same samples are tried with their true and with smoothed
labels by the same rule. The encoder reads the real sentences of samples.jsonl; test texts are encoded once and kept.

[bold]textdistill analyse transfer runs/q[/bold]

[bold]textdistill analyse transfer runs/q --networks mlp,bi_lstm --steps tuned --encoder none[/bold]

[bold]textdistill analyse transfer runs/q --encoder sentence-transformers/all-mpnet-base-v2[/bold]"""

Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.", show_default=False)]
Words = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", show_default=False)]
Nets = Annotated[int, typer.Option("--nets", min=1, help="Networks that score each entry.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Of the networks; the run's own unless told.")]


class Named(TyperGroup):
    """Commands by name; a wrong one is told in a line, with the nearest."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command."""
        if args and args[0] not in self.commands:
            near = did_you_mean(args[0], self.commands)
            raise UserError(f"analyse: {args[0]!r}; allowed: {', '.join(self.commands)}{near}")
        return super().resolve_command(ctx, args)


def listed(value: str | None) -> list[str] | None:
    """A list of words parted by commas."""
    return None if value is None else [one.strip() for one in value.split(",") if one.strip()]


def numbers(option: str, value: str) -> list[float]:
    """A list of numbers parted by commas."""
    try:
        found = [float(one) for one in listed(value) or ()]
    except ValueError:
        found = []
    if not found:
        raise UserError(f"{option}: {value!r}; allowed: numbers parted by commas")
    return found


def carry_out(
    context: typer.Context,
    analysis: Callable[[Study], Result],
    run: Path,
    words: Sequence[str] | None,
    json: bool,
    threads: int | None,
    data_dir: Path | None,
    again: bool = False,
    **options: Any,
) -> None:
    """Prepare the run, analyse it, write the result and show it. `again` is for analyses that distil anew."""
    from textdistill.analysis.study import Study
    from textdistill.api import data_folder
    from textdistill.progress import Reporter

    name, overrides = split_words(list(words or []))
    if name is not None:
        raise UserError(f"{name!r}: after the run come settings KEY=VALUE alone")
    other = [one for one in overrides if not again and not one.startswith("evaluate.")]
    if other:
        raise UserError(f"{other[0]}: nothing is distilled anew here; settings of the evaluation alone can be changed")
    set_threads(threads)
    study = Study.of(run, overrides=overrides, data_dir=data_folder(data_dir), reporter=Reporter(), **options)
    context.ensure_object(dict).update(folder=run)
    if again:
        context.obj.update(again=f"the same command goes on with what is in {study.out}")
    result = analysis(study)
    if json:
        sys.stdout.write(jsonlib.dumps(result.as_dict(), indent=1, ensure_ascii=False) + "\n")
        return
    from textdistill.commands.tables import screen

    console = screen()
    console.print(f"{result.title} ({result.unit})", style="italic", markup=False, soft_wrap=True)
    console.print(result.table())
    for note in result.notes:
        console.print(note, markup=False)
    console.print(f"picture: {study.out / f'{result.name}.png'}", soft_wrap=True, markup=False)


def transfer(
    context: typer.Context,
    run: Run,
    words: Words = None,
    networks: Annotated[
        str | None, typer.Option("--networks", help="Names parted by commas; the set's own and small ones unless told.")
    ] = None,
    steps: Annotated[str, typer.Option("--steps", help="stored, or tuned on validation rows.")] = "stored",
    lr: Annotated[float | None, typer.Option("--lr", help="Adam's rate; the recipe's train.lr, else 0.001.")] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            "--encoder", help="minilm (the default for texts), a folder, a hub id, or none.", show_default=False
        ),
    ] = None,
    nets: Nets = 5,
    seed: Seed = None,
    device: Device = None,
    data_dir: DataDir = None,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """See TRANSFER."""

    def analysis(study: Study) -> Result:
        from textdistill.analysis import transfer as part

        found = part.transfer(study, networks=listed(networks), steps=steps, lr=lr, encoder=encoder)
        found.write(study.out)
        return found

    carry_out(context, analysis, run, words, json, threads, data_dir, nets=nets, seed=seed, device=device)


COMMANDS: dict[str, tuple[Callable[..., None], str]] = {"transfer": (transfer, TRANSFER)}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(cls=Named, no_args_is_help=True, rich_markup_mode="rich", help=ABOUT)
    for name, (command, help_text) in COMMANDS.items():
        group.command(name, help=help_text, short_help=ANALYSES[name])(command)
    app.add_typer(group, name="analyse")
