"""Bi-RNN and Bi-LSTM (TDD's recurrent networks), with cells written out so that they differentiate twice on any device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from textdistill.core.learner import dropout


@dataclass(frozen=True)
class RecurrentSettings:
    """Sizes of a bidirectional recurrent network; the default is the paper's 2 × 100. `dropout` acts where turned on."""

    hidden: int = 100
    dropout: float = 0.0
    pool: str = "last"


POOLS = ("last", "mean", "max")


class _Bidirectional(nn.Module):
    """One layer read in both directions, pooled over time, and a linear layer.

    Parameters are as many as in `nn.RNN`/`nn.LSTM` with `bidirectional=True` (two bias vectors each), the directions stacked in the
    first axis so that one batched product steps both. Each direction ends at the sentence's own last word (by the mask), never
    in padding. `pool` is what the linear layer sees: the `last` state of each direction, or the `mean` or `max` over time.
    """

    Settings = RecurrentSettings
    gates = 1

    def __init__(self, settings: RecurrentSettings, shape: Sequence[int], classes: int):
        super().__init__()
        self.settings = settings
        rows, hidden = self.gates * settings.hidden, settings.hidden
        self.weight_ih = nn.Parameter(torch.empty(2, rows, shape[1]))
        self.weight_hh = nn.Parameter(torch.empty(2, rows, hidden))
        # One-dimensional, because biases start at zero and weights by Xavier.
        self.bias_ih = nn.Parameter(torch.empty(2 * rows))
        self.bias_hh = nn.Parameter(torch.empty(2 * rows))
        self.linear_weight = nn.Parameter(torch.empty(classes, 2 * hidden))
        self.linear_bias = nn.Parameter(torch.empty(classes))

    def fans(self, name: str, shape: Sequence[int]) -> tuple[int, int]:
        """Fan-in and fan-out of each direction's own matrix."""
        return shape[-1], shape[-2]

    def cell(self, gates: Tensor, hidden: Tensor, memory: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The next hidden state (2, n, h) and memory from the summed pre-activations (2, n, gates·h)."""
        raise NotImplementedError

    def initial_memory(self, hidden: Tensor) -> Tensor | None:
        """The memory before the first word, if the cell has one."""
        return None

    def forward(self, inputs: Tensor, mask: Tensor | None, drop: torch.Generator | None) -> list[Tensor]:
        """Activations: the pooled states (n, 2h), the features after dropout, the logits."""
        n, length, _ = inputs.shape
        lengths = None if mask is None or bool(mask.all()) else mask.sum(1)
        both = torch.stack([inputs, reverse(inputs, lengths)])
        bias = (self.bias_ih + self.bias_hh).view(2, 1, -1)
        projected = torch.baddbmm(bias, both.view(2, n * length, -1), self.weight_ih.transpose(1, 2))
        steps = projected.view(2, n, length, -1).unbind(2)
        recurrent = self.weight_hh.transpose(1, 2)
        hidden = inputs.new_zeros(2, n, self.settings.hidden)
        memory = self.initial_memory(hidden)
        seen: list[Tensor] = []
        for t, step in enumerate(steps):
            new, kept = self.cell(torch.baddbmm(step, hidden, recurrent), hidden, memory)
            if lengths is not None:
                inside = (t < lengths).view(1, n, 1)
                new = torch.where(inside, new, hidden)
                kept = torch.where(inside, kept, memory) if kept is not None and memory is not None else kept
            hidden, memory = new, kept
            if self.settings.pool != "last":
                seen.append(hidden)
        if seen:
            states = torch.stack(seen)
            if self.settings.pool == "max":
                # Held states repeat the last one, so padding never changes a maximum.
                hidden = states.amax(0)
            else:
                count = inputs.new_full((n,), float(length)) if lengths is None else lengths.to(inputs)
                inside = torch.arange(length, device=inputs.device)[:, None] < count
                hidden = (states * inside[:, None, :, None].to(inputs)).sum(0) / count[:, None]
        pooled = torch.cat([hidden[0], hidden[1]], dim=1)
        features = dropout(pooled, self.settings.dropout, drop)
        return [pooled, features, F.linear(features, self.linear_weight, self.linear_bias)]


class BiRNN(_Bidirectional):
    """h_t = tanh(W x_t + U h_{t−1} + b), in both directions."""

    def cell(self, gates: Tensor, hidden: Tensor, memory: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The tanh cell."""
        return torch.tanh(gates), None


class BiLSTM(_Bidirectional):
    """The LSTM of Hochreiter & Schmidhuber with a forget gate, in both directions; gate order input, forget, cell, output."""

    gates = 4

    def initial_memory(self, hidden: Tensor) -> Tensor | None:
        """An empty cell."""
        return torch.zeros_like(hidden)

    def cell(self, gates: Tensor, hidden: Tensor, memory: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The LSTM cell."""
        assert memory is not None
        enter, forget, candidate, out = gates.chunk(4, dim=2)
        memory = torch.sigmoid(forget) * memory + torch.sigmoid(enter) * torch.tanh(candidate)
        return torch.sigmoid(out) * torch.tanh(memory), memory


def reverse(inputs: Float[Tensor, "n length d"], lengths: Tensor | None) -> Float[Tensor, "n length d"]:
    """Each sentence backwards, its padding left where it is."""
    if lengths is None:
        return inputs.flip(1)
    length = inputs.shape[1]
    place = torch.arange(length, device=inputs.device)
    source = lengths[:, None] - 1 - place
    source = torch.where(source >= 0, source, place)
    return inputs.gather(1, source[:, :, None].expand_as(inputs))
