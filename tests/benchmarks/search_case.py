"""A sweep of the search for a set as a whole: ours, and one ridge problem for every candidate of every place."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from textdistill.selection import SearchSettings, View, search_set

CLASSES, FEATURES = 6, 384


class Problem:
    """Unit vectors around a centre for each class: a pool, and judges."""

    def __init__(self, pool: int, judges: int, each: int, candidates: int):
        rng = torch.Generator().manual_seed(0)
        centres = torch.randn(CLASSES, FEATURES, generator=rng)

        def rows(count: int) -> tuple[Tensor, Tensor]:
            labels = torch.arange(count) % CLASSES
            return F.normalize(centres[labels] + 2 * torch.randn(count, FEATURES, generator=rng), dim=1), labels

        (self.pool, self.labels), (self.real, self.wanted) = rows(pool), rows(judges)
        self.each = each
        self.settings = SearchSettings("ridge", sweeps=1, candidates=candidates, rows=judges, screen=None)

    def ours(self) -> np.ndarray:
        """The rows that are chosen, by the function that runs use."""
        view, rng = View(self.pool, self.real), np.random.default_rng(0)
        return search_set(
            [view], self.labels.numpy(), self.wanted.numpy(), [self.each] * CLASSES, rng, self.settings, self.first
        )

    def oracle(self) -> np.ndarray:
        """The same sweep by the plain way."""
        rng, labels, chosen = np.random.default_rng(0), self.labels.numpy(), self.first.copy()
        rng.permutation(len(self.wanted))  # ours draws its judges
        best = self.loss(chosen)
        for place in rng.permutation(len(chosen)):
            free = np.setdiff1d(np.flatnonzero(labels == labels[chosen[place]]), chosen)
            for other in rng.permutation(free)[: self.settings.candidates]:
                trial = np.where(np.arange(len(chosen)) == place, other, chosen)
                if (loss := self.loss(trial)) < best - 1e-6:
                    best, chosen = loss, trial
        return chosen

    def loss(self, chosen: np.ndarray) -> float:
        """The judges' cross-entropy under the ridge classifier of a set: all is centred, and solved anew."""
        mean = self.real.mean(0)
        x, judges = (self.pool[torch.from_numpy(chosen)] - mean).double(), (self.real - mean).double()
        y = F.one_hot(self.labels[torch.from_numpy(chosen)], CLASSES).double() - 1 / CLASSES
        gram = x @ x.T + self.settings.ridge * torch.eye(len(x), dtype=torch.float64)
        scores = self.settings.steepness * judges @ (x.T @ torch.linalg.solve(gram, y))
        return float(F.cross_entropy(scores, self.wanted))

    @cached_property
    def first(self) -> np.ndarray:
        """The first rows of each class."""
        return np.concatenate([np.flatnonzero(self.labels.numpy() == c)[: self.each] for c in range(CLASSES)])
