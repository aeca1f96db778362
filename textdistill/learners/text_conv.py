"""TextConvNet: parallel convolutions over words, the maximum over time, a linear layer (Kim 2014; TDD's network)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from textdistill.core.bounds import Count, Doc, Share
from textdistill.core.errors import RecipeError
from textdistill.core.learner import dropout
from textdistill.learners.spelled import distinct, search_words
from textdistill.learners.windows import Chosen, known_scores


@dataclass(frozen=True)
class TextConvSettings:
    """Sizes of TextConvNet; the defaults are the paper's."""

    filters: Annotated[Count, Doc("filters of each width")] = 100
    widths: Annotated[tuple[Count, ...], Doc("words that a filter spans, each width once")] = (3, 4, 5)
    dropout: Annotated[Share, Doc("of the features, where a stage turns it on")] = 0.5


class TextConvNet(nn.Module):
    """max_t ReLU(w ∗ x + b) for every filter, then dropout and a linear layer.

    The paper convolves a one-channel length × dimension image with kernels k × dimension; that is a convolution over
    time with as many channels as the embedding has dimensions, and so the weights are stored as (filters, k,
    dimension). Xavier's fans are those of the paper's `Conv2d`: in k·dimension, out filters·k·dimension. Padding is
    zero vectors, as there: a padded row sees ReLU(b) too.

    The differentiated graph holds no convolution. Where the maximum lies is found without a graph; the value is then an
    inner product of the filter with the one window it chose, so first and second derivatives touch only those windows.
    The function and its derivatives are the same (the position is piecewise constant).
    """

    name: ClassVar[str] = "text_conv"
    Settings = TextConvSettings
    takes: ClassVar[frozenset[str]] = frozenset({"words"})
    table: Tensor | None = None  # where inputs are words instead of vectors: the vectors

    def __init__(self, settings: TextConvSettings, shape: Sequence[int], classes: int):
        super().__init__()
        if len(set(settings.widths)) != len(settings.widths) or min(settings.widths, default=0) < 1:
            raise RecipeError([f"learner.widths: {list(settings.widths)}; allowed: different widths of 1 or more"])
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

    def reading(self, table: Float[Tensor, "v d"]) -> TextConvNet:
        """The same network, weights and all, for rows of `table` (n, length) in place of their vectors."""
        other = copy.copy(self)
        other.table = table
        return other

    def forward(self, inputs: Tensor, mask: Tensor | None, drop: torch.Generator | None) -> list[Tensor]:
        """Activations of the three layers: one pooled value per filter, the features after dropout, the logits."""
        weights = [getattr(self, f"filter{width}") for width in self.widths]
        bias = torch.cat([getattr(self, f"bias{width}") for width in self.widths])
        lengths = None if mask is None else mask.sum(1)
        if self.table is None:
            hidden = F.relu(max_over_time(inputs, weights, lengths) + bias)
        else:
            hidden = F.relu(max_over_words(inputs, self.table, weights, lengths) + bias)
        features = dropout(hidden, self.settings.dropout, drop)
        return [hidden, features, F.linear(features, self.linear_weight, self.linear_bias)]


def max_over_time(
    inputs: Float[Tensor, "n length d"], weights: Sequence[Tensor], lengths: Int[Tensor, " n"] | None = None
) -> Float[Tensor, "n f"]:
    """max_t ⟨w_f, x_{t..t+k}⟩ for the filters of all `weights` (f, k, d), side by side.

    Rows from `lengths` on must be zero vectors; they take part in the maximum, as padding does.
    """
    widths = tuple(weight.shape[1] for weight in weights)
    if inputs.shape[1] < max(widths):
        inputs = F.pad(inputs, (0, 0, 0, max(widths) - inputs.shape[1]))
    values, starts = search(inputs, weights, lengths)
    chosen = Chosen.at(starts.split([weight.shape[0] for weight in weights], dim=1), widths, inputs.shape[1])
    rows = torch.cat([weight.flatten(0, 1) for weight in weights])
    return known_scores(values, inputs.flatten(0, 1), rows, chosen)


