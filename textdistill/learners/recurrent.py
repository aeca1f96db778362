"""Bi-RNN and Bi-LSTM, TDD's recurrent networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from textdistill.core.learner import dropout
from textdistill.learners.recurrent_kernels import LSTM, Cell, Tanh, sequence


@dataclass(frozen=True)
class RecurrentSettings:
    """Sizes of a bidirectional recurrent network, the paper's 2 × 100 by default; `dropout` acts where turned on."""

    hidden: int = 100
    dropout: float = 0.0
    pool: str = "last"


POOLS = ("last", "mean", "max")


class _Bidirectional(nn.Module):
    """One layer read in both directions, pooled over time, and a linear layer.

    Parameters are as many as in `nn.RNN`/`nn.LSTM` with `bidirectional=True` (two bias vectors each), the directions
    stacked in the first axis so that one batched product steps both. Each direction ends at the sentence's own last
    word (by the mask), never in padding. `pool` is what the linear layer sees: the `last` state of each direction, or
    the `mean` or `max` over time.
    """

    Settings = RecurrentSettings
    kernel: type[Cell] = Tanh
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

    def forward(self, inputs: Tensor, mask: Tensor | None, drop: torch.Generator | None) -> list[Tensor]:
        """Activations: the pooled states (n, 2h), the features after dropout, the logits."""
        n, length, _ = inputs.shape
        # A sentence without a word ends behind its first padding: there must be a state to pool.
        lengths = None if mask is None or bool(mask.all()) else mask.sum(1).clamp_min(1)
        both = torch.stack([inputs, reverse(inputs, lengths)]).transpose(1, 2)
        bias = (self.bias_ih + self.bias_hh).view(2, 1, -1)
        projected = torch.baddbmm(bias, both.reshape(2, length * n, -1), self.weight_ih.transpose(1, 2))
        states = sequence(self.kernel, projected.view(2, length, n, -1), self.weight_hh)
        hidden = self._pool(states, lengths)
        pooled = torch.cat([hidden[0], hidden[1]], dim=1)
        features = dropout(pooled, self.settings.dropout, drop)
        return [pooled, features, F.linear(features, self.linear_weight, self.linear_bias)]

    def _pool(self, states: Float[Tensor, "2 length n h"], lengths: Tensor | None) -> Float[Tensor, "2 n h"]:
        length, n = states.shape[1:3]
        if self.settings.pool == "last":
            # Reading backwards also begins at a sentence's own last word, so both directions end at step lengths − 1.
            return states[:, -1] if lengths is None else states[:, lengths - 1, torch.arange(n, device=states.device)]
        if lengths is None:
            return states.amax(1) if self.settings.pool == "max" else states.mean(1)
        inside = (torch.arange(length, device=states.device)[:, None] < lengths)[None, :, :, None]
        if self.settings.pool == "max":
            return states.masked_fill(~inside, -torch.inf).amax(1)
        return (states * inside).sum(1) / lengths[:, None]


class BiRNN(_Bidirectional):
    """h_t = tanh(W x_t + U h_{t−1} + b), in both directions."""

    kernel = Tanh


class BiLSTM(_Bidirectional):
    """An LSTM with a forget gate (Hochreiter & Schmidhuber), in both directions; gates input, forget, cell, output."""

    kernel = LSTM
    gates = 4


def reverse(inputs: Float[Tensor, "n length d"], lengths: Tensor | None) -> Float[Tensor, "n length d"]:
    """Each sentence backwards, its padding left where it is."""
    if lengths is None:
        return inputs.flip(1)
    length = inputs.shape[1]
    place = torch.arange(length, device=inputs.device)
    source = lengths[:, None] - 1 - place
    source = torch.where(source >= 0, source, place)
    return inputs.gather(1, source[:, :, None].expand_as(inputs))
