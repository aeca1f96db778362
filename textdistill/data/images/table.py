"""A labelled table of images: what every source of real images is turned into."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from textdistill.core.errors import DataError

_LUMA = (0.299, 0.587, 0.114)  # of red, green and blue in grey (ITU-R BT.601)
KEY_BYTES = 16  # of the hash that stands for an image: two of a million differ but share one with chance 1e-27


LARGEST_SIDE = 1024  # pixels


def side_faults(side: int | None) -> list[str]:
    """What is wrong with the side that images are brought to, if anything is."""
    if side is None or 1 <= side <= LARGEST_SIDE:
        return []
    return [f"size: {side}; allowed: 1 to {LARGEST_SIDE}"]


@dataclass(frozen=True, eq=False)
class ImageTable:
    """`pixels` (n, channels, height, width) with `labels` (n,) that index `classes`.

    Bytes run from 0 to 255, 32-bit floats from 0 to 1. Raises `DataError` for other types, ranges or ranks, for
    columns that differ in length, and for a label outside `classes`.
    """

    name: str
    classes: tuple[str, ...]
    pixels: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        labels = np.asarray(self.labels, dtype=np.int64)
        object.__setattr__(self, "labels", labels)
        if self.pixels.ndim != 4 or not all(self.pixels.shape[1:]):
            raise DataError(
                f"{self.name}: pixels of shape {self.pixels.shape}; allowed: (images, channels, height, width)"
            )
        if self.pixels.dtype not in (np.uint8, np.float32):
            raise DataError(f"{self.name}: pixels are {self.pixels.dtype}; allowed: uint8 (0 to 255), float32 (0 to 1)")
        if self.pixels.dtype == np.float32 and self.pixels.size:
            low, high = float(self.pixels.min()), float(self.pixels.max())
            if not 0 <= low <= high <= 1:  # false for NaN too
                raise DataError(f"{self.name}: pixels run from {low:g} to {high:g}; floats are allowed from 0 to 1")
        if labels.shape != (len(self.pixels),):
            raise DataError(f"{self.name}: {len(self.pixels)} images for labels of shape {labels.shape}")
        if len(labels) and not (labels.min() >= 0 and labels.max() < len(self.classes)):
            raise DataError(
                f"{self.name}: labels run from {labels.min()} to {labels.max()}; there are {len(self.classes)} classes"
            )

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        channels, height, width = self.pixels.shape[1:]
        return channels, height, width

    def take(self, rows: Sequence[int] | np.ndarray) -> ImageTable:
        """The rows with these indices, in this order; a boolean mask of all rows is taken as its true places."""
        index = np.asarray(rows)
        index = np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64)
        return ImageTable(self.name, self.classes, self.pixels[index], self.labels[index])

    def in_channels(self, channels: int) -> ImageTable:
        """The same images in grey (1) or in colour (3): grey has three equal channels, colour becomes its luma."""
        if channels == self.shape[0]:
            return self
        if {channels, self.shape[0]} != {1, 3}:
            raise DataError(f"{self.name}: {self.shape[0]} channels cannot be made {channels}; allowed: 1 and 3")
        if channels == 3:
            return replace(self, pixels=np.repeat(self.pixels, 3, axis=1))
        grey = np.einsum("nchw,c->nhw", self.pixels, np.array(_LUMA, np.float32))[:, None]
        whole = self.pixels.dtype == np.uint8
        return replace(self, pixels=np.rint(grey).astype(np.uint8) if whole else grey.clip(0, 1))

    def counts(self) -> np.ndarray:
        """Rows per class, (c,)."""
        return np.bincount(self.labels, minlength=len(self.classes))

    def keys(self) -> list[str]:
        """A hash of the pixels of each row: equal keys are duplicate images, whatever their labels."""
        return self._keys

    @cached_property
    def _keys(self) -> list[str]:
        rows = np.ascontiguousarray(self.pixels).reshape(len(self), -1)
        return [hashlib.blake2b(row.data, digest_size=KEY_BYTES).hexdigest() for row in rows]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 in hex over classes, pixels and labels in their order; the name does not count."""
        digest = hashlib.sha256()
        digest.update(repr((self.classes, self.pixels.shape, self.pixels.dtype.str)).encode())
        digest.update(np.ascontiguousarray(self.pixels).data)
        digest.update(self.labels.astype("<i8").tobytes())
        return digest.hexdigest()
