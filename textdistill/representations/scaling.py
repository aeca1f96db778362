"""From pixels to a network's inputs and back: unit range, standardised channels, or whitened (ZCA)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from annotated_types import Le
from jaxtyping import Float
from torch import Tensor

from textdistill.core.bounds import Count, Doc, OneOf, Positive, faults_of
from textdistill.core.errors import DataError
from textdistill.data.images.table import LARGEST_SIDE, ImageTable
from textdistill.representations.pixel_statistics import (
    PixelStatistics,
    normalised,
    pixel_statistics,
    second_moment,
)

SCALES = ("standard", "unit", "zca", "raw")
LARGEST_ZCA = 2**13  # inputs; the matrix has their square, and its eigenvectors take their cube


@dataclass(frozen=True)
class PixelSettings:
    """How images become inputs.

    `scale` is `standard` (each channel with mean 0 and variance 1 over the training pixels), `unit` (0 to 1), `zca`
    (standardised, then whitened) or `raw` (0 to 255). KIP's regularised ZCA, by its authors' code, is `zca` with
    `image_norm`; their code also leaves directions alone that fewer images than values leave empty, which is not done
    here: the regularisation keeps these finite.
    """

    scale: Annotated[str, OneOf(SCALES), Doc("standardised channels, 0 to 1, whitened, or 0 to 255")] = "standard"
    size: Annotated[Annotated[Count, Le(LARGEST_SIDE)] | None, Doc("the side that images are resized to")] = None
    zca_regularisation: Annotated[
        Positive, Doc("times the mean eigenvalue, is added to every eigenvalue before whitening (KIP: 0.1)")
    ] = 0.1
    image_norm: Annotated[
        bool, Doc("before whitening each image has mean 0 and norm 1, and no mean image is taken off (KIP's code)")
    ] = False

    name: ClassVar[str] = "pixels"
    kind: ClassVar[str] = "pixels"

    def between(self) -> list[str]:
        """What one setting asks of another."""
        if self.image_norm and self.scale != "zca":
            return [f"image_norm: true with scale {self.scale!r}; allowed with zca alone"]
        return []


@dataclass(frozen=True, eq=False)
class Scaling:
    """The fitted map from pixels u in [0, 1] to inputs x, and back.

    First x = (u - mean) / deviation in each channel, with mean 0 and deviation 1 for `unit` and 1/255 for `raw`. With
    `zca` then, over all d = channels * height * width values, x W with

        W = (C + r (tr C / d) I)^(-1/2),

    C the covariance of the standardised training images about their mean, which is subtracted, and r the
    regularisation. Where images are normalised first, each to x = (x - its own mean) / ||x - its own mean||, C is
    their second moment (1/n) sum x x^T and nothing is subtracted; `image_norm` is then the average of those norms, by
    which pictures are taken back (those of single images are lost), else `None`.
    """

    scale: str
    shape: tuple[int, int, int]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    zca_mean: Float[Tensor, " d"] | None = field(default=None, repr=False)
    zca_matrix: Float[Tensor, "d d"] | None = field(default=None, repr=False)
    image_norm: float | None = None

    @classmethod
    def fit(cls, settings: PixelSettings, table: ImageTable) -> Scaling:
        """The scaling of these training images; `DataError` for bad settings, or images too large to whiten."""
        if faults := faults_of(settings):
            raise DataError("representation: " + "; ".join(faults))
        channels = table.shape[0]
        if settings.scale in ("unit", "raw"):
            each = 1.0 if settings.scale == "unit" else 1 / 255
            return cls(settings.scale, table.shape, (0.0,) * channels, (each,) * channels)
        if not len(table):
            raise DataError(f"{table.name}: no images to fit the scale {settings.scale!r} on")
        size, whitened = int(np.prod(table.shape)), settings.scale == "zca"
        if whitened and size > LARGEST_ZCA:
            raise DataError(
                f"{table.name}: images of {size:,} values are too large to whiten (at most {LARGEST_ZCA:,}); "
                "give a smaller size, or scale: standard"
            )
        found = pixel_statistics(table, covariance=whitened and not settings.image_norm)
        mean, deviation = tuple(found.mean.tolist()), tuple(found.deviation.tolist())
        if not whitened:
            return cls("standard", table.shape, mean, deviation)
        if settings.image_norm:
            moment, norm = second_moment(table, cls("standard", table.shape, mean, deviation).apply)
            matrix = _inverse_root(table, moment, settings.zca_regularisation)
            return cls("zca", table.shape, mean, deviation, torch.zeros(size), matrix.float(), norm)
        centre, matrix = _whitening(table, found, settings.zca_regularisation)
        return cls("zca", table.shape, mean, deviation, centre, matrix)

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any], tensors: Mapping[str, Tensor] | None = None) -> Scaling:
        """The scaling that `as_dict` and, for `zca`, `tensors` describe; `DataError` if they do not."""
        tensors = tensors or {}
        try:
            scale, shape = str(facts["scale"]), tuple(int(side) for side in facts["shape"])
            mean, deviation = (tuple(float(value) for value in facts[key]) for key in ("mean", "deviation"))
            norm = None if facts.get("image_norm") is None else float(facts["image_norm"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"scaling: not as it was written ({error!r}); write it again") from None
        size = int(np.prod(shape))
        fine = scale in SCALES and len(shape) == 3 and min(shape) > 0 and len(mean) == len(deviation) == shape[0]
        fine = fine and bool(np.isfinite([*mean, *deviation]).all()) and min(deviation) > 0
        centre, matrix = tensors.get("zca_mean"), tensors.get("zca_matrix")
        fine = fine and (norm is None or (scale == "zca" and bool(np.isfinite(norm)) and norm > 0))
        if scale == "zca":
            fine = fine and centre is not None and matrix is not None
            fine = fine and tuple(centre.shape) == (size,) and tuple(matrix.shape) == (size, size)  # type: ignore[union-attr]
        else:
            centre = matrix = None
        if not fine:
            raise DataError(f"scaling: {scale!r} for images of shape {shape} has wrong values; write it again")
        made = cls(scale, (shape[0], shape[1], shape[2]), mean, deviation, centre, matrix, norm)
        if facts.get("fingerprint", made.fingerprint) != made.fingerprint:
            raise DataError("scaling: its values are not those it was written with; write it again")
        return made

    def as_dict(self) -> dict[str, Any]:
        """What JSON can hold: all of it, but for `zca`'s tensors."""
        return {
            "scale": self.scale,
            "shape": list(self.shape),
            "mean": list(self.mean),
            "deviation": list(self.deviation),
            "fingerprint": self.fingerprint,
            **({} if self.image_norm is None else {"image_norm": self.image_norm}),
        }

    def tensors(self) -> dict[str, Tensor]:
        """`zca_mean` (d,) and `zca_matrix` (d, d) of a `zca` scaling, else nothing."""
        if self.zca_mean is None or self.zca_matrix is None:
            return {}
        return {"zca_mean": self.zca_mean, "zca_matrix": self.zca_matrix}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 in hex over all numbers of the scaling."""
        norm = [] if self.image_norm is None else [self.image_norm]
        digest = hashlib.sha256(json.dumps([self.scale, self.shape, self.mean, self.deviation, *norm]).encode())
        for tensor in self.tensors().values():
            digest.update(np.ascontiguousarray(tensor.cpu().numpy()).data)
        return digest.hexdigest()

    def apply(self, pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Inputs from pixels in [0, 1]."""
        inputs = (pixels - self._each(self.mean, pixels)) / self._each(self.deviation, pixels)
        if self.zca_mean is None or self.zca_matrix is None:
            return inputs
        flat = inputs.flatten(1) if self.image_norm is None else normalised(inputs.flatten(1))[0]
        flat = flat - self.zca_mean.to(inputs)
        return (flat @ self.zca_matrix.to(inputs)).view_as(inputs)

    def invert(self, inputs: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Pixels from inputs, for pictures; those of synthetic images may lie outside [0, 1]."""
        if self.zca_mean is not None and self.zca_matrix is not None:
            flat = torch.linalg.solve(self.zca_matrix.to(inputs), inputs.flatten(1), left=False)
            inputs = ((flat + self.zca_mean.to(inputs)) * (self.image_norm or 1.0)).view_as(inputs)
        return inputs * self._each(self.deviation, inputs) + self._each(self.mean, inputs)

    def _each(self, values: tuple[float, ...], like: Tensor) -> Tensor:
        return like.new_tensor(values)[:, None, None]


def unit_pixels(pixels: np.ndarray | Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Pixels of a table as numbers from 0 to 1."""
    values = torch.as_tensor(pixels)
    return values.to(dtype) / 255 if values.dtype == torch.uint8 else values.to(dtype)


def _whitening(table: ImageTable, found: PixelStatistics, regularisation: float) -> tuple[Tensor, Tensor]:
    """The mean and W of standardised images, from the statistics of the pixels: standardising is linear."""
    each = len(found.means) // len(found.mean)
    mean, deviation = found.mean.repeat_interleave(each), found.deviation.repeat_interleave(each)
    if found.covariance is None:
        raise ValueError("statistics without a covariance")
    matrix = _inverse_root(table, found.covariance.div_(deviation[:, None]).div_(deviation), regularisation)
    return ((found.means - mean) / deviation).float(), matrix.float()


def _inverse_root(table: ImageTable, moment: Float[Tensor, "d d"], regularisation: float) -> Float[Tensor, "d d"]:
    """(C + r (tr C / d) I)^(-1/2); `DataError` where all images are equal."""
    values, vectors = torch.linalg.eigh(moment)
    values = values.clamp(min=0)
    added = regularisation * float(values.mean())
    if not added:
        raise DataError(f"{table.name}: all images are equal and cannot be whitened; take scale: unit")
    root: Tensor = (vectors * (values + added).rsqrt()) @ vectors.T
    return root
