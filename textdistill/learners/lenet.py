"""LeNet, as DD and SLDD train it: two convolutions with max pooling, three linear layers, ReLU between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from textdistill.core.bounds import Count, Doc
from textdistill.core.errors import RecipeError
from textdistill.learners.pixel_gradient import gradient
from textdistill.learners.pixel_layers import PixelNetwork
from textdistill.learners.pixel_loss import loss_once
from textdistill.learners.pixel_products import convolved_and_pooled, shifted

# Images taken at once: what is copied then stays in the caches (128 to 256 are best on a CPU).
CHUNK = 128


@dataclass(frozen=True)
class LeNetSettings:
    """Sizes of LeNet; the defaults are its own."""

    filters: Annotated[tuple[Count, Count], Doc("filters of the two 5 × 5 convolutions")] = (6, 16)
    hidden: Annotated[tuple[Count, Count], Doc("widths of the two hidden linear layers")] = (120, 84)


class LeNet(PixelNetwork):
    """conv 5 × 5, ReLU, max pooling, twice; then three linear layers: 61,706 parameters on 1 × 28 × 28 and 10 classes.

    LeNet wants 32 × 32 pixels: smaller images are padded by 2 on each side of the first convolution (28 × 28 then
    counts as 32 × 32), and by 2 in the second where 5 × 5 would leave nothing to pool. The smallest is 4 × 4.
    """

    name: ClassVar[str] = "lenet"
    Settings = LeNetSettings

    def __init__(self, settings: LeNetSettings, shape: Sequence[int], classes: int):
        super().__init__(shape)
        channels, height, width = shape
        if min(height, width) < 4:
            raise RecipeError([f"learner.name: lenet on images of {height} × {width}; allowed: 4 × 4 or more"])
        first, second = settings.filters
        padding = [2 if min(height, width) < 32 else 0]
        height, width = ((side + 2 * padding[0] - 4) // 2 for side in (height, width))
        padding.append(2 if min(height, width) < 6 else 0)
        height, width = ((side + 2 * padding[1] - 4) // 2 for side in (height, width))
        self.padding = tuple(padding)
        self.layer("conv1", first, channels, 5, 5)
        self.layer("conv2", second, first, 5, 5)
        self.layer("linear1", settings.hidden[0], second * height * width)
        self.layer("linear2", settings.hidden[1], settings.hidden[0])
        self.layer("linear3", classes, settings.hidden[1])

    def forward(self, inputs: Tensor, mask: Tensor | None, drop: torch.Generator | None) -> list[Tensor]:
        """Both pooled convolutions, the two hidden layers, the logits. Nothing is dropped."""
        kernels = [shifted(*self.of(name)) for name in ("conv1", "conv2")]
        ones, twos = [], []
        for images in inputs.split(CHUNK):
            one = convolved_and_pooled(images.permute(1, 2, 3, 0), kernels[0], 5, self.padding[0])
            ones.append(one)
            twos.append(convolved_and_pooled(one, kernels[1], 5, self.padding[1]))
        one, two = (torch.cat(parts, 3).permute(3, 0, 1, 2) for parts in (ones, twos))
        # rows one behind the other: with few of them, products of columns are five times as slow
        three = F.relu(F.linear(two.flatten(1).contiguous(), *self.of("linear1")))
        four = F.relu(F.linear(three, *self.of("linear2")))
        return [one, two, three, four, F.linear(four, *self.of("linear3"))]

    def gradient(self, params: Mapping[str, Tensor], inputs: Tensor, targets: Tensor, shares: Tensor) -> list[Tensor]:
        """The gradient of the cross-entropy for the weights in their order, differentiable once more: see there."""
        return gradient(inputs, targets, shares, self.padding, list(params.values()))

    def loss_once(self, params: Mapping[str, Tensor], inputs: Tensor, targets: Tensor, shares: Tensor) -> Tensor:
        """The cross-entropy, differentiable once and for the weights alone: see there."""
        return loss_once(inputs, targets, shares, self.padding, list(params.values()))
