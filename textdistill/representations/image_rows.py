"""Real images as a network's inputs: bytes scaled when they are asked for, or whitened once."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Int
from torch import Tensor

from textdistill.core.batch import Batch
from textdistill.core.errors import DataError
from textdistill.data.images.table import ImageTable
from textdistill.representations.scaling import Scaling, unit_pixels

_WHITENED_AT_ONCE = 1024  # images


class ImageRows:
    """Labelled images, each of `shape` (channels, height, width) (`RealData` of the core).

    Bytes stay bytes and are scaled batch by batch; images to whiten are whitened once and kept as 32-bit floats.
    `lengths` are all one: an image has no padding, and no batch has a mask.
    """

    classes: tuple[str, ...]
    shape: tuple[int, ...]
    labels: Int[Tensor, " n"]
    lengths: Int[Tensor, " n"]

    def __init__(self, table: ImageTable, scaling: Scaling):
        if scaling.shape != table.shape:
            raise DataError(
                f"{table.name}: images of shape {table.shape}, but the scaling is for {scaling.shape} "
                "(channels, height, width); give it the images it was fitted on"
            )
        self.classes, self.shape, self.scaling = table.classes, table.shape, scaling
        self.labels = torch.as_tensor(table.labels, dtype=torch.long)
        self.lengths = torch.ones(len(table), dtype=torch.long)
        self.dtype = torch.float32
        self.whitened = scaling.scale == "zca"
        self.pixels = torch.as_tensor(table.pixels)
        if self.whitened:
            whitened = torch.empty(self.pixels.shape)
            for start in range(0, len(table), _WHITENED_AT_ONCE):
                part = slice(start, start + _WHITENED_AT_ONCE)
                whitened[part] = scaling.apply(unit_pixels(self.pixels[part]))
            self.pixels = whitened

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Int[Tensor, " b"], trim: bool = False, trim_margin: int = 0) -> Batch:
        """The rows with these indices: inputs (b, channels, height, width), one-hot targets (b, c), no mask.

        `trim` and `trim_margin` are those of texts; an image has nothing to cut.
        """
        rows = rows.to(self.labels.device)
        pixels = self.pixels[rows]
        inputs = pixels.to(self.dtype) if self.whitened else self.scaling.apply(unit_pixels(pixels, self.dtype))
        targets = torch.nn.functional.one_hot(self.labels[rows], len(self.classes)).to(self.dtype)
        return Batch(inputs, targets)

    def batches(
        self, size: int, rows: Int[Tensor, " b"] | None = None, by_length: bool = True, trim_margin: int = 0
    ) -> Iterator[tuple[Int[Tensor, " part"], Batch]]:
        """All rows (or these) once, in their order, in batches of `size`, each with its row indices."""
        if size < 1:
            raise DataError(f"batch size: {size}; allowed: 1 or more")
        device = self.labels.device
        rows = torch.arange(len(self), device=device) if rows is None else rows.to(device)
        for part in torch.split(rows, size):
            if len(part):
                yield part, self.batch(part)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> ImageRows:
        """The same images on another device, their inputs as `dtype`."""
        moved = object.__new__(ImageRows)
        moved.__dict__.update(self.__dict__)
        moved.pixels, moved.labels = self.pixels.to(device), self.labels.to(device)
        moved.lengths = self.lengths.to(device)
        moved.dtype = dtype or self.dtype
        return moved
