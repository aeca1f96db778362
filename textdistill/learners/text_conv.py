"""TextConvNet: parallel convolutions over words, the maximum over time, a linear layer (Kim 2014; TDD's network)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from textdistill.core.learner import dropout


@dataclass(frozen=True)
class TextConvSettings:
    """Sizes of TextConvNet; the defaults are the paper's. `dropout` acts only where a stage turns dropout on."""

    filters: int = 100
    widths: tuple[int, ...] = (3, 4, 5)
    dropout: float = 0.5


class TextConvNet(nn.Module):
    """max_t ReLU(w ∗ x + b) for every filter, then dropout and a linear layer.

    The paper convolves a one-channel length × dimension image with kernels k × dimension; that is a convolution over
    time with as many channels as the embedding has dimensions, and so the weights are stored as (filters, k, dimension). Xavier's fans are
    those of the paper's `Conv2d`: in k·dimension, out filters·k·dimension. Padding is zero vectors, as there: a padded row sees ReLU(b) too.

    The differentiated graph holds no convolution. Where the maximum lies is found without a graph; the value is then an inner product of
    the filter with the one window it chose, so first and second derivatives touch only those windows. The function and its
    derivatives are the same (the position is piecewise constant).
    """

    Settings = TextConvSettings

    def __init__(self, settings: TextConvSettings, shape: Sequence[int], classes: int):
        super().__init__()
        self.settings = settings
        dimension = shape[1]
        self.widths = settings.widths
        for width in settings.widths:
            self.register_parameter(f"filter{width}", nn.Parameter(torch.empty(settings.filters, width, dimension)))
            self.register_parameter(f"bias{width}", nn.Parameter(torch.empty(settings.filters)))
        self.linear_weight = nn.Parameter(torch.empty(classes, settings.filters * len(settings.widths)))
        self.linear_bias = nn.Parameter(torch.empty(classes))

    def fans(self, name: str, shape: Sequence[int]) -> tuple[int, int]:
        """Fan-in and fan-out as of the paper's layers."""
        if name.startswith("filter"):
            window = shape[1] * shape[2]
            return window, shape[0] * window
        return shape[1], shape[0]

    def forward(self, inputs: Tensor, mask: Tensor | None, drop: torch.Generator | None) -> list[Tensor]:
        """Activations of the three layers: one pooled value per filter, the features after dropout, the logits."""
        pooled = []
        for width in self.widths:
            weight, bias = getattr(self, f"filter{width}"), getattr(self, f"bias{width}")
            pooled.append(F.relu(max_over_time(inputs, weight) + bias))
        hidden = torch.cat(pooled, dim=1)
        features = dropout(hidden, self.settings.dropout, drop)
        return [hidden, features, F.linear(features, self.linear_weight, self.linear_bias)]


def max_over_time(inputs: Float[Tensor, "n length d"], weight: Float[Tensor, "f k d"]) -> Float[Tensor, "n f"]:
    """max_t ⟨w_f, x_{t..t+k}⟩: as a plain reduction without a graph, else through the windows where the maximum lies."""
    width = weight.shape[1]
    if inputs.shape[1] < width:
        inputs = F.pad(inputs, (0, 0, 0, width - inputs.shape[1]))
    with torch.no_grad():
        scores = F.conv1d(inputs.transpose(1, 2), weight.transpose(1, 2))
        if not (weight.requires_grad or inputs.requires_grad):
            return scores.amax(2)
        where = scores.argmax(2)
    return (windows(inputs, where, width) * weight).sum((2, 3))


def windows(inputs: Float[Tensor, "n length d"], where: Int[Tensor, "n f"], width: int) -> Float[Tensor, "n f k d"]:
    """The `width` rows from `where` on, for each sample and filter."""
    n, length, dimension = inputs.shape
    offset = torch.arange(n, device=inputs.device)[:, None, None] * length
    rows = offset + where[:, :, None] + torch.arange(width, device=inputs.device)
    picked = inputs.reshape(n * length, dimension).index_select(0, rows.flatten())
    return picked.view(n, where.shape[1], width, dimension)
