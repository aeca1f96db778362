"""What all commands of `textdistill analyse` share: their arguments, and how an analysis is carried out and shown."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textdistill.commands.options import set_threads, split_words
from textdistill.core.errors import UserError

if TYPE_CHECKING:
    from textdistill.analysis.result import Result
    from textdistill.analysis.study import Study

Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.", show_default=False)]
Words = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", show_default=False)]
Nets = Annotated[int, typer.Option("--nets", min=1, help="Networks that score each entry.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Of the networks; the run's own unless told.")]
Runs = Annotated[int, typer.Option("--runs", min=1, help="Further distillations.")]


def listed(value: str | None) -> list[str] | None:
    """A list of words parted by commas."""
    return None if value is None else [one.strip() for one in value.split(",") if one.strip()]


def numbers(option: str, value: str) -> list[float]:
    """A list of finite numbers parted by commas."""
    try:
        found = [float(one) for one in listed(value) or ()]
    except ValueError:
        found = []
    if not found or not all(abs(one) < float("inf") for one in found):
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
    """Prepare the run, analyse it and show the result. `again` is for analyses that distil anew."""
    from textdistill.analysis.study import Study
    from textdistill.runs.progress import Reporter
    from textdistill.runs.stored import data_folder

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
    console.print(f"picture: {result.picture_in(study.out)}", soft_wrap=True, markup=False)
