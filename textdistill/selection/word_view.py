"""How texts look by their words alone: a view for searches whose sets shall teach learners that read words, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from textdistill.learners.word_counts import word_counts

# More directions cost a search time and bring words of single texts, which no other text has.
DIRECTIONS = 300


@dataclass(frozen=True)
class WordSpace:
    """TF-IDF of words and of pairs of neighbouring words, in the `DIRECTIONS` in which the training texts differ most.

    Built from training texts alone, of what at least two of them have (`columns` of `word_counts`); fewer directions
    where there are fewer texts or words.
    """

    columns: Int[np.ndarray, " w"]
    weighting: Any  # scikit-learn's TfidfTransformer
    directions: Float[np.ndarray, "w d"]

    @classmethod
    def of(cls, texts: Sequence[str]) -> WordSpace | None:
        """The space of these training texts, or `None` where no two of them share a word."""
        from sklearn.feature_extraction.text import TfidfTransformer
        from sklearn.utils.extmath import randomized_svd

        counts = word_counts(texts)
        columns = np.flatnonzero(counts.getnnz(axis=0) > 1)
        if not len(columns):
            return None
        weighting = TfidfTransformer(sublinear_tf=True)
        rows = weighting.fit_transform(counts[:, columns])
        _, _, directions = randomized_svd(rows, min(DIRECTIONS, *rows.shape), n_iter=4, random_state=0)
        return cls(columns, weighting, np.ascontiguousarray(directions.T))

    def features(self, texts: Sequence[str]) -> Float[Tensor, "n d"]:
        """Unit vectors, as sentence encoders give; zeros for a text without any of the words."""
        rows = self.weighting.transform(word_counts(texts)[:, self.columns])
        return F.normalize(torch.from_numpy(rows @ self.directions), dim=1)
