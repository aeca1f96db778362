"""What sections of several pages show: bars on a track, tables shaded by value, curves, the recipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from textdistill.reports.grid import number as label_value
from textdistill.reports.heatmap import LabelHeatmap
from textdistill.reports.names import class_name
from textdistill.reports.pictures import class_ranks, curve
from textdistill.reports.run_folder import Picture, Score
from textdistill.reports.templates import minus, number

FEW_CLASSES = 12  # up to here tables of classes carry numbers


@dataclass(frozen=True)
class Bar:
    """A line of a table of results; places are percents of its track, `left` and `right` the ends of its spread."""

    name: str
    kind: str
    score: Score
    width: float
    left: float
    right: float
    chip: str = ""
    further: Mapping[str, Score] = field(default_factory=dict)


def track(highest: float) -> float:
    """Where a track ends that has room for this accuracy: a multiple of ten percent."""
    return min(100.0, max(10.0, 10 * (highest // 10 + 1)))


def bar(
    name: str,
    kind: str,
    score: Score,
    ends: tuple[float, float] | None,
    scale: float,
    chip: str = "",
    further: Mapping[str, Score] | None = None,
) -> Bar:
    """A bar on a track that ends at `scale` percent; its spread goes from one of `ends` to the other."""

    def spot(value: float) -> float:
        return round(min(100.0, max(0.0, 100 * value / scale)), 2)

    left, right = (spot(end) for end in ends or (score.mean, score.mean))
    return Bar(name, kind, score, spot(score.mean), left, right, chip, further or {})


@dataclass(frozen=True)
class Cell:
    """A cell: what stands in it, how dark it is (0 to 1), and what it tells a pointer where there is no room."""

    text: str
    share: float
    title: str
    below: bool = False


@dataclass(frozen=True)
class Row:
    """A row of cells under a head."""

    head: str
    cells: list[Cell]
    title: str = ""


@dataclass(frozen=True)
class HeatTable:
    """Rows of cells, a column for each class; `rule` is that of a heat map of labels."""

    classes: Sequence[str]
    rows: list[Row]
    rule: str = ""

    @property
    def numbers(self) -> bool:
        """Whether there is room for numbers."""
        return len(self.classes) <= FEW_CLASSES

    @property
    def negative(self) -> bool:
        """Whether any value is below zero."""
        return any(cell.below for row in self.rows for cell in row.cells)


def values(row: Iterable[float], reach: float) -> list[Cell]:
    """Labels as they were learned; shades are shares of `reach` by size."""
    texts = [(minus(label_value(value)), value) for value in row]
    return [Cell(text, abs(value) / reach, text, value < 0) for text, value in texts]


def means_by_class(heat: LabelHeatmap, counted: bool = False) -> HeatTable:
    """The mean label of each class's samples; their number stands behind the class's name if `counted`."""
    rows = [
        Row(
            f"{row.name} ({row.samples})" if counted else row.name,
            values(row.values, heat.reach),
            "" if counted else f"{row.samples} sample{'s' if row.samples != 1 else ''}",
        )
        for row in heat.rows
    ]
    return HeatTable(heat.classes, rows, heat.rule)


def confusion_table(counts: Sequence[Sequence[int]] | None, names: Sequence[str]) -> HeatTable | None:
    """Counts of test rows by class (rows) and the class they are taken for; shades are shares of the row."""
    if not counts:
        return None
    classes = [class_name(names, label) for label in range(len(counts))]
    rows = [
        Row(name, [Cell(number(count), count / max(1, sum(row)), str(count)) for count in row])
        for name, row in zip(classes, counts, strict=True)
    ]
    return HeatTable(classes, rows)


def curves(
    steps: Sequence[Any], drawn: Iterable[tuple[str, str, str, str]], axis: str = "outer step"
) -> list[dict[str, Any]]:
    """Curves of a log, those that it has values for: of each the title, the name, what is drawn, and the log's key."""
    places = [step.step for step in steps]
    shown = []
    for title, name, label, key in drawn:
        svg = curve(name, label, places, [getattr(step, key) for step in steps], axis)
        shown += [] if svg is None else [{"title": title, "svg": svg}]
    return shown


def legend(picture: Picture, classes: Sequence[str]) -> list[tuple[int, str]]:
    """The number of the colour, and the name, of each class that has one."""
    ranks = class_ranks({"real": picture.real, "distilled": picture.distilled})
    return [(rank, class_name(classes, label)) for label, rank in ranks.items()]


def recipe_text(recipe: Mapping[str, Any]) -> str:
    """The recipe as YAML."""
    return yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True, width=100)
