"""What a run shows at its end: the table of accuracies, of texts a few decoded sentences, where the report is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from textdistill.compat import Row
    from textdistill.evaluation.iris import Demonstration
    from textdistill.pipeline import Run
    from textdistill.size import Search
    from textdistill.text_level.run import TextRun

ROWS = {
    "distilled": "distilled",
    "distilled_snapped": "distilled, snapped to real words",
    "distilled_ordinary": "distilled, ordinary optimiser",
    "full": "full data",
}


def screen() -> Console:
    """Standard output; as wide as needed where it is no terminal, so that nothing is cut off in a file."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=140)
    return console


def _cells(score: Mapping[str, Any]) -> tuple[str, str, str]:
    spread = f"{score['sd']:.2f}" if score.get("n", 1) > 1 else ""
    return f"{score['mean']:.2f}", spread, str(score.get("n", ""))


def accuracies(metrics: Mapping[str, Any]) -> Table:
    """Every figure of metrics.json with its spread, baselines and traditional references below."""
    start = metrics.get("protocol", {}).get("start", "")
    title = f"{metrics['samples']} distilled samples, {start} start: test accuracy in percent"
    table = Table(title=title, title_justify="left")
    table.add_column("trained on")
    for name in ("mean", "± sd", "n"):
        table.add_column(name, justify="right")
    for key, label in ROWS.items():
        if key in metrics:
            table.add_row(label, *_cells(metrics[key]["accuracy"]), style="bold" if key == "distilled" else None)
            for name, score in metrics[key].items():
                if name != "accuracy":
                    table.add_row(f"  {name}", *_cells(score), style="dim")
        if key == "distilled":
            table.add_row("  as a share of full data (ratio, %)", *_cells(metrics["ratio"]))
    table.add_section()
    for group in ("baselines", "traditional"):
        for name, block in metrics.get(group, {}).items():
            table.add_row(name, *_cells(block["accuracy"]))
        table.add_section()
    return table


def show_texts(run: TextRun, samples: int = 6) -> None:
    """The end of a text-level run: a table for each judge, methods by size, and the first samples of the headline."""
    console = screen()
    variants = run.metrics["variants"]
    for judge in dict.fromkeys(name.partition("@")[0] for name in variants):
        mine = {name.partition("@")[2]: block for name, block in variants.items() if name.startswith(f"{judge}@")}
        table = Table(title=f"{judge}: test accuracy in percent, by samples a class", title_justify="left")
        table.add_column("trained on")
        rows: dict[str, dict[str, str]] = {}
        for size, block in mine.items():
            table.add_column(size, justify="right")
            for method, found in {block["headline"]: block["distilled"], **block["baselines"]}.items():
                mean, spread, _ = _cells(found["accuracy"])
                rows.setdefault(method, {})[size] = f"{mean} ± {spread}" if spread else mean
        for method, cells in rows.items():
            best = any(block["headline"] == method for block in mine.values())
            table.add_row(method, *(cells.get(size, "") for size in mine), style="bold" if best else None)
        console.print(table)
    for row, text in enumerate(run.headline.texts[:samples]):
        pair = "" if run.headline.pairs is None else f"  |  {run.headline.pairs[row]}"
        label = run.headline.classes[int(run.headline.labels[row])]
        console.print(f"{label}: {text}{pair}", markup=False)
    console.print(f"the sets: {run.folder / 'sets'}", markup=False)


def show_run(run: Run, sentences: int = 3) -> None:
    """The end of a run on standard output."""
    from textdistill.evaluation.decode import show

    console = screen()
    console.print(accuracies(run.metrics))
    if run.decoded is not None:
        console.print()
        console.print(show(run.decoded, limit=sentences))
    cost = run.metrics["cost"]
    console.print(f"distilled in {cost['distill_seconds'] / 60:.1f} minutes, {cost['outer_steps']} outer steps")
    console.print(f"report: {Path(run.folder) / 'report.html'}", soft_wrap=True)


def works(rows: Sequence[Row]) -> Table:
    """What works with what: a line for each pair of representation and objective, impossible ones with the reason."""
    table = Table(title="What works with what", title_justify="left", pad_edge=False)
    for name in ("representation", "objective", "starts", "learns", "learners"):
        table.add_column(name, overflow="fold")
    for row in rows:
        further = " (closed form)" if row.closed_form else " (as its settings allow)" if row.by_settings else ""
        pair = (row.representation, row.objective + further)
        if row.refused is not None:
            table.add_row(*pair, Text(f"impossible: {row.refused}"), style="dim")
        else:
            table.add_row(*pair, *(", ".join(names) for names in (row.starts, row.learned, row.learners)))
    return table


def sizes(found: Search) -> None:
    """The tries of a search for the distillation size, and its outcome, on standard output."""
    table = Table()
    for name in ("M", "ratio", "± sd", "n"):
        table.add_column(name, justify="right")
    for one in sorted(found.tries, key=lambda one: one.samples):
        reached = "bold" if one.samples == found.size else None
        table.add_row(str(one.samples), *_cells({"mean": one.mean, "sd": one.sd, "n": one.n}), style=reached)
    console = screen()
    console.print("distillation ratio, in percent of the full data's accuracy", style="italic")
    console.print(table)
    if found.size is None:
        best = max(found.tries, key=lambda one: one.mean)
        console.print(f"no M tried reaches {found.ratio:g} %; the best is {best.mean:.2f} % with M = {best.samples}")
    else:
        console.print(f"{found.ratio:g} % distillation size: M = {found.size}")


def iris(shown: Demonstration) -> tuple[Table, Table]:
    """What two points reach on the flowers of Iris, and where the soft-labelled ones lie."""
    values = shown.as_dict()
    reached = Table(title="Iris in two points: accuracy in percent", title_justify="left")
    reached.add_column("two points with")
    for name in ("all 150 flowers", "held out", "± sd", "folds"):
        reached.add_column(name, justify="right")
    for key, label in (("soft", "soft labels, learned"), ("hard", "hard labels, the best pair of flowers")):
        style = "bold" if key == "soft" else None
        reached.add_row(label, f"{values[key]['all']:.1f}", *_cells(values[key]["held_out"]), style=style)
    places = Table(title="The two points with soft labels", title_justify="left")
    for name in ("petal length", "petal width", *values["soft"]["points"][0]["label"]):
        places.add_column(name, justify="right")
    for point in values["soft"]["points"]:
        numbers = (point["petal_length"], point["petal_width"], *point["label"].values())
        places.add_row(*(f"{number:.2f}" for number in numbers))
    return reached, places
