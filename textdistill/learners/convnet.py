"""ConvNet, the network of gradient matching, distribution matching and KIP: blocks of one convolution each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from textdistill.core.bounds import Count, Doc, Natural
from textdistill.core.errors import RecipeError
from textdistill.learners.first_order_blocks import FirstOrderBlocks
from textdistill.learners.pixel_layers import GROUPS, Norm, PixelNetwork, pool


@dataclass(frozen=True)
class ConvNetSettings:
    """Sizes of ConvNet. The defaults are DC's; KIP's is `norm: none, prepend: true`."""

    width: Annotated[Count, Doc("filters of a block")] = 128
    depth: Annotated[Count, Doc("blocks")] = 3
    norm: Annotated[Norm, Doc("behind each convolution")] = "instance"
    pooling: Annotated[Literal["avg", "max", "none"], Doc("of 2 × 2 pixels, at the end of each block")] = "avg"
    prepend: Annotated[bool, Doc("one more 3 × 3 convolution with ReLU in front")] = False
    padding: Annotated[
        Natural, Doc("of the first convolution: DC's code takes 3 on 28 × 28 digits, which makes them 32 × 32")
    ] = 1


class ConvNet(PixelNetwork):
    """[conv 3 × 3, norm, ReLU, pooling 2 × 2] × depth, then a linear layer.

    With DC's settings 317,706 parameters on 1 × 28 × 28 (padding 3) and 320,010 on 3 × 32 × 32, for 10 classes.
    """

    name: ClassVar[str] = "convnet"
    Settings = ConvNetSettings

    def __init__(self, settings: ConvNetSettings, shape: Sequence[int], classes: int):
        super().__init__(shape)
        self.settings = settings
        channels, *sides = shape
        if settings.norm == "group" and settings.width % GROUPS:
            raise RecipeError([f"learner.width: {settings.width}; allowed with norm group: a multiple of {GROUPS}"])
        sides = [side + 2 * settings.padding - 2 for side in sides]
        self.names = [*(["front"] if settings.prepend else []), *(f"conv{i + 1}" for i in range(settings.depth))]
        for i, name in enumerate(self.names):
            self.layer(name, settings.width, settings.width if i else channels, 3, 3)
            if name == "front":
                continue
            here = (settings.width, *sides) if settings.norm == "layer" else (settings.width,)
            self.norm(name.replace("conv", "norm"), settings.norm, *here)
            if settings.pooling != "none":
                sides = [side // 2 for side in sides]
                if min(sides) < 1:
                    most = int(name[4:]) - 1
                    raise RecipeError(
                        [
                            f"learner.depth: {settings.depth}; allowed on images of {shape[1]} × {shape[2]}: at most "
                            f"{most} poolings, so a depth of {most} or pooling none"
                        ]
                    )
        self.layer("linear", classes, settings.width * sides[0] * sides[1])

    @property
    def first_order(self) -> FirstOrderBlocks | None:
        """The network for what is differentiated once and no more, where norm and pooling are DC's."""
        settings = self.settings
        known = settings.norm == "instance" and settings.pooling == "avg" and not settings.prepend
        return FirstOrderBlocks(settings.depth, settings.padding) if known else None

    def forward(self, inputs: Tensor, mask: Tensor | None, drop: torch.Generator | None) -> list[Tensor]:
        """Every block's output, the last of them flattened, the logits. Nothing is dropped."""
        out = [inputs]
        for i, name in enumerate(self.names):
            values = F.conv2d(out[-1], *self.of(name), padding=1 if i else self.settings.padding)
            if name == "front":
                out.append(F.relu(values))
                continue
            values = F.relu(self.normalised(name.replace("conv", "norm"), self.settings.norm, values))
            out.append(pool(self.settings.pooling, values))
        features = out[-1].flatten(1)
        return [*out[1:], features, F.linear(features, *self.of("linear"))]
