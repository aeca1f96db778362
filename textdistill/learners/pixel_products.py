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
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def convolved_and_pooled(
    images: Float[Tensor, "c h w n"], kernels: Float[Tensor, "four_f k"], size: int, padding: int
) -> Float[Tensor, "f h2 w2 n"]:
    """max(0, conv + bias), pooled 2 × 2, with `kernels` from `shifted`; a last row or column that is odd has no say."""
    pooled: Tensor = _Largest.apply(kernels @ _Windows.apply(images, size, padding, 1.0))
    return pooled.view(kernels.shape[0] // 4, *pooled_sides(images.shape, size, padding), images.shape[3])


def shifted(weight: Float[Tensor, "f c k k"], bias: Float[Tensor, " f"]) -> Float[Tensor, "four_f k1"]:
    """`spread`, differentiable."""
    return _Spread.apply(weight, bias)  # type: ignore[no-any-return]


def pooled_sides(shape: Sequence[int], size: int, padding: int) -> tuple[int, int]:
    """Height and width behind the pooling, of images of `shape` (c, h, w, n)."""
    return (shape[1] + 2 * padding - size + 1) // 2, (shape[2] + 2 * padding - size + 1) // 2


@dataclass(frozen=True)
class _Plan:
    """How windows lie on the padded images: an odd last row or column goes where it has no say."""

    shape: tuple[int, int, int, int]  # of the images: c, h, w, n
    padding: int
    around: tuple[int, int, int, int]  # rows and columns of zeros: above, below, to the left and to the right
    half: tuple[int, int]  # half of the padded height and width
    reach: int  # m, of a window of 2 m × 2 m
    pooled: tuple[int, int]

    @classmethod
    def of(cls, shape: Sequence[int], size: int, padding: int) -> _Plan:
        channels, height, width, count = shape
        low, right = padding - height % 2, padding - width % 2
        half, reach = ((height + padding + low) // 2, (width + padding + right) // 2), (size + 1) // 2
        pooled = (half[0] - reach + 1, half[1] - reach + 1)
        return cls((channels, height, width, count), padding, (padding, low, padding, right), half, reach, pooled)

    @property
    def even(self) -> bool:
        """Whether images stand in the padded ones at even places, and end there."""
        return not any(side % 2 for side in self.around) and min(self.around) >= 0

    def apart(self, images: Tensor) -> Tensor:
        """Padded images (2, c, 2, h/2, w/2, n), even and odd rows and columns apart: windows are then runs of memory."""
        channels, height, width, count = self.shape
        if not self.even:
            above, below, left, right = self.around
            images = F.pad(images, (0, 0, left, right, above, below))
            return images.view(channels, self.half[0], 2, self.half[1], 2, count).permute(2, 0, 4, 1, 3, 5).contiguous()
        make = images.new_zeros if self.padding else images.new_empty
        out = make(2, channels, 2, *self.half, count)
        # images that are not one run of memory (rows of a batch come with n first) are read here, once
        parts = images.unflatten(2, (width // 2, 2)).unflatten(1, (height // 2, 2))
        self._inside(out).copy_(parts.permute(2, 0, 4, 1, 3, 5))
        return out

    def together(self, apart: Tensor) -> Tensor:
        """The adjoint of `apart`."""
        channels, height, width, count = self.shape
        if not self.even:
            above, below, left, right = self.around
            whole = apart.permute(1, 3, 0, 4, 2, 5).reshape(channels, 2 * self.half[0], 2 * self.half[1], count)
            return F.pad(whole, (0, 0, -left, -right, -above, -below))
        return self._inside(apart).permute(1, 3, 0, 4, 2, 5).reshape(channels, height, width, count)

    def _inside(self, apart: Tensor) -> Tensor:
        above, _, left, _ = self.around
        _, height, width, _ = self.shape
        if not self.padding:
            return apart
        return apart.narrow(3, above // 2, height // 2).narrow(4, left // 2, width // 2)


def windows(images: Float[Tensor, "c h w n"], size: int, padding: int, last: float) -> Float[Tensor, "k1 columns"]:
    """W(x): the window of every pooled pixel of every image as a column, with `last` below it (one, for the bias).

    Rows of W are rows of the window, and in them channels, and in them the window's columns.
    """
    plan = _Plan.of(images.shape, size, padding)
    (channels, _, _, count), (h, w), m, (high, wide) = plan.shape, plan.half, plan.reach, plan.pooled
    apart, plane = plan.apart(images), h * w * count
    shape = (m, 2, channels, m, 2, high, wide * count)
    strides = (w * count, 2 * channels * plane, 2 * plane, count, plane, w * count, 1)
    out = images.new_empty(channels * (size + 1) ** 2 + 1, high * wide * count)
    out[:-1].view(shape).copy_(apart.as_strided(shape, strides, apart.storage_offset()))
    out[-1].fill_(last)
    return out


def overlapped(
    columns: Float[Tensor, "k1 columns"], image: Sequence[int], size: int, padding: int
) -> Float[Tensor, "c h w n"]:
    """The adjoint of W: the windows' columns, added up where they lie over each other, for images of shape `image`."""
    plan = _Plan.of(image, size, padding)
    (channels, _, _, count), (h, _), m, (high, wide) = plan.shape, plan.half, plan.reach, plan.pooled
    parts = columns[:-1].view(m, 4 * channels * m, high, wide * count)
    # rows first, then columns: 2 m additions, not m²
    by_row = columns.new_zeros(4 * channels * m, h, wide * count)
    for row in range(m):  # not `by_row[...] += `, which copies the sum onto itself once more
        by_row.narrow(1, row, high).add_(parts[row])
    return _columns_overlapped(by_row, plan)


def multiplied_back(
    products: Sequence[tuple[Float[Tensor, "four_f k1"], Float[Tensor, "four_f columns"]]],
    image: Sequence[int],
    size: int,
    padding: int,
) -> Float[Tensor, "c h w n"]:
    """`overlapped` of Σ Kᵀs over the pairs (K, s) of `products`: rows are added up by the products themselves."""
    plan = _Plan.of(image, size, padding)
    (channels, _, _, count), (h, _), m, (high, wide) = plan.shape, plan.half, plan.reach, plan.pooled
    block, run = 4 * channels * m, wide * count
    by_row = products[0][1].new_zeros(block, h * run)
    for kernels, slopes in products:
        for row in range(m):
            part = kernels.narrow(1, row * block, block)
            by_row.narrow(1, row * run, high * run).addmm_(part.t(), slopes)
    return _columns_overlapped(by_row, plan)


def _columns_overlapped(by_row: Tensor, plan: _Plan) -> Tensor:
    """What is left to do when the windows' rows are added up."""
    (channels, _, _, count), (h, w), m, (_, wide) = plan.shape, plan.half, plan.reach, plan.pooled
    parts = by_row.view(2 * channels, m, 2, h, wide * count)
    apart = by_row.new_zeros(2 * channels, 2, h, w * count)
    for column in range(m):
        apart.narrow(3, column * count, wide * count).add_(parts[:, column])
    return plan.together(apart.view(2, channels, 2, h, w, count))


def _places(kernels: Tensor, shape: Sequence[int]) -> Tensor:
    """Where the weights (f, c, k, k) stand in K(w, b), as a view of shape (2, 2, f, c, k, k): a step right, or down."""
    filters, channels, size, _ = shape
    side, row = size + 1, kernels.shape[1]
    strides = (2 * filters * row + channels * side, filters * row + 1, row, side, channels * side, 1)
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
    def forward(ctx: Any, images: Tensor, size: int, padding: int, last: float) -> Tensor:
        ctx.shape, ctx.size, ctx.padding = images.shape, size, padding
        return windows(images, size, padding, last)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        return _Overlapped.apply(grad, ctx.shape, ctx.size, ctx.padding), None, None, None


class _Overlapped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, columns: Tensor, image: Sequence[int], size: int, padding: int) -> Tensor:
        ctx.size, ctx.padding = size, padding
        return overlapped(columns, image, size, padding)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        return _Windows.apply(grad, ctx.size, ctx.padding, 0.0), None, None, None


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
