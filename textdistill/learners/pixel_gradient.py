"""The gradient of a small image network's loss in one piece, and the derivative of that gradient in another.

An inner step on ten images is little arithmetic, and as much again goes into autograd's bookkeeping: a few hundred
operations that are each differentiated twice. Here the loss's gradient g(θ, x, y) is written out, and what an outer
step asks of it is written out too: the gradient of ⟨v, g⟩ for a given v, which is the change of g, of ∂ℓ/∂x and of
∂ℓ/∂y when θ moves along v (Pearlmutter 1994). So the second derivative is the first one's forward and backward pass
once more, for tangents; ReLU and maximum are choices that a small move leaves as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from textdistill.learners.pixel_products import (
    gathered,
    largest,
    overlapped,
    padded,
    placed,
    pooled_sides,
    spread,
    taken,
    unpadded,
    windows,
)


def gradient(
    inputs: Tensor, targets: Tensor, shares: Tensor, paddings: Sequence[int], weights: Sequence[Tensor]
) -> list[Tensor]:
    """∇_θ Σ_i a_i Σ_c y_ic · (−log softmax(z_i))_c, differentiable once more for all that is given.

    `weights` are weight and bias of each layer: one convolution with ReLU and 2 × 2 maximum for each of `paddings`,
    then linear layers with ReLU between them. `inputs` (n, channels, height, width), `targets` (n, c), `shares` a (n,).
    """
    return list(_Gradient.apply(inputs, targets, shares, tuple(paddings), *weights))


class _Gradient(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, targets: Tensor, shares: Tensor, paddings: tuple[int, ...], *weights: Tensor
    ) -> tuple[Tensor, ...]:
        convolved = len(paddings)
        pairs = list(zip(weights[::2], weights[1::2], strict=True))
        count = len(inputs)

        values = inputs.permute(1, 2, 3, 0)
        shapes, columns, kernels, places = [], [], [], []
        for (weight, bias), padding in zip(pairs, paddings, strict=False):
            size = weight.shape[2]
            whole = padded(values, padding)
            shapes.append((tuple(values.shape), tuple(whole.shape)))
            columns.append(windows(whole, size, 1.0))
            kernels.append(spread(weight, bias))
            most, chosen = largest(kernels[-1] @ columns[-1])
            places.append(chosen)
            values = most.view(len(weight), *pooled_sides(whole.shape, size), count)
        rows = [values.reshape(-1, count).t().contiguous()]
        for layer, (weight, bias) in enumerate(pairs[convolved:]):
            logits = torch.addmm(bias, rows[-1], weight.t())
            if layer < len(pairs) - convolved - 1:
                rows.append(logits.clamp_min_(0.0))
        chances = torch.softmax(logits, 1)

        out: list[Tensor] = []
        total = targets.sum(1, keepdim=True)
        slope = shares[:, None] * (total * chances - targets)
        slopes = []
        for (weight, _), entered in zip(pairs[: convolved - 1 : -1], rows[::-1], strict=True):
            slopes.append(slope)
            out += [slope.sum(0), slope.t() @ entered]
            slope = slope @ weight
            if entered is not rows[0]:
                slope *= entered > 0
        slope, spreads = slope.t(), []
        for i in reversed(range(convolved)):
            spreads.append(placed(slope, places[i], columns[i].shape[1]))
            out += gathered(spreads[-1] @ columns[i].t(), weights[2 * i].shape)[::-1]
            if i:
                whole = overlapped(kernels[i].t() @ spreads[-1], shapes[i][1], weights[2 * i].shape[2])
                slope = unpadded(whole, paddings[i], shapes[i][0])

        ctx.paddings, ctx.shapes, ctx.counts = paddings, shapes, (convolved, len(rows))
        ctx.save_for_backward(
            *weights,
            *columns,
            *kernels,
            *places,
            *spreads[::-1],
            *rows,
            *slopes[::-1],
            chances,
            total,
            targets,
            shares,
        )
        return tuple(out[::-1])

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
            entered = None if moved is None else windows(padded(moved, ctx.paddings[i]), size, 0.0)
            if entered is not None:
                change.addmm_(kernels[i], entered)
            moved_columns.append(entered)
            sides = pooled_sides(ctx.shapes[i][1], size)
            moved = taken(change, places[i]).view(len(weights[2 * i]), *sides, -1)
        assert moved is not None
        moved_rows = [moved.reshape(-1, len(shares)).t().contiguous()]
        for layer in range(linear):
            at = 2 * (convolved + layer)
            change = torch.addmm(along[at + 1], rows[layer], along[at].t()).addmm_(moved_rows[-1], weights[at].t())
            if layer < linear - 1:
                moved_rows.append(change.mul_(rows[layer + 1] > 0))

        # Backward: how every slope moves.
        change = change - (chances * change).sum(1, keepdim=True)
        moved_targets = -shares[:, None] * change
        moved_shares = -(targets * change).sum(1)
        slope = shares[:, None] * total * chances * change
        out: list[Tensor] = []
        for layer in reversed(range(linear)):
            at = 2 * (convolved + layer)
            out += [slope.sum(0), (slope.t() @ rows[layer]).addmm_(slopes[layer].t(), moved_rows[layer])]
            slope = (slope @ weights[at]).addmm_(slopes[layer], along[at])
            if layer:
                slope *= rows[layer] > 0
        slope = slope.t()
        for i in reversed(range(convolved)):
            spreaded = placed(slope, places[i], columns[i].shape[1])
            weight = spreaded @ columns[i].t()
            entered = moved_columns[i]
            if entered is not None:
                weight.addmm_(spreads[i], entered.t())
            out += gathered(weight, weights[2 * i].shape)[::-1]
            if i or ctx.needs_input_grad[0]:
                windowed = (kernels[i].t() @ spreaded).addmm_(moved_kernels[i].t(), spreads[i])
                whole = overlapped(windowed, ctx.shapes[i][1], weights[2 * i].shape[2])
                slope = unpadded(whole, ctx.paddings[i], ctx.shapes[i][0])
        images = slope.permute(3, 0, 1, 2) if ctx.needs_input_grad[0] else None
        return images, moved_targets, moved_shares, None, *out[::-1]
