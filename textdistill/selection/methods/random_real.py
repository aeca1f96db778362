"""Training rows as they come: what every other method must beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from textdistill.core.streams import Streams
from textdistill.selection.candidates import Candidates
from textdistill.selection.methods.method import Source
from textdistill.selection.rows import random_rows


@dataclass(frozen=True)
class RandomReal:
    """Rows drawn uniformly."""

    title: ClassVar[str] = "Random real rows"
    source: ClassVar[Source] = "real"
    stream: ClassVar[str] = "random_real"
    soft: ClassVar[bool] = False

    def choose(self, candidates: Candidates, counts: Sequence[int], streams: Streams, number: int) -> np.ndarray:
        """Nothing of the rows is looked at but their labels."""
        rng = streams.numpy("baseline", "random", number, "rows")
        return random_rows(candidates.labels[:, None], candidates.labels, counts, rng)
