"""Pictures of a finished run as inline SVG: curves, learning rates, distances, and a map of the samples.

Matplotlib lays them out; the markup is then made fit for a web page: colours become the page's own CSS variables
(so a picture follows light and dark mode), fonts become the page's, identifiers are made unique, and dates and
random names are left out, so that the same numbers give the same bytes. No text of the user's ever enters a picture:
names of classes stand in the page's own legend.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import ArrayLike, NDArray

from textdistill.core.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]

CLASS_COLOURS = 7  # further classes share one grey: more hues could not be alt apart
# Stand-ins that matplotlib writes and that `_web` replaces with the page's variables.
_INK, _SOFT, _RULE, _ACCENT, _PAPER, _OTHER = (f"#0a0a0{i}" for i in range(1, 7))
_CLASSES = [f"#0b0b0{i}" for i in range(CLASS_COLOURS)]
_VARIABLES = {
    _INK: "var(--ink)",
    _SOFT: "var(--soft)",
    _RULE: "var(--rule)",
    _ACCENT: "var(--accent)",
    _PAPER: "var(--card)",
    _OTHER: "var(--other)",
    **{colour: f"var(--k{index})" for index, colour in enumerate(_CLASSES)},
}
_SETTINGS: Any = {  # keys are typed by the installed matplotlib's own list, which differs between its versions
    "svg.hashsalt": "textdistill",
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],  # comes with matplotlib, so every machine measures text alike
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.labelcolor": _SOFT,
    "axes.edgecolor": _RULE,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": _RULE,
    "grid.linewidth": 0.5,
    "text.color": _SOFT,
    "xtick.color": _RULE,
    "ytick.color": _RULE,
    "xtick.labelcolor": _SOFT,
    "ytick.labelcolor": _SOFT,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "axes.formatter.limits": [-3, 5],
    "axes.formatter.useoffset": False,
}


def embedding_picture(
    real_means: ArrayLike,
    real_labels: ArrayLike,
    distilled_means: ArrayLike,
    distilled_top: ArrayLike,
    *,
    limit: int = 1200,
) -> dict[str, Any]:
    """Two-dimensional map of real rows (n, d) and distilled samples (m, d), by mean word vectors or pixels.

    The axes are the first two principal components of the real rows alone, so a distilled sample that lies far from
    all real text is drawn far away. Labels are class indices, (n,) and (m,). Of more than `limit` real rows every
    (n / limit)-th in class order is drawn, which keeps each class's share. Returns `{"real": [[x, y, class]],
    "distilled": [[x, y, class]], "explained": [share, share]}` ready for JSON; raises `DataError` for shapes that
    do not fit or numbers that are not finite.
    """
    from sklearn.decomposition import PCA

    real, distilled = np.asarray(real_means, dtype=float), np.asarray(distilled_means, dtype=float)
    labels, top = np.asarray(real_labels, dtype=int), np.asarray(distilled_top, dtype=int)
    if real.ndim != 2 or distilled.ndim != 2 or real.shape[1] != distilled.shape[1] or len(real) < 2:
        raise DataError(
            f"embedding picture: real means {real.shape} and distilled means {distilled.shape} given; "
            "needed are (n, d) with n >= 2 and (m, d) of the same d"
        )
    if labels.shape != (len(real),) or top.shape != (len(distilled),):
        raise DataError(
            f"embedding picture: {len(real)} real rows with labels {labels.shape}, "
            f"{len(distilled)} distilled with {top.shape}; give one class index per row"
        )
    if not (np.isfinite(real).all() and np.isfinite(distilled).all()):
        raise DataError(
            "embedding picture: a row's vector holds NaN or infinity; drop it (a text without a known word?)"
        )
    pca = PCA(n_components=min(2, *real.shape), svd_solver="full").fit(real)
    order = shown_rows(labels, limit)

    def points(rows: Array, classes: NDArray[np.int_]) -> list[list[float | int]]:
        places = pca.transform(rows) if len(rows) else np.zeros((0, 2))
        places = np.pad(places, ((0, 0), (0, 2 - places.shape[1])))
        return [[round(float(x), 5), round(float(y), 5), int(c)] for (x, y), c in zip(places, classes, strict=True)]

    explained = [round(float(share), 5) for share in np.nan_to_num(pca.explained_variance_ratio_)]
    return {"real": points(real[order], labels[order]), "distilled": points(distilled, top), "explained": explained}


def shown_rows(labels: ArrayLike, limit: int) -> NDArray[np.int_]:
    """Which real rows a picture draws, and in what order: every (n / limit)-th in the order of the classes."""
    order = np.argsort(np.asarray(labels, dtype=int), kind="stable")
    picked: NDArray[np.int_] = order[np.linspace(0, len(order) - 1, min(limit, len(order))).round().astype(int)]
    return picked


def class_ranks(picture: dict[str, Any]) -> dict[int, int]:
    """The colour number of each class in the picture, commonest first; classes beyond the palette are left out."""
    counts: dict[int, int] = {}
    for *_, label in [*picture["real"], *picture["distilled"]]:
        counts[int(label)] = counts.get(int(label), 0) + 1
    common = sorted(counts, key=lambda label: (-counts[label], label))[:CLASS_COLOURS]
    return {label: rank for rank, label in enumerate(sorted(common))}


def scatter(picture: dict[str, Any], what: str = "mean word vectors") -> Markup:
    """Real rows as small dots and distilled samples as stars, coloured by class; `what` of theirs gave the axes."""
    ranks = class_ranks(picture)

    def colours(points: list[list[float]]) -> list[str]:
        return [_CLASSES[ranks[int(p[2])]] if int(p[2]) in ranks else _OTHER for p in points]

    def draw(axes: Axes) -> None:
        real, stars = picture["real"], picture["distilled"]
        axes.scatter([p[0] for p in real], [p[1] for p in real], s=7, c=colours(real), alpha=0.42, linewidths=0)
        axes.scatter(
            [p[0] for p in stars],
            [p[1] for p in stars],
            s=110 if len(stars) <= 60 else 55,
            c=colours(stars),
            marker="*",
            edgecolors=_INK,
            linewidths=0.8,
            zorder=3,
        )
        axes.grid(False)
        axes.set_xticks([])
        axes.set_yticks([])
        shares = [f" ({share:.0%} of variance)" for share in picture["explained"]] + ["", ""]
        axes.set_xlabel("first component" + shares[0])
        axes.set_ylabel("second component" + shares[1])

    count = f"{len(picture['real'])} real rows as dots and {len(picture['distilled'])} distilled samples as stars"
    return _svg("map", f"Map of {what}: {count}, coloured by class.", draw, (5.0, 3.9))


def curve(
    name: str, label: str, steps: Sequence[float], values: Sequence[float | None], axis: str = "outer step"
) -> Markup | None:
    """One quantity over the steps that `axis` names, with the spread of each stretch of steps as a pale band.

    Missing and non-finite values are skipped; `None` when nothing is left. A positive quantity whose largest value
    is over 30 times its median gets a logarithmic axis.
    """
    known = [(s, v) for s, v in zip(steps, values, strict=True) if v is not None and math.isfinite(v)]
    if not known:
        return None
    x, y = np.asarray(known, dtype=float).T
    pieces = np.array_split(np.arange(len(x)), min(len(x), 120))
    middle = np.asarray([y[piece].mean() for piece in pieces])
    places = np.asarray([x[piece].mean() for piece in pieces])
    logarithmic = bool(y.min() > 0 and y.max() > 30 * float(np.median(y)))

    def draw(axes: Axes) -> None:
        if len(y) > len(pieces):
            low, high = ([float(pick(y[piece])) for piece in pieces] for pick in (np.min, np.max))
            axes.fill_between(places, low, high, color=_ACCENT, alpha=0.18, linewidth=0)
        marker = "o" if len(y) <= 40 else ""
        axes.plot(places, middle, color=_ACCENT, linewidth=1.5, marker=marker, markersize=3)
        if logarithmic:
            axes.set_yscale("log")
        axes.set_xlabel(axis)
        axes.set_ylabel("logarithmic" if logarithmic else "")

    alt = f"{label} over {len(y)} recorded {axis}s: from {y[0]:.4g} to {y[-1]:.4g}, lowest {y.min():.4g}."
    return _svg(name, alt, draw)


def learning_rates(rates: Sequence[Sequence[float]]) -> Markup | None:
    """The learning rate of each inner step, epoch after epoch; `None` for fewer than two steps."""
    from matplotlib.ticker import MaxNLocator

    flat = [float(rate) for epoch in rates for rate in epoch]
    if len(flat) < 2 or not all(math.isfinite(rate) for rate in flat):
        return None
    ends = np.cumsum([len(epoch) for epoch in rates])[:-1]

    def draw(axes: Axes) -> None:
        places = np.arange(1, len(flat) + 1)
        axes.vlines(places, min(0.0, *flat), flat, color=_ACCENT, alpha=0.35, linewidth=1.2)
        axes.plot(places, flat, color=_ACCENT, linestyle="", marker="o", markersize=3.5 if len(flat) < 60 else 1.5)
        for end in ends:
            axes.axvline(end + 0.5, color=_RULE, linewidth=0.8, linestyle=(0, (2, 2)))
        axes.set_ylim(bottom=min(0.0, *flat))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("inner step" + (" (dashed: next epoch)" if len(ends) else ""))

    alt = f"Learning rate of {len(flat)} inner steps: from {flat[0]:.4g} to {flat[-1]:.4g}, highest {max(flat):.4g}."
    return _svg("rates", alt, draw)


def distances(values: Sequence[float], reference: float | None) -> Markup | None:
    """How far the distilled vectors lie from their nearest words, beside the median of real words."""
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return None

    def draw(axes: Axes) -> None:
        bins = np.histogram_bin_edges(known, bins=min(30, max(6, math.isqrt(len(known)))))
        axes.hist(known, bins=list(bins), color=_ACCENT, alpha=0.75, rwidth=0.92, linewidth=0)
        if reference is not None:
            axes.axvline(reference, color=_INK, linewidth=1.2, linestyle=(0, (3, 2)))
        axes.set_xlabel("distance to the nearest word")
        axes.set_ylabel("positions")

    alt = f"Histogram of {len(known)} distances to the nearest word, from {min(known):.3g} to {max(known):.3g}"
    alt += "." if reference is None else f"; real words lie {reference:.3g} from their own nearest word."
    return _svg("distances", alt, draw)


def _svg(name: str, alt: str, draw: Callable[[Axes], None], inches: tuple[float, float] = (4.2, 2.7)) -> Markup:
    """Draw on fresh axes and return markup for a page; `alt` is what a screen reader says."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=inches, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.add_subplot())
        text = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(text, format="svg", transparent=True, metadata=nothing)
    return _web(text.getvalue(), name, alt)


def _web(svg: str, name: str, alt: str) -> Markup:
    """Matplotlib's stand-alone file as markup within a page (see the module's words)."""
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    box = re.search(r'viewBox="([\d. -]+)"', svg)
    body = svg[svg.index(">", svg.index("<svg")) + 1 :]
    body = body.replace("xlink:href", "href")
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', body))
    body = re.sub(r' id="([^"]+)"', lambda match: match[0] if match[1] in used else "", body)
    body = re.sub(r'(id="|href="#|url\(#)(?=[^"])', rf"\g<1>{name}-", body)
    body = re.sub(r"font(?:-size|-family)?: [^;\"]*; ?", "", body)
    for stand_in, variable in _VARIABLES.items():
        body = body.replace(stand_in, variable)
    body = re.sub(r"(\d\.\d\d)\d+(?=[^<>]*>)", r"\1", body)  # coordinates, not what is written on the axes
    body = re.sub(r"\s*\n\s*", "\n", body)
    head = f'<svg class="plot {name}" role="img" aria-label="{escape(alt)}" viewBox="{box[1] if box else ""}">'
    return Markup(head + body.strip())  # only numbers and fixed words went in
