"""TextConvNet: parallel convolutions over words, the maximum over time, a linear layer (Kim 2014; TDD's network)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
        self.margin = max(settings.widths)
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
        lengths = None if mask is None else mask.sum(1)
        pooled = []
        for width in self.widths:
            weight, bias = getattr(self, f"filter{width}"), getattr(self, f"bias{width}")
            pooled.append(F.relu(max_over_time(inputs, weight, lengths) + bias))
        hidden = torch.cat(pooled, dim=1)
        features = dropout(hidden, self.settings.dropout, drop)
        return [hidden, features, F.linear(features, self.linear_weight, self.linear_bias)]


def max_over_time(
    inputs: Float[Tensor, "n length d"], weight: Float[Tensor, "f k d"], lengths: Int[Tensor, " n"] | None = None
) -> Float[Tensor, "n f"]:
    """max_t ⟨w_f, x_{t..t+k}⟩. Rows from `lengths` on must be zero vectors; they take part in the maximum, as padding does."""
    width = weight.shape[1]
    if inputs.shape[1] < width:
        inputs = F.pad(inputs, (0, 0, 0, width - inputs.shape[1]))
    return _MaxOverTime.apply(inputs, weight, lengths)  # type: ignore[no-any-return]


class _MaxOverTime(torch.autograd.Function):
    """The maximum with its position held fixed: ∂/∂w_f is the window at the maximum, ∂/∂x puts w_f back there.

    Both are written with differentiable operations, so autograd finds the second derivative from them.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, lengths: Tensor | None) -> Tensor:
        value, where = search(inputs, weight, lengths)
        ctx.save_for_backward(inputs, weight, where)
        return value

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight, where = ctx.saved_tensors
        filters, width, dimension = weight.shape
        n, length, _ = inputs.shape
        offset = torch.arange(n, device=inputs.device) * length
        rows = ((where + offset[:, None]).t()[:, :, None] + torch.arange(width, device=inputs.device)).flatten()
        grad_inputs = grad_weight = None
        if ctx.needs_input_grad[1]:
            picked = inputs.reshape(n * length, dimension).index_select(0, rows).view(filters, n, width * dimension)
            grad_weight = torch.bmm(grad.t()[:, None], picked).view(filters, width, dimension)
        if ctx.needs_input_grad[0]:
            spread = (grad.t()[:, :, None] * weight.flatten(1)[:, None]).reshape(-1, dimension)
            grad_inputs = torch.zeros(n * length, dimension, device=inputs.device, dtype=inputs.dtype)
            grad_inputs = grad_inputs.index_add(0, rows, spread).view(n, length, dimension)
        return grad_inputs, grad_weight, None


# Rows of word windows multiplied at once on a CPU: their product with the filters then stays in the second-level cache until its
# maximum is taken (measured best between 800 and 3,200, some 1.6 times as fast as convolving the whole batch first).
CHUNK_ROWS = 1600


def search(inputs: Tensor, weight: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
    """The maximum over time and where it lies, (n, f) each, without a graph.

    A chunk of sentences is cut one window behind its longest: all that follows is padding, whose windows score the same zero.
    """
    n, length, dimension = inputs.shape
    filters, width, _ = weight.shape
    if inputs.device.type != "cpu":
        scores = F.conv1d(inputs.transpose(1, 2), weight.transpose(1, 2))
        value, where = F.adaptive_max_pool1d(scores, 1, return_indices=True)
        return value[:, :, 0], where[:, :, 0]
    inputs = inputs.contiguous()
    flat = weight.reshape(filters, width * dimension)
    size = max(1, CHUNK_ROWS // length)
    values, places = [], []
    ends = None if lengths is None else lengths.tolist()
    for first in range(0, n, size):
        part = inputs[first : first + size]
        count = part.shape[0]
        longest = length if ends is None else min(length, max(ends[first : first + count]) + width)
        steps = longest - width + 1
        view = part.as_strided((count, steps, width * dimension), (length * dimension, dimension, 1))
        scores = flat @ view.reshape(count * steps, width * dimension).t()
        value, where = F.adaptive_max_pool1d(scores.view(filters, count, steps), 1, return_indices=True)
        values.append(value[:, :, 0])
        places.append(where[:, :, 0])
    return torch.cat(values, 1).t(), torch.cat(places, 1).t()
