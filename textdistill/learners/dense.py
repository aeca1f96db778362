"""A multilayer perceptron on all numbers of an input: pixels, or the word vectors of a sentence in a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from textdistill.core.bounds import Count, Doc
from textdistill.learners.linear_layers import LinearLayers


@dataclass(frozen=True)
class DenseSettings:
    """Sizes of the perceptron."""

    hidden: Annotated[tuple[Count, ...], Doc("widths of the hidden layers; none is a linear classifier")] = (128, 128)


class Dense(LinearLayers):
    """Linear layers with ReLU between them on the flattened input.

    A sentence is its word vectors up to the longest length of the data, with zeros where it has no words.
    """

    name: ClassVar[str] = "dense"
    Settings = DenseSettings
    takes: ClassVar[frozenset[str]] = frozenset({"words", "pixels"})

    def __init__(self, settings: DenseSettings, shape: Sequence[int], classes: int):
        entries = math.prod(shape)
        super().__init__([entries, *settings.hidden, classes])
        self.entries = entries

    def forward(self, inputs: Tensor, mask: Tensor | None, drop: torch.Generator | None) -> list[Tensor]:
        """The flattened input, every hidden layer, the logits. Nothing is dropped."""
        values = inputs if mask is None else inputs * mask[:, :, None]
        values = values.flatten(1)
        return self.through(F.pad(values, (0, self.entries - values.shape[1])))  # a batch of short sentences comes cut
