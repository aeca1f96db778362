"""What a run shows at its end: the table of accuracies, of texts a few decoded sentences, where the report is."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from textdistill.commands.screen import screen
from textdistill.core.file_names import METRICS

if TYPE_CHECKING:
    from textdistill.analysis.size import Search
    from textdistill.recipe.works_with import Row
    from textdistill.reports.compare_runs import Compared
    from textdistill.reports.iris import Demonstration
    from textdistill.reports.iris_steps import Steps
    from textdistill.runs.pipeline import Run
    from textdistill.runs.readable.run import TextRun

ROWS = {
    "distilled": "distilled",
    "distilled_snapped": "distilled, snapped to real words",
    "distilled_ordinary": "distilled, ordinary optimiser",
    "full": "full data",
}


def _cells(score: Mapping[str, Any]) -> tuple[str, str, str]:
    spread = f"{score['sd']:.2f}" if score.get("n", 1) > 1 else ""
    return f"{score['mean']:.2f}", spread, str(score.get("n", ""))


def accuracies(metrics: Mapping[str, Any]) -> Table:
    """Every figure of metrics.json with its spread, baselines and traditional references below."""
    from textdistill.reports.templates import of_rows

    start = metrics.get("protocol", {}).get("start", "")
    title = f"{metrics['samples']} distilled samples, {start} start: test accuracy in percent"
    table = Table(title=title, title_justify="left")
    table.add_column("trained on")
    for name in ("mean", "± sd", "n"):
        table.add_column(name, justify="right")
    for key, label in ROWS.items():
        if key in metrics:
            label += of_rows(metrics.get("protocol", {})) if key == "full" else ""
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


def show_evaluation(metrics: Mapping[str, Any]) -> None:
    """The judgement of anybody's set: a table for each learner and recipe of labels, tests, and what the texts are."""
    from textdistill.commands.text_tables import membership_told
    from textdistill.evaluation.reference import ratio_told
    from textdistill.reports.names import method_name
    from textdistill.reports.templates import factor
    from textdistill.reports.text_tables import UNSEEN

    console = screen()
    seen = metrics["test_copies"]
    if seen["near"]:
        beside = any(UNSEEN in block["baselines"] for block in metrics["variants"].values())
        stands = "stands beside" if beside else "is none: nothing is left"
        console.print(
            f"warning: {seen['near']} of {seen['n']} samples are copies of test rows ({seen['exact']} word for word); "
            f"the set has seen what it is judged on, and the score without them {stands}",
            style="bold",
        )
    for name, block in metrics["variants"].items():
        table = Table(title=f"{name} a class, {block['learner']}: test accuracy in percent", title_justify="left")
        table.add_column("trained on")
        for column in ("mean", "± sd", "n", "set better by", "95 % interval", "p (Holm)", "test"):
            table.add_column(column, justify="right")
        if "full" in block:
            table.add_row("all training data", *_cells(block["full"]["accuracy"]), "", "", "", "")
        every = {block["headline"]: block["distilled"], **block["baselines"]}
        for method, scores in sorted(every.items(), key=lambda item: -item[1]["accuracy"]["mean"]):
            test = block["comparisons"].get(f"{block['headline']} - {method}")
            style = "bold" if method in (block["headline"], UNSEEN) else None
            table.add_row(
                method_name(method) if method == UNSEEN else method,
                *_cells(scores["accuracy"]),
                *_tests(test),
                style=style,
            )
        if "ratio" in block:
            table.add_row("  as a share of full data (%)", *_cells(block["ratio"]), "", "", "", "")
        console.print(table)
        if "ratio" in block and (told := ratio_told(block["ratio"]["mean"], block["protocol"])):
            console.print(f"share: taken against {told}", markup=False)
    for judge, robust in metrics["robust"].items():
        console.print(f"{judge}: " + ", ".join(f"{key.upper()} {value:.1f}" for key, value in robust.items()))
    sizes = [f"{factor(size['ratio'])} in {unit}" for unit, size in metrics["compression"].items()]
    console.print(f"smaller than the training data by a factor of {', '.join(sizes)} (labels and rates included)")
    texts = metrics["texts"]["set"]
    figures = [f"{key.replace('_', ' ')} {fact['mean']:.1f}" for key, fact in texts.items() if "mean" in _mapping(fact)]
    console.print(f"the texts: {', '.join(figures)}")
    if "membership" in texts:
        console.print(membership_told(texts["membership"]))
    cost = metrics["cost"]
    console.print(
        f"judged in {cost['evaluation_seconds']:.0f} s, {cost['evaluation_peak_mib']:.0f} MiB at most"
        + (f"; distilled in {cost['distill_seconds']:.0f} s" if "distill_seconds" in cost else "")
    )


