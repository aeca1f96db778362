"""A multilayer perceptron on the average of a sentence's word vectors: the smallest learner, and the fastest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from textdistill.core.bounds import Count, Doc, Share
from textdistill.core.learner import dropout
from textdistill.learners.linear_layers import LinearLayers


@dataclass(frozen=True)
class AveragedSettings:
    """Sizes of the perceptron."""

    hidden: Annotated[tuple[Count, ...], Doc("widths of the hidden layers; none is a linear classifier")] = (100,)
    dropout: Annotated[Share, Doc("of the last hidden layer, where a stage turns it on")] = 0.5


class AveragedMLP(LinearLayers):
    """Mean over the real words, then linear layers with ReLU between them."""

    name: ClassVar[str] = "mlp"
    Settings = AveragedSettings
    takes: ClassVar[frozenset[str]] = frozenset({"words"})

    def __init__(self, settings: AveragedSettings, shape: Sequence[int], classes: int):
        super().__init__([shape[1], *settings.hidden, classes])
        self.settings = settings

    def forward(self, inputs: Tensor, mask: Tensor | None, drop: torch.Generator | None) -> list[Tensor]:
        """The average, every hidden layer (the last after dropout), the logits."""
        if mask is None:
            values = inputs.mean(1)
        else:
            inside = mask.to(inputs)[:, :, None]
            values = (inputs * inside).sum(1) / inside.sum(1).clamp_min(1.0)
        return self.through(values, lambda last: dropout(last, self.settings.dropout, drop))
