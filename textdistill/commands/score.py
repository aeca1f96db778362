"""The commands about finished runs: `evaluate`, `decode`, `report` and `compare`."""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from textdistill.commands.compare import COMPARE_HELP, compare
from textdistill.commands.options import DataDir, Device, Json, Threads, one_of, set_threads, split_words
from textdistill.core.file_names import METRICS

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
    sets: Annotated[
        Path | None, typer.Option("--set", help="Anybody's set: a file, or a folder of files.", show_default=False)
    ] = None,
    real: Annotated[str | None, typer.Option("--real", help="Its real data: a name, hub id, file or folder.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="--real: the column of the text.")] = None,
    text_pair: Annotated[str | None, typer.Option("--text-pair", help="--real: the column of a second text.")] = None,
    label: Annotated[str | None, typer.Option("--label", help="--real: the column of the label.")] = None,
    learners: Annotated[str, typer.Option("--learners", help="frozen, finetuned, text_conv, bi_lstm.")] = "frozen",
    labels: Annotated[str | None, typer.Option("--labels", help="hard, teacher, distilled; all that go.")] = None,
    encoder: Annotated[str | None, typer.Option("--encoder", help="Of frozen and finetuned; minilm.")] = None,
    nets: Annotated[int, typer.Option("--nets", min=1, help="Networks a set, where they differ.")] = 5,
    baseline_sets: Annotated[
        int | None, typer.Option("--baseline-sets", min=1, help="Sets of each baseline; as many as given, 5 at least.")
    ] = None,
    fluency_model: Annotated[
        str | None, typer.Option("--fluency-model", help="Whose perplexity: a hub id, a folder, a .gguf file, smollm2.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="--set: everything random follows from it.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="--set: a folder for the report.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the report that is in --out.")] = False,
    data_dir: DataDir = None,
    device: Device = None,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """See EVALUATE_HELP."""
    from textdistill.core.errors import UserError

    if sets is None:
        wanted = {"--real": real, "--out": out, "--fluency-model": fluency_model, "--labels": labels}
        idle = [name for name, value in wanted.items() if value is not None]
        if idle or folder is None:
            told = f"{idle[0]}: goes with --set" if idle else "give a finished run's folder, or --set FILE --real DATA"
            raise UserError(told)
        _evaluate_run(context, folder, words or [], data_dir, device, threads, json)
        return
    if folder is not None or real is None:
        raise UserError(
            f"{folder}: give a run's folder or --set, not both"
            if folder is not None
            else "--real: missing; the data that the set stands for: a known name, a hub id, a file or a folder"
        )
    from textdistill.commands.judge_set import Request, evaluate_set
    from textdistill.runs.stored import data_folder

    set_threads(threads)
    asked = Request(
        sets, real, text, text_pair, label, data_folder(data_dir), learners, labels, encoder, nets, baseline_sets,
        fluency_model, seed, out, force,
    )  # fmt: skip
    evaluate_set(asked, json)


def _evaluate_run(
    context: typer.Context,
    folder: Path,
    words: list[str],
    data_dir: Path | None,
    device: str | None,
    threads: int | None,
    json: bool,
) -> None:
    """A finished run, scored again."""
    from textdistill.commands.tables import show_run
    from textdistill.core.device import pick_device
    from textdistill.core.errors import UserError
    from textdistill.reports.text_folder import kind_of
    from textdistill.runs import pipeline
    from textdistill.runs.artifact import load
    from textdistill.runs.progress import Reporter
    from textdistill.runs.stored import stored_recipe

    name, overrides = split_words(words)
    if name is not None:
        raise UserError(f"{name!r}: after the folder come evaluate.KEY=VALUE alone")
    if kind_of(folder) is not None:
        _judge_again(context, folder, overrides, data_dir, threads, json)
        return
    recipe = stored_recipe(load(folder), overrides, data_dir)
    pick_device(device)
    set_threads(threads)
    context.ensure_object(dict).update(folder=folder)
    result = pipeline.evaluate(folder, recipe=recipe, device=device, reporter=Reporter())
    if json:
        sys.stdout.write((folder / METRICS).read_text(encoding="utf-8"))
    else:
        show_run(result)


def _judge_again(
    context: typer.Context, folder: Path, overrides: list[str], data_dir: Path | None, threads: int | None, json: bool
) -> None:
    """A text-level run's sets, judged again."""
    from textdistill.commands.tables import show_texts
    from textdistill.runs.progress import Reporter
    from textdistill.runs.readable.again import judge_again
    from textdistill.runs.stored import data_folder

    set_threads(threads)
    context.ensure_object(dict).update(folder=folder)
    result = judge_again(folder, overrides=overrides, data_dir=data_folder(data_dir), reporter=Reporter())
    if json:
        sys.stdout.write((folder / METRICS).read_text(encoding="utf-8"))
    else:
        show_texts(result)


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
    from textdistill.reports.decoded_text import show

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
    from textdistill.reports.report import write_readme, write_report
    from textdistill.reports.text_folder import kind_of
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
    app.command("evaluate", help=EVALUATE_HELP)(evaluate)
    app.command("decode", help=DECODE_HELP)(decode)
    app.command("report", help=REPORT_HELP)(report)
    app.command("compare", help=COMPARE_HELP)(compare)