def show_comparison(compared: Compared) -> None:
    """Several runs: a table for each judge, runs by samples a class, the differences, and what was left out."""
    console = screen()
    for judge, sizes in compared.entries.items():
        table = Table(title=f"{judge}: test accuracy in percent, by samples a class", title_justify="left")
        table.add_column("run", overflow="fold")
        for size in sizes:
            table.add_column(f"{size:g}", justify="right")
        for run in compared.runs:
            cells = []
            for entries in sizes.values():
                mean, spread, _ = _cells(entries[run].score.model_dump()) if run in entries else ("", "", "")
                cells.append(f"{mean} ± {spread}" if spread else mean)
            table.add_row(Text(run), *cells)
        console.print(table)
        for gap in compared.differences:
            if gap.judge == judge:
                points, ends, p, test = _tests({**gap.found.as_dict(), "p_holm": gap.p_holm})
                said = (ends and f"95 % interval {ends}", p and f"p = {p} ({test}, Holm)")
                tested = ", ".join(filter(None, said)) or "no spread known"
                console.print(f"{gap.size:g} a class: {gap.a} - {gap.b}: {points} points ({tested})", markup=False)
    for reason in compared.skipped:
        console.print(f"left out: {reason}", markup=False)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _tests(test: Mapping[str, Any] | None) -> tuple[str, str, str, str]:
    if test is None:
        return "", "", "", ""
    ends = "" if test["low"] is None else f"{test['low']:+.1f} to {test['high']:+.1f}"
    p = test["p_holm"]
    said = ("", "") if p is None else (f"{p:.2g}", "paired" if test["paired"] else "Welch")
    return f"{test['difference']:+.1f}", ends, *said


def show_end(run: Run | TextRun, json: bool) -> None:
    """The end of a run of either kind: `metrics.json` as it is, or tables."""
    from textdistill.commands.text_tables import show_texts
    from textdistill.runs.readable.run import TextRun

    if json:
        sys.stdout.write((Path(run.folder) / METRICS).read_text(encoding="utf-8"))
    elif isinstance(run, TextRun):
        show_texts(run)
    else:
        show_run(run)


def show_run(run: Run, sentences: int = 3) -> None:
    """The end of a run on standard output."""
    from textdistill.evaluation.reference import ratio_told
    from textdistill.reports.decoded_text import show

    console = screen()
    console.print(accuracies(run.metrics))
    if told := ratio_told(run.metrics["ratio"]["mean"], run.metrics["protocol"]):
        console.print(f"ratio: taken against {told}", markup=False)
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


def sizes(search: Search) -> None:
    """The tries of a search for the distillation size, and its outcome, on standard output."""
    table = Table()
    for name in ("M", "ratio", "± sd", "n"):
        table.add_column(name, justify="right")
    for tried in sorted(search.tries, key=lambda tried: tried.samples):
        reached = "bold" if tried.samples == search.size else None
        score = {"mean": tried.mean, "sd": tried.sd, "n": tried.n}
        table.add_row(str(tried.samples), *_cells(score), style=reached)
    console = screen()
    console.print("distillation ratio, in percent of the full data's accuracy", style="italic")
    console.print(table)
    if search.size is None:
        best = max(search.tries, key=lambda tried: tried.mean)
        console.print(f"no M tried reaches {search.ratio:g} %; the best is {best.mean:.2f} % with M = {best.samples}")
    else:
        console.print(f"{search.ratio:g} % distillation size: M = {search.size}")


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


def iris_steps(shown: Steps) -> Table:
    """What the points of a figure of the paper reach on all flowers, step by step."""
    title = f"Iris, the points of figure {shown.figure}: accuracy of all 150 flowers in percent"
    table = Table(title=title, title_justify="left")
    table.add_column("the points by")
    reached = shown.accuracies()
    for step in range(max(map(len, reached.values()))):
        table.add_column(f"step {step + 1}", justify="right")
    for name, accuracies in reached.items():
        table.add_row(name, *(f"{accuracy:.1f}" for accuracy in accuracies))
    return table
