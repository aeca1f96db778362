"""What scaling asks of the training images: means, deviations and, to whiten, the covariance, all in one pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from textdistill.data.images.table import ImageTable

# Bytes less 128 have products of 2^14 at most: of 2^10 rows every sum of them is a whole number that float32 holds.
ROWS_AT_ONCE = 2**10
_COLUMNS_AT_ONCE = 768  # of the covariance, of which the upper triangle alone is computed
_FLAT = 1e-6  # a channel with a smaller deviation is constant: it is only centred


@dataclass(frozen=True)
class PixelStatistics:
    """Of pixels u in [0, 1], d = channels * height * width values an image.

    `mean` and `deviation` (1 where a channel is constant) are of each channel over all images and places; `means` of
    each value, `covariance` of all values about them, `None` unless it was asked for.
    """

    mean: Float[Tensor, " c"]
    deviation: Float[Tensor, " c"]
    means: Float[Tensor, " d"]
    covariance: Float[Tensor, "d d"] | None


def pixel_statistics(table: ImageTable, covariance: bool = False) -> PixelStatistics:
    """Statistics of at least one image, read once; the sums over bytes are exact, whatever their order."""
    channels, size = table.shape[0], math.prod(table.shape)
    whole = table.pixels.dtype == "uint8"
    middle, top, dtype = (128.0, 255.0, torch.float32) if whole else (0.5, 1.0, torch.float64)
    total, squares = torch.zeros(2, size, dtype=torch.float64)
    products = torch.zeros(size, size, dtype=torch.float64) if covariance else None
    for start in range(0, len(table), ROWS_AT_ONCE):
        part = torch.from_numpy(table.pixels[start : start + ROWS_AT_ONCE]).flatten(1).to(dtype) - middle
        total += part.sum(0, dtype=torch.float64)
        squares += part.square().sum(0, dtype=torch.float64)
        if products is not None:
            for first in range(0, size, _COLUMNS_AT_ONCE):
                products[first : first + _COLUMNS_AT_ONCE, first:] += (
                    part[:, first : first + _COLUMNS_AT_ONCE].T @ part[:, first:]
                )
    places = len(table) * size // channels
    mean = total.view(channels, -1).sum(1) / places
    variance = (squares.view(channels, -1).sum(1) / places - mean.square()).clamp(min=0)
    deviation = variance.sqrt() / top
    means = total / len(table)
    if products is not None:
        for first in range(0, size, _COLUMNS_AT_ONCE):
            last = first + _COLUMNS_AT_ONCE
            products[last:, first:last] = products[first:last, last:].T
        products.div_(len(table)).addr_(means, means, alpha=-1).div_(top**2)
    deviation = torch.where(deviation < _FLAT, 1.0, deviation)
    return PixelStatistics((mean + middle) / top, deviation, (means + middle) / top, products)


def normalised(images: Float[Tensor, "n d"]) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
    """Each image less its own mean, over the norm of what is left, and those norms; one of a single grey is zero."""
    centred = images - images.mean(1, keepdim=True)
    norms = torch.linalg.vector_norm(centred, dim=1)
    return centred / norms[:, None].clamp_min(torch.finfo(images.dtype).tiny), norms


def second_moment(table: ImageTable, scaled: Callable[[Tensor], Tensor]) -> tuple[Float[Tensor, "d d"], float]:
    """(1/n) Σ x xᵀ over the normalised images x of `scaled` pixels, and the average of the norms before; in float64."""
    size = math.prod(table.shape)
    products, total = torch.zeros(size, size, dtype=torch.float64), 0.0
    for start in range(0, len(table), ROWS_AT_ONCE):
        pixels = torch.from_numpy(table.pixels[start : start + ROWS_AT_ONCE])
        values = pixels.double() / 255 if pixels.dtype == torch.uint8 else pixels.double()
        images, norms = normalised(scaled(values).flatten(1))
        products.addmm_(images.T, images)
        total += float(norms.sum())
    return products / len(table), total / len(table)
