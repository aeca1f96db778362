"""Blocks of conv 3 × 3, instance norm, ReLU and average pooling, differentiated once and without autograd.

Matching asks for the gradient that real images give the weights, and for the one that features give samples. By
autograd most of the time goes into norm, ReLU and pooling of the first block, whose images are large. But its
convolution is linear in patches of few numbers (9 of a grey image), and so the norm is, too: mean and variance of
filter w are ⟨w, m⟩ and wᵀCw for the patches' mean m and covariance C. Normalised values are then a product of the
centred patches with filters of each image's own, and the way back through the norm is one of 9 × 9 matrices. Values lie
channels last, which convolutions like best and where pooling adds rows of channels.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

EPSILON = 1e-5  # of the norm, as torch's own

# Numbers that the first convolution of one piece may show: the convolutions behind it want rows, the cache does not.
# 2,560 digits through DC's ConvNet and back, in CPU-s: bfloat16 16 rows at once 4.2, 64 (this) 3.4.
PIECE = 2**23


@dataclass(frozen=True)
class First:
    """What the first block keeps for its way back."""

    images: Float[Tensor, "n k h w"]
    patches: Float[Tensor, "n p1 m"]  # centred, those that are pooled together in four parts, and a row of ones
    values: Float[Tensor, "n m c"]  # after ReLU
    scale: Float[Tensor, "n 1 c"]  # 1/√(variance + ε)
    spread: Float[Tensor, "n p p"]  # the patches' covariance


@dataclass(frozen=True)
class Later:
    """What any other block keeps for its way back."""

    inputs: Float[Tensor, "n h w c"]
    values: Float[Tensor, "n m c"]  # normalised, without gain and bias
    scale: Float[Tensor, "n 1 c"]  # 1/√(variance + ε)


@dataclass(frozen=True)
class FirstOrderBlocks:
    """`depth` blocks with the weights conv1, norm1, conv2, ..., then the layer `linear`; as ConvNet names them.

    `padding` is the first convolution's. Convolutions run in a `dtype` of one's choice; norms, logits and sums over
    images in the weights' own.
    """

    depth: int
    padding: int

    def rows(self, params: Mapping[str, Tensor], shape: Sequence[int]) -> int:
        """How many images of this shape make a piece."""
        sides = [side + 2 * self.padding - 2 for side in shape[1:]]
        return max(1, PIECE // (len(params["conv1_weight"]) * math.prod(sides)))

    def activations(
        self, params: Mapping[str, Tensor], inputs: Float[Tensor, "n k h w"], dtype: torch.dtype
    ) -> list[Tensor]:
        """Every block's output, the last of them flattened, the logits: what ConvNet's `forward` returns.

        They are differentiable once, for the inputs; the weights are constants.
        """
        params = {name: value.detach() for name, value in params.items()}
        out = list(_Blocks.apply(inputs, self, params, dtype))
        features = out[-1].flatten(1)
        linear = (params[f"linear_{name}"].to(dtype) for name in ("weight", "bias"))
        return [*out, features, F.linear(features, *linear)]

    @torch.no_grad()
    def gradient(
        self,
        params: Mapping[str, Tensor],
        inputs: Float[Tensor, "n k h w"],
        targets: Float[Tensor, "n classes"],
        shares: Float[Tensor, " n"],
        names: Collection[str],
        dtype: torch.dtype,
    ) -> dict[str, Tensor]:
        """∇ Σ_i a_i Σ_c y_ic · (−log softmax(z_i))_c for the weights `names`, in the weights' own type.

        A convolution's bias moves nothing, as a norm follows: its gradient is zero.
        """
        outputs, first, later = self.forward(params, inputs, dtype)
        gradients, back = _linear_back(params, outputs[-1], targets, shares)
        lowest = min((_block_of(name) for name in names), default=self.depth)
        for at in range(self.depth, max(lowest, 2) - 1, -1):
            slope, slopes = _norm_back(at, params, later[at - 2], back)
            back, slopes[f"conv{at}_weight"] = _conv_back(at, params, later[at - 2], slope, dtype, (at > lowest, True))
            gradients |= slopes
        if lowest == 1:
            gradients |= _first_weights(params, first, back, dtype)
        return {name: gradients[name] for name in names}

    def forward(
        self, params: Mapping[str, Tensor], inputs: Float[Tensor, "n k h w"], dtype: torch.dtype
    ) -> tuple[list[Tensor], First, list[Later]]:
        """The output of each block, channels last, and what its way back needs."""
        values, first = _first(params, inputs, self.padding, dtype)
        outputs, later = [values], []
        for at in range(2, self.depth + 1):
            values, kept = _later(at, params, values, dtype)
            outputs.append(values)
            later.append(kept)
        return outputs, first, later


class _Blocks(torch.autograd.Function):
    """The blocks' outputs as a function of the images."""

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, blocks: FirstOrderBlocks, params: Mapping[str, Tensor], dtype: torch.dtype
    ) -> tuple[Tensor, ...]:
        outputs, first, later = blocks.forward(params, inputs, dtype)
        ctx.set_materialize_grads(False)
        if inputs.requires_grad:
            ctx.known = (blocks, params, dtype, first, later)
        return tuple(output.permute(0, 3, 1, 2) for output in outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor | None) -> Any:
        blocks, params, dtype, first, later = ctx.known
        back: Tensor | None = None
        for at in range(blocks.depth, 0, -1):
            own = slopes[at - 1]
            if own is not None:
                own = own.permute(0, 2, 3, 1)
                back = own if back is None else back + own
            if back is None:
                continue
            if at == 1:
                return _first_images(params, first, back, blocks.padding, dtype), None, None, None
            slope, _ = _norm_back(at, params, later[at - 2], back)
            back, _ = _conv_back(at, params, later[at - 2], slope, dtype, (True, False))
        return None, None, None, None