def max_over_words(
    ids: Int[Tensor, "n length"],
    table: Float[Tensor, "v d"],
    weights: Sequence[Tensor],
    lengths: Int[Tensor, " n"] | None = None,
) -> Float[Tensor, "n f"]:
    """`max_over_time(table[ids], weights, lengths)` and its derivatives for the weights; none for the table.

    The last row of `table` is zero, and pads texts shorter than the widest filter.
    """
    widths = tuple(weight.shape[1] for weight in weights)
    if ids.shape[1] < max(widths):
        ids = F.pad(ids, (0, max(widths) - ids.shape[1]), value=len(table) - 1)
    ids, table = distinct(ids, table)
    graph = torch.is_grad_enabled() and any(weight.requires_grad for weight in weights)
    values, starts = search_words(ids, table, weights, lengths, places=graph)
    if not graph:
        return values
    chosen = Chosen.at(starts, widths, ids.shape[1])
    rows = torch.cat([weight.flatten(0, 1) for weight in weights])
    words = ids.flatten().index_select(0, chosen.words.flatten()).view_as(chosen.words)
    return known_scores(values, table, rows, replace(chosen, words=words))


# Words multiplied at once on a CPU: their products with the filters then stay in the second-level cache until the
# maximum is taken (measured best between 400 and 1,600 words; the whole batch at once takes half as long again).
CHUNK_WORDS = 800


@torch.no_grad()
def search(
    inputs: Float[Tensor, "n length d"], weights: Sequence[Tensor], lengths: Int[Tensor, " n"] | None = None
) -> tuple[Float[Tensor, "n f"], Int[Tensor, "n f"]]:
    """The maximum over time of every filter and where its window begins, without a graph.

    A chunk of sentences is cut one window behind its longest: all that follows is padding, whose windows score zero
    alike. On a CPU no window is ever copied: word j of all windows is a shifted view of the words, times row j of all
    filters.
    """
    if inputs.device.type != "cpu":
        by_width = [F.conv1d(inputs.transpose(1, 2), weight.transpose(1, 2)) for weight in weights]
        best = [F.adaptive_max_pool1d(scores, 1, return_indices=True) for scores in by_width]
        return torch.cat([value[:, :, 0] for value, _ in best], 1), torch.cat([at[:, :, 0] for _, at in best], 1)
    # The widest filters come first, so that those which have a row j are always the first so many.
    order = sorted(range(len(weights)), key=lambda i: -weights[i].shape[1])
    filters, widest = sum(weight.shape[0] for weight in weights), weights[order[0]].shape[1]
    rows = [torch.cat([weights[i][:, j] for i in order if weights[i].shape[1] > j]) for j in range(widest)]
    n, length, dimension = inputs.shape
    size = max(1, CHUNK_WORDS // length)
    buffer = inputs.new_empty(filters * size * length)
    ends = [length] * n if lengths is None else (lengths + widest).clamp_max(length).tolist()
    values, places = [], []
    for first in range(0, n, size):
        count, longest = min(size, n - first), max(ends[first : first + size])
        words = inputs[first : first + count, :longest].reshape(count * longest, dimension).t()
        scores = buffer[: filters * count * longest].view(filters, count * longest)
        torch.mm(rows[0], words, out=scores)
        for j in range(1, widest):
            scores[: len(rows[j]), : count * longest - j].addmm_(rows[j], words[:, j:])
        by_sentence = scores.view(filters, count, longest)
        for j in range(1, widest):  # a window that would reach into the next sentence
            by_sentence[: len(rows[j]), :, longest - j] = -torch.inf
        value, where = F.adaptive_max_pool1d(by_sentence, 1, return_indices=True)
        values.append(value[:, :, 0])
        places.append(where[:, :, 0])
    columns = torch.arange(filters).split([weight.shape[0] for weight in weights])
    back = torch.cat([columns[i] for i in order]).argsort()
    return torch.cat(values, 1).t()[:, back], torch.cat(places, 1).t()[:, back]
