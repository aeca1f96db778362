"""The representative teacher: real rows of each class come from a few sets that stand for all of them (DiLM)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from textdistill.core.batch import Batch, RealData
from textdistill.core.errors import DataError


class RepresentativeRows:
    """Real data of which each step sees one set of representative rows, in place of rows drawn uniformly.

    Maekawa et al. 2024, section 3.3: 10 sets of 200 rows a class, each the rows nearest to the centres of a K-means of
    its own in the learner's features. `sets` are the rows' numbers, as `selection.k_centers` gives them from ten random
    streams. Which set a step sees is drawn at random; where fewer rows are asked for than it has of a class, so are
    they. Everything else (`batch`, `labels`, the rows that networks train on) is the whole data's.

    Errors: `DataError` for no sets, and for a row that there is not.
    """

    def __init__(self, real: RealData, sets: Sequence[Tensor | np.ndarray]):
        self.real = real
        self.classes, self.shape, self.labels = real.classes, real.shape, real.labels
        numbers = [torch.as_tensor(one).long() for one in sets]
        if not numbers:
            raise DataError("the representative teacher has no sets of rows; give one or more")
        labels = real.labels.cpu()
        for which, rows in enumerate(numbers):
            if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < len(real):
                raise DataError(
                    f"representative set {which}: rows {int(rows.min())} to {int(rows.max())}; "
                    f"allowed: 0 to {len(real) - 1}"
                )
        self._sets = [
            {label: rows[labels[rows] == label] for label in labels[rows].unique().tolist()} for rows in numbers
        ]

    def __len__(self) -> int:
        return len(self.real)

    def batch(self, rows: Int[Tensor, " b"]) -> Batch:
        """The rows with these indices, representative or not."""
        return self.real.batch(rows)

    def rows_by_class(self, most: int, rng: torch.Generator) -> dict[int, Int[Tensor, " b"]]:
        """Up to `most` rows of every class of one of the sets."""
        chosen = self._sets[int(torch.randint(len(self._sets), (), generator=rng))]
        return {label: rows[torch.randperm(len(rows), generator=rng)[:most]] for label, rows in chosen.items()}
