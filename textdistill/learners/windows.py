"""Chosen windows of word vectors: one trilinear form, and its three derivatives, each differentiable again.

A maximum over time looks at one window of words per sentence and filter, and while its position holds, it is linear in
the words and in the filter. With c_nf a coefficient (a gradient) for sentence n and filter f, and t_nf where the window
begins, everything that first and second derivatives ask for is a derivative of

    T(c, x, w) = Σ_nf c_nf Σ_j ⟨x_{n, t_nf + j}, w_{f, j}⟩ :

∂T/∂c is `scores`, ∂T/∂w `gathered`, ∂T/∂x `scattered`, and the derivatives of these three are these three again.
Each is one pass over the words that were chosen; the windows, many times as large as all that is kept, are never copied
(on 60 sentences of 400 × 100 and 300 filters that is 3 to 6 ms, where gathering the windows or adding them back took
15 to 60).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Chosen:
    """Which word of which sentence meets which row of the filters.

    Word t of sentence i is row i·length + t of one matrix, and the k rows of every filter stand one below the other in
    another: filter row r, of filter `owner[r]`, meets in sentence i the word `words[r, i]`.
    """

    words: Int[Tensor, "r n"]
    owner: Int[Tensor, " r"]
    filters: int

    @classmethod
    def at(cls, starts: Sequence[Int[Tensor, "n _"]], widths: tuple[int, ...], length: int) -> Chosen:
        """The windows that begin at `starts`, one tensor for each width, in sentences of `length` words."""
        device, count = starts[0].device, len(starts[0])
        # 32 bits: the look-up below is twice as fast with them.
        sentence = torch.arange(count, device=device, dtype=torch.int32) * length
        words, owner, filters = [], [], 0
        for start, width in zip(starts, widths, strict=True):
            first = start.t().to(torch.int32) + sentence
            words.append(
                (first[:, None] + torch.arange(width, device=device, dtype=torch.int32)[:, None]).flatten(0, 1)
            )
            owner.append(torch.arange(filters, filters + len(first), device=device).repeat_interleave(width))
            filters += len(first)
        return cls(torch.cat(words), torch.cat(owner), filters)

    def each(self, coefficients: Float[Tensor, "n f"]) -> Float[Tensor, "r n"]:
        """The coefficient at every meeting of a word with a filter row."""
        return coefficients.t().index_select(0, self.owner)


class _Gathered(torch.autograd.Function):
    """∂T/∂w."""

    @staticmethod
    def forward(ctx: Any, coefficients: Tensor, words: Tensor, chosen: Chosen) -> Tensor:
        ctx.save_for_backward(coefficients, words)
        ctx.chosen = chosen
        return F.embedding_bag(chosen.words, words, per_sample_weights=chosen.each(coefficients), mode="sum")

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        coefficients, words = ctx.saved_tensors
        return scores(words, grad, ctx.chosen), scattered(coefficients, grad, ctx.chosen, len(words)), None


class _Scattered(torch.autograd.Function):
    """∂T/∂x."""

    @staticmethod
    def forward(ctx: Any, coefficients: Tensor, rows: Tensor, chosen: Chosen, count: int) -> Tensor:
        ctx.save_for_backward(coefficients, rows)
        ctx.chosen = chosen
        # A word's gradient is the sum of the filter rows that met it: sorted by word, those are the rows of one bag.
        word, order = chosen.words.flatten().sort(stable=True)
        ends = torch.searchsorted(word, torch.arange(count, device=word.device, dtype=word.dtype), out_int32=True)
        row = torch.div(order, chosen.words.shape[1], rounding_mode="floor").to(torch.int32)
        each = chosen.each(coefficients).flatten().index_select(0, order)
        return F.embedding_bag(row, rows, ends, per_sample_weights=each, mode="sum")

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        coefficients, rows = ctx.saved_tensors
        return scores(grad, rows, ctx.chosen), gathered(coefficients, grad, ctx.chosen), None, None


class _Scores(torch.autograd.Function):
    """∂T/∂c."""

    @staticmethod
    def forward(ctx: Any, words: Tensor, rows: Tensor, chosen: Chosen) -> Tensor:
        ctx.save_for_backward(words, rows)
        ctx.chosen = chosen
        with torch.enable_grad():  # the derivative of a weighted sum for its weights is the inner products we want
            ones = torch.ones(chosen.words.shape, device=words.device, dtype=words.dtype, requires_grad=True)
            bags = F.embedding_bag(chosen.words, words.detach(), per_sample_weights=ones, mode="sum")
        (each,) = torch.autograd.grad(bags, ones, rows)
        total = torch.zeros(chosen.filters, each.shape[1], device=words.device, dtype=words.dtype)
        return total.index_add_(0, chosen.owner, each).t()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        words, rows = ctx.saved_tensors
        return scattered(grad, rows, ctx.chosen, len(words)), gathered(grad, words, ctx.chosen), None


def gathered(coefficients: Float[Tensor, "n f"], words: Float[Tensor, "w d"], chosen: Chosen) -> Float[Tensor, "r d"]:
    """∂T/∂w: for every filter row, the words it met, weighted by the coefficients and summed over sentences."""
    return _Gathered.apply(coefficients, words, chosen)  # type: ignore[no-any-return]


def scattered(
    coefficients: Float[Tensor, "n f"], rows: Float[Tensor, "r d"], chosen: Chosen, count: int
) -> Float[Tensor, "w d"]:
    """∂T/∂x: for each of `count` words, the filter rows that met it, weighted by the coefficients and summed."""
    return _Scattered.apply(coefficients, rows, chosen, count)  # type: ignore[no-any-return]


def scores(words: Float[Tensor, "w d"], rows: Float[Tensor, "r d"], chosen: Chosen) -> Float[Tensor, "n f"]:
    """∂T/∂c: the inner product of every filter with its window in every sentence."""
    return _Scores.apply(words, rows, chosen)  # type: ignore[no-any-return]


class _ForFilters(torch.autograd.Function):
    """Values already known, with the derivative for the filters."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, values: Tensor, words: list[Tensor], chosen: Chosen) -> Tensor:
        ctx.words, ctx.chosen = words, chosen
        return values

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        return gathered(grad, ctx.words[0], ctx.chosen), None, None, None


class _ForWords(torch.autograd.Function):
    """Nothing, with the derivative for the words."""

    @staticmethod
    def forward(ctx: Any, words: Tensor, values: Tensor, rows: list[Tensor], chosen: Chosen) -> Tensor:
        ctx.rows, ctx.chosen, ctx.count = rows, chosen, len(words)
        return torch.zeros_like(values)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        return scattered(grad, ctx.rows[0], ctx.chosen, ctx.count), None, None, None


def known_scores(
    values: Float[Tensor, "n f"], words: Float[Tensor, "w d"], rows: Float[Tensor, "r d"], chosen: Chosen
) -> Float[Tensor, "n f"]:
    """`scores(words, rows, chosen)` where its `values` are at hand.

    Two nodes instead of one, each hiding from autograd what it does not differentiate for: an inner step wants the
    gradient for the filters alone, and autograd calls a node for all its inputs or not at all.
    """
    out = _ForFilters.apply(rows, values, [words], chosen)
    return out + _ForWords.apply(words, values, [rows], chosen) if words.requires_grad else out  # type: ignore[no-any-return]
