"""Images: the representation `pixels`, and the splits as tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from textdistill.core.batch import RealData
from textdistill.core.learner import Learner
from textdistill.data import DataSettings, ImageTable, Splits, load_images
from textdistill.representations.image_rows import ImageRows
from textdistill.representations.rows import Inputs, Rows
from textdistill.representations.scaling import PixelSettings, Scaling
from textdistill.representations.task import Task


@dataclass
class PixelTask(Task):
    """Images: beside the rows, the tables they came from and the scaling, which pictures are taken back by."""

    splits: Splits[ImageTable]
    settings: PixelSettings
    scaling: Scaling

    def features(self) -> Inputs:
        """The scaled pixels of every training image, (n, *shape), made of its bytes when they are asked for."""
        return Inputs(self.train)

    def shaped(self, length: int | None) -> tuple[int, ...]:
        """Channels, height and width: those of the data."""
        return self.shape

    def fitted(self, inputs: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Images as they are."""
        return inputs

    def seen_by(self, learner: Learner, device: torch.device) -> RealData:
        """The training images."""
        rows: Rows = self.train.to(device)
        return rows

    def summary(self, inputs: Tensor) -> Tensor:
        """The pixels."""
        return inputs.flatten(1)

    def beside(self, data: DataSettings) -> PixelTask:
        """Images of another data set, in the size and the colours of these.

        They are scaled by their own training images, as Bohdal et al. normalise each set.
        """
        channels, height, width = self.shape
        settings = replace(self.settings, size=height) if height == width else self.settings
        return prepare_pixels(data, settings, channels=channels)

    def pictures(self) -> Callable[[Tensor], Tensor]:
        """The scaling backwards."""
        return self.scaling.invert

    def readable(self, rows: list[int]) -> list[dict[str, Any]]:
        """The number and the class of each image in the training split."""
        return [{"row": row, "source_label": self.classes[int(self.train.labels[row])]} for row in rows]


def prepare_pixels(
    data: DataSettings, representation: PixelSettings, seed: int = 0, channels: int | None = None
) -> PixelTask:
    """Load, split, scale by the training images; in `channels` if given, else in those that they have."""
    splits = load_images(data, representation.size)
    if channels is not None:
        tables = (splits.train, splits.validation, splits.test)
        train, validation, test = (table.in_channels(channels) for table in tables)
        splits = replace(splits, train=train, validation=validation, test=test)
    scaling = Scaling.fit(representation, splits.train)
    rows = {name: ImageRows(getattr(splits, name), scaling) for name in ("train", "validation", "test")}
    return PixelTask(
        train=rows["train"],
        validation=rows["validation"],
        test=rows["test"],
        metrics=tuple(splits.metrics),
        facts={"kind": representation.kind, "fingerprint": scaling.fingerprint, "scale": representation.scale},
        data=splits.facts(data.name),
        splits=splits,
        settings=representation,
        scaling=scaling,
    )
