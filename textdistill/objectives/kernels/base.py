"""What a kernel is here, and what kernels of flat inputs share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Protocol, runtime_checkable

from jaxtyping import Bool, Float
from torch import Tensor

from textdistill.core.errors import RecipeError
from textdistill.core.learner import Learner, Params

WORDS, PIXELS = "words", "pixels"


@runtime_checkable
class Kernel(Protocol):
    """A similarity of rows, differentiable in both arguments, computed in float64.

    `takes` are the kinds of input it knows; with `uses_learner` it needs a network and its weights (see `prepare`).
    """

    @property
    def takes(self) -> frozenset[str]:
        """Of "words" (n, length, d) with a mask and "pixels" (n, channels, height, width)."""
        ...

    @property
    def uses_learner(self) -> bool:
        """Whether another network gives another kernel."""
        ...

    def __call__(
        self,
        x: Tensor,
        y: Tensor,
        x_mask: Bool[Tensor, "n length"] | None = None,
        y_mask: Bool[Tensor, "m width"] | None = None,
    ) -> Float[Tensor, "n m"]:
        """K(x, y), one entry for each pair. Errors: `RecipeError` for a kind it does not take."""
        ...

    def prepare(self, support: Tensor, learner: Learner | None, params: Params | None) -> Kernel:
        """The kernel with whatever it takes from the support or from a network, held fixed."""
        ...

    def floats(self, x_shape: Sequence[int], y_shape: Sequence[int]) -> int:
        """About how many float64 a pair of rows keeps for the derivative; blocks are cut to a budget by it."""
        ...


class Analytic:
    """A kernel that is all there in its settings."""

    takes: ClassVar[frozenset[str]] = frozenset({WORDS, PIXELS})
    uses_learner: ClassVar[bool] = False

    def check(self, *inputs: Tensor) -> None:
        """Refuse inputs of a kind that the kernel does not take."""
        for tensor in inputs:
            kind = PIXELS if tensor.ndim == 4 else WORDS
            if kind not in self.takes:
                raise RecipeError(
                    [
                        f"objective.kernel: {type(self).__name__} takes {' and '.join(sorted(self.takes))}, and the "
                        f"inputs are {kind} of shape {tuple(tensor.shape[1:])}; choose another kernel"
                    ]
                )


def flat(inputs: Tensor, mask: Tensor | None) -> Float[Tensor, "n f"]:
    """One float64 vector a row: all pixels, or the average of the word vectors within the mask."""
    values = inputs.double()
    if values.ndim != 3:
        return values.flatten(1)
    if mask is None:
        return values.mean(1)
    inside = mask.to(values)[:, :, None]
    return (values * inside).sum(1) / inside.sum(1).clamp_min(1.0)


def area(shape: Sequence[int]) -> int:
    """The number of positions: words of a sentence, or pixels of an image."""
    return shape[0] if len(shape) == 2 else math.prod(shape[1:])