def _block_of(name: str) -> int:
    """Which block a weight belongs to, from 1; the linear layer comes after any."""
    head = name.partition("_")[0]
    return sys.maxsize if head == "linear" else int(head[4:])


def _linear_back(
    params: Mapping[str, Tensor], values: Float[Tensor, "n h w c"], targets: Tensor, shares: Tensor
) -> tuple[dict[str, Tensor], Float[Tensor, "n h w c"]]:
    """The linear layer's gradients and that of the last block's output."""
    weight, bias = params["linear_weight"], params["linear_bias"]
    features = values.to(weight.dtype).permute(0, 3, 1, 2)
    shape = features.shape
    features = features.flatten(1)
    chances = F.softmax(F.linear(features, weight, bias), 1)
    slope = shares[:, None] * (chances * targets.sum(1, keepdim=True) - targets)
    back = (slope @ weight).view(shape).permute(0, 2, 3, 1)
    return {"linear_weight": slope.t() @ features, "linear_bias": slope.sum(0)}, back


def _first(
    params: Mapping[str, Tensor], images: Float[Tensor, "n k h w"], padding: int, dtype: torch.dtype
) -> tuple[Float[Tensor, "n h2 w2 c"], First]:
    """The first block's output, and what its way back needs."""
    weight, gain, bias = params["conv1_weight"], params["norm1_gain"], params["norm1_bias"]
    patches, (height, width) = _patches(images.to(weight.dtype), padding)
    spread = patches @ patches.transpose(1, 2) / (height * width)
    filters = weight.flatten(1).t()
    scale = ((spread @ filters) * filters).sum(1, keepdim=True).clamp_min(0).add(EPSILON).rsqrt()

    half, across, size = height // 2, width // 2, len(filters)
    cut = torch.ones(len(images), size + 1, 2, 2, half, across, dtype=dtype)
    cut[:, :size] = _windows(patches.unflatten(2, (height, width)))
    cut = cut.flatten(2)
    # ReLU lets the mean's quarter through
    own = torch.cat([filters * (scale * gain), bias.expand(len(images), 1, -1)], 1) / 4
    values = torch.bmm(cut.transpose(1, 2), own.to(dtype))
    # The bits of a number below zero are an integer below zero, and integers are compared seven times as fast. What is
    # not a number may so become zero: weights that are none still show in float32, which samples always run in.
    (values.view(torch.int16) if dtype == torch.bfloat16 else values).clamp_min_(0)
    one, two, three, four = values.unflatten(1, (4, half, across)).unbind(1)
    return (one + two).add_(three).add_(four), First(images, cut, values, scale, spread)


