"""The commands about finished runs: `evaluate`, `decode`, `report` and `compare`."""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from textdistill.commands.compare import COMPARE_HELP, compare
from textdistill.commands.judge_set import Request, evaluate_set
from textdistill.commands.options import Columns, DataDir, Json, Machine, grouped, one_of, split_words
from textdistill.core.errors import UserError

EVALUATE_HELP = """Train networks on a stored set again and score them against full data and baselines.

Rewrites the run's metrics.json, decoded sentences or images, and report. Settings of the evaluation may be changed.

[bold]textdistill evaluate runs/q[/bold]

[bold]textdistill evaluate runs/q evaluate.nets=200 --json[/bold]

[bold]textdistill evaluate runs/dilm judge.encoder=minilm[/bold]   the sets of a text-level run, judged again

Or judge anybody's readable set (CSV, JSON lines, Parquet, a folder of them, a run) against real rows of equal budget:

[bold]textdistill evaluate --set set.csv --real reviews.csv --text review --label stars --out report[/bold]

[bold]textdistill evaluate --set released/sst2_10 --real sst2 --learners frozen,text_conv --json[/bold]"""

DECODE_HELP = """Read the distilled samples as words: the nearest word of each vector, always with its distance.

[bold]textdistill decode runs/q[/bold]

[bold]textdistill decode runs/q --k 3 --metric euclidean --limit 20[/bold]"""

REPORT_HELP = """Write the HTML report and README of a finished run again, from the files in its folder.

[bold]textdistill report runs/q[/bold]"""

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a finished run.", show_default=False)]


def evaluate(
    context: typer.Context,
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="The folder of a finished run.", show_default=False)
    ] = None,
    words: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", show_default=False)] = None,
    *,
    machine: Machine,
    json: Json = False,
    request: Request,
    columns: Columns,
) -> None:
    """See EVALUATE_HELP."""
    if request.sets is None:
        idle = request.idle()
        if idle is not None:
            raise UserError(f"{idle}: goes with --set")
        if folder is None:
            raise UserError("give a finished run's folder, or --set FILE --real DATA")
        _evaluate_run(context, folder, words or [], columns.data_dir, machine, json)
        return
    if folder is not None:
        raise UserError(f"{folder}: give a run's folder or --set, not both")
    if request.real is None:
        raise UserError("--real: missing; the data that the set stands for: a known name, a hub id, a file or a folder")
    machine.ready()
    evaluate_set(request.sets, request.real, request, columns, json)


def _evaluate_run(
    context: typer.Context, folder: Path, words: list[str], data_dir: Path | None, machine: Machine, json: bool
) -> None:
    """A finished run, scored again; of one with a generator the sets are judged again."""
    from textdistill.commands.tables import show_end
    from textdistill.core.manifest import kind_of
    from textdistill.runs import pipeline
    from textdistill.runs.artifact import load
    from textdistill.runs.lock import held
    from textdistill.runs.progress import Reporter
    from textdistill.runs.readable.again import judge_again
    from textdistill.runs.stored import data_folder, stored_recipe

    name, overrides = split_words(words)
    if name is not None:
        raise UserError(f"{name!r}: after the folder come evaluate.KEY=VALUE alone")
    recipe = stored_recipe(load(folder), overrides, data_dir) if kind_of(folder) is None else None
    machine.ready()
    context.ensure_object(dict).update(folder=folder, goes_on="again")
    if recipe is None:
        judged = judge_again(folder, overrides=overrides, data_dir=data_folder(data_dir), reporter=Reporter())
        show_end(judged, json)
    else:
        with held(folder):
            done = pipeline.evaluate(folder, recipe=recipe, device=machine.device, reporter=Reporter())
        show_end(done, json)


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
    from textdistill.commands.screen import screen
    from textdistill.reports.decoded_text import show

    decoded = api.decode(folder, k=k, metric=metric, data_dir=data_dir)  # type: ignore[arg-type]
    if json:
        sys.stdout.write(jsonlib.dumps(decoded.as_dict(), ensure_ascii=False) + "\n")
        return
    console = screen()
    console.print(show(decoded, limit=limit))
    if k > 1:
        for sentence in decoded.sentences[:limit]:
            console.print(f"step {sentence.step + 1}, sample {sentence.sample + 1}:")
            for word, gap, others in zip(sentence.words, sentence.distances, sentence.alternatives, strict=True):
                console.print(f"  {word} {gap:.3f}   {' '.join(others)}", markup=False)
    summary = decoded.summary
    console.print(
        f"{summary.positions} positions: median {summary.metric} distance {summary.median:.3f} to the nearest word; "
        f"real words lie {summary.real_word_distance:.3f} from each other"
    )


def report(folder: Folder) -> None:
    """See REPORT_HELP."""
    from textdistill.core.manifest import kind_of
    from textdistill.reports.report import write_readme, write_report
    from textdistill.reports.text_report import write_text_page
    from textdistill.runs.readable.report import write_text_report

    kind = kind_of(folder)
    if kind is not None:
        typer.echo(write_text_report(folder) if kind == "texts" else write_text_page(folder))
        return
    path = write_report(folder)
    write_readme(folder)
    typer.echo(path)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("evaluate", help=EVALUATE_HELP)(grouped(evaluate))
    app.command("decode", help=DECODE_HELP)(decode)
    app.command("report", help=REPORT_HELP)(report)
    app.command("compare", help=COMPARE_HELP)(compare)
