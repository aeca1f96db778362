"""The chart of a comparison: accuracy by samples a class with intervals, as PNG, or as a page with the tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from textdistill.core.checkpoint import write_atomic
from textdistill.core.errors import UserError
from textdistill.evaluation.statistics import interval
from textdistill.reports.compare_runs import Compared
from textdistill.reports.names import judge_name
from textdistill.reports.png import png
from textdistill.reports.sections import bar, track
from textdistill.reports.templates import minus, render, write_page
from textdistill.reports.text_tables import Test, between, p_shown, summary_of, test_called

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".html")
_MARKS = "osD^vPX*"


def write_chart(path: Path, compared: Compared) -> Path:
    """Write the comparison as a picture (`.png`) or as a page (`.html`); `UserError` for another ending."""
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"--chart: {path.name}; allowed: a name that ends in {' or '.join(SUFFIXES)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".html":
        return write_page(path, render("compare.html.j2", _view(compared)))
    write_atomic(path, _png(compared))
    return path


def _png(compared: Compared) -> bytes:
    count = len(compared.entries)

    def draw(figure: Figure) -> None:
        for number, judge in enumerate(compared.entries, start=1):
            _draw(figure.add_subplot(1, count, number), compared, judge)

    return png(draw, (5.2 * count, 3.9), 130, {"font.size": 9.0})


def _draw(axes: Axes, compared: Compared, judge: str) -> None:
    sizes = list(compared.entries[judge])
    for number, run in enumerate(compared.runs):
        points = [(place, at[run]) for place, at in enumerate(compared.entries[judge].values()) if run in at]
        if not points:
            continue
        beside = 0.08 * (number - (len(compared.runs) - 1) / 2)  # so that intervals do not hide each other
        x, y = [place + beside for place, _ in points], [entry.score.mean for _, entry in points]
        ends = [interval(summary_of(entry.score)) or (entry.score.mean, entry.score.mean) for _, entry in points]
        reach = [
            [mean - low for mean, (low, _) in zip(y, ends, strict=True)],
            [high - mean for mean, (_, high) in zip(y, ends, strict=True)],
        ]
        mark = _MARKS[number % len(_MARKS)]
        axes.errorbar(x, y, yerr=reach, marker=mark, markersize=5, linewidth=1.2, capsize=3, label=run)
    entries = [entry for runs in compared.entries[judge].values() for entry in runs.values()]
    full = next((entry.full for entry in entries if entry.full), None)
    if full is not None:
        axes.axhline(full, color="#888888", linewidth=1, linestyle=(0, (3, 2)), label="all training data")
    axes.set_xticks(range(len(sizes)), [f"{size:g}" for size in sizes])
    axes.set_xlim(-0.5, len(sizes) - 0.5)
    axes.set_xlabel("samples a class")
    axes.set_ylabel("test accuracy (%)")
    axes.set_title(judge_name(judge), fontsize=9)
    axes.grid(axis="y", linewidth=0.5, alpha=0.5)
    axes.legend(fontsize=7, frameon=False)


def _view(compared: Compared) -> dict[str, Any]:
    judges = []
    for judge, sizes in compared.entries.items():
        highest = max((entry.score.mean for runs in sizes.values() for entry in runs.values()), default=0.0)
        scale = track(highest + 10)
        blocks = []
        for size, runs in sizes.items():
            best = max(entry.score.mean for entry in runs.values())
            bars = [
                bar(
                    *(run, "main" if entry.score.mean >= best else "baseline", entry.score),
                    *(interval(summary_of(entry.score)), scale, entry.method.replace("_", " ")),
                )
                for run, entry in runs.items()
            ]
            tests = [
                Test(
                    claim=f"{gap.a} − {gap.b}",
                    size=f"{size:g}",
                    difference=minus(f"{gap.found.test.difference:+.1f}"),
                    interval=between(gap.found.low, gap.found.high),
                    p=p_shown(gap.p_holm),
                    test=test_called(gap.p_holm, gap.found.paired),
                )
                for gap in compared.differences
                if gap.judge == judge and gap.size == size
            ]
            blocks.append({"size": f"{size:g}", "bars": bars, "tests": tests})
        judges.append({"name": judge_name(judge), "scale": scale, "sizes": blocks})
    return {"judges": judges, "runs": compared.runs, "skipped": compared.skipped}
