"""Training rows whose mean is that of their class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from textdistill.core.streams import Streams
from textdistill.selection.candidates import Candidates
from textdistill.selection.methods.method import Source
from textdistill.selection.rows import herding, random_rows

HERDED_SHARE = 0.5  # of a class's rows, drawn anew for each set


@dataclass(frozen=True)
class Herding:
    """Greedy mean matching (Welling 2009), whose rows are determined.

    Each set herds its own half of the rows, drawn at random, so that there is a spread to compare with (Maekawa et al.
    2024, section 4, herd all rows once; their spread is that of 100 networks).
    """

    title: ClassVar[str] = "Herding"
    source: ClassVar[Source] = "real"
    stream: ClassVar[str] = "herding"
    soft: ClassVar[bool] = False

    def choose(self, candidates: Candidates, counts: Sequence[int], streams: Streams, number: int) -> np.ndarray:
        """By the first view."""
        labels, features = candidates.labels, candidates.views[0]
        streams = streams.child("baseline", "herding", number)
        sizes = np.bincount(labels, minlength=len(counts)).tolist()
        half = [max(count, round(HERDED_SHARE * size)) for count, size in zip(counts, sizes, strict=True)]
        drawn = random_rows(features, labels, half, streams.numpy("half"))
        rows: np.ndarray = drawn[herding(features[drawn], labels[drawn], counts, streams.numpy("rows"))]
        return rows
