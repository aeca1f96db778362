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
    images = padded(images, padding)
    pooled: Tensor = _Largest.apply(kernels @ _Windows.apply(images, size, 1.0))
    return pooled.view(kernels.shape[0] // 4, *pooled_sides(images.shape, size), images.shape[3])


def shifted(weight: Float[Tensor, "f c k k"], bias: Float[Tensor, " f"]) -> Float[Tensor, "four_f k1"]:
    """`spread`, differentiable."""
    return _Spread.apply(weight, bias)  # type: ignore[no-any-return]


def padded(images: Float[Tensor, "c h w n"], padding: int) -> Float[Tensor, "c h2 w2 n"]:
    """Zeros on each side, so that height and width are even: the last row or column goes where it has no say."""
    odd = [side % 2 for side in images.shape[1:3]]
    if padding or any(odd):
        return F.pad(images, (0, 0, padding, padding - odd[1], padding, padding - odd[0]))
    return images


def unpadded(images: Float[Tensor, "c h2 w2 n"], padding: int, shape: Sequence[int]) -> Float[Tensor, "c h w n"]:
    """The adjoint of `padded` on images of `shape`."""
    odd = [side % 2 for side in shape[1:3]]
    if padding or any(odd):
        return F.pad(images, (0, 0, -padding, odd[1] - padding, -padding, odd[0] - padding))
    return images


def pooled_sides(shape: Sequence[int], size: int) -> tuple[int, int]:
    """Height and width behind the pooling, of padded images of `shape`."""
    return (shape[1] - size + 1) // 2, (shape[2] - size + 1) // 2


def windows(images: Tensor, size: int, last: float) -> Tensor:
    """W(x): the window of every pooled pixel of every image as a column, with `last` below it (one, for the bias)."""
    channels, height, width, count = images.shape
    h, w, m = height // 2, width // 2, (size + 1) // 2
    high, wide, plane = h - m + 1, w - m + 1, h * w * count
    # Pixels of even and odd rows and columns apart: a row of windows is then one run of memory.
    apart = images.view(channels, h, 2, w, 2, count).permute(0, 2, 4, 1, 3, 5).contiguous()
    shape = (channels, m, 2, m, 2, high, wide, count)
    strides = (4 * plane, w * count, 2 * plane, count, plane, w * count, count, 1)
    out = images.new_empty(channels * (size + 1) ** 2 + 1, high * wide * count)
    out[:-1].view(shape).copy_(apart.as_strided(shape, strides, apart.storage_offset()))
    out[-1].fill_(last)
    return out


def overlapped(columns: Tensor, image: Sequence[int], size: int) -> Tensor:
    """The adjoint of W: the windows' columns, added up where they lie over each other."""
    channels, height, width, count = image
    h, w, m = height // 2, width // 2, (size + 1) // 2
    high, wide = h - m + 1, w - m + 1
    parts = columns[:-1].view(channels, m, 2, m, 2, high, wide, count).permute(1, 3, 0, 2, 4, 5, 6, 7)
    # rows first, then columns: 2 m additions, not m²
    by_row = columns.new_zeros(m, channels, 2, 2, h, wide, count)
    apart = columns.new_zeros(channels, 2, 2, h, w, count)
    for row in range(m):  # not `by_row[...] += `, which copies the sum onto itself once more
        by_row.narrow(4, row, high).add_(parts[row])
    for column in range(m):
        apart.narrow(4, column, wide).add_(by_row[column])
    return apart.permute(0, 3, 1, 4, 2, 5).reshape(channels, height, width, count)


def _places(kernels: Tensor, shape: Sequence[int]) -> Tensor:
    """Where the weights (f, c, k, k) stand in K(w, b), as a view of shape (2, 2, f, c, k, k): a step right, or down."""
    filters, channels, size, _ = shape
    side, row = size + 1, kernels.shape[1]
    strides = (2 * filters * row + side, filters * row + 1, row, side * side, side, 1)
    return kernels.as_strided((2, 2, filters, channels, size, size), strides)


def spread(weight: Tensor, bias: Tensor) -> Tensor:
    """K(w, b): each kernel at the four places of a (k + 1) × (k + 1) window, and the bias in one more column."""
    filters, channels, size, _ = weight.shape
    out = weight.new_zeros(4 * filters, channels * (size + 1) ** 2 + 1)
    _places(out, weight.shape).copy_(weight)
    out[:, -1].view(4, filters).copy_(bias)
    return out


def gathered(grad: Tensor, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The adjoint of K."""
    grad = grad.contiguous()
    at = _places(grad, shape)
    return at[0, 0] + at[0, 1] + at[1, 0] + at[1, 1], grad[:, -1].view(4, -1).sum(0)


def largest(values: Tensor) -> tuple[Tensor, Tensor]:
    """The largest of each pooled pixel's four values (4 · f, columns) or zero, and ones where it stands (4, all)."""
    four = values.view(2, 2, -1)
    left, right = four.unbind(1)
    pairs = torch.maximum(left, right)
    upper, lower = pairs.unbind(0)
    most = torch.maximum(upper, lower).clamp_min_(0.0)
    chosen, by_pair = torch.empty_like(four), torch.empty_like(pairs)
    (first, second), (in_upper, in_lower) = chosen.unbind(1), by_pair.unbind(0)
    positive = most.sign()
    # the first of equals: large areas of a digit are of one colour
    torch.ge(upper, lower, out=in_upper).mul_(positive)
    torch.sub(positive, in_upper, out=in_lower)
    torch.ge(left, right, out=first).mul_(by_pair)
    torch.sub(by_pair, first, out=second)
    return most, chosen.view(4, -1)


def placed(values: Tensor, chosen: Tensor, columns: int) -> Tensor:
    """Each value in the chosen one of its four places (none where the largest was below zero)."""
    return (chosen * values.reshape(-1)).view(-1, columns)


def taken(values: Tensor, chosen: Tensor) -> Tensor:
    """The chosen one of each four values: the adjoint of `placed`."""
    return (chosen * values.reshape(4, -1)).sum(0)


class _Windows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, size: int, last: float) -> Tensor:
        ctx.shape, ctx.size = images.shape, size
        return windows(images, size, last)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _Overlapped.apply(grad, ctx.shape, ctx.size), None, None


class _Overlapped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, columns: Tensor, image: Sequence[int], size: int) -> Tensor:
        ctx.size = size
        return overlapped(columns, image, size)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _Windows.apply(grad, ctx.size, 0.0), None, None


class _Spread(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.shape = weight.shape
        return spread(weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        return _Gathered.apply(grad, ctx.shape)  # type: ignore[no-any-return]


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, grad: Tensor, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
        return gathered(grad, shape)

    @staticmethod
    def backward(ctx: Any, weight: Tensor, bias: Tensor) -> tuple[Tensor, None]:
        return _Spread.apply(weight, bias), None


class _Largest(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        most, chosen = largest(values)
        ctx.save_for_backward(chosen)
        ctx.columns = values.shape[1]
        return most

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return _Placed.apply(grad, *ctx.saved_tensors, ctx.columns)  # type: ignore[no-any-return]


class _Placed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, chosen: Tensor, columns: int) -> Tensor:
        ctx.save_for_backward(chosen)
        ctx.columns = columns
        return placed(values, chosen, columns)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _Taken.apply(grad, *ctx.saved_tensors, ctx.columns), None, None


class _Taken(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, chosen: Tensor, columns: int) -> Tensor:
        ctx.save_for_backward(chosen)
        ctx.columns = columns
        return taken(values, chosen)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _Placed.apply(grad, *ctx.saved_tensors, ctx.columns), None, None
