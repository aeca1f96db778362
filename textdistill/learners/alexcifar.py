"""AlexCifarNet, as DD and SLDD train it on CIFAR-10: two convolutions with response norms, three linear layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from textdistill.core.bounds import Count, Doc
from textdistill.core.errors import RecipeError
from textdistill.learners.pixel_layers import PixelNetwork

ALPHA, NEIGHBOURS = 0.001 / 9.0, 4  # of the response norm


@dataclass(frozen=True)
class AlexCifarSettings:
    """Sizes of AlexCifarNet; the defaults are the authors'."""

    filters: Annotated[Count, Doc("filters of both 5 × 5 convolutions")] = 64
    hidden: Annotated[tuple[Count, Count], Doc("widths of the two hidden linear layers")] = (384, 192)


class AlexCifarNet(PixelNetwork):
    """conv 5 × 5, ReLU, pooling, norm; conv 5 × 5, ReLU, norm, pooling; linear 4096-384-192-10 on 3 × 32 × 32.

    Pooling is the maximum over 3 × 3 pixels at every other one (32 → 16 → 8); the norm divides by
    (1 + α/4 · Σ over 4 neighbouring channels of x²)^β with α = 0.001/9 and β = 0.75.
    """

    name: ClassVar[str] = "alex_cifar"
    Settings = AlexCifarSettings

    def __init__(self, settings: AlexCifarSettings, shape: Sequence[int], classes: int):
        super().__init__(shape)
        channels, *sides = shape
        if min(sides) < 3:
            raise RecipeError(
                [f"learner.name: alex_cifar on images of {sides[0]} × {sides[1]}; allowed: 3 × 3 or more"]
            )
        height, width = (((side + 1) // 2 + 1) // 2 for side in sides)
        self.layer("conv1", settings.filters, channels, 5, 5)
        self.layer("conv2", settings.filters, settings.filters, 5, 5)
        self.layer("linear1", settings.hidden[0], settings.filters * height * width)
        self.layer("linear2", settings.hidden[1], settings.hidden[0])
        self.layer("linear3", classes, settings.hidden[1])

    def forward(self, inputs: Tensor, mask: Tensor | None, drop: torch.Generator | None) -> list[Tensor]:
        """Both blocks, the two hidden layers, the logits. Nothing is dropped."""
        one = response_normed(pooled(F.relu(F.conv2d(inputs, *self.of("conv1"), padding=2))))
        two = pooled(response_normed(F.relu(F.conv2d(one, *self.of("conv2"), padding=2))))
        three = F.relu(F.linear(two.flatten(1), *self.of("linear1")))
        four = F.relu(F.linear(three, *self.of("linear2")))
        return [one, two, three, four, F.linear(four, *self.of("linear3"))]


def pooled(values: Tensor) -> Tensor:
    """The maximum over 3 × 3 pixels around every other pixel.

    Where no gradient is asked for, rows first and then columns: torch's own takes four times as long on a CPU, and has
    the quicker backward pass.
    """
    if values.requires_grad or values.device.type != "cpu":
        return F.max_pool2d(values, 3, 2, 1)
    height, width = values.shape[2:]
    values = F.pad(values, (1, 1, 1, 1), value=float("-inf"))
    above, middle, below = (values[:, :, start : height + start : 2] for start in range(3))
    values = torch.maximum(torch.maximum(above, middle), below)
    left, middle, right = (values[..., start : width + start : 2] for start in range(3))
    return torch.maximum(torch.maximum(left, middle), right)


def response_normed(values: Tensor) -> Tensor:
    """Local response norm over 4 channels, two before and one behind, as torch's own in a third of its time.

    That takes its sums from a pooling in three dimensions, and a power; s^0.75 is √s · √√s.
    """
    squares = F.pad(values * values, (0, 0, 0, 0, NEIGHBOURS // 2, (NEIGHBOURS - 1) // 2))
    channels = values.shape[1]
    around = sum((squares[:, start : start + channels] for start in range(1, NEIGHBOURS)), squares[:, :channels])
    root = (1.0 + ALPHA / NEIGHBOURS * around).sqrt()
    return values / (root * root.sqrt())
