"""The commands `textdistill analyse NAME RUN`: the group, and the analyses that train on a stored set as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from textdistill.analysis import ANALYSES
from textdistill.commands import analyse_again
from textdistill.commands.analyse_shared import Run, Scoring, Words, carry_out, listed, numbers
from textdistill.commands.options import DataDir, Json, Threads, grouped
from textdistill.core.errors import UserError, did_you_mean

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

STEPS = """Train for more and fewer steps than are stored with the set, by its own rule.

A deviation of -0.5 is half as many steps, 1 twice as many; where the set's schedule ends it begins anew.

[bold]textdistill analyse steps runs/q[/bold]

[bold]textdistill analyse steps runs/q --deviations=-0.9,-0.5,0,1,3 --nets 20[/bold]"""

OPTIMIZER = """Train by other rules, other rates and in another order of the samples, for the stored number of steps.

A rule is NAME:RATE, NAME one of sgd, momentum (0.9) and adam. The set's own rule is tried with a third and three times
its rates, with their mean where they differ, and with its batches or all its samples shuffled in every epoch.

[bold]textdistill analyse optimizer runs/q[/bold]

[bold]textdistill analyse optimizer runs/q --rules sgd:0.1,adam:0.001[/bold]"""

LABELS = """Draw what the soft labels learned: the mean label of each class's samples as a heat map.

The table tells for each class how much of the label stayed the class's own, and the entropy in bits. Samples from
another data set are grouped by their classes there.

[bold]textdistill analyse labels runs/q[/bold]"""

PROTOTYPES = """Show each class by its samples: images weighted by their labels, or the sentences with the highest ones.

Likeness is the correlation of a class's weighted mean with the mean of its real training rows: near 1 where the labels
blend the samples, of whatever origin, into the class.

[bold]textdistill analyse prototypes runs/q[/bold]

[bold]textdistill analyse prototypes runs/q --top 5[/bold]"""


GRADIENT_VARIANCE = """Compare how noisy the labels' gradient is by the second-order way and by ridge regression.

For networks that trained on the stored set for so many steps, gradients are taken on --draws real batches each. The
second figure, the variance over the squared mean, is what counts: a gradient's scale is nothing to Adam.

[bold]textdistill analyse gradient-variance runs/q[/bold]

[bold]textdistill analyse gradient-variance runs/q --ages 0,50,200 --draws 50[/bold]"""


class Named(TyperGroup):
    """Commands by name; a wrong one is told in a line, with the nearest."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command."""
        if args and args[0] not in self.commands:
            near = did_you_mean(args[0], self.commands)
            raise UserError(f"analyse: {args[0]!r}; allowed: {', '.join(self.commands)}{near}")
        return super().resolve_command(ctx, args)


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
        str | None, typer.Option("--encoder", help="minilm (the default for texts), a folder, a hub id, or none.")
    ] = None,
    *,
    how: Scoring,
) -> None:
    """See TRANSFER."""
    carry_out(context, "transfer", run, words, how, networks=listed(networks), steps=steps, lr=lr, encoder=encoder)


def steps(
    context: typer.Context,
    run: Run,
    words: Words = None,
    deviations: Annotated[
        str, typer.Option("--deviations", help="Shares of the stored steps, parted by commas.")
    ] = "-0.5,-0.2,-0.1,0,0.1,0.2,0.5,1",
    *,
    how: Scoring,
) -> None:
    """See STEPS."""
    carry_out(context, "steps", run, words, how, deviations=numbers("--deviations", deviations))


def optimizer(
    context: typer.Context,
    run: Run,
    words: Words = None,
    rules: Annotated[
        str | None, typer.Option("--rules", help="NAME:RATE parted by commas; seven usual ones unless told.")
    ] = None,
    *,
    how: Scoring,
) -> None:
    """See OPTIMIZER."""
    carry_out(context, "optimizer", run, words, how, rules=listed(rules) or None)


def labels(context: typer.Context, run: Run, words: Words = None, data_dir: DataDir = None, json: Json = False) -> None:
    """See LABELS."""
    carry_out(context, "labels", run, words, Scoring(data_dir=data_dir, json=json))


def prototypes(
    context: typer.Context,
    run: Run,
    words: Words = None,
    top: Annotated[int, typer.Option("--top", min=1, help="Sentences to tell of each class.")] = 3,
    data_dir: DataDir = None,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """See PROTOTYPES."""
    carry_out(context, "prototypes", run, words, Scoring(threads=threads, data_dir=data_dir, json=json), top=top)


def gradient_variance(
    context: typer.Context,
    run: Run,
    words: Words = None,
    draws: Annotated[int, typer.Option("--draws", min=2, help="Real batches that a gradient is taken on.")] = 20,
    ages: Annotated[
        str | None, typer.Option("--ages", help="Steps of the networks, parted by commas; 0, half and all unless told.")
    ] = None,
    *,
    how: Scoring,
) -> None:
    """See GRADIENT_VARIANCE."""
    told = None if ages is None else [round(age) for age in numbers("--ages", ages)]
    carry_out(context, "gradient-variance", run, words, how, draws=draws, ages=told)


COMMANDS: dict[str, tuple[Callable[..., None], str]] = {
    "transfer": (transfer, TRANSFER),
    "steps": (steps, STEPS),
    "optimizer": (optimizer, OPTIMIZER),
    "labels": (labels, LABELS),
    "prototypes": (prototypes, PROTOTYPES),
    "gradient-variance": (gradient_variance, GRADIENT_VARIANCE),
    **analyse_again.COMMANDS,
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(cls=Named, no_args_is_help=True, rich_markup_mode="rich", help=ABOUT)
    for name in ANALYSES:
        command, help_text = COMMANDS[name]
        group.command(name, help=help_text, short_help=ANALYSES.about(name))(grouped(command))
    app.add_typer(group, name="analyse")
