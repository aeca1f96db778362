"""The chart of a comparison: accuracy by samples a class with intervals, as PNG, or as a page with the tables."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from textdistill.core.checkpoint import write_atomic
from textdistill.core.errors import UserError
from textdistill.evaluation.statistics import interval
from textdistill.reports.compare_runs import Compared
from textdistill.reports.templates import minus, render, write_page
from textdistill.reports.text_tables import judge_name, summary_of

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
    settings: Any = {"text.parse_math": False, "font.family": ["DejaVu Sans"], "font.size": 9.0}
    file = io.BytesIO()
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+", category=UserWarning)  # names in scripts the font lacks
        count = len(compared.entries)
        figure = Figure(figsize=(5.2 * count, 3.9), dpi=130, layout="constrained")
        FigureCanvasAgg(figure)
        for number, judge in enumerate(compared.entries, start=1):
            _draw(figure.add_subplot(1, count, number), compared, judge)
        figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _draw(axes: Axes, compared: Compared, judge: str) -> None:
    sizes = list(compared.entries[judge])
    for number, run in enumerate(compared.runs):
        points = [(place, one[run]) for place, one in enumerate(compared.entries[judge].values()) if run in one]
        if not points:
            continue
        beside = 0.08 * (number - (len(compared.runs) - 1) / 2)  # so that intervals do not hide each other
        x, y = [place + beside for place, _ in points], [one.score.mean for _, one in points]
        ends = [interval(summary_of(one.score)) or (one.score.mean, one.score.mean) for _, one in points]
        reach = [
            [mean - low for mean, (low, _) in zip(y, ends, strict=True)],
            [high - mean for mean, (_, high) in zip(y, ends, strict=True)],
        ]
        mark = _MARKS[number % len(_MARKS)]
        axes.errorbar(x, y, yerr=reach, marker=mark, markersize=5, linewidth=1.2, capsize=3, label=run)
    full = next((one.full for found in compared.entries[judge].values() for one in found.values() if one.full), None)
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
        highest = max((one.score.mean for found in sizes.values() for one in found.values()), default=0.0)
        scale = min(100.0, max(10.0, 10 * (highest // 10 + 2)))
        blocks = []
        for size, found in sizes.items():
            bars = []
            best = max(one.score.mean for one in found.values())
            for run, one in found.items():
                ends = interval(summary_of(one.score))
                spots = None if ends is None else [round(min(100.0, max(0.0, 100 * end / scale)), 2) for end in ends]
                bars.append(
                    {
                        **{"run": run, "method": one.method.replace("_", " "), "score": one.score, "full": one.full},
                        **{"width": round(100 * one.score.mean / scale, 2), "ends": spots},
                        "best": one.score.mean >= best,
                    }
                )
            tests = [
                {
                    **{"claim": f"{one.a} − {one.b}", "points": minus(f"{one.test.difference:+.1f}")},
                    "interval": "–" if one.low is None else minus(f"{one.low:+.1f} to {one.high:+.1f}"),
                    "p": "–" if one.test.p is None else f"{one.test.p:.2g}",
                }
                for one in compared.differences
                if one.judge == judge and one.size == size
            ]
            blocks.append({"size": f"{size:g}", "bars": bars, "tests": tests})
        judges.append({"name": judge_name(judge), "key": judge, "scale": scale, "sizes": blocks})
    return {"judges": judges, "runs": compared.runs, "skipped": compared.skipped}
