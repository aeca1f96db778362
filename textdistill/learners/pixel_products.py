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
class Plan:
    """How the windows of a pooled convolution lie on padded images; an odd last row or column has no say.

    Even and odd rows and columns of the images stand apart, (2, c, 2, h/2, w/2, n): a row of windows is then one run of
    memory. The rows of W are the window's rows, in them channels, and in them the window's columns.
    """

    shape: tuple[int, int, int, int]  # of the images: c, h, w, n
    padding: int
    around: tuple[int, int, int, int]  # rows and columns of zeros: above, below, to the left and to the right
    half: tuple[int, int]  # half of the padded height and width
    reach: int  # m, of a window of 2 m × 2 m
    pooled: tuple[int, int]

    @classmethod
    def of(cls, shape: Sequence[int], size: int, padding: int) -> Plan:
        """For images of `shape` (c, h, w, n) and a kernel `size` × `size`."""
        channels, height, width, count = shape
        low, right = padding - height % 2, padding - width % 2
        half, reach = ((height + padding + low) // 2, (width + padding + right) // 2), (size + 1) // 2
        pooled = (half[0] - reach + 1, half[1] - reach + 1)
        return cls((channels, height, width, count), padding, (padding, low, padding, right), half, reach, pooled)

    @property
    def rows(self) -> int:
        """The rows of W, with the last."""
        return 4 * self.shape[0] * self.reach**2 + 1

    @property
    def even(self) -> bool:
        """Whether images begin and end at even places of the padded ones, so that padding is a matter of where."""
        return not any(side % 2 for side in self.around)

    def parted(self, images: Tensor) -> Tensor:
        """The view of images, in any order of memory, that fits `inside`; a copy where they must be padded first."""
        if not self.even:
            above, below, left, right = self.around
            images = F.pad(images, (0, 0, left, right, above, below))
        (channels, height, width, count), (c, h, w, n) = images.shape, images.stride()
        sides, strides = (2, channels, 2, height // 2, width // 2, count), (h, c, w, 2 * h, 2 * w, n)
        return images.as_strided(sides, strides, images.storage_offset())

    def empty(self, like: Tensor) -> Tensor:
        """Memory for padded images, their rows and columns apart; zeros around."""
        return like.new_zeros(2, self.shape[0], 2, *self.half, self.shape[3])

    def inside(self, apart: Tensor) -> Tensor:
        """Where in there the images go."""
        if not (self.even and self.padding):
            return apart
        (above, _, left, _), (_, height, width, _) = self.around, self.shape
        return apart.narrow(3, above // 2, height // 2).narrow(4, left // 2, width // 2)

    def together(self, apart: Tensor) -> Tensor:
        """The adjoint of padding and parting: images (c, h, w, n)."""
        channels, height, width, count = self.shape
        if self.even:
            return self.inside(apart).permute(1, 3, 0, 4, 2, 5).reshape(channels, height, width, count)
        above, below, left, right = self.around
        whole = apart.permute(1, 3, 0, 4, 2, 5).reshape(channels, 2 * self.half[0], 2 * self.half[1], count)
        return F.pad(whole, (0, 0, -left, -right, -above, -below))

    def windows_of(self, apart: Tensor) -> Tensor:
        """All windows of parted images, as a view that fits `by_window`."""
        (channels, _, _, count), (h, w), m, (high, wide) = self.shape, self.half, self.reach, self.pooled
        plane = h * w * count
        strides = (w * count, 2 * channels * plane, 2 * plane, count, plane, w * count, 1)
        return apart.as_strided((m, 2, channels, m, 2, high, wide * count), strides, apart.storage_offset())

    def by_window(self, columns: Tensor) -> Tensor:
        """The rows of W but the last, by the place in the window."""
        (channels, _, _, count), m, (high, wide) = self.shape, self.reach, self.pooled
        return columns[:-1].view(m, 2, channels, m, 2, high, wide * count)

    def back_buffers(self, like: Tensor) -> tuple[Tensor, ...]:
        """Memory for the adjoint of W: windows with their rows added up, (4 c m, h · w2 · n), and parted images.

        Then, for each of m steps within the window: where in the former a part of the rows is to be added, where in the
        latter a part of the columns, and what.
        """
        (channels, _, _, count), (h, w), m, (high, wide) = self.shape, self.half, self.reach, self.pooled
        run = wide * count
        by_row, apart = like.new_empty(4 * channels * m, h * run), self.empty(like)
        parts, sums = by_row.view(2 * channels, m, 2, h, run), apart.view(2 * channels, 2, h, w * count)
        views: list[Tensor] = []
        for step in range(m):
            rows, columns = by_row.narrow(1, step * run, high * run), sums.narrow(3, step * count, run)
            views += [rows, columns, parts[:, step]]
        return by_row, apart, *views


def windows(images: Float[Tensor, "c h w n"], size: int, padding: int, last: float) -> Float[Tensor, "k1 columns"]:
    """W(x): the window of every pooled pixel of every image as a column, with `last` below it (one, for the bias)."""
    plan = Plan.of(images.shape, size, padding)
    apart = plan.empty(images)
    plan.inside(apart).copy_(plan.parted(images))
    out = images.new_empty(plan.rows, plan.pooled[0] * plan.pooled[1] * images.shape[3])
    plan.by_window(out).copy_(plan.windows_of(apart))
    out[-1].fill_(last)
    return out


def overlapped(
    columns: Float[Tensor, "k1 columns"], image: Sequence[int], size: int, padding: int
) -> Float[Tensor, "c h w n"]:
    """The adjoint of W: the windows' columns, added up where they lie over each other, for images of shape `image`."""
    plan = Plan.of(image, size, padding)
    by_row, apart, *views = plan.back_buffers(columns)
    parts = columns[:-1].view(plan.reach, by_row.shape[0], -1)
    # rows first, then columns: 2 m additions, not m²
    by_row.zero_()
    for row, part in zip(views[::3], parts, strict=True):  # not `by_row[...] += `, which copies the sum once more
        row.add_(part)
    for total, part in zip(views[1::3], views[2::3], strict=True):
        total.add_(part)
    return plan.together(apart)


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


def parts_of(kernels: Tensor, shape: Sequence[int]) -> list[Tensor]:
    """K(w, b)ᵀ without its bias, (k1 − 1, 4 · f), in m parts: the rows of it that two rows of a window make."""
    _, channels, size, _ = shape
    block, row = 2 * channels * (size + 1), kernels.shape[1]
    return [
        kernels.as_strided((block, kernels.shape[0]), (1, row), step * block) for step in range((size + 1) // 2)
    ]  # fmt: skip


def gathered(grad: Tensor, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The adjoint of K."""
    grad = grad.contiguous()
    by_row = _places(grad, shape).unbind(0)
    left, right = (by_row[0] + by_row[1]).unbind(0)  # `sum` takes three times as long
    return left + right, grad[:, -1].view(4, -1).sum(0)


class Pooling:
    """The largest of each four `values` (4 · f, columns) or zero, and ones where it stands, with every view made once.

    `chosen`, as many numbers, may be the values' own memory, which is then written where it was read.
    """

    def __init__(self, values: Tensor, chosen: Tensor):
        self._left, self._right = values.view(2, 2, -1).unbind(1)
        self._first, self._second = chosen.view(2, 2, -1).unbind(1)
        self._pairs = torch.empty_like(self._left)
        self._upper, self._lower = self._pairs.unbind(0)
        self.largest, self._positive = values.new_empty(2, self._upper.numel()).unbind(0)

    def choose(self) -> None:
        """Fill `largest` and `chosen`: the first of equals, since large areas of a digit are of one colour."""
        torch.maximum(self._left, self._right, out=self._pairs)
        torch.maximum(self._upper, self._lower, out=self.largest)
        self.largest.clamp_min_(0.0)
        torch.sign(self.largest, out=self._positive)
        torch.ge(self._upper, self._lower, out=self._upper).mul_(self._positive)
        torch.sub(self._positive, self._upper, out=self._lower)
        torch.ge(self._left, self._right, out=self._first).mul_(self._pairs)
        torch.sub(self._pairs, self._first, out=self._second)


def largest(values: Tensor) -> tuple[Tensor, Tensor]:
    """The largest of each pooled pixel's four values (4 · f, columns) or zero, and ones where it stands (4, all)."""
    chosen = torch.empty_like(values)
    pooling = Pooling(values, chosen)
    pooling.choose()
    return pooling.largest, chosen.view(4, -1)


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
