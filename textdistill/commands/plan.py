"""The command `plan`: what a run will take, before it runs."""

from __future__ import annotations

import json as jsonlib
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from textdistill.commands.options import (
    REAL_DATA,
    Columns,
    Json,
    Machine,
    Variant,
    grouped,
    per_class_option,
    split_words,
)
from textdistill.core.errors import UserError

if TYPE_CHECKING:
    from textdistill.recipe.read import Recipe
    from textdistill.runs.plan.forecast import Fit, Forecast

PLAN_HELP = """Say what a run will take: time, operations, memory and disk, from a few real steps of it on this machine.

[bold]textdistill plan quickstart[/bold]

[bold]textdistill plan quickstart outer.steps=1000 --memory 2GiB[/bold]   and with which settings it fits into so much

The steps are taken in a temporary folder and nothing of them stays. Times on named accelerators are operations by what
their data sheets promise: a lower bound for steps of many small operations."""

UNITS = {"mib": 1.0, "mb": 1e6 / 2**20, "gib": 2.0**10, "gb": 1e9 / 2**20}
SHOWN = 0.01  # share of the time below which a unit has no line of its own


def plan(
    words: Annotated[list[str] | None, typer.Argument(metavar="RECIPE KEY=VALUE", show_default=False)] = None,
    memory: Annotated[
        str | None, typer.Option("--memory", help="Choose settings with which it fits: 4GiB, 800MiB.")
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.1, help="About how long each kind of step is looked at.")
    ] = 3.0,
    cpu_seconds: Annotated[
        bool, typer.Option("--cpu-seconds", help="The processor's seconds: what an idle machine takes with one thread.")
    ] = False,
    precision: Annotated[
        str, typer.Option("--precision", help="Of the accelerators: float32, tf32 or bfloat16.")
    ] = "float32",
    variant: Variant = None,
    *,
    data: Annotated[
        str | None, typer.Option("--data", help="Your own table in place of a recipe.", rich_help_panel=REAL_DATA)
    ] = None,
    per_class: Annotated[int | None, per_class_option("Samples for each class.", REAL_DATA)] = None,
    machine: Machine,
    columns: Columns,
    json: Json = False,
) -> None:
    """See PLAN_HELP."""
    from textdistill.commands.options import one_of, table_overrides
    from textdistill.recipe.own_table import table_recipe
    from textdistill.recipe.read import find_recipe, load_recipe, read_yaml, resolve
    from textdistill.runs.plan.forecast import fitting, forecast
    from textdistill.runs.plan.probe import Measured, measure
    from textdistill.runs.progress import Reporter
    from textdistill.runs.stored import data_folder

    one_of("--precision", precision, ("float32", "tf32", "bfloat16"))
    mib = None if memory is None else mib_of(memory)
    name, overrides = split_words(words or [])
    if name is None and data is None:
        raise UserError("plan: give a recipe (`textdistill ls` lists them) or --data FILE")
    settings = read_yaml(find_recipe(name)) if name is not None else table_recipe(str(data))
    given = [*table_overrides(settings, columns, per_class, None), *overrides]

    def recipe_of(more: Sequence[str]) -> Recipe:
        if name is not None:
            return load_recipe(name, [*given, *more], variant, data_folder(columns.data_dir))
        return resolve(settings, [*given, *more], variant, data_dir=data_folder(columns.data_dir))

    def measure_of(recipe: Recipe) -> Measured:
        with reporter.stage("a few steps", None):
            return measure(recipe, machine.device, machine.threads, seconds, cpu_seconds)

    reporter, recipe, fit = Reporter(), recipe_of([]), None
    if mib is None:
        measured = measure_of(recipe)
    else:
        fit, measured = fitting(recipe_of, mib, measure_of, lambda line: typer.echo(line, err=True))
        recipe = recipe_of(fit.overrides)
    found = forecast(recipe, measured)
    if json:
        told = {**found.as_dict(), **({} if fit is None else {"fit": vars(fit)})}
        sys.stdout.write(jsonlib.dumps(told, indent=1) + "\n")
    else:
        _show(found, fit, precision)


def mib_of(text: str) -> float:
    """A size such as `4GiB` or `800 MB` in MiB. `UserError` for anything else."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmg]i?b)\s*", text.lower())
    if found is None or found[2] not in UNITS or float(found[1]) <= 0:
        raise UserError(f"--memory: {text!r}; allowed: a number with MiB, MB, GiB or GB, such as 4GiB")
    return float(found[1]) * UNITS[found[2]]


def time_of(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _show(found: Forecast, fit: Fit | None, precision: str) -> None:
    from rich.table import Table

    from textdistill.commands.screen import screen
    from textdistill.runs.plan.accelerators import ACCELERATORS, SHARE

    console = screen()
    table = Table(title="What the run will take here", title_justify="left")
    for name in ("stage", "unit"):
        table.add_column(name)
    for name in ("count", "each", "time", "GFLOP"):
        table.add_column(name, justify="right")
    for stage, (seconds, operations) in found.stages().items():
        table.add_row(stage, "", "", "", time_of(seconds), f"{operations / 1e9:,.1f}", style="bold")
        for line in found.lines:
            if line.stage == stage and line.seconds >= SHOWN * found.seconds:
                each, total = time_of(line.seconds / line.count), time_of(line.seconds)
                table.add_row("", line.name, f"{line.count:,.0f}", each, total, f"{line.operations / 1e9:,.1f}")
    console.print(table)
    console.print(
        f"about {time_of(found.seconds)} here, {found.peak_mib:,.0f} MiB of memory, {found.disk_mib:,.0f} MiB on disk, "
        f"{found.operations / 1e12:,.2f} TFLOP",
        style="bold",
    )
    cards = ", ".join(f"{name} {time_of(found.on(precision)[name])}" for name in ACCELERATORS)
    console.print(f"those operations in {precision} at {SHARE:.0%} of the peak: {cards}", soft_wrap=True)
    if found.shorter is not None:
        setting, value, saved = found.shorter
        console.print(f"shortest way to shorten it: {setting}={value} saves {time_of(saved)}", soft_wrap=True)
    if fit is not None and fit.overrides:
        console.print(f"to fit: {' '.join(fit.overrides)}", markup=False, soft_wrap=True)
        console.print(fit.changes, soft_wrap=True)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("plan", help=PLAN_HELP)(grouped(plan))
