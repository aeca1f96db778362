"""The kernel of a finite network's features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from jaxtyping import Float
from torch import Tensor

from textdistill.core.batch import Batch
from textdistill.core.bounds import Doc
from textdistill.core.errors import RecipeError
from textdistill.core.learner import Learner, Params
from textdistill.objectives.kernels.base import PIXELS, WORDS, Kernel


@dataclass(frozen=True)
class Feature:
    """⟨f(x), f(y)⟩/dim f + `bias`, f the learner's features (its last activation but one) at the start's weights."""

    bias: Annotated[float, Doc("is added to every similarity")] = 0.01

    name: ClassVar[str] = "feature"
    takes: ClassVar[frozenset[str]] = frozenset({WORDS, PIXELS})
    uses_learner: ClassVar[bool] = True

    def prepare(self, support: Tensor, learner: Learner | None, params: Params | None) -> Kernel:
        """The kernel of this network at these weights."""
        if learner is None or params is None:
            raise RecipeError(
                [
                    "objective.kernel: `feature` needs a network's weights, and there are none here; "
                    "use it in `kip` with starts: fixed, whose θ0 the set carries"
                ]
            )
        return FeatureOf(self, learner, params)

    def floats(self, x_shape: Sequence[int], y_shape: Sequence[int]) -> int:
        """The network's activations belong to rows, not to pairs; a guess that keeps blocks moderate."""
        return 64

    def __call__(
        self, x: Tensor, y: Tensor, x_mask: Tensor | None = None, y_mask: Tensor | None = None
    ) -> Float[Tensor, "n m"]:
        """Without a network there is none: `RecipeError`."""
        return self.prepare(y, None, None)(x, y, x_mask, y_mask)


@dataclass(frozen=True)
class FeatureOf:
    """The feature kernel of one network."""

    settings: Feature
    learner: Learner
    params: Params

    takes: ClassVar[frozenset[str]] = Feature.takes
    uses_learner: ClassVar[bool] = True

    def prepare(self, support: Tensor, learner: Learner | None, params: Params | None) -> Kernel:
        """As it is."""
        return self

    def floats(self, x_shape: Sequence[int], y_shape: Sequence[int]) -> int:
        """As the settings say."""
        return self.settings.floats(x_shape, y_shape)

    def __call__(
        self, x: Tensor, y: Tensor, x_mask: Tensor | None = None, y_mask: Tensor | None = None
    ) -> Float[Tensor, "n m"]:
        """The kernel of every pair."""
        left, right = self._features(x, x_mask), self._features(y, y_mask)
        return left @ right.T / left.shape[1] + self.settings.bias

    def _features(self, rows: Tensor, mask: Tensor | None) -> Tensor:
        batch = Batch(rows.to(self.learner.dtype), rows.new_zeros(len(rows), self.learner.classes), mask=mask)
        return self.learner.activations(self.params, batch)[-2].flatten(1).double()
