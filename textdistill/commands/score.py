"""The commands about a finished run: `evaluate`, `decode` and `report`."""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from textdistill.commands.options import DataDir, Device, Json, Threads, one_of, set_threads, split_words

EVALUATE_HELP = """Train networks on a stored set again and score them against full data and baselines.

Rewrites the run's metrics.json, decoded sentences or images, and report. Settings of the evaluation may be changed.

[bold]textdistill evaluate runs/q[/bold]

[bold]textdistill evaluate runs/q evaluate.nets=200 --json[/bold]"""

DECODE_HELP = """Read the distilled samples as words: the nearest word of each vector, always with its distance.

[bold]textdistill decode runs/q[/bold]

[bold]textdistill decode runs/q --k 3 --metric euclidean --limit 20[/bold]"""

REPORT_HELP = """Write the HTML report and README of a finished run again, from the files in its folder.

[bold]textdistill report runs/q[/bold]"""

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a finished run.", show_default=False)]


def evaluate(
    context: typer.Context,
    folder: Folder,
    words: Annotated[list[str] | None, typer.Argument(metavar="evaluate.KEY=VALUE", show_default=False)] = None,
    data_dir: DataDir = None,
    device: Device = None,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """See EVALUATE_HELP."""
    from textdistill import pipeline
    from textdistill.api import stored_recipe
    from textdistill.artifact import load
    from textdistill.commands.tables import show_run
    from textdistill.core.device import pick_device
    from textdistill.errors import UserError
    from textdistill.progress import Reporter

    name, overrides = split_words(words or [])
    if name is not None:
        raise UserError(f"{name!r}: after the folder come evaluate.KEY=VALUE alone")
    recipe = stored_recipe(load(folder), overrides, data_dir)
    pick_device(device)
    set_threads(threads)
    context.ensure_object(dict).update(folder=folder)
    result = pipeline.evaluate(folder, recipe=recipe, device=device, reporter=Reporter())
    if json:
        sys.stdout.write((folder / pipeline.METRICS).read_text(encoding="utf-8"))
    else:
        show_run(result)


def decode(
    folder: Folder,
    k: Annotated[int, typer.Option("--k", min=1, help="Words to keep for each position.")] = 1,
    metric: Annotated[str, typer.Option("--metric", help="cosine or euclidean.")] = "cosine",
    limit: Annotated[int, typer.Option("--limit", min=0, help="Sentences to print.")] = 10,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """See DECODE_HELP."""
    one_of("--metric", metric, ("cosine", "euclidean"))
    from textdistill import api
    from textdistill.commands.tables import screen
    from textdistill.evaluation.decode import show

    decoded = api.decode(folder, k=k, metric=metric, data_dir=data_dir)  # type: ignore[arg-type]
    if json:
        sys.stdout.write(jsonlib.dumps(decoded.as_dict(), ensure_ascii=False) + "\n")
        return
    console = screen()
    console.print(show(decoded, limit=limit))
    if k > 1:
        for one in decoded.sentences[:limit]:
            console.print(f"step {one.step + 1}, sample {one.sample + 1}:")
            for word, gap, others in zip(one.words, one.distances, one.alternatives, strict=True):
                console.print(f"  {word} {gap:.3f}   {' '.join(others)}", markup=False)
    summary = decoded.summary
    console.print(
        f"{summary.positions} positions: median {summary.metric} distance {summary.median:.3f} to the nearest word; "
        f"real words lie {summary.real_word_distance:.3f} from each other"
    )


def report(folder: Folder) -> None:
    """See REPORT_HELP."""
    from textdistill.evaluation.report import write_readme, write_report

    path = write_report(folder)
    write_readme(folder)
    typer.echo(path)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("evaluate", help=EVALUATE_HELP)(evaluate)
    app.command("decode", help=DECODE_HELP)(decode)
    app.command("report", help=REPORT_HELP)(report)
