"""Training rows in the middle of what there is of each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from textdistill.core.streams import Streams
from textdistill.selection.candidates import Candidates
from textdistill.selection.centroids import KMeansSettings
from textdistill.selection.methods.method import Source
from textdistill.selection.rows import k_centers

# Centroids are found on at most 5,000 rows of a class with 384 numbers each, drawn anew for each set: on SST-2 three
# restarts cost half of one with all 60,000 rows, and the centres are no worse. The nearest rows are sought among all.
KMEANS = KMeansSettings(restarts=3, most_values=2_000_000)


@dataclass(frozen=True)
class KCenters:
    """The rows nearest to the K-means centroids of each class (DiLM, C.1); K-means is begun anew for each set.

    The paper clusters all rows of a class; here at most as many as `KMEANS` says, drawn for each set.
    """

    title: ClassVar[str] = "K-centres"
    source: ClassVar[Source] = "real"
    stream: ClassVar[str] = "k_centers"
    soft: ClassVar[bool] = False

    def choose(self, candidates: Candidates, counts: Sequence[int], streams: Streams, number: int) -> np.ndarray:
        """By the first view."""
        rng = streams.numpy("baseline", "k_centers", number, "rows")
        return k_centers(candidates.views[0], candidates.labels, counts, rng, KMEANS)
