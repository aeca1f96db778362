"""A convolution, ReLU and 2 × 2 max pooling as one matrix product, with derivatives that are matrix products again.

A distilled batch is ten images or so, and LeNet's layers have few channels: there the general convolution spends most
of its time on other things than multiplying, above all in its second derivatives (15 GFLOP/s where a matrix product has
90). A pooled pixel sees (k + 1) × (k + 1) pixels of the image, two further on than its neighbour's; the kernel, shifted
to the four places where it fits in there, makes 4 rows of a matrix, so that

    z = K(w, b) · W(x),     y = max(0, the largest of a pooled pixel's four z)

with K and W linear maps that only copy. While the maximum's place holds, y is z times a constant of zeros and ones, so
all that first and second derivatives ask for are products with K and W, and the adjoints of the copies. ReLU and
maximum commute: zeros stay zero. Images stand side by side in the last dimension, so that all copies are of long runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def convolved_and_pooled(
    images: Float[Tensor, "c h w n"], kernels: Float[Tensor, "four_f k"], size: int, padding: int
) -> Float[Tensor, "f h2 w2 n"]:
    """max(0, conv + bias), pooled 2 × 2, with `kernels` from `shifted`; a last row or column that is odd has no say."""
    channels, height, width, count = images.shape
    odd = [side % 2 for side in (height, width)]
    if padding or any(odd):
        images = F.pad(images, (0, 0, padding, padding - odd[1], padding, padding - odd[0]))
    high, wide = ((side - side % 2 + 2 * padding - size + 1) // 2 for side in (height, width))
    pooled: Tensor = _Largest.apply(kernels @ _Windows.apply(images, size, 1.0))
    return pooled.view(kernels.shape[0] // 4, high, wide, count)


def shifted(weight: Float[Tensor, "f c k k"], bias: Float[Tensor, " f"]) -> Float[Tensor, "four_f k1"]:
    """K(w, b): each kernel at the four places of a (k + 1) × (k + 1) window, and the bias in one more column."""
    return _Shifted.apply(weight, bias)  # type: ignore[no-any-return]


class _Windows(torch.autograd.Function):
    """W(x): the window of every pooled pixel of every image as a column, with `last` below it (one, for the bias)."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, size: int, last: float) -> Tensor:
        ctx.shape, ctx.size = images.shape, size
        channels, height, width, count = images.shape
        h, w, m = height // 2, width // 2, (size + 1) // 2
        high, wide, plane = h - m + 1, w - m + 1, h * w * count
        # Pixels of even and odd rows and columns apart: a row of windows is then one run of memory.
        apart = images.view(channels, h, 2, w, 2, count).permute(0, 2, 4, 1, 3, 5).contiguous()
        shape = (channels, m, 2, m, 2, high, wide, count)
        views = apart.as_strided(
            shape, (4 * plane, w * count, 2 * plane, count, plane, w * count, count, 1), apart.storage_offset()
        )
        out = images.new_empty(channels * (size + 1) ** 2 + 1, high * wide * count)
        out[:-1].view(shape).copy_(views)
        out[-1].fill_(last)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _Overlapped.apply(grad, ctx.shape, ctx.size), None, None


class _Overlapped(torch.autograd.Function):
    """The adjoint of W: the windows' columns, added up where they lie over each other."""

    @staticmethod
    def forward(ctx: Any, columns: Tensor, image: Sequence[int], size: int) -> Tensor:
        ctx.size = size
        channels, height, width, count = image
        h, w, m = height // 2, width // 2, (size + 1) // 2
        high, wide = h - m + 1, w - m + 1
        parts = columns[:-1].view(channels, m, 2, m, 2, high, wide, count)
        apart = columns.new_zeros(channels, 2, 2, h, w, count)
        for row in range(m):
            for column in range(m):
                apart[:, :, :, row : row + high, column : column + wide] += parts[:, row, :, column]
        return apart.permute(0, 3, 1, 4, 2, 5).reshape(channels, height, width, count)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _Windows.apply(grad, ctx.size, 0.0), None, None


def _places(kernels: Tensor, shape: Sequence[int]) -> Tensor:
    """Where the weights (f, c, k, k) stand in K(w, b), as a view of shape (2, 2, f, c, k, k): a step right, or down."""
    filters, channels, size, _ = shape
    side, row = size + 1, kernels.shape[1]
    strides = (2 * filters * row + side, filters * row + 1, row, side * side, side, 1)
    return kernels.as_strided((2, 2, filters, channels, size, size), strides)


class _Shifted(torch.autograd.Function):
    """K(w, b)."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor) -> Tensor:
        filters, channels, size, _ = ctx.shape = weight.shape
        out = weight.new_zeros(4 * filters, channels * (size + 1) ** 2 + 1)
        _places(out, weight.shape).copy_(weight)
        out[:, -1].view(4, filters).copy_(bias)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        return _Unshifted.apply(grad, ctx.shape)  # type: ignore[no-any-return]


class _Unshifted(torch.autograd.Function):
    """The adjoint of K."""

    @staticmethod
    def forward(ctx: Any, grad: Tensor, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
        grad = grad.contiguous()
        return _places(grad, shape).sum((0, 1)), grad[:, -1].view(4, -1).sum(0)

    @staticmethod
    def backward(ctx: Any, weight: Tensor, bias: Tensor) -> tuple[Tensor, None]:
        return shifted(weight, bias), None


class _Largest(torch.autograd.Function):
    """The largest of each pooled pixel's four values (the first of equals) or zero: a choice, and so linear."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        four = values.view(2, 2, -1)
        pairs = torch.maximum(four[:, 0], four[:, 1])
        largest = torch.maximum(pairs[0], pairs[1]).clamp_min_(0.0)
        chosen = torch.empty_like(four)
        by_pair = torch.empty_like(pairs)
        positive = torch.gt(largest, 0.0, out=torch.empty_like(largest))
        torch.ge(pairs[0], pairs[1], out=by_pair[0]).mul_(positive)
        torch.sub(positive, by_pair[0], out=by_pair[1])
        torch.ge(four[:, 0], four[:, 1], out=chosen[:, 0]).mul_(by_pair)
        torch.sub(by_pair, chosen[:, 0], out=chosen[:, 1])
        ctx.save_for_backward(chosen.view(4, -1))
        ctx.shape = values.shape
        return largest

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return _Placed.apply(grad, *ctx.saved_tensors, ctx.shape)  # type: ignore[no-any-return]


class _Placed(torch.autograd.Function):
    """Each value in the chosen one of its four places."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, chosen: Tensor, shape: Sequence[int]) -> Tensor:
        ctx.save_for_backward(chosen)
        ctx.shape = shape
        return (chosen * values).view(shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _Taken.apply(grad, *ctx.saved_tensors, ctx.shape), None, None


class _Taken(torch.autograd.Function):
    """The chosen one of each four values: the adjoint of `_Placed`."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, chosen: Tensor, shape: Sequence[int]) -> Tensor:
        ctx.save_for_backward(chosen)
        ctx.shape = shape
        return (chosen * values.view(4, -1)).sum(0)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _Placed.apply(grad, *ctx.saved_tensors, ctx.shape), None, None
