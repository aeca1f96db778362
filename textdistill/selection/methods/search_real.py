"""A set found as a whole among training rows: what the search gains without a generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch

from textdistill.core.streams import Streams
from textdistill.selection.candidates import Candidates
from textdistill.selection.methods.method import Source
from textdistill.selection.search import SearchSettings, View, search_set


@dataclass(frozen=True)
class SearchReal:
    """The set that `search` finds among `over` rows for each that is kept, drawn for it, in all views."""

    over: int = 100
    search: SearchSettings = field(default_factory=SearchSettings)

    title: ClassVar[str] = "Search among real rows"
    source: ClassVar[Source] = "real"
    stream: ClassVar[str] = "search_real"
    soft: ClassVar[bool] = False

    def choose(self, candidates: Candidates, counts: Sequence[int], streams: Streams, number: int) -> np.ndarray:
        """The same stream draws and searches."""
        rng = streams.numpy(number)
        return searched(candidates, candidates.drawn(counts, self.over, rng), counts, rng, self.search)


def searched(
    candidates: Candidates, drawn: np.ndarray, counts: Sequence[int], rng: np.random.Generator, settings: SearchSettings
) -> np.ndarray:
    """The rows of the candidates that a search keeps of those drawn; the training rows judge."""
    real, rows = candidates.real, torch.from_numpy(drawn)
    views = [View(own[rows], theirs) for own, theirs in zip(candidates.views, real.views, strict=True)]
    kept: np.ndarray = drawn[search_set(views, candidates.labels[drawn], real.labels, counts, rng, settings)]
    return kept
