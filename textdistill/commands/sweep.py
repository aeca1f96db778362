"""The command `sweep`: many runs, their table and their chart."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textdistill.commands.options import DataDir, Json, Variant, one_of
from textdistill.core.errors import UserError

if TYPE_CHECKING:
    from textdistill.runs.sweep.results import Outcome
    from textdistill.runs.sweep.trials import Trial

SWEEP_HELP = """Run recipes with several seeds and values, and put what they reach into one table and one chart.

Each trial is an ordinary run in OUT/NAME. The same command goes on: what is finished stays, what was interrupted is
resumed, what failed is left with its reason unless --retry is given. A trial that fails takes no other along.

[bold]textdistill sweep quickstart --seeds 0..9[/bold]

[bold]textdistill sweep quickstart --seeds 0..2 outer.lr=0.01,0.03 outer.steps=100 --jobs 2 --out runs/rates[/bold]

[bold]textdistill sweep quickstart --seeds 0..9 --engine slurm --slurm partition=gpu --slurm timeout_min=60[/bold]"""

FAILED = 1


def sweep(
    context: typer.Context,
    words: Annotated[
        list[str], typer.Argument(metavar="RECIPE... [KEY=A,B,C]...", help="Recipes, then values.", show_default=False)
    ],
    seeds: Annotated[str, typer.Option("--seeds", help="Such as 0..9, or 0,3,7.")] = "0",
    out: Annotated[
        Path | None, typer.Option("--out", help="Where trials go; runs/sweep-RECIPE unless told.", show_default=False)
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Trials at once; one a GPU or core unless told.")
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try what failed again, from its last checkpoint.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the trials and where they stand.")] = False,
    cost: Annotated[
        bool, typer.Option("--cost", help="With --dry-run: what the trials to come will take, by a few steps of each.")
    ] = False,
    engine: Annotated[
        str, typer.Option("--engine", help="joblib (this machine) or slurm (extra: cluster).")
    ] = "joblib",
    slurm: Annotated[
        list[str] | None,
        typer.Option("--slurm", metavar="KEY=VALUE", help="For sbatch: partition, account, timeout_min, mem_gb, …"),
    ] = None,
    device: Annotated[str | None, typer.Option("--device", help="cpu, cuda, cuda:1, mps or auto.")] = None,
    variant: Variant = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """See SWEEP_HELP."""
    from textdistill.runs.stored import data_folder
    from textdistill.runs.sweep.engines import ENGINES
    from textdistill.runs.sweep.results import outcome
    from textdistill.runs.sweep.trials import grid, seeds_of

    one_of("--engine", engine, ENGINES)
    if slurm and engine != "slurm":
        raise UserError("--slurm: goes with --engine slurm")
    options = dict(_option(word) for word in slurm or ())
    recipes = [word for word in words if "=" not in word or Path(word).is_file()]
    if not recipes:
        raise UserError("sweep: give a recipe (`textdistill ls` lists them)")
    out = out or Path("runs") / f"sweep-{Path(recipes[0]).stem}"
    trials = grid(
        recipes, [word for word in words if word not in recipes], seeds_of(seeds), out,
        variant=variant, data_dir=data_folder(data_dir), options=("--device", device) if device else (),
    )  # fmt: skip
    states = {trial.name: trial.state() for trial in trials}
    wanted = ("new", "interrupted", "failed") if retry else ("new", "interrupted")
    pending = [trial for trial in trials if states[trial.name] in wanted]
    if cost and not dry_run:
        raise UserError("--cost: goes with --dry-run")
    if dry_run:
        _list(trials, states, _costs(pending, data_folder(data_dir), device) if cost else {}, json)
        return
    context.ensure_object(dict).update(again=f"the same command goes on with what is in {out}")
    _carry_out(pending, len(trials), out, engine, jobs, options, device)
    found = outcome(trials, out)
    if json:
        sys.stdout.write(jsonlib.dumps(found.as_dict(), indent=1) + "\n")
    else:
        _show(found)
    if found.failures:
        typer.echo(
            f"{found.failures} of {len(trials)} trials have no result; --retry tries those that failed again", err=True
        )
        raise typer.Exit(FAILED)


def _option(word: str) -> tuple[str, str]:
    key, sign, value = word.partition("=")
    if not sign or not key.strip() or not value.strip():
        raise UserError(f"--slurm: {word!r}; allowed: KEY=VALUE, such as partition=gpu or timeout_min=60")
    return key.strip(), value.strip()


def _carry_out(
    pending: Sequence[Trial],
    total: int,
    out: Path,
    engine: str,
    jobs: int | None,
    options: dict[str, str],
    device: str | None,
) -> None:
    from textdistill.runs.progress import Reporter
    from textdistill.runs.sweep.engines import on_this_machine, through_submitit

    if not pending:
        return
    with Reporter().stage("trials", total) as bar:
        bar.advance(steps=total - len(pending))

        def tell(trial: Trial) -> None:
            bar.advance(f"{trial.name} {trial.told().get('state', 'interrupted')}")

        if engine == "slurm":
            through_submitit(pending, out.absolute(), jobs, options, tell)
        else:
            on_this_machine(pending, jobs, tell, device)


def _costs(pending: Sequence[Trial], data_dir: str | None, device: str | None) -> dict[str, float]:
    """The seconds that each trial to come will take alone on this machine, by its name; one of a group is tried."""
    from textdistill.recipe.read import load_recipe
    from textdistill.runs.plan.forecast import forecast
    from textdistill.runs.plan.probe import measure
    from textdistill.runs.progress import Reporter
    from textdistill.runs.sweep.trials import by_group

    costs: dict[str, float] = {}
    groups = by_group(pending)
    with Reporter().stage("a few steps of each", len(groups)) as bar:
        for group, trials in groups.items():
            first = trials[0]
            recipe = load_recipe(first.recipe, first.overrides, first.variant, data_dir)
            seconds = forecast(recipe, measure(recipe, device)).seconds
            costs |= dict.fromkeys((trial.name for trial in trials), seconds)
            bar.advance(group)
    return costs


def _list(trials: Sequence[Trial], states: dict[str, Any], costs: dict[str, float], json: bool) -> None:
    if json:
        told = [
            {
                **{"name": trial.name, "state": states[trial.name], "command": ["textdistill", *trial.words]},
                **({"seconds": round(costs[trial.name], 1)} if trial.name in costs else {}),
            }
            for trial in trials
        ]
        sys.stdout.write(jsonlib.dumps(told, indent=1) + "\n")
        return
    from textdistill.commands.plan import time_of
    from textdistill.commands.screen import screen

    console = screen()
    for trial in trials:
        cost = f"  {time_of(costs[trial.name])}" if trial.name in costs else ""
        console.print(f"{states[trial.name]:<12} {trial.name}{cost}", markup=False, soft_wrap=True)
    counts = ", ".join(f"{list(states.values()).count(state)} {state}" for state in dict.fromkeys(states.values()))
    total = f"; one after the other {time_of(sum(costs.values()))}" if costs else "; --cost says what they take"
    console.print(f"{len(trials)} trials: {counts}{total}", markup=False, soft_wrap=True)


def _show(found: Outcome) -> None:
    from rich.table import Table
    from rich.text import Text

    from textdistill.commands.screen import screen

    console = screen()
    table = Table(title="Test accuracy in percent, ± standard deviation over seeds", title_justify="left")
    table.add_column("trials", overflow="fold")
    for name in ("seeds", "judge", "a class", "accuracy", "all data", "ratio", "minutes"):
        table.add_column(name, justify="right")
    for row in found.rows:
        count = f"{row.finished} of {len(row.seeds)}"
        minutes = "" if row.minutes is None else f"{row.minutes:.1f}"
        lines: list[dict[str, Any] | None] = [*row.scores] or [None]
        for number, score in enumerate(lines):
            first = number == 0
            cells = ["", "", "", ""]
            if score is not None:
                full = "" if score["full"] is None else f"{score['full']:.2f}"
                cells = [score["judge"].partition("/")[0], f"{score['size']:g}", _spread(score), full]
            ratio = _spread(row.ratio) if first and row.ratio is not None else ""
            table.add_row(
                Text(row.group if first else ""), count if first else "", *cells, ratio, minutes if first else ""
            )
        for failure in row.failed:
            table.add_row(Text(f"  seed {failure['seed']}: {failure['reason']}", style="dim"))
    console.print(table)
    if found.apart:
        console.print(f"not in one chart: {found.apart}", markup=False, soft_wrap=True)
    for path in found.files:
        console.print(f"chart: {path}", markup=False, soft_wrap=True)


def _spread(score: dict[str, Any]) -> str:
    return f"{score['mean']:.2f} ± {score['sd']:.2f}" if score["n"] > 1 else f"{score['mean']:.2f}"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("sweep", help=SWEEP_HELP)(sweep)
