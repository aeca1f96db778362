"""Draw docs/report.png from a finished run: `python -m tests.report_picture runs/quickstart docs/report.png`.

The bars, the map and the curve are those of the run's own report, by the functions that draw them there; the page's
colours, CSS variables there, are filled in.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from textdistill.reports import pictures, report
from textdistill.reports.run_folder import FinishedRun, read_run


def draw(folder: Path) -> bytes:
    """The picture as PNG; the same bytes for the same folder."""
    css = Path(report.__file__).with_name("report.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"--(\w+): (#\w{6});", css.split("}")[0]))
    of_page = {stand_in: colours[name[6:-1]] for stand_in, name in pictures._VARIABLES.items()}
    settings = {key: of_page.get(value, value) if isinstance(value, str) else value for key, value in SETTINGS.items()}
    filled = {
        name: of_page[getattr(pictures, name)] for name in ("_INK", "_SOFT", "_RULE", "_ACCENT", "_PAPER", "_OTHER")
    }
    drawings: dict[str, Callable[[Axes], None]] = {}

    def kept(name: str, told: str, drawing: Callable[[Axes], None], inches: Any = None) -> Markup:
        drawings[name] = drawing
        return Markup()

    run, file = read_run(folder), io.BytesIO()
    classes = [of_page[one] for one in pictures._CLASSES]
    with mock.patch.multiple(pictures, _svg=kept, _CLASSES=classes, **filled), matplotlib.rc_context(settings):
        report._view(run)  # draws all that the page shows
        figure = Figure(figsize=(10, 5.4), dpi=110, layout="constrained", facecolor=colours["card"])
        FigureCanvasAgg(figure)
        grid = figure.add_gridspec(2, 2, width_ratios=(1.25, 1), height_ratios=(1.6, 1))
        bars(figure.add_subplot(grid[:, 0]), run, colours)
        for place, (name, title) in enumerate((("map", "Real rows (dots), distilled (stars)"), ("loss", "Outer loss"))):
            axes = figure.add_subplot(grid[place, 1])
            drawings[name](axes)
            axes.set_title(title, loc="left", color=colours["ink"], fontsize=10)
        figure.suptitle(run.manifest.title, color=colours["ink"], fontsize=11)
        figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


SETTINGS: dict[str, Any] = {**pictures._SETTINGS, "font.size": 8.5}


def bars(axes: Axes, run: FinishedRun, colours: dict[str, str]) -> None:
    """The report's table of scores, best first."""
    shown, scale = report._bars(run)
    paint = {"main": colours["accent"], "distilled": colours["accent"], "full": colours["ink"]}
    for row, bar in enumerate(shown):
        score = bar.score
        strong = bar.kind in ("main", "full")
        alpha = 1.0 if strong else 0.55
        axes.barh(row, score.mean, height=0.62, color=paint.get(bar.kind, colours["quiet"]), alpha=alpha)
        if score.sd and (score.n or 1) > 1:
            ends = [score.mean - score.sd, score.mean + score.sd]
            axes.plot(ends, [row, row], color=colours["ink"], linewidth=1)
        figures = f"{score.mean:.1f}" + (f" ± {score.sd:.1f}" if score.sd and (score.n or 1) > 1 else "")
        reach = score.mean + (score.sd or 0)
        weight = "bold" if bar.kind == "main" else "normal"
        axes.text(reach + 0.01 * scale, row, figures, va="center", color=colours["ink"], fontweight=weight)
    axes.set_yticks(range(len(shown)), [bar.name for bar in shown])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.14 * scale)
    axes.grid(False)
    axes.set_xlabel("test accuracy in percent")


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(draw(Path(sys.argv[1])))
