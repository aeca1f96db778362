"""The gradient of a small image network's loss in one piece, and the derivative of that gradient in another.

An inner step on ten images is little arithmetic, and as much again goes into autograd's bookkeeping: a few hundred
operations that are each differentiated twice. Here the loss's gradient g(θ, x, y) is written out, and what an outer
step asks of it is written out too: the gradient of ⟨v, g⟩ for a given v, which is the change of g, of ∂ℓ/∂x and of
∂ℓ/∂y when θ moves along v (Pearlmutter 1994). So the second derivative is the first one's forward and backward pass
once more, for tangents; ReLU and maximum are choices that a small move leaves as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from textdistill.learners.pixel_products import (
    gathered,
    largest,
    multiplied_back,
    placed,
    pooled_sides,
    spread,
    taken,
    windows,
)

# slope where value > 0, and else 0: ReLU's way back, and its tangent's way forth, in one operation
relu_slope = torch.ops.aten.threshold_backward.default


def gradient(
    inputs: Tensor, targets: Tensor, shares: Tensor, paddings: Sequence[int], weights: Sequence[Tensor]
) -> list[Tensor]:
    """∇_θ Σ_i a_i Σ_c y_ic · (−log softmax(z_i))_c, differentiable once more for all that is given.

    `weights` are weight and bias of each layer: one convolution with ReLU and 2 × 2 maximum for each of `paddings`,
    then linear layers with ReLU between them. `inputs` (n, channels, height, width), `targets` (n, c), `shares` a (n,).
    """
    return list(_Gradient.apply(inputs, targets, shares, tuple(paddings), *weights))


@dataclass(frozen=True)
class Layers:
    """The weights as products take them, and what is known of each convolution."""

    kernels: list[Float[Tensor, "_ _"]]  # K(w, b) of each convolution
    sizes: list[int]  # k, of a kernel k × k
    paddings: Sequence[int]
    linear: list[tuple[Float[Tensor, "_ _"], Float[Tensor, " _"]]]


@dataclass(frozen=True)
class Passed:
    """What a forward and a backward pass found on the way; lists go from the first layer to the last."""

    shapes: list[tuple[int, ...]]  # of what enters a convolution: c, h, w, n
    columns: list[Float[Tensor, "_ _"]]  # W(x) of each convolution
    places: list[Float[Tensor, "4 _"]]  # where the largest of each four stood
    spreads: list[Float[Tensor, "_ _"]]  # ∂ℓ/∂z of each convolution
    rows: list[Float[Tensor, "n _"]]  # what enters each linear layer
    slopes: list[Float[Tensor, "n _"]]  # ∂ℓ/∂z of each linear layer
    logits: Float[Tensor, "n c"]
    chances: Float[Tensor, "n c"]
    total: Float[Tensor, "n 1"]  # Σ_c y_ic
    found: list[Tensor]  # ∂ℓ/∂K of each convolution, then ∂ℓ/∂w and ∂ℓ/∂b of each linear layer


def prepared(weights: Sequence[Tensor], paddings: Sequence[int]) -> Layers:
    """The weights and biases of a network with so many convolutions, ready for `there_and_back`."""
    pairs = list(zip(weights[::2], weights[1::2], strict=True))
    first = pairs[: len(paddings)]
    kernels = [spread(weight, bias) for weight, bias in first]
    return Layers(kernels, [weight.shape[2] for weight, _ in first], paddings, pairs[len(paddings) :])


def there_and_back(layers: Layers, inputs: Tensor, targets: Tensor, shares: Tensor) -> Passed:
    """Forward and backward through the network, for the weights' gradient and not for the images'."""
    count = len(inputs)
    values = inputs.permute(1, 2, 3, 0)
    shapes, columns, places = [], [], []
    for kernel, size, padding in zip(layers.kernels, layers.sizes, layers.paddings, strict=True):
        shapes.append(tuple(values.shape))
        columns.append(windows(values, size, padding, 1.0))
        most, chosen = largest(kernel @ columns[-1])
        places.append(chosen)
        values = most.view(len(kernel) // 4, *pooled_sides(shapes[-1], size, padding), count)
    # rows one behind the other: with few of them, products of columns are five times as slow
    rows = [values.reshape(-1, count).t().contiguous()]
    for layer, (weight, bias) in enumerate(layers.linear):
        logits = torch.addmm(bias, rows[-1], weight.t())
        if layer < len(layers.linear) - 1:
            rows.append(logits.clamp_min_(0.0))
    chances = torch.softmax(logits, 1)

    total = targets.sum(1, keepdim=True)
    slope = shares[:, None] * (total * chances - targets)
    slopes, spreads, found = [], [], []
    for (weight, _), entered in zip(layers.linear[::-1], rows[::-1], strict=True):
        slopes.append(slope)
        found += [slope.sum(0), slope.t() @ entered]
        slope = slope @ weight
        if entered is not rows[0]:
            slope = relu_slope(slope, entered, 0.0)
    slope = slope.t()
    for i in reversed(range(len(columns))):
        spreads.append(placed(slope, places[i], columns[i].shape[1]))
        found.append(spreads[-1] @ columns[i].t())
        if i:
            slope = multiplied_back([(layers.kernels[i], spreads[-1])], shapes[i], layers.sizes[i], layers.paddings[i])
    return Passed(shapes, columns, places, spreads[::-1], rows, slopes[::-1], logits, chances, total, found[::-1])


def as_weights(found: Sequence[Tensor], weights: Sequence[Tensor], convolved: int) -> list[Tensor]:
    """The gradients in `Passed.found`, shaped as the weights are."""
    out: list[Tensor] = []
    for slope, weight in zip(found[:convolved], weights[::2], strict=False):
        out += gathered(slope, weight.shape)
    return [*out, *found[convolved:]]


class _Gradient(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, targets: Tensor, shares: Tensor, paddings: tuple[int, ...], *weights: Tensor
    ) -> tuple[Tensor, ...]:
        layers = prepared(weights, paddings)
        passed = there_and_back(layers, inputs, targets, shares)
        ctx.paddings, ctx.shapes, ctx.counts = paddings, passed.shapes, (len(paddings), len(passed.rows))
        ctx.save_for_backward(
            *weights,
            *passed.columns,
            *layers.kernels,
            *passed.places,
            *passed.spreads,
            *passed.rows,
            *passed.slopes,
            passed.chances,
            passed.total,
            targets,
            shares,
        )
        return tuple(as_weights(passed.found, weights, len(paddings)))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *along: Tensor) -> tuple[Tensor | None, ...]:
        convolved, linear = ctx.counts
        saved = list(ctx.saved_tensors)

        def next_(count: int) -> list[Tensor]:
            return [saved.pop(0) for _ in range(count)]

        weights = next_(2 * (convolved + linear))
        columns, kernels, places, spreads = (next_(convolved) for _ in range(4))
        rows, slopes = next_(linear), next_(linear)
        chances, total, targets, shares = saved

        # Forward: how every value moves when the weights do.
        moved_columns: list[Tensor | None] = []
        moved_kernels = []
        moved: Tensor | None = None
        for i in range(convolved):
            size = weights[2 * i].shape[2]
            moved_kernels.append(spread(along[2 * i], along[2 * i + 1]))
            change = moved_kernels[-1] @ columns[i]
            entered = None if moved is None else windows(moved, size, ctx.paddings[i], 0.0)
            if entered is not None:
                change.addmm_(kernels[i], entered)
            moved_columns.append(entered)
            sides = pooled_sides(ctx.shapes[i], size, ctx.paddings[i])
            moved = taken(change, places[i]).view(len(weights[2 * i]), *sides, -1)
        assert moved is not None
        moved_rows = [moved.reshape(-1, len(shares)).t().contiguous()]
        for layer in range(linear):
            at = 2 * (convolved + layer)
            change = torch.addmm(along[at + 1], rows[layer], along[at].t()).addmm_(moved_rows[-1], weights[at].t())
            if layer < linear - 1:
                moved_rows.append(relu_slope(change, rows[layer + 1], 0.0))

        # Backward: how every slope moves.
        change = change - (chances * change).sum(1, keepdim=True)
        moved_targets = -shares[:, None] * change
        moved_shares = -(targets * change).sum(1)
        if not any(ctx.needs_input_grad[:1] + ctx.needs_input_grad[4:]):
            # one step from given weights, on given images (label distillation): half of the way is enough
            return None, moved_targets, moved_shares, None, *(None for _ in weights)
        slope = shares[:, None] * total * chances * change
        out: list[Tensor] = []
        for layer in reversed(range(linear)):
            at = 2 * (convolved + layer)
            out += [slope.sum(0), (slope.t() @ rows[layer]).addmm_(slopes[layer].t(), moved_rows[layer])]
            slope = (slope @ weights[at]).addmm_(slopes[layer], along[at])
            if layer:
                slope = relu_slope(slope, rows[layer], 0.0)
        slope = slope.t()
        for i in reversed(range(convolved)):
            spreaded = placed(slope, places[i], columns[i].shape[1])
            weight = spreaded @ columns[i].t()
            entered = moved_columns[i]
            if entered is not None:
                weight.addmm_(spreads[i], entered.t())
            out += gathered(weight, weights[2 * i].shape)[::-1]
            if i or ctx.needs_input_grad[0]:
                products = [(kernels[i], spreaded), (moved_kernels[i], spreads[i])]
                slope = multiplied_back(products, ctx.shapes[i], weights[2 * i].shape[2], ctx.paddings[i])
        images = slope.permute(3, 0, 1, 2) if ctx.needs_input_grad[0] else None
        return images, moved_targets, moved_shares, None, *out[::-1]
