"""A set found as a whole among what the matched generator wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from textdistill.core.streams import Streams
from textdistill.selection.candidates import Candidates
from textdistill.selection.methods.method import Source
from textdistill.selection.methods.search_real import SearchReal, searched
from textdistill.selection.search_settings import SearchSettings


@dataclass(frozen=True)
class Ours:
    """The set that `search` finds among all samples in all views; where it draws, among `over` for each kept.

    With `consistent`, only samples count that a linear head on all training rows labels as their own.
    """

    over: int = SearchReal.over
    search: SearchSettings = field(default_factory=SearchSettings)
    consistent: bool = True

    title: ClassVar[str] = "Ours"
    source: ClassVar[Source] = "matched"
    stream: ClassVar[str] = "ours"
    soft: ClassVar[bool] = False

    def choose(self, candidates: Candidates, counts: Sequence[int], streams: Streams, number: int) -> np.ndarray:
        """The same stream draws and searches."""
        rng = streams.numpy(number)
        eligible = candidates.consistent if self.consistent else None
        return searched(candidates, counts, rng, self.search, self.over, eligible)
