"""A set found as a whole among training rows: what the search gains without a generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool

from textdistill.core.streams import Streams
from textdistill.selection.candidates import Candidates
from textdistill.selection.methods.method import Source
from textdistill.selection.search import search_set
from textdistill.selection.search_settings import SearchSettings, View


@dataclass(frozen=True)
class SearchReal:
    """The set that `search` finds among all rows in all views; where it draws, among `over` for each kept."""

    over: int = 100
    search: SearchSettings = field(default_factory=SearchSettings)

    title: ClassVar[str] = "Search among real rows"
    source: ClassVar[Source] = "real"
    stream: ClassVar[str] = "search_real"
    soft: ClassVar[bool] = False

    def choose(self, candidates: Candidates, counts: Sequence[int], streams: Streams, number: int) -> np.ndarray:
        """The same stream draws and searches."""
        rng = streams.numpy(number)
        return searched(candidates, counts, rng, self.search, self.over)


def searched(
    candidates: Candidates,
    counts: Sequence[int],
    rng: np.random.Generator,
    settings: SearchSettings,
    over: int,
    eligible: Bool[np.ndarray, " n"] | None = None,
) -> np.ndarray:
    """The eligible candidates that a search keeps; the training rows judge.

    A search that draws candidates for a place sees `over` for each that is kept; any other sees all, up to its `most`.
    """
    wide = settings.candidates is None
    drawn = candidates.drawn(counts, None if wide else over, rng, eligible, settings.most if wide else None)
    real, rows = candidates.real, torch.from_numpy(drawn)
    views = [View(own[rows], theirs) for own, theirs in zip(candidates.views, real.views, strict=True)]
    if settings.words:
        views.append(View(candidates.words[rows], real.words, settings.words))
    kept: np.ndarray = drawn[search_set(views, candidates.labels[drawn], real.labels, counts, rng, settings)]
    return kept
