"""Kernels of one-dimensional convolutional ReLU nets of infinite width on word vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from textdistill.core.bounds import Count, Doc, Natural
from textdistill.core.learner import Learner, Params
from textdistill.objectives.kernels.base import WORDS, Analytic
from textdistill.objectives.kernels.correlate import convolved
from textdistill.objectives.kernels.relu import through_relu

# A covariance is (length, length', n, m): the words of both sentences move together.
WORDS_OF_BOTH = ((0, 1),)


@dataclass(frozen=True)
class TextConvNTK(Analytic):
    """The NTK (or NNGP) of `depth` convolutions over `width` words with ReLU, averaged over words, and a linear layer.

    With G_pq = ⟨x_p, y_q⟩/d for the words p of one sentence and q of another, K_pq = σ_w²/k Σ_o (·)_{p+o, q+o} + σ_b².
    The filter is centred on a word (an even one looks one further ahead); beyond the sentence's real words, by its
    mask, every layer is zero, and the average is over real words alone: padding changes nothing.
    """

    width: Annotated[Count, Doc("words that a filter spans")] = 3
    depth: Annotated[Natural, Doc("convolutions")] = 1
    kind: Annotated[Literal["ntk", "nngp"], Doc("tangent kernel, or covariance")] = "ntk"
    weight_variance: Annotated[float, Doc("σ_w²")] = 2.0
    bias_variance: Annotated[float, Doc("σ_b²")] = 0.01

    name: ClassVar[str] = "text_conv_ntk"
    takes: ClassVar[frozenset[str]] = frozenset({WORDS})

    def prepare(self, support: Tensor, learner: Learner | None, params: Params | None) -> TextConvNTK:
        """As it is."""
        return self

    def floats(self, x_shape: Sequence[int], y_shape: Sequence[int]) -> int:
        """Some ten arrays of words × words for a layer."""
        return (4 + 10 * self.depth) * x_shape[0] * y_shape[0]

    def __call__(
        self, x: Tensor, y: Tensor, x_mask: Tensor | None = None, y_mask: Tensor | None = None
    ) -> Float[Tensor, "n m"]:
        """The kernel of every pair."""
        self.check(x, y)
        in_x, in_y = _inside(x, x_mask), _inside(y, y_mask)
        x, y = x * in_x[:, :, None], y * in_y[:, :, None]
        inside = in_x.T[:, None, :, None] * in_y.T[None, :, None, :]
        left, right = self._variances(x, in_x), self._variances(y, in_y)
        w, b = self.weight_variance, self.bias_variance
        after, turned = torch.einsum("npd,mqd->pqnm", x, y).contiguous() / x.shape[2], None
        for layer in range(self.depth):
            cov = convolved(after, WORDS_OF_BOTH, self.width, w).add_(b) * inside
            tangent = None
            if self.kind == "ntk":
                tangent = cov if turned is None else cov + convolved(turned, WORDS_OF_BOTH, self.width, w) * inside
            before = left[layer].T[:, None, :, None], right[layer].T[None, :, None, :]
            after, turned = through_relu(cov, tangent, *before)
        pairs = (in_x.sum(1)[:, None] * in_y.sum(1)).clamp_min(1.0)
        last = w * after.sum((0, 1)) / pairs + b
        return last if turned is None else last + w * turned.sum((0, 1)) / pairs

    def _variances(self, x: Float[Tensor, "n length d"], inside: Float[Tensor, "n length"]) -> list[Tensor]:
        """The variance at every word before each ReLU: without pooling between, it needs no other pair of words."""
        w, b = self.weight_variance, self.bias_variance
        variances, after = [], (x * x).mean(2)
        for _ in range(self.depth):
            variances.append((w * _mean_over_taps(after, self.width) + b) * inside)
            after = 0.5 * variances[-1]
        return variances


def _inside(values: Tensor, mask: Tensor | None) -> Float[Tensor, "n length"]:
    if mask is None:
        return torch.ones(values.shape[:2], dtype=torch.float64, device=values.device)
    return mask.double()


def _mean_over_taps(values: Float[Tensor, "n length"], width: int) -> Float[Tensor, "n length"]:
    back, ahead = (width - 1) // 2, width // 2
    padded = torch.nn.functional.pad(values, (back, ahead))
    return padded.unfold(1, width, 1).mean(2)
