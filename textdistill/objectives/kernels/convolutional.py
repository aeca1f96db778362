"""Kernels of convolutional ReLU nets of infinite width on images.

The cost of a pair is quadratic in its pixels: pooling and averages make every pixel of one image meet every one of the
other. Without them each pixel meets its own place alone, and the cost is linear.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from textdistill.core.bounds import Doc, Natural
from textdistill.core.errors import RecipeError
from textdistill.core.learner import Learner, Params
from textdistill.objectives.kernels.base import PIXELS, Analytic
from textdistill.objectives.kernels.correlate import average_pooled, convolved
from textdistill.objectives.kernels.relu import through_relu

FILTER = 3
# A covariance is (height, width, height', width', *inputs): rows of both images move together, and columns.
ROWS_AND_COLUMNS = ((0, 2), (1, 3))
# Where only pixels at the same place meet it is (height, width, *inputs).
OWN_ROWS_AND_COLUMNS = ((0,), (1,))


@dataclass(frozen=True)
class ConvNTK(Analytic):
    """The NTK (or with `kind` "nngp" the NNGP) of blocks of 3×3 convolution, ReLU and 2×2 average pooling.

    Behind them comes a linear layer. With G_pq = ⟨x_p, y_q⟩/channels a convolution is
    K_pq = σ_w²/9 Σ_o (·)_{p+o, q+o} + σ_b², zeros around the image (Arora et al. 2019, section 4); ReLU and tangent are
    as in `NTK`, pixel by pixel; pooling averages over p and q. KIP's ConvNet is `prepend: true, head: flatten`, by its
    authors' code. With `pool: false, head: flatten` K_pp is all that is ever asked for, and all that is
    computed: 32 × 32 pixels cost a thousandth of what they do with pooling.
    """

    depth: Annotated[Natural, Doc("blocks")] = 3
    prepend: Annotated[bool, Doc("one more convolution with ReLU before them (Nguyen et al. 2021 b)")] = False
    pool: Annotated[bool, Doc("pooling in each block")] = True
    head: Annotated[
        Literal["average", "flatten"], Doc("whether the linear layer sees the average over pixels or all of them")
    ] = "average"
    kind: Annotated[Literal["ntk", "nngp"], Doc("tangent kernel, or covariance")] = "ntk"
    weight_variance: Annotated[float, Doc("σ_w²")] = 2.0
    bias_variance: Annotated[float, Doc("σ_b²")] = 0.01

    name: ClassVar[str] = "conv_ntk"
    takes: ClassVar[frozenset[str]] = frozenset({PIXELS})

    def prepare(self, support: Tensor, learner: Learner | None, params: Params | None) -> ConvNTK:
        """As it is."""
        return self

    def floats(self, x_shape: Sequence[int], y_shape: Sequence[int]) -> int:
        """Some ten arrays of pixels × pixels for a layer, which pooling makes sixteen times smaller; or of pixels."""
        total, (height, width) = 0, x_shape[1:]
        for pooled in self._layers():
            total += 10 * (height * width) ** (1 if self._own_places else 2)
            height, width = (height // 2, width // 2) if pooled else (height, width)
        return total

    def __call__(
        self, x: Tensor, y: Tensor, x_mask: Tensor | None = None, y_mask: Tensor | None = None
    ) -> Float[Tensor, "n m"]:
        """The kernel of every pair. Errors: `RecipeError` where the image is too small for so much pooling."""
        self.check(x, y)
        self._check_size(x.shape[2:])
        x, y = x.double(), y.double()
        left, right = self._variances(x), self._variances(y)
        pairs = "nchw,mchw->hwnm" if self._own_places else "nchw,mcij->hwijnm"
        cov, tangent = torch.einsum(pairs, x, y).contiguous() / x.shape[1], None
        for layer, pooled in enumerate(self._layers()):
            cov, tangent = self._convolve(cov, tangent)
            of_x, of_y = left[layer][..., None], right[layer][..., None, :]
            if not self._own_places:
                of_x, of_y = of_x[:, :, None, None], of_y[None, None]
            cov, tangent = through_relu(cov, tangent, of_x, of_y)
            if pooled:
                cov, tangent = average_pooled(cov, 4), None if tangent is None else average_pooled(tangent, 4)
        return self._read_out(cov, tangent)

    def _layers(self) -> list[bool]:
        """For each convolution, whether pooling comes after it."""
        return [*([False] if self.prepend else []), *([self.pool] * self.depth)]

    @property
    def _own_places(self) -> bool:
        """Whether pixels at the same place are all that ever meets."""
        return self.head == "flatten" and not self.pool

    def _variances(self, x: Tensor) -> list[Tensor]:
        """The variance of every pixel before each ReLU: only pooling makes it need the image's other pixels."""
        variances = []
        if self._own_places:
            cov = x.square().mean(1).movedim(0, -1).contiguous()
            for _ in self._layers():
                variances.append(self._convolve(cov, None, tangents=False)[0])
                cov = 0.5 * variances[-1]
            return variances
        cov = torch.einsum("nchw,ncij->hwijn", x, x).contiguous() / x.shape[1]
        for pooled in self._layers():
            cov, _ = self._convolve(cov, None, tangents=False)
            variances.append(_own_pixels(cov).movedim(-1, 0).unflatten(0, cov.shape[:2]).contiguous())
            cov, _ = through_relu(cov, None, variances[-1][:, :, None, None], variances[-1])
            cov = average_pooled(cov, 4) if pooled else cov
        return variances

    def _convolve(self, cov: Tensor, tangent: Tensor | None, *, tangents: bool = True) -> tuple[Tensor, Tensor | None]:
        w, b = self.weight_variance, self.bias_variance
        moved = OWN_ROWS_AND_COLUMNS if self._own_places else ROWS_AND_COLUMNS
        cov = convolved(cov, moved, FILTER, w).add_(b)
        if not tangents or self.kind == "nngp":
            return cov, None
        return cov, cov if tangent is None else convolved(tangent, moved, FILTER, w).add_(cov)

    def _read_out(self, cov: Tensor, tangent: Tensor | None) -> Tensor:
        w, b = self.weight_variance, self.bias_variance

        def over_pixels(values: Tensor) -> Tensor:
            if self._own_places:
                return values.mean((0, 1))
            return values.mean((0, 1, 2, 3)) if self.head == "average" else _own_pixels(values).mean(-1)

        last = w * over_pixels(cov) + b
        return last if tangent is None else last + w * over_pixels(tangent)

    def _check_size(self, size: Sequence[int]) -> None:
        pools = self.depth if self.pool else 0
        if min(size) < 2**pools:
            raise RecipeError(
                [
                    f"objective.kernel.depth: {self.depth} blocks with pooling need images of {2**pools} pixels or "
                    f"more each way, and these have {tuple(size)}; at most {int(math.log2(min(size)))} fit"
                ]
            )


def _own_pixels(cov: Float[Tensor, "h w h w *inputs"]) -> Float[Tensor, "*inputs hw"]:
    """The entries of each pixel with itself."""
    return cov.flatten(2, 3).flatten(0, 1).diagonal(dim1=0, dim2=1)
