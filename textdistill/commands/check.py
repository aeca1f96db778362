"""The command `check`: what a table holds and what looks wrong in it, before any work begins."""

from __future__ import annotations

import json as jsonlib
import sys
from typing import Annotated

import typer

from textdistill.commands.options import Columns, Json, grouped, per_class_option
from textdistill.core.errors import DataError, OfflineError, UserError

CHECK_HELP = """Say what a table of texts holds, and what looks wrong in it. Nothing is changed, nothing is distilled.

Rows, classes, lengths, duplicates, scripts, texts that are equal but for numbers and names, what an encoder will cut;
labels that look alike (neg, NEG), equal texts under several labels, classes with fewer rows than asked; then the splits
that every command makes of it. Takes a data set's name or hub id as well.

[bold]textdistill check reviews.csv --text review --label stars[/bold]

[bold]textdistill check reviews.csv --text review --label stars --per-class 50 --merge-labels[/bold]"""


def check(
    data: Annotated[str, typer.Argument(metavar="FILE|NAME", show_default=False)],
    encoder: Annotated[
        str, typer.Option("--encoder", help="By whose tokens texts are cut: minilm, a folder or a hub id.")
    ] = "minilm",
    per_class: Annotated[int | None, per_class_option("Rows wanted of each class; tells which have fewer.")] = None,
    json: Json = False,
    *,
    columns: Columns,
) -> None:
    """See CHECK_HELP."""
    from textdistill.data import check as look
    from textdistill.data import is_image_data
    from textdistill.runs.readers import encoder_reader

    settings = columns.of(data)
    if is_image_data(data, settings.data_dir, settings.text):
        raise UserError(f"{data}: images; check looks at tables of texts")
    try:
        reader, missing = encoder_reader(encoder), None
    except OfflineError as error:
        reader, missing = None, error
    summary, splits = look(settings, per_class, reader)
    fault = splits if isinstance(splits, DataError) else None
    if json:
        made = {"fault": str(splits)} if isinstance(splits, DataError) else {"splits": splits.facts(data)}
        sys.stdout.write(jsonlib.dumps({**summary.as_dict(), **made}, indent=1, ensure_ascii=False) + "\n")
    else:
        for line in summary.lines():
            typer.echo(line)
        if missing is not None:
            typer.echo(f"what is cut is not known: {missing}", err=True)
        if not isinstance(splits, DataError):
            rows = ", ".join(f"{count:,} {split}" for split, count in splits.report.rows.items())
            typer.echo(f"splits: {rows}")
            said = {*summary.notes, *summary.warnings()}
            for note in splits.report.notes:
                if note not in said:
                    typer.echo(f"  {note}")
    if fault is not None:
        raise fault


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check", help=CHECK_HELP)(grouped(check))
