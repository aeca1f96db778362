"""ResNet-18 in its form for small images, with norms over each image alone, which differentiate twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from textdistill.core.bounds import Count, Doc
from textdistill.core.errors import RecipeError
from textdistill.learners.pixel_layers import GROUPS, Norm, PixelNetwork

STAGES = (1, 2, 4, 8)  # times the width
BLOCKS = 2  # of each stage


@dataclass(frozen=True)
class ResNetSettings:
    """Sizes of ResNet18."""

    width: Annotated[Count, Doc("filters in the first stage of four, twice as many in each next")] = 64
    norm: Annotated[Norm, Doc("behind each convolution")] = "instance"


class ResNet18(PixelNetwork):
    """conv 3 × 3; four stages of two blocks relu(x' + norm(conv(relu(norm(conv(x)))))), the last three halving; mean.

    The stem for small images: one 3 × 3 convolution, no pooling. x' is x, or its 1 × 1 convolution where sizes differ.
    """

    name: ClassVar[str] = "resnet18"
    Settings = ResNetSettings

    def __init__(self, settings: ResNetSettings, shape: Sequence[int], classes: int):
        super().__init__(shape)
        if settings.norm == "group" and settings.width % GROUPS:
            raise RecipeError([f"learner.width: {settings.width}; allowed with norm group: a multiple of {GROUPS}"])
        self.settings = settings
        channels, *sides = shape
        if settings.norm == "instance" and min(sides) <= 8:
            # one pixel is left of an image in the last stage, and a norm over one pixel is zero
            raise RecipeError(
                [
                    f"learner.norm: instance on images of {sides[0]} × {sides[1]}; allowed: images of 9 × 9 or more, "
                    "or norm group or layer"
                ]
            )
        self._convolution("stem", settings.width, channels, 3, sides)
        before = settings.width
        self.blocks: list[tuple[str, int]] = []
        for stage, times in enumerate(STAGES):
            for block in range(BLOCKS):
                stride, width = (2 if stage and not block else 1), settings.width * times
                sides = [(side + stride - 1) // stride for side in sides]
                name = f"stage{stage + 1}_{block + 1}"
                self.blocks.append((name, stride))
                self._convolution(f"{name}_one", width, before, 3, sides)
                self._convolution(f"{name}_two", width, width, 3, sides)
                if stride != 1 or width != before:
                    self._convolution(f"{name}_short", width, before, 1, sides)
                before = width
        self.layer("linear", classes, before)

    def _convolution(self, name: str, width: int, before: int, size: int, sides: Sequence[int]) -> None:
        self.layer(name, width, before, size, size)
        self.norm(f"{name}_norm", self.settings.norm, *((width, *sides) if self.settings.norm == "layer" else (width,)))

    def _convolved(self, name: str, values: Tensor, stride: int = 1) -> Tensor:
        weight, bias = self.of(name)
        values = F.conv2d(values, weight, bias, stride, padding=weight.shape[2] // 2)
        return self.normalised(f"{name}_norm", self.settings.norm, values)

    def forward(self, inputs: Tensor, mask: Tensor | None, drop: torch.Generator | None) -> list[Tensor]:
        """The stem, every block, the mean over pixels, the logits. Nothing is dropped."""
        out = [F.relu(self._convolved("stem", inputs))]
        for name, stride in self.blocks:
            values = F.relu(self._convolved(f"{name}_one", out[-1], stride))
            short = (
                self._convolved(f"{name}_short", out[-1], stride) if hasattr(self, f"{name}_short_weight") else out[-1]
            )
            out.append(F.relu(self._convolved(f"{name}_two", values) + short))
        features = out[-1].mean((2, 3))
        return [*out, features, F.linear(features, *self.of("linear"))]
