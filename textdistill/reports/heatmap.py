"""What the labels say, class by class: the mean soft label of each class's samples, as numbers and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from textdistill.core.checkpoint import write_atomic
from textdistill.core.errors import DataError
from textdistill.reports.png import png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NUMBERS = 12  # up to so many classes the picture's cells carry numbers


@dataclass(frozen=True)
class HeatRow:
    """One class: its name, how many samples are its own, and their mean label, a value for each class."""

    name: str
    samples: int
    values: list[float]


@dataclass(frozen=True)
class LabelHeatmap:
    """The mean label of each class's samples (`rows`), and every sample's own (`each`: its class's name, its label).

    `rule` says whose a sample is: the class it came with (`own`), or that of its highest value (`highest`). Classes
    without a sample have no row. Values are as learned, negative ones too.
    """

    classes: list[str]
    rows: list[HeatRow]
    each: list[tuple[str, list[float]]]
    rule: str

    @property
    def reach(self) -> float:
        """The largest value by size among the means, at least a hair."""
        return max((abs(value) for row in self.rows for value in row.values), default=0.0) or 1e-12

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)


def label_heatmap(
    targets: Float[Tensor, "*set c"],
    classes: Sequence[str],
    owners: Sequence[int] | None = None,
    owner_names: Sequence[str] | None = None,
) -> LabelHeatmap:
    """Mean soft labels by class, of text and images alike; `targets` (S, m, c) or (M, c).

    `owners` are the classes (M,) that the samples came with, in order; without them a sample belongs to the class of
    its highest value. `owner_names` are the names of those classes where they are another data set's. Raises
    `DataError` for numbers that do not fit.
    """
    values = targets.detach().cpu().double().reshape(-1, targets.shape[-1])
    names = list(classes if owner_names is None else owner_names)
    whose = values.argmax(1).tolist() if owners is None else list(owners)
    if values.shape[1] != len(classes) or len(whose) != len(values) or not set(whose) <= set(range(len(names))):
        raise DataError(
            f"label heat map: {len(values)} labels of {values.shape[1]} values, {len(whose)} owners, {len(classes)} "
            "classes; needed are one owner a label, numbered as the classes, and one value a class"
        )
    of = torch.tensor(whose)
    rows = [
        HeatRow(names[label], int((of == label).sum()), _rounded(values[of == label].mean(0)))
        for label in sorted(set(whose))
    ]
    order = sorted(range(len(whose)), key=lambda index: whose[index])
    each = [(names[whose[index]], _rounded(values[index])) for index in order]
    return LabelHeatmap(list(classes), rows, each, "highest" if owners is None else "own")


def write_heatmap(path: Path, heat: LabelHeatmap, each: bool = False) -> None:
    """Write the heat map as PNG, a row for each class (for each sample with `each`); the same bytes every time."""
    rows = [(name, values) for name, values in heat.each] if each else [(row.name, row.values) for row in heat.rows]
    reach = max((abs(value) for _, values in rows for value in values), default=0.0) or 1e-12
    height = min(60.0, 1.4 + (0.32 if len(rows) <= 40 else 0.12) * len(rows))
    width = 2.8 + (0.55 if len(heat.classes) <= _NUMBERS else 0.22) * len(heat.classes)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        drawn = axes.imshow(
            [values for _, values in rows],
            cmap="RdBu_r",
            vmin=-reach,
            vmax=reach,
            aspect="auto",
            interpolation="nearest",
        )
        upright = max(map(len, heat.classes), default=0) > 4 or len(heat.classes) > _NUMBERS
        axes.set_xticks(range(len(heat.classes)), heat.classes, rotation=90 if upright else 0)
        if len(rows) <= 60:
            axes.set_yticks(range(len(rows)), [name for name, _ in rows])
        axes.set_xlabel("value for the class")
        axes.set_ylabel("samples of the class" if not each else "sample, by its class")
        if len(heat.classes) <= _NUMBERS and len(rows) <= 40:
            for y, (_, values) in enumerate(rows):
                for x, value in enumerate(values):
                    ink = "white" if abs(value) > 0.6 * reach else "black"
                    axes.text(
                        x,
                        y,
                        f"{value:z.2f}" if abs(value) < 100 else f"{value:.3g}",
                        ha="center",
                        va="center",
                        color=ink,
                    )
        figure.colorbar(drawn, ax=axes, shrink=0.9)

    write_atomic(path, png(draw, (width, height), 120, {"font.size": 8.0}))


def _rounded(values: Tensor) -> list[float]:
    return [round(value, 6) for value in values.tolist()]
