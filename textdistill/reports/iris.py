"""Less than one example a class: two soft-labelled points that separate the three classes of Iris.

The demonstration of Sucholutsky & Schonlau (2021, figure 4) on real flowers: petal length and width in cm, and the
distance-weighted soft-label nearest neighbours of `neighbours`. Two hard labels can name but two of the three classes.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.path import Path as Outline
from sklearn.datasets import load_iris
from sklearn.model_selection import StratifiedKFold
from torch import Tensor

from textdistill.core.checkpoint import write_atomic
from textdistill.core.streams import Streams
from textdistill.evaluation.neighbours import knn_predict
from textdistill.reports.png import png

FOLDS = 5
NAMES = ("setosa", "versicolor", "virginica")
AXES = ("petal length", "petal width")
_TRIES, _STEPS, _RATE = 16, 400, 0.05
_SHARPNESS = 40.0  # of the softmax that stands for the vote's argmax: at 20 the boundaries already blur
_COLOURS = ("#0072b2", "#e69f00", "#009e73")  # told apart by colour-blind eyes, too
_MARKERS = ("o", "s", "^")


@dataclass(frozen=True)
class Prototypes:
    """A few points (m, 2), in cm, and their labels (m, 3), which sum to one."""

    points: Tensor
    labels: Tensor

    def predict(self, flowers: Float[Tensor, "n 2"]) -> Int[Tensor, " n"]:
        """The class of each flower; all points vote. With one hard label a class this is the nearest point's."""
        return knn_predict(self.points, self.labels, flowers, k=len(self.points))

    def as_list(self) -> list[dict[str, Any]]:
        """As JSON can hold it."""
        rows = zip(self.points.tolist(), self.labels.tolist(), strict=True)
        return [
            {"petal_length": x, "petal_width": y, "label": dict(zip(NAMES, label, strict=True))}
            for (x, y), label in rows
        ]

    def accuracy(self, flowers: Float[Tensor, "n 2"], classes: Int[Tensor, " n"]) -> float:
        """In percent."""
        return 100 * float((self.predict(flowers) == classes).double().mean())


