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

from textdistill.learners.pixel_buffers import Lent, lend
from textdistill.learners.pixel_products import gathered, parts_of, spread

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
    """The weights as products take them."""

    weights: Sequence[Tensor]  # weight and bias of each layer
    paddings: Sequence[int]  # of each convolution
    kernels: list[Float[Tensor, "_ _"]]  # K(w, b) of each convolution
    parts: list[list[Float[Tensor, "_ _"]]]  # Kᵀ by rows of the window
    linear: list[tuple[Float[Tensor, "_ _"], Float[Tensor, " _"]]]

    @classmethod
    def of(cls, weights: Sequence[Tensor], paddings: Sequence[int]) -> Layers:
        """The weights of a network with so many convolutions."""
        pairs = list(zip(weights[::2], weights[1::2], strict=True))
        kernels = [spread(weight, bias) for weight, bias in pairs[: len(paddings)]]
        parts = [parts_of(kernel, weight.shape) for kernel, (weight, _) in zip(kernels, pairs, strict=False)]
        return cls(weights, paddings, kernels, parts, pairs[len(paddings) :])


@dataclass(frozen=True)
class Passed:
    """What a forward and a backward pass found on the way; lists go from the first layer to the last."""

    lent: Lent  # the convolutions' W(x), and where the largest of each four stood
    spreads: list[Float[Tensor, "_ _"]]  # ∂ℓ/∂z of each convolution, in lent memory as well
    rows: list[Float[Tensor, "n _"]]  # what enters each linear layer
    slopes: list[Float[Tensor, "n _"]]  # ∂ℓ/∂z of each linear layer
    logits: Float[Tensor, "n c"]
    chances: Float[Tensor, "n c"]
    total: Float[Tensor, "n 1"]  # Σ_c y_ic


def there_and_back(
    layers: Layers, inputs: Tensor, targets: Tensor, shares: Tensor, again: bool
) -> tuple[Passed, list[Tensor]]:
    """Forward and backward through the network, for the weights' gradient and not for the images'.

    With `again`, all is kept that a second derivative needs. The gradient comes as ∂ℓ/∂K of each convolution, then
    ∂ℓ/∂w and ∂ℓ/∂b of each linear layer: see `as_weights`.
    """
    values = inputs.permute(1, 2, 3, 0)
    lent, convolutions = lend(values.shape, layers.weights[: 2 * len(layers.paddings) : 2], layers.paddings, 1.0)
    for kernel, layer in zip(layers.kernels, convolutions, strict=True):
        layer.enter(values)
        torch.mm(kernel, layer.columns, out=layer.values)
        layer.pool()
        values = layer.images
    # rows one behind the other: with few of them, products of columns are five times as slow
    rows = [convolutions[-1].flat.t().contiguous()]
    for i, (weight, bias) in enumerate(layers.linear):
        logits = torch.addmm(bias, rows[-1], weight.t())
        if i < len(layers.linear) - 1:
            rows.append(logits.clamp_min_(0.0))
    chances = torch.softmax(logits, 1)

    total = targets.sum(1, keepdim=True)
    slope = torch.mul(total, chances).sub_(targets).mul_(shares[:, None])
    slopes, gradients, spreads = [], [], []
    for (weight, _), entered in zip(layers.linear[::-1], rows[::-1], strict=True):
        slopes.append(slope)
        gradients += [slope.sum(0), slope.t() @ entered]
        slope = slope @ weight
        if entered is not rows[0]:
            slope = relu_slope(slope, entered, 0.0)
    slope = slope.t()
    for i, layer in reversed(list(enumerate(convolutions))):
        spreads.append(layer.place(slope, keep=again))
        gradients.append(spreads[-1] @ layer.across)
        if i:
            slope = layer.back([(layers.parts[i], spreads[-1])])
    return Passed(lent, spreads[::-1], rows, slopes[::-1], logits, chances, total), gradients[::-1]


def as_weights(found: Sequence[Tensor], weights: Sequence[Tensor], convolved: int) -> list[Tensor]:
    """The gradients that `there_and_back` found, shaped as the weights are."""
    out: list[Tensor] = []
    for slope, weight in zip(found[:convolved], weights[::2], strict=False):
        out += gathered(slope, weight.shape)
    return [*out, *found[convolved:]]


class _Gradient(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, targets: Tensor, shares: Tensor, paddings: tuple[int, ...], *weights: Tensor
    ) -> tuple[Tensor, ...]:
        layers = Layers.of(weights, paddings)
        passed, slopes = there_and_back(layers, inputs, targets, shares, any(ctx.needs_input_grad))
        ctx.save_for_backward(targets, shares, *weights)
        ctx.kept = layers, passed  # and nothing that is returned: that circle would keep the buffers from the next step
        return tuple(as_weights(slopes, weights, len(paddings)))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *along: Tensor) -> tuple[Tensor | None, ...]:
        targets, shares, *weights = ctx.saved_tensors
        layers, passed = ctx.kept
        begun = passed.lent.buffers.convolutions
        convolved, rows, slopes = len(begun), passed.rows, passed.slopes
        _held, moved = lend(begun[0].plan.shape, weights[: 2 * convolved : 2], layers.paddings, 0.0)
        moves = Layers.of(along, layers.paddings)

        # Forward: how every value moves when the weights do.
        for i, (old, new) in enumerate(zip(begun, moved, strict=True)):
            torch.mm(moves.kernels[i], old.columns, out=new.values)
            if i:
                new.enter(moved[i - 1].images)
                new.values.addmm_(layers.kernels[i], new.columns)
            new.take_as(old)
        moved_rows = [moved[-1].flat.t().contiguous()]
        for i, (weight, _) in enumerate(layers.linear):
            by, bias = moves.linear[i]
            change = torch.addmm(bias, rows[i], by.t()).addmm_(moved_rows[-1], weight.t())
            if i < len(rows) - 1:
                moved_rows.append(relu_slope(change, rows[i + 1], 0.0))

        # Backward: how every slope moves.
        change = change - (passed.chances * change).sum(1, keepdim=True)
        moved_targets = -shares[:, None] * change
        moved_shares = -(targets * change).sum(1)
        if not any(ctx.needs_input_grad[:1] + ctx.needs_input_grad[4:]):
            # one step from given weights, on given images (label distillation): half of the way is enough
            return None, moved_targets, moved_shares, None, *(None for _ in weights)
        slope = -moved_targets * passed.total * passed.chances
        gradients: list[Tensor] = []
        for i, (weight, _) in reversed(list(enumerate(layers.linear))):
            gradients += [slope.sum(0), (slope.t() @ rows[i]).addmm_(slopes[i].t(), moved_rows[i])]
            slope = (slope @ weight).addmm_(slopes[i], moves.linear[i][0])
            if i:
                slope = relu_slope(slope, rows[i], 0.0)
        slope = slope.t()
        for i, (old, new) in reversed(list(enumerate(zip(begun, moved, strict=True)))):
            spreads = new.place_as(old, slope)
            gradients.append(spreads @ old.across)
            if i:
                gradients[-1].addmm_(passed.spreads[i], new.across)
            if i or ctx.needs_input_grad[0]:
                slope = new.back([(layers.parts[i], spreads), (moves.parts[i], passed.spreads[i])])
        images = slope.permute(3, 0, 1, 2) if ctx.needs_input_grad[0] else None
        return images, moved_targets, moved_shares, None, *as_weights(gradients[::-1], weights, convolved)
