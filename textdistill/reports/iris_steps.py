"""How a few points divide the plane of Iris as they are chosen, moved and relabelled: figures 3 and 4 of the paper.

Sucholutsky & Schonlau 2021, section III.A: k-nearest neighbours of three points by prototype selection, prototype
generation, soft labels and both, four steps each; and of two points that come to tell three classes apart. The paper
does not say where its points lie. Here those of figure 3 begin at the means of the classes, and those of figure 4 end
where `fit_soft` puts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from textdistill.core.checkpoint import write_atomic
from textdistill.core.streams import Streams
from textdistill.reports.iris import AXES, NAMES, Prototypes, fit_soft, flowers, regions
from textdistill.reports.png import png

STEPS = 4
MIDDLE = NAMES.index("versicolor")
MOVE = (0.25, 0.25)  # cm that the middle point moves by in a step: up and to the right, the figure's diagonal
SHARE = 0.15  # of its label that goes from its own class to both others in a step
WAY = (0.0, 0.85, 0.93, 1.0)  # of figure 4's steps: below 0.8 the middle class has no flowers yet


@dataclass(frozen=True)
class Steps:
    """The points of every step by method, and the accuracy (percent) of all 150 flowers at each."""

    figure: int
    methods: dict[str, list[Prototypes]]

    def accuracies(self) -> dict[str, list[float]]:
        """By method, step by step."""
        x, y = flowers()
        return {name: [of.accuracy(x, y) for of in steps] for name, steps in self.methods.items()}

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        reached = self.accuracies()
        return {
            "figure": self.figure,
            "methods": {
                name: [
                    {"accuracy": accuracy, "points": of.as_list()}
                    for accuracy, of in zip(reached[name], steps, strict=True)
                ]
                for name, steps in self.methods.items()
            },
        }


def three_points(seed: int = 0) -> Steps:
    """Figure 3: one point a class; each method changes the points in steps of its own.

    `selection`: a random flower of each class, others at every step. `generation`: the middle point (versicolor's, at
    its class's mean at first) moves along the diagonal. `soft labels`: it stays, and its label becomes more and more a
    mixture of both other classes. `both`: it moves, and its label changes.
    """
    x, y = flowers()
    means, own = torch.stack([x[y == label].mean(0) for label in range(3)]), torch.eye(3, dtype=x.dtype)
    move = torch.tensor(MOVE, dtype=x.dtype)

    def drawn(step: int) -> Prototypes:
        rng = Streams(seed, ("iris", "selection")).torch(step)
        rows = [torch.nonzero(y == label)[:, 0] for label in range(3)]
        return Prototypes(torch.stack([x[of[torch.randint(len(of), (), generator=rng)]] for of in rows]), own)

    def changed(moves: int, shares: int) -> Prototypes:
        points, labels = means.clone(), own.clone()
        points[MIDDLE] += moves * move
        labels[MIDDLE] = own[MIDDLE] + shares * SHARE * ((1 - own[MIDDLE]) / 2 - own[MIDDLE])
        return Prototypes(points, labels)

    return Steps(
        3,
        {
            "selection": [drawn(step) for step in range(STEPS)],
            "generation": [changed(step, 0) for step in range(STEPS)],
            "soft labels": [changed(0, step) for step in range(STEPS)],
            "both": [changed(step, step) for step in range(STEPS)],
        },
    )


def two_points(seed: int = 0) -> Steps:
    """Figure 4: two points without a share for the middle class shift and grow one, until they tell all three apart."""
    x, y = flowers()
    end = fit_soft(x, y, seed)
    outer = end.labels.clone()
    outer[:, MIDDLE] = 0
    outer = outer / outer.sum(1, keepdim=True)
    begin = torch.stack([x[y == label].mean(0) for label in outer.argmax(1).tolist()])

    def between(share: float) -> Prototypes:
        points, labels = (
            (1 - share) * first + share * last for first, last in ((begin, end.points), (outer, end.labels))
        )
        return Prototypes(points, labels)

    return Steps(4, {"both": [between(share) for share in WAY]})


def write_steps(path: Path, shown: Steps) -> None:
    """A PNG of the plane at every step, methods side by side and steps one below the other (two points: in a row)."""
    everything = torch.cat([flowers()[0], *(of.points for steps in shown.methods.values() for of in steps)])
    reached, count = shown.accuracies(), len(shown.methods)
    shape = (1, STEPS) if count == 1 else (STEPS, count)

    def draw(figure: Figure) -> None:
        grid = figure.subplots(*shape, sharex=True, sharey=True, squeeze=False)
        for column, (name, steps) in enumerate(shown.methods.items()):
            for step, of in enumerate(steps):
                axes = grid[0][step] if count == 1 else grid[step][column]
                regions(axes, of, everything, small=True)
                axes.set_title(f"{name}, step {step + 1}: {reached[name][step]:.1f} %", fontsize=8, loc="left")
        for row in grid:
            row[0].set_ylabel(f"{AXES[1]} (cm)")
        for axes in grid[-1]:
            axes.set_xlabel(f"{AXES[0]} (cm)")

    write_atomic(path, png(draw, (3.0 * shape[1], 2.4 * shape[0] + 0.3), 110, {"font.size": 8.0}))


FIGURES = {3: three_points, 4: two_points}
