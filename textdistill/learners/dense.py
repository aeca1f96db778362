"""A multilayer perceptron on all numbers of an input: pixels, or the word vectors of a sentence in a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class DenseSettings:
    """Widths of the hidden layers; none is a linear classifier."""

    hidden: tuple[int, ...] = (128, 128)


class Dense(nn.Module):
    """Linear layers with ReLU between them on the flattened input.

    A sentence is its word vectors up to the longest length of the data, with zeros where it has no words.
    """

    Settings = DenseSettings
    takes: ClassVar[frozenset[str]] = frozenset({"words", "pixels"})

    def __init__(self, settings: DenseSettings, shape: Sequence[int], classes: int):
        super().__init__()
        self.entries = math.prod(shape)
        sizes = [self.entries, *settings.hidden, classes]
        self.depth = len(sizes) - 1
        for layer in range(self.depth):
            self.register_parameter(f"weight{layer}", nn.Parameter(torch.empty(sizes[layer + 1], sizes[layer])))
            self.register_parameter(f"bias{layer}", nn.Parameter(torch.empty(sizes[layer + 1])))

    def fans(self, name: str, shape: Sequence[int]) -> tuple[int, int]:
        """Fan-in and fan-out of a linear layer."""
        return shape[1], shape[0]

    def forward(self, inputs: Tensor, mask: Tensor | None, drop: torch.Generator | None) -> list[Tensor]:
        """The flattened input, every hidden layer, the logits. Nothing is dropped."""
        values = inputs if mask is None else inputs * mask[:, :, None]
        values = values.flatten(1)
        out = [F.pad(values, (0, self.entries - values.shape[1]))]  # a batch of short sentences comes cut
        for layer in range(self.depth):
            values = F.linear(out[-1], getattr(self, f"weight{layer}"), getattr(self, f"bias{layer}"))
            out.append(F.relu(values) if layer < self.depth - 1 else values)
        return out
