"""The command `compare`: several runs in one table and one chart."""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from textdistill.commands.options import Json

COMPARE_HELP = """Put several runs, or judgements of sets, into one table and one chart.

Only what was measured alike is compared: the same test rows, learner, recipe of labels and samples a class.

[bold]textdistill compare runs/a runs/b[/bold]

[bold]textdistill compare runs/a runs/b runs/c --chart runs.png --json[/bold]"""


def compare(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs.", show_default=False)],
    chart: Annotated[
        Path | None, typer.Option("--chart", help="Write the chart: a .png or an .html file.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """See COMPARE_HELP."""
    from textdistill.commands.tables import show_comparison
    from textdistill.reports.compare_chart import write_chart
    from textdistill.reports.compare_runs import compare_runs

    compared = compare_runs(folders)
    if chart is not None:
        write_chart(chart, compared)
    if json:
        sys.stdout.write(jsonlib.dumps(compared.as_dict(), indent=1) + "\n")
        return
    show_comparison(compared)
    if chart is not None:
        typer.echo(f"chart: {chart}")
