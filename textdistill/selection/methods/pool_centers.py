"""K-centre samples of what a generator wrote: DiLM's own choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from textdistill.core.streams import Streams
from textdistill.selection.candidates import Candidates
from textdistill.selection.methods.method import Source
from textdistill.selection.methods.search_real import SearchReal
from textdistill.selection.rows import k_centers


@dataclass(frozen=True)
class PoolCenters:
    """The K-centres of `over` samples for each that is kept, drawn for each set (Maekawa et al. 2024, 3.4)."""

    stream: str
    source: Source
    title: str
    over: int = SearchReal.over

    soft: ClassVar[bool] = False

    def choose(self, candidates: Candidates, counts: Sequence[int], streams: Streams, number: int) -> np.ndarray:
        """By the first view."""
        rng = streams.numpy(number)
        drawn = candidates.drawn(counts, self.over, rng)
        features = candidates.views[0][torch.from_numpy(drawn)].numpy()
        rows: np.ndarray = drawn[k_centers(features, candidates.labels[drawn], counts, rng)]
        return rows
