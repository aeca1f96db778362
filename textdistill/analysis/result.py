"""What an analysis found: rows of numbers, written as JSON with a picture, and shown as a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.table import Table

from textdistill.core.checkpoint import write_atomic
from textdistill.evaluation.statistics import summarise
from textdistill.reports.png import png

ACCURACY = "accuracy"
_COLOURS = ("#2a6f97", "#e07a5f", "#81b29a", "#f2cc8f", "#6d597a", "#3d405b", "#b56576")
_SETTINGS: Any = {
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.linewidth": 0.5,
    "grid.color": "#dddddd",
}


@dataclass(frozen=True)
class Result:
    """An analysis: `rows` are flat mappings, of which `measure` is a summary {mean, sd, n}.

    `x` is the key that the picture's axis shows and `series` that of its colours. `lines` joins the points along a
    numeric axis; else there are bars. `settings` are what the numbers depend on, `notes` what a reader should know.
    """

    name: str
    title: str
    rows: list[dict[str, Any]]
    x: str
    series: str | None = None
    lines: bool = False
    measure: str = ACCURACY
    unit: str = "test accuracy, %"
    settings: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        facts = {"analysis": self.name, "title": self.title, "unit": self.unit, "rows": self.rows}
        return {**facts, "settings": self.settings, "notes": self.notes}

    def write(self, folder: Path, picture: bytes | None = None) -> None:
        """`NAME.json` and `NAME.png` in `folder`; the picture is a chart of the rows unless another is given."""
        write_atomic(self.picture_in(folder), chart(self) if picture is None else picture)
        self.write_json(folder)

    def picture_in(self, folder: Path) -> Path:
        """Where the picture goes."""
        return folder / f"{self.name}.png"

    def write_json(self, folder: Path) -> None:
        """`NAME.json` alone."""
        write_atomic(folder / f"{self.name}.json", json.dumps(self.as_dict(), indent=1, ensure_ascii=False) + "\n")

    def table(self) -> Table:
        """The rows for the terminal; the title belongs above it."""
        keys = list(dict.fromkeys(key for row in self.rows for key in row))
        shown = [key for key in keys if not isinstance(next(row[key] for row in self.rows if key in row), list)]
        table = Table()
        summaries = {key for row in self.rows for key, value in row.items() if isinstance(value, Mapping)}
        for key in shown:
            table.add_column(
                "mean ± sd" if key == self.measure else key, justify="right" if key in summaries else "left"
            )
            if key in summaries:
                table.add_column("n", justify="right")
        for row in self.rows:
            cells: list[str] = []
            for key in shown:
                value = row.get(key)
                if key in summaries:
                    cells.extend(("", "") if value is None else (spread(value), str(value["n"])))
                else:
                    cells.append("" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value))
            table.add_row(*cells)
        return table


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Mean, sd and n of scores."""
    return dict(summarise(values).as_dict())


def spread(value: Mapping[str, Any]) -> str:
    """Mean ± sd; the mean alone where there is one score."""
    return f"{value['mean']:.2f} ± {value['sd']:.2f}" if value["n"] > 1 else f"{value['mean']:.2f}"


def chart(result: Result) -> bytes:
    """Bars or lines with the sd as whiskers, as PNG; the same rows give the same bytes."""
    names = list(dict.fromkeys(str(row[result.series]) for row in result.rows)) if result.series else [""]
    places = list(dict.fromkeys(row[result.x] for row in result.rows))

    def draw(axes: Axes) -> None:
        for number, name in enumerate(names):
            rows = [row for row in result.rows if result.series is None or str(row[result.series]) == name]
            values = [row[result.measure] for row in rows]
            means, sds = [score["mean"] for score in values], [score["sd"] or 0.0 for score in values]
            colour = _COLOURS[number % len(_COLOURS)]
            if result.lines:
                at: Any = [float(row[result.x]) for row in rows]
                axes.errorbar(at, means, sds, label=name, color=colour, marker="o", markersize=4, capsize=3)
            else:
                width = 0.8 / len(names)
                at = np.array([places.index(row[result.x]) for row in rows]) + (number - (len(names) - 1) / 2) * width
                axes.bar(at, means, width * 0.92, yerr=sds, label=name, color=colour, capsize=3)
        axes.set_ylabel(result.unit)
        if result.lines:
            axes.set_xlabel(result.x)
            reach = [float(place) for place in places]
            if min(reach) > 0 and max(reach) > 20 * min(reach):
                axes.set_xscale("log")
        else:
            axes.set_xticks(range(len(places)), [str(place) for place in places], rotation=20, ha="right")
        if result.series is not None:
            axes.legend(frameon=False, fontsize=8)

    return picture(draw, result.title, (max(5.0, 1.5 + 0.45 * len(places) * (1 + len(names) / 2)), 3.6))


def picture(draw: Callable[[Axes], None], title: str, inches: tuple[float, float]) -> bytes:
    """What `draw` puts on fresh axes, as PNG without a date."""

    def draw_titled(figure: Figure) -> None:
        axes = figure.add_subplot()
        draw(axes)
        axes.set_title(title, fontsize=9, loc="left")

    return png(draw_titled, inches, 120, _SETTINGS)
