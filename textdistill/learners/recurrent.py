"""Bi-RNN and Bi-LSTM, TDD's recurrent networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from textdistill.core.bounds import Count, Doc, OneOf, Share
from textdistill.core.learner import dropout
from textdistill.learners.recurrent_kernels import LSTM, Cell, Steps, Tanh, sequence

POOLS = ("last", "mean", "max")


@dataclass(frozen=True)
class RecurrentSettings:
    """Sizes of a bidirectional recurrent network."""

    hidden: Annotated[Count, Doc("units in each direction; the paper has 2 × 100")] = 100
    dropout: Annotated[Share, Doc("of the pooled states, where a stage turns it on")] = 0.0
    pool: Annotated[
        str, OneOf(POOLS), Doc("what the linear layer sees: each direction's last state, or mean or max over time")
    ] = "last"


class _Bidirectional(nn.Module):
    """One layer read in both directions, pooled over time, and a linear layer.

    Parameters are as many as in `nn.RNN`/`nn.LSTM` with `bidirectional=True` (two bias vectors each), the directions
    stacked in the first axis so that one batched product steps both. Each direction ends at the sentence's own last
    word (by the mask), never in padding. `pool` is what the linear layer sees: the `last` state of each direction, or
    the `mean` or `max` over time.
    """

    Settings = RecurrentSettings
    takes: ClassVar[frozenset[str]] = frozenset({"words"})
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
        if mask is None or bool(mask.all()):
            reading = _whole(n, length)
        else:
            # A sentence without a word ends behind its first padding: there must be a state to pool.
            reading = Reading.of(mask.sum(1).clamp_min(1).cpu(), length)
        rows = reading.rows.to(inputs.device)
        words = inputs.reshape(n * length, -1).index_select(0, rows.flatten()).view(2, rows.shape[1], -1)
        bias = (self.bias_ih + self.bias_hh).view(2, 1, -1)
        projected = torch.baddbmm(bias, words, self.weight_ih.transpose(1, 2))
        states = sequence(self.kernel, projected, self.weight_hh, reading.steps)
        hidden = reading.pool(states, self.settings.pool)
        pooled = torch.cat([hidden[0], hidden[1]], dim=1)
        features = dropout(pooled, self.settings.dropout, drop)
        return [pooled, features, F.linear(features, self.linear_weight, self.linear_bias)]


class BiRNN(_Bidirectional):
    """h_t = tanh(W x_t + U h_{t−1} + b), in both directions."""

    name: ClassVar[str] = "bi_rnn"
    kernel = Tanh


class BiLSTM(_Bidirectional):
    """An LSTM with a forget gate (Hochreiter & Schmidhuber), in both directions; gates input, forget, cell, output."""

    name: ClassVar[str] = "bi_lstm"
    kernel = LSTM
    gates = 4


@dataclass(frozen=True)
class Reading:
    """In which order the words of a batch are read, in both directions, each sentence to its own last word.

    `rows` (2, N) are the words in the order of reading, as places among the n · length of the batch; `steps` how many
    sentences there are at each step, longest first; `place` (n, length) where a sentence's step is among the N, for its
    own `lengths`, and the last of them beyond.
    """

    rows: Int[Tensor, "2 words"]
    steps: Steps
    place: Int[Tensor, "n length"]
    lengths: Int[Tensor, " n"]

    @classmethod
    def of(cls, lengths: Int[Tensor, " n"], length: int) -> Reading:
        """The order for sentences of these lengths, in a batch padded to `length`."""
        order = lengths.argsort(descending=True, stable=True)
        step = torch.arange(int(lengths.max()))
        inside = step[:, None] < lengths[order]
        at, which = inside.nonzero(as_tuple=True)
        sentence = order[which]
        forth = sentence * length + at
        back = sentence * length + lengths[sentence] - 1 - at
        place = torch.zeros(len(lengths), len(step), dtype=torch.int64)
        place[sentence, at] = torch.arange(len(at))
        place = place.gather(1, torch.minimum(step, lengths[:, None] - 1))
        return cls(torch.stack([forth, back]), Steps(tuple(inside.sum(1).tolist())), place, lengths)

    def pool(self, states: Float[Tensor, "2 words h"], pool: str) -> Float[Tensor, "2 n h"]:
        """One state for each sentence and direction: the `last`, or the `mean` or `max` over its words."""
        place = self.place.to(states.device)
        if pool == "last":
            return states.index_select(1, place[:, -1])
        every: Tensor = states.index_select(1, place.flatten()).unflatten(1, place.shape)
        if pool == "max":
            return every.amax(2)
        inside = torch.arange(place.shape[1]) < self.lengths[:, None]
        share = (inside / self.lengths[:, None]).to(states)
        return (every * share[:, :, None]).sum(2)


@lru_cache(maxsize=16)
def _whole(n: int, length: int) -> Reading:
    """The order for sentences without padding: the same at every inner step."""
    return Reading.of(torch.full((n,), length), length)
