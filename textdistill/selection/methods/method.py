"""What a method that chooses readable sets says of itself, and how it comes by its settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Int

from textdistill.core.streams import Streams
from textdistill.selection.candidates import Candidates

# Training rows; what the language model wrote, or the generator that was matched, or wrote on where a search asked for
# more; what a language model wrote that was shown rows; sets that other authors published.
Source = Literal["real", "vanilla", "matched", "grown", "prompted", "released"]


@runtime_checkable
class Method(Protocol):
    """A frozen dataclass of the settings that its choice depends on, each with its default."""

    @property
    def title(self) -> str:
        """What people read."""

    @property
    def source(self) -> Source:
        """Where its candidates come from."""

    @property
    def stream(self) -> str:
        """The name of its random stream: methods that share it choose the same samples."""

    @property
    def soft(self) -> bool:
        """Whether soft labels are then distilled for what is chosen (`runs.readable.soft`)."""

    def choose(
        self, candidates: Candidates, counts: Sequence[int], streams: Streams, number: int
    ) -> Int[np.ndarray, " m"]:
        """Distinct rows of the candidates, `counts[c]` of class c (all of them where there are fewer), for a set.

        Set `number` depends on the candidates, the counts, the streams and itself alone.
        """


M = TypeVar("M", bound=Method)


def configured(method: M, settings: Any) -> M:
    """The method with those of its fields that `settings` (a recipe's `choose`) has, a method within it too."""
    given: dict[str, Any] = {}
    for field in dataclasses.fields(method):  # type: ignore[arg-type]  # a method is a dataclass
        value = getattr(method, field.name)
        if hasattr(value, "choose"):
            given[field.name] = configured(value, settings)
        elif hasattr(settings, field.name):
            given[field.name] = getattr(settings, field.name)
    return dataclasses.replace(method, **given)  # type: ignore[type-var]
