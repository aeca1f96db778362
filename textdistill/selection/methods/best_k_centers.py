"""The best of several sets of K-centres: how far trying alone gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from textdistill.core.errors import DataError
from textdistill.core.streams import Streams
from textdistill.learners.linear_head import fit_head
from textdistill.selection.candidates import Candidates
from textdistill.selection.centroids import KMeansSettings
from textdistill.selection.methods.method import Source
from textdistill.selection.rows import k_centers

HELD_OUT_SHARE, HELD_OUT_MOST = 0.1, 1000  # of a class's rows
KMEANS = KMeansSettings(restarts=1, most_values=2_000_000)


@dataclass(frozen=True)
class BestKCenters:
    """Of `tries` K-centre sets the one whose linear head is best on held-out training rows.

    A tenth of each class, at most 1,000 rows, is held out, and no centre is taken from it.
    """

    tries: int = 10

    title: ClassVar[str] = "Best of ten K-centre sets"
    source: ClassVar[Source] = "real"
    stream: ClassVar[str] = "best_k_centers"
    soft: ClassVar[bool] = False

    def choose(self, candidates: Candidates, counts: Sequence[int], streams: Streams, number: int) -> np.ndarray:
        """By the first view. Raises `DataError` for too few rows to hold any out."""
        labels, features = candidates.labels, candidates.views[0]
        streams = streams.child("baseline", "best_k_centers", number)
        held = [min(HELD_OUT_MOST, round(HELD_OUT_SHARE * size)) for size in np.bincount(labels, minlength=len(counts))]
        if not any(held):
            raise DataError(f"{len(labels)} rows are too few to hold any out; leave out best_k_centers")
        rng = streams.numpy("held-out")
        judges = np.concatenate([rng.permutation(np.flatnonzero(labels == c))[:n] for c, n in enumerate(held)])
        others = np.setdiff1d(np.arange(len(labels)), judges)
        truth = torch.from_numpy(labels)
        best, most = others[:0], -1.0
        for attempt in range(self.tries):
            rng = streams.numpy("candidate", attempt)
            rows = others[k_centers(features[others], labels[others], counts, rng, KMEANS)]
            head = fit_head(features[rows], torch.nn.functional.one_hot(truth[rows], len(counts)).double())
            right = float((head.predict(features[judges]) == truth[judges]).double().mean())
            if right > most:
                best, most = rows, right
        return best
