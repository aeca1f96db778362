"""What all commands of `textdistill analyse` share: their arguments, and how an analysis is carried out and shown."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from textdistill.commands.options import DataDir, Json, Machine, split_words
from textdistill.core.errors import UserError

Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.", show_default=False)]
Words = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", show_default=False)]
Runs = Annotated[int, typer.Option("--runs", min=1, help="Further distillations.")]


@dataclass(frozen=True)
class Scoring(Machine):
    """By how many networks entries are scored, where, on which data, and how the result is shown."""

    nets: Annotated[int, typer.Option("--nets", min=1, help="Networks that score each entry.")] = 5
    seed: Annotated[int | None, typer.Option("--seed", help="Of the networks; the run's own unless told.")] = None
    data_dir: DataDir = None
    json: Json = False


def listed(value: str | None) -> list[str] | None:
    """A list of words parted by commas."""
    return None if value is None else [word.strip() for word in value.split(",") if word.strip()]


def numbers(option: str, value: str) -> list[float]:
    """A list of finite numbers parted by commas."""
    try:
        parsed = [float(word) for word in listed(value) or ()]
    except ValueError:
        parsed = []
    if not parsed or not all(abs(number) < float("inf") for number in parsed):
        raise UserError(f"{option}: {value!r}; allowed: numbers parted by commas")
    return parsed


def carry_out(
    context: typer.Context,
    name: str,
    run: Path,
    words: Sequence[str] | None,
    how: Scoring,
    again: bool = False,
    **settings: Any,
) -> None:
    """Prepare the run, have the analysis of this name done with its settings, show the result; `again`: it distils."""
    from textdistill.analysis import ANALYSES
    from textdistill.analysis.study import Study
    from textdistill.runs.progress import Reporter
    from textdistill.runs.stored import data_folder

    word, overrides = split_words(list(words or []))
    if word is not None:
        raise UserError(f"{word!r}: after the run come settings KEY=VALUE alone")
    other = [word for word in overrides if not again and not word.startswith("evaluate.")]
    if other:
        raise UserError(f"{other[0]}: nothing is distilled anew here; settings of the evaluation alone can be changed")
    how.ready()
    study = Study.of(
        run, overrides=overrides, data_dir=data_folder(how.data_dir), nets=how.nets, seed=how.seed, device=how.device,
        reporter=Reporter(),
    )  # fmt: skip
    context.ensure_object(dict).update(folder=run)
    if again:
        context.obj.update(goes_on="again")
    result = ANALYSES[name](study, **settings)
    if how.json:
        sys.stdout.write(jsonlib.dumps(result.as_dict(), indent=1, ensure_ascii=False) + "\n")
        return
    from textdistill.commands.screen import screen

    console = screen()
    console.print(f"{result.title} ({result.unit})", style="italic", markup=False, soft_wrap=True)
    console.print(result.table())
    for note in result.notes:
        console.print(note, markup=False)
    console.print(f"picture: {result.picture_in(study.out)}", soft_wrap=True, markup=False)
