"""Distilled images to look at: one grid with the top soft labels under each, and small pictures for the report.

Labels are shown as they were learned: unconstrained ones may be negative or large. The same set gives the same bytes.
"""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from textdistill.core.checkpoint import write_atomic
from textdistill.core.errors import DataError
from textdistill.core.file_names import GRID, IMAGES
from textdistill.core.schedule import DistilledSet
from textdistill.reports.png import png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 100  # images shown; the set itself holds them all
TOP = 3  # labels told of each
_TILE, _GAP, _LINE, _MARGIN = 104, 28, 15, 20  # pixels of the grid: least side of an image, between, of text, around
_ACROSS = 10
_LONGEST = 9  # letters of a class name under an image

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Shown:
    """One distilled image: where it stands, its pixels (h, w, 3), and its highest labels, as learned."""

    step: int
    sample: int
    pixels: Pixels
    labels: list[tuple[str, float]]


def write_grid(
    folder: Path, distilled: DistilledSet, classes: Sequence[str], invert: Callable[[Tensor], Tensor]
) -> None:
    """Write `grid.png`, and `images.json` for the report, into `folder`.

    `distilled.inputs` is (S, m, c, h, w); `invert` scales (n, c, h, w) back to pixels of 0 to 1. What was learned
    beyond what a picture can show is cut off, and `images.json` tells the share of such pixels. Of more than 100
    images the first 100 are shown. Raises `DataError` for inputs that are no images, or numbers that are not finite.
    """
    shown, clipped = images_of(distilled, classes, invert)
    write_atomic(folder / GRID, grid_png(shown, distilled.samples))
    write_atomic(folder / IMAGES, json.dumps(images_data(shown, distilled.samples, clipped), ensure_ascii=False) + "\n")


def images_of(
    distilled: DistilledSet, classes: Sequence[str], invert: Callable[[Tensor], Tensor]
) -> tuple[list[Shown], float]:
    """The images of the set, at most 100, and the share of their pixels that had to be cut off."""
    inputs, targets = distilled.inputs.detach().cpu(), distilled.targets.detach().cpu()
    if inputs.ndim != 5 or not inputs.numel():
        raise DataError(f"distilled images: inputs of shape {list(inputs.shape)}; a grid needs (steps, m, c, h, w)")
    if targets.shape[-1] != len(classes):
        raise DataError(f"distilled images: labels of {targets.shape[-1]} values for {len(classes)} class names")
    values = invert(inputs.flatten(0, 1)[:MOST])
    if not (values.isfinite().all() and targets.isfinite().all()):
        raise DataError("distilled images: a pixel or a label is NaN or infinite; the distillation diverged")
    beyond = (values < 0) | (values > 1)
    pixels = _pixels(values.clamp(0, 1))
    shown = []
    for index, image in enumerate(pixels):
        step, sample = divmod(index, inputs.shape[1])
        ranked = sorted(zip(targets[step, sample].tolist(), classes, strict=True), key=lambda pair: -pair[0])[:TOP]
        shown.append(Shown(step, sample, image, [(name, value) for value, name in ranked]))
    return shown, float(beyond.double().mean())


def images_data(shown: Sequence[Shown], total: int, clipped: float) -> dict[str, Any]:
    """The images as JSON can hold them: `png` is a data URI of the image in its own size."""
    images = [
        {
            "step": image.step,
            "sample": image.sample,
            "png": "data:image/png;base64," + base64.b64encode(small_png(image.pixels)).decode("ascii"),
            "labels": [[name, round(value, 6)] for name, value in image.labels],
        }
        for image in shown
    ]
    height, width = shown[0].pixels.shape[:2]
    return {"images": images, "total": total, "height": height, "width": width, "clipped": round(clipped, 6)}


def small_png(pixels: Pixels) -> bytes:
    """An image (h, w, 3) as PNG, pixel by pixel."""
    import matplotlib.image

    file = io.BytesIO()
    matplotlib.image.imsave(file, pixels, format="png", metadata={"Software": None})  # type: ignore[dict-item]
    return file.getvalue()


def grid_png(shown: Sequence[Shown], total: int) -> bytes:
    """All images on white, ten across at most, each enlarged by a whole number and its top labels under it."""
    height, width = shown[0].pixels.shape[:2]
    scale = max(1, math.ceil(_TILE / max(height, width)))
    cell = (height * scale + TOP * _LINE + _GAP, max(width * scale, _TILE) + _GAP)
    across = min(len(shown), _ACROSS, max(5, math.ceil(math.sqrt(len(shown)))))
    down = math.ceil(len(shown) / across)
    note = _LINE + _MARGIN if total > len(shown) else 0
    size = (2 * _MARGIN + down * cell[0] + note, 2 * _MARGIN + max(across * cell[1], 3 * cell[1] if note else 0))
    canvas = np.full((*size, 3), 255, dtype=np.uint8)
    texts: list[tuple[int, int, str]] = []
    for index, image in enumerate(shown):
        row, column = divmod(index, across)
        top, left = _MARGIN + row * cell[0], _MARGIN + column * cell[1]
        enlarged = image.pixels.repeat(scale, axis=0).repeat(scale, axis=1)
        # a hairline, since an image may be white at its edge
        canvas[top - 1 : top + height * scale + 1, left - 1 : left + width * scale + 1] = 200
        canvas[top : top + height * scale, left : left + width * scale] = enlarged
        for line, (name, value) in enumerate(image.labels):
            texts.append((left, top + height * scale + 6 + line * _LINE, f"{_short(name)}  {number(value)}"))
    if note:
        texts.append((_MARGIN, size[0] - _MARGIN - _LINE, f"The first {len(shown)} of {total} images."))
    return _drawn(canvas, texts)


def number(value: float) -> str:
    """A label's value: two digits after the point, or three that count where it is large."""
    return f"{value:z.2f}" if abs(value) < 100 else f"{value:.3g}"


def _short(name: str) -> str:
    name = " ".join(name.split())
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _pixels(values: Float[Tensor, "n c h w"]) -> list[Pixels]:
    """Grey becomes three equal channels; of more than three (or two) the mean is shown."""
    if values.shape[1] != 3:
        values = values.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    whole = (255 * values.double()).round().to(torch.uint8).movedim(1, 3)
    return [np.ascontiguousarray(image) for image in whole.numpy()]


def _drawn(canvas: Pixels, texts: Sequence[tuple[int, int, str]]) -> bytes:
    """The canvas with texts whose upper left corners are given in pixels."""
    height, width = canvas.shape[:2]

    def draw(figure: Figure) -> None:
        figure.figimage(canvas, origin="upper")
        for left, top, text in texts:
            figure.text(left / width, 1 - top / height, text, va="top", ha="left", color="#222222")

    return png(draw, (width / 100, height / 100), 100, {"font.size": 8.0}, layout=None)
