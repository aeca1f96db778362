"""The analyses that distil again: `repeat`, `bases`, `target-size`, `ridge-labels` and `inputs`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from textdistill.commands.analyse_shared import Run, Runs, Scoring, Words, carry_out, numbers

_KEPT = """Sets that are distilled for it lie in RUN/analysis/{name}/ and are kept: the same command goes on after an
interruption. Settings KEY=VALUE are laid over the run's own, as with [bold]run[/bold]."""

REPEAT = f"""Distil again with other seeds and score each set: is the result an accident?

Base examples that the run holds fixed stay the same; all else that is random is drawn anew.

{_KEPT.format(name="repeat")}

[bold]textdistill analyse repeat runs/q[/bold]

[bold]textdistill analyse repeat runs/q --runs 4 --nets 20[/bold]"""

BASES = f"""Learn labels for other draws of base examples, and choose among several draws by validation rows.

Two choices are shown: the distilled set with the best validation accuracy, and labels learned for that draw out of
--candidates whose true labels train best (0 leaves it out).

{_KEPT.format(name="bases")}

[bold]textdistill analyse bases runs/q[/bold]

[bold]textdistill analyse bases runs/q --runs 4 --candidates 50[/bold]"""

TARGET_SIZE = f"""Distil from fewer real rows (data.train_rows), with all else as it was.

{_KEPT.format(name="target-size")}

[bold]textdistill analyse target-size runs/q[/bold]

[bold]textdistill analyse target-size runs/q --rows 100,1000[/bold]"""

RIDGE_LABELS = f"""Learn the labels in the other way, too (ridge or second order), and cross labels with networks.

Each kind of labels trains standard networks and networks whose last layer is the ridge classifier.

{_KEPT.format(name="ridge-labels")}

[bold]textdistill analyse ridge-labels runs/q[/bold]"""

INPUTS = f"""Learn the inputs, with hard labels, in the loop of label distillation, beside the run's learned labels.

{_KEPT.format(name="inputs")} Here they concern learning the inputs alone.

[bold]textdistill analyse inputs runs/q[/bold]

[bold]textdistill analyse inputs runs/q outer.lr=0.01[/bold]"""


def repeat(
    context: typer.Context,
    run: Run,
    words: Words = None,
    runs: Runs = 2,
    *,
    how: Scoring,
) -> None:
    """See REPEAT."""
    carry_out(context, "repeat", run, words, how, again=True, runs=runs)


def bases(
    context: typer.Context,
    run: Run,
    words: Words = None,
    runs: Runs = 4,
    candidates: Annotated[int, typer.Option("--candidates", min=0, help="Draws to choose from by true labels.")] = 10,
    *,
    how: Scoring,
) -> None:
    """See BASES."""
    carry_out(context, "bases", run, words, how, again=True, runs=runs, candidates=candidates)


def target_size(
    context: typer.Context,
    run: Run,
    words: Words = None,
    rows: Annotated[
        str, typer.Option("--rows", help="Numbers of real rows, parted by commas; those too large are left out.")
    ] = "100,500,1000,5000,10000,20000",
    *,
    how: Scoring,
) -> None:
    """See TARGET_SIZE."""
    sizes = [round(number) for number in numbers("--rows", rows)]
    carry_out(context, "target-size", run, words, how, again=True, sizes=sizes)


def ridge_labels(context: typer.Context, run: Run, words: Words = None, *, how: Scoring) -> None:
    """See RIDGE_LABELS."""
    carry_out(context, "ridge-labels", run, words, how, again=True)


def inputs(context: typer.Context, run: Run, words: Words = None, *, how: Scoring) -> None:
    """See INPUTS."""
    carry_out(context, "inputs", run, words, how, again=True)


COMMANDS: dict[str, tuple[Callable[..., None], str]] = {
    "repeat": (repeat, REPEAT),
    "bases": (bases, BASES),
    "target-size": (target_size, TARGET_SIZE),
    "ridge-labels": (ridge_labels, RIDGE_LABELS),
    "inputs": (inputs, INPUTS),
}