def _first_norm_back(
    params: Mapping[str, Tensor], kept: First, back: Float[Tensor, "n h2 w2 c"], dtype: torch.dtype
) -> tuple[Float[Tensor, "n m c"], Float[Tensor, "n p c"], Float[Tensor, "n 1 c"], Float[Tensor, "n 1 c"]]:
    """Of the normalised values the slope s before the mean's quarter; Σ s/4 · patch, Σ s/4 · value, and Σ s/4."""
    values = kept.values.unflatten(1, (4, -1))
    back = back.to(dtype).flatten(1, 2)[:, None].expand_as(values)
    slope = torch.ops.aten.threshold_backward(back, values, 0).flatten(1, 2)
    sums = torch.bmm(kept.patches, slope).to(kept.scale.dtype) / 4
    sums, total = sums[:, :-1], sums[:, -1:]
    along = (sums * params["conv1_weight"].flatten(1).t()).sum(1, keepdim=True) * kept.scale
    return slope, sums, along, total


def _first_weights(
    params: Mapping[str, Tensor], kept: First, back: Float[Tensor, "n h2 w2 c"], dtype: torch.dtype
) -> dict[str, Tensor]:
    """The gradients of the first block's weights, from that of its output."""
    weight, gain = params["conv1_weight"], params["norm1_gain"]
    _, sums, along, total = _first_norm_back(params, kept, back, dtype)
    moved = (sums - (kept.spread @ weight.flatten(1).t()) * (kept.scale * along)) * kept.scale
    return {
        "conv1_weight": (moved.sum(0) * gain).t().reshape(weight.shape),
        "conv1_bias": torch.zeros_like(gain),
        "norm1_gain": along.sum((0, 1)),
        "norm1_bias": total.sum((0, 1)),
    }


def _first_images(
    params: Mapping[str, Tensor], kept: First, back: Float[Tensor, "n h2 w2 c"], padding: int, dtype: torch.dtype
) -> Float[Tensor, "n k h w"]:
    """The gradient of the images, in the weights' type, from that of the first block's output."""
    filters, gain = params["conv1_weight"].flatten(1).t(), params["norm1_gain"]
    slope, _, along, total = _first_norm_back(params, kept, back, dtype)
    own = filters * (kept.scale * gain)
    patches, (height, width) = _patches(kept.images.to(own.dtype), padding)
    count = height * width
    mixed = (own * (kept.scale * along)) @ filters.t() / count
    moved = (mixed @ patches).add_((own * total).sum(2, keepdim=True) / count).neg_()
    half, across = height // 2, width // 2
    cut = torch.bmm((own / 4).to(dtype), slope.transpose(1, 2)).to(own.dtype).unflatten(2, (2, 2, half, across))
    _windows(moved.unflatten(2, (height, width))).add_(cut)
    images: Tensor = F.fold(moved, kept.images.shape[2:], 3, padding=padding)
    return images


def _patches(images: Float[Tensor, "n k h w"], padding: int) -> tuple[Float[Tensor, "n p m"], tuple[int, int]]:
    """The centred patches of all places, and how many places there are, down and across."""
    height, width = (side + 2 * padding - 2 for side in images.shape[2:])
    patches = F.unfold(images, 3, padding=padding)
    return patches - patches.mean(2, keepdim=True), (height, width)


