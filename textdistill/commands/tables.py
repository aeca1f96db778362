"""What a run shows at its end: the table of accuracies, a few decoded sentences, where the report is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from textdistill.pipeline import Run

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
    table = Table(
        title=f"{metrics['samples']} distilled samples, {start} start: test accuracy in percent", title_justify="left"
    )
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
