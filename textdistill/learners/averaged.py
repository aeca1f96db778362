"""A multilayer perceptron on the average of a sentence's word vectors: the smallest learner, and the fastest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from textdistill.core.learner import dropout


@dataclass(frozen=True)
class AveragedSettings:
    """Widths of the hidden layers (none is a linear classifier); `dropout` acts where turned on."""

    hidden: tuple[int, ...] = (100,)
    dropout: float = 0.5


class AveragedMLP(nn.Module):
    """Mean over the real words, then linear layers with ReLU between them."""

    Settings = AveragedSettings
    takes: ClassVar[frozenset[str]] = frozenset({"words"})

    def __init__(self, settings: AveragedSettings, shape: Sequence[int], classes: int):
        super().__init__()
        self.settings = settings
        sizes = [shape[1], *settings.hidden, classes]
        self.depth = len(sizes) - 1
        for layer in range(self.depth):
            self.register_parameter(f"weight{layer}", nn.Parameter(torch.empty(sizes[layer + 1], sizes[layer])))
            self.register_parameter(f"bias{layer}", nn.Parameter(torch.empty(sizes[layer + 1])))

    def fans(self, name: str, shape: Sequence[int]) -> tuple[int, int]:
        """Fan-in and fan-out of a linear layer."""
        return shape[1], shape[0]

    def forward(self, inputs: Tensor, mask: Tensor | None, drop: torch.Generator | None) -> list[Tensor]:
        """The average, every hidden layer (the last after dropout), the logits."""
        if mask is None:
            values = inputs.mean(1)
        else:
            inside = mask.to(inputs)[:, :, None]
            values = (inputs * inside).sum(1) / inside.sum(1).clamp_min(1.0)
        out = [values]
        for layer in range(self.depth):
            if layer == self.depth - 1:
                out.append(dropout(out[-1], self.settings.dropout, drop))
            values = F.linear(out[-1], getattr(self, f"weight{layer}"), getattr(self, f"bias{layer}"))
            out.append(F.relu(values) if layer < self.depth - 1 else values)
        return out
