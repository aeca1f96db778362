"""The map of samples among real rows as inline SVG whose points tell their text to pointers, keys and readers."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from textdistill.reports.names import class_name
from textdistill.reports.pictures import class_ranks
from textdistill.reports.run_folder import Picture

WIDTH, HEIGHT, EDGE = 640.0, 480.0, 18.0
_STAR = "0,-9 2.6,-3 9,-2.8 4,1.6 5.6,8 0,4.4 -5.6,8 -4,1.6 -9,-2.8 -2.6,-3"


def hover_map(picture: Picture, shown: Sequence[str], samples: Sequence[str], classes: Sequence[str]) -> Markup:
    """Real rows as dots with their text as title; each sample a star, which leads to `#sample-N`."""
    points = {"real": picture.real, "distilled": picture.distilled}
    ranks = class_ranks(points)
    every = [*picture.real, *picture.distilled]
    lows, highs = ([pick(point[axis] for point in every) for axis in (0, 1)] for pick in (min, max))
    spans = [(high - low) or 1.0 for low, high in zip(lows, highs, strict=True)]

    def place(x: float, y: float) -> str:
        across = EDGE + (x - lows[0]) / spans[0] * (WIDTH - 2 * EDGE)
        down = HEIGHT - EDGE - (y - lows[1]) / spans[1] * (HEIGHT - 2 * EDGE)
        return f"{across:.1f} {down:.1f}"

    def colour(label: int) -> str:
        return f"var(--k{ranks[label]})" if label in ranks else "var(--other)"

    said = f"Map of {len(picture.real)} real rows as dots and {len(picture.distilled)} samples as stars, by class."
    parts = [Markup('<svg class="plot hover" role="group" aria-label="{}" viewBox="0 0 {:g} {:g}">').format(
        said, WIDTH, HEIGHT
    )]  # fmt: skip
    for (x, y, label), text in zip(picture.real, shown, strict=True):
        across, down = place(x, y).split()
        parts.append(
            Markup('<circle cx="{}" cy="{}" r="3.2" style="fill:{}"><title>{}: {}</title></circle>').format(
                across, down, colour(label), class_name(classes, label), text
            )
        )
    for number, ((x, y, label), text) in enumerate(zip(picture.distilled, samples, strict=True), start=1):
        parts.append(
            Markup(
                '<a href="#sample-{}" aria-label="{}"><polygon transform="translate({})" points="{}" style="fill:{}">'
                "<title>{}</title></polygon></a>"
            ).format(
                number,
                f"Sample {number}, {class_name(classes, label)}",
                place(x, y),
                _STAR,
                colour(label),
                f"Sample {number}, {class_name(classes, label)}: {text}",
            )
        )
    return Markup("\n").join([*parts, Markup("</svg>")])
