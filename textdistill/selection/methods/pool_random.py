"""Any samples of what a generator wrote: the paper's ablation of the choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from textdistill.core.streams import Streams
from textdistill.selection.candidates import Candidates
from textdistill.selection.methods.method import Source
from textdistill.selection.methods.search_real import SearchReal
from textdistill.selection.rows import random_rows


@dataclass(frozen=True)
class PoolRandom:
    """Samples drawn uniformly, of `over` for each that is kept, as `PoolCenters` draws them."""

    stream: str
    source: Source
    title: str
    over: int = SearchReal.over

    soft: ClassVar[bool] = False

    def choose(self, candidates: Candidates, counts: Sequence[int], streams: Streams, number: int) -> np.ndarray:
        """Nothing of the samples is looked at but their labels."""
        rng = streams.numpy(number)
        drawn = candidates.drawn(counts, self.over, rng)
        labels = candidates.labels[drawn]
        rows: np.ndarray = drawn[random_rows(labels[:, None], labels, counts, rng)]
        return rows