def _windows(patches: Float[Tensor, "n p h w"]) -> Float[Tensor, "n p 2 2 h2 w2"]:
    """A view of the patches by their place in the 2 × 2 windows; an odd last row or column is left out."""
    half, across = (side // 2 for side in patches.shape[2:])
    even = patches[..., : 2 * half, : 2 * across].unflatten(3, (across, 2))
    windows: Tensor = even.unflatten(2, (half, 2)).permute(0, 1, 3, 5, 2, 4)
    return windows


def _later(
    at: int, params: Mapping[str, Tensor], inputs: Float[Tensor, "n h w c"], dtype: torch.dtype
) -> tuple[Float[Tensor, "n h2 w2 c"], Later]:
    """The output of block `at`, and what its way back needs."""
    weight, gain, bias = (params[name] for name in (f"conv{at}_weight", f"norm{at}_gain", f"norm{at}_bias"))
    kernel = weight.to(dtype, memory_format=torch.channels_last)
    convolved = F.conv2d(inputs.permute(0, 3, 1, 2), kernel, padding=1).permute(0, 2, 3, 1)
    values = convolved.to(weight.dtype).flatten(1, 2)
    values -= values.mean(1, keepdim=True)
    scale = values.square().mean(1, keepdim=True).add_(EPSILON).rsqrt_()
    values *= scale
    one, two, three, four = _corners(torch.addcmul(bias, values, gain).clamp_min_(0).view(convolved.shape))
    pooled = (one + two).add_(three).add_(four).mul_(0.25)
    return pooled.to(dtype), Later(inputs, values, scale)


def _norm_back(
    at: int, params: Mapping[str, Tensor], kept: Later, back: Float[Tensor, "n h2 w2 c"]
) -> tuple[Float[Tensor, "n h w c"], dict[str, Tensor]]:
    """The gradients of what block `at` convolved and of its norm, from that of its output."""
    gain, bias = params[f"norm{at}_gain"], params[f"norm{at}_bias"]
    shape, values = (*kept.inputs.shape[:3], len(gain)), kept.values
    bent = torch.addcmul(bias, values, gain).view(shape)
    slope = torch.zeros_like(bent)
    quarter = back.to(bent.dtype) / 4
    for part, corner in zip(_corners(slope), _corners(bent), strict=True):
        torch.ops.aten.threshold_backward.grad_input(quarter, corner, 0, grad_input=part)
    slope = slope.flatten(1, 2)
    total = slope.sum(1, keepdim=True)
    along = (slope * values).sum(1, keepdim=True)
    count = values.shape[1]
    slope = slope.sub_(total / count).addcmul_(values, along / -count).mul_(kept.scale * gain)
    return slope.view(shape), {
        f"conv{at}_bias": torch.zeros_like(gain),
        f"norm{at}_gain": along.sum((0, 1)),
        f"norm{at}_bias": total.sum((0, 1)),
    }


def _conv_back(
    at: int,
    params: Mapping[str, Tensor],
    kept: Later,
    slope: Float[Tensor, "n h w c"],
    dtype: torch.dtype,
    wanted: tuple[bool, bool],
) -> tuple[Tensor, Tensor]:
    """The gradients of the inputs and of the weight of convolution `at`, where they are wanted."""
    weight = params[f"conv{at}_weight"]
    inputs, of_weight, _ = torch.ops.aten.convolution_backward(
        slope.to(dtype).permute(0, 3, 1, 2),
        kept.inputs.permute(0, 3, 1, 2),
        weight.to(dtype, memory_format=torch.channels_last),
        *(None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [*wanted, False]),
    )
    return (inputs.permute(0, 2, 3, 1) if wanted[0] else slope), (of_weight.to(weight.dtype) if wanted[1] else weight)


def _corners(values: Float[Tensor, "n h w c"]) -> list[Tensor]:
    """The four corners of all 2 × 2 windows; an odd last row or column is left out."""
    height, width = (side // 2 * 2 for side in values.shape[1:3])
    return [values[:, i:height:2, j:width:2] for i in (0, 1) for j in (0, 1)]