@dataclass(frozen=True)
class Demonstration:
    """What two points reach, with soft and with hard labels: on all flowers, and on those held out of each fold."""

    soft: Prototypes
    hard: Prototypes
    accuracy: dict[str, float]
    held_out: dict[str, list[float]]

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it; accuracies in percent."""

        def held(values: list[float]) -> dict[str, Any]:
            return {"mean": statistics.fmean(values), "sd": statistics.stdev(values), "n": len(values)}

        return {
            name: {"all": self.accuracy[name], "held_out": held(self.held_out[name]), "points": of.as_list()}
            for name, of in (("soft", self.soft), ("hard", self.hard))
        }


def flowers() -> tuple[Float[Tensor, "n 2"], Int[Tensor, " n"]]:
    """Petal length and width of the 150 flowers, and their classes."""
    values, classes = load_iris(return_X_y=True)
    return torch.from_numpy(values[:, 2:]), torch.from_numpy(classes).long()


def fit_soft(x: Float[Tensor, "n 2"], y: Int[Tensor, " n"], seed: int = 0) -> Prototypes:
    """Two points and their labels, by gradient descent on what they get wrong about these flowers.

    q_c(x) = Σ_i y_ic w_i, w_i ∝ 1 / d(x, x_i): the share of the vote that class c gets. The loss is the cross-entropy
    of softmax(40 q), a smooth stand-in for its argmax. Of 16 tries from pairs of flowers, the one with the fewest
    errors on these flowers is kept, of equal ones that with the least loss.
    """
    rng = Streams(seed, ("iris",)).torch("tries")
    begin = torch.stack([x[torch.randperm(len(x), generator=rng)[:2]] for _ in range(_TRIES)])
    points = begin.clone().requires_grad_()
    raw = (0.5 * torch.randn(_TRIES, 2, len(NAMES), generator=rng, dtype=x.dtype)).requires_grad_()
    optimizer = torch.optim.Adam([points, raw], lr=_RATE)
    for _ in range(_STEPS):
        optimizer.zero_grad()
        losses = _losses(points, raw, x, y)
        losses.sum().backward()
        optimizer.step()
    with torch.no_grad():
        losses, labels = _losses(points, raw, x, y), raw.softmax(-1)
    tries = [Prototypes(points[k].detach(), labels[k].detach()) for k in range(_TRIES)]
    best = max(range(_TRIES), key=lambda k: (tries[k].accuracy(x, y), -float(losses[k])))
    return tries[best]


def _losses(points: Tensor, raw: Tensor, x: Tensor, y: Tensor) -> Float[Tensor, " tries"]:
    squared = ((x[None, :, None] - points[:, None]) ** 2).sum(-1)
    inverse = (squared + 1e-9).rsqrt()  # a point may lie on a flower, where the root has no derivative
    votes = torch.einsum("tnk,tkc->tcn", inverse / inverse.sum(-1, keepdim=True), raw.softmax(-1))
    return F.cross_entropy(_SHARPNESS * votes, y.expand(len(points), -1), reduction="none").mean(1)


def best_hard(x: Float[Tensor, "n 2"], y: Int[Tensor, " n"]) -> Prototypes:
    """The best two of these flowers with their own labels, among all pairs; of equal ones, the nearest to them all."""
    distances = torch.cdist(x, x)
    nearer = distances[:, None] <= distances[None]  # is k nearer to i than to j?
    own = y[:, None] == y
    right = torch.where(nearer, own[:, None], own[None]).sum(-1)
    reach = torch.minimum(distances[:, None], distances[None]).sum(-1)
    best = int((right - reach / (1 + reach.max())).argmax())
    chosen = torch.tensor([best // len(x), best % len(x)])
    return Prototypes(x[chosen], F.one_hot(y[chosen], len(NAMES)).to(x))


def demonstrate(seed: int = 0) -> Demonstration:
    """Fit on all flowers, and five times on four fifths of them (stratified), judged on the rest."""
    x, y = flowers()
    kinds = {"soft": lambda a, b: fit_soft(a, b, seed), "hard": best_hard}
    folds = [
        (torch.from_numpy(train), torch.from_numpy(test))
        for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(x.numpy(), y.numpy())
    ]
    whole = {name: fit(x, y) for name, fit in kinds.items()}
    held = {
        name: [fit(x[train], y[train]).accuracy(x[test], y[test]) for train, test in folds]
        for name, fit in kinds.items()
    }
    return Demonstration(whole["soft"], whole["hard"], {n: p.accuracy(x, y) for n, p in whole.items()}, held)


def write_regions(path: Path, shown: Demonstration) -> None:
    """A PNG of how two hard-labelled and two soft-labelled points divide the plane, with the flowers in it."""
    everything = torch.cat([flowers()[0], shown.hard.points, shown.soft.points])

    def draw(figure: Figure) -> None:
        for axes, of, name in zip(
            figure.subplots(1, 2, sharey=True), (shown.hard, shown.soft), ("hard", "soft"), strict=True
        ):
            regions(axes, of, everything)
            axes.set_title(f"two {name} labels: {shown.accuracy[name]:.1f} % of 150 flowers", loc="left")
        figure.axes[0].set_ylabel(f"{AXES[1]} (cm)")
        figure.axes[1].legend(loc="lower right", framealpha=0.9)

    write_atomic(path, png(draw, (10.5, 4.6), 120, {"font.size": 9.0}))


def regions(axes: Axes, of: Prototypes, everything: Tensor, small: bool = False) -> None:
    """How the points divide the plane as far as `everything` lies in it; `small`: labels as pies, no words."""
    x, y = flowers()
    low, high = (everything.min(0).values - 0.4).tolist(), (everything.max(0).values + 0.4).tolist()
    across, up = np.linspace(low[0], high[0], 400), np.linspace(low[1], high[1], 300)
    plane = torch.from_numpy(np.stack(np.meshgrid(across, up), -1).reshape(-1, 2))
    classes = of.predict(plane).view(len(up), len(across)).numpy()
    axes.imshow(
        classes,
        extent=(low[0], high[0], low[1], high[1]),
        origin="lower",
        aspect="auto",
        cmap=ListedColormap(_COLOURS),
        vmin=0,
        vmax=len(NAMES) - 1,
        alpha=0.25,
        interpolation="nearest",
    )
    for label, name in enumerate(NAMES):
        rows = x[y == label].numpy()
        look: dict[str, Any] = {"s": 6 if small else 18, "color": _COLOURS[label], "marker": _MARKERS[label]}
        axes.scatter(rows[:, 0], rows[:, 1], label=name, linewidths=0.4, edgecolors="white", **look)
    for (left, top), label in zip(of.points.tolist(), of.labels.tolist(), strict=True):
        if small:
            _pie(axes, left, top, label)
            continue
        axes.scatter([left], [top], s=230, marker="*", color="black", edgecolors="white", linewidths=1.0, zorder=4)
        shares = "\n".join(f"{name} {value:.2f}" for name, value in zip(NAMES, label, strict=True) if value >= 0.005)
        right = left > (low[0] + high[0]) / 2
        axes.annotate(
            shares,
            (left, top),
            xytext=(-9 if right else 9, 0),
            textcoords="offset points",
            ha="right" if right else "left",
            va="center",
            fontsize=8,
            bbox={"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
            zorder=5,
        )
    if not small:
        axes.set_xlabel(f"{AXES[0]} (cm)")


def _pie(axes: Axes, left: float, top: float, label: list[float]) -> None:
    """A label as the paper draws it: slices of a disc, in the classes' colours."""
    axes.scatter([left], [top], s=260, color="black", zorder=4)
    begin = 0.0
    for share, colour in zip(label, _COLOURS, strict=True):
        turn = 2 * np.pi * np.linspace(begin, begin + share, 40)
        slice_of = np.column_stack([np.append(0.0, np.cos(turn)), np.append(0.0, np.sin(turn))])
        if share > 0:
            # a marker is drawn as large as it reaches: to its radius everywhere, whatever slice it is
            size = 220 * float(np.abs(slice_of).max()) ** 2
            axes.scatter([left], [top], marker=Outline(slice_of), s=size, color=colour, linewidths=0, zorder=5)
        begin += share
