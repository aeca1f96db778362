"""What another method chooses, under soft labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from textdistill.core.streams import Streams
from textdistill.selection.candidates import Candidates
from textdistill.selection.methods.method import Method, Source

Criterion = Literal["head", "ridge"]  # the classifier by which labels are distilled


@dataclass(frozen=True)
class SoftLabels:
    """The samples of `of`; a run distils soft labels for whatever a method that is `soft` chooses."""

    of: Method
    labels: Criterion = "head"

    soft: ClassVar[bool] = True

    @property
    def title(self) -> str:
        """That of the method, and which labels."""
        return f"{self.of.title}, soft labels"

    @property
    def source(self) -> Source:
        """That of the method."""
        return self.of.source

    @property
    def stream(self) -> str:
        """That of the method."""
        return self.of.stream

    def choose(self, candidates: Candidates, counts: Sequence[int], streams: Streams, number: int) -> np.ndarray:
        """What the method chooses."""
        return self.of.choose(candidates, counts, streams, number)
