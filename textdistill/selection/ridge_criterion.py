"""What real rows say of a set by a ridge classifier on its centred one-hot labels: every swap's loss, exactly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from textdistill.selection.search_settings import SearchSettings, View


class RidgeCriterion:
    """The loss of a set with one of its samples swapped for each of several others.

    For a set S with features X and centred one-hot labels Y: A = (X Xᵀ + λI)⁻¹ Y, scores z = β T Xᵀ A of the real rows
    T (all features centred by the mean of the real ones), loss = mean −log softmax(z)_y, summed over the views.
    """

    def __init__(
        self,
        views: Sequence[View],
        labels: Int[Tensor, " n"],
        wanted: Int[Tensor, " r"],
        judges: Int[Tensor, " r"],
        classes: int,
        settings: SearchSettings,
    ):
        self.wanted, self.settings = wanted, settings
        self.chosen = np.empty(0, dtype=np.int64)
        self.targets = torch.nn.functional.one_hot(labels, classes).double() - 1.0 / classes
        self.pools, self.seen, self.weights = [], [], []
        for view in views:
            mean = view.real.mean(0)
            pool = (view.pool - mean).float()
            self.pools.append(pool)
            self.seen.append(pool @ (view.real[judges] - mean).float().T)  # (n, r): how the judges see each candidate
            self.weights.append(view.weight)

    def begin(self, chosen: np.ndarray) -> float:
        """The loss of a set, which is the one in hand from now on."""
        self.chosen = chosen.copy()
        return float(self.losses(0, chosen[:1])[0])

    def take(self, place: int, other: int, least: float) -> float | None:
        """Swap, if the loss falls below `least`: the new loss, or `None` and nothing is swapped."""
        loss = float(self.losses(place, np.array([other]))[0])
        if not loss < least:
            return None
        self.chosen[place] = other
        return loss

    @torch.no_grad()
    def losses(self, place: int, others: np.ndarray, judges: int | None = None) -> Float[Tensor, " b"]:
        """One loss for each of `others` in the place of sample number `place`.

        With G = X Xᵀ + λI of the samples that stay, k the newcomer's products with them and y its label, the newcomer's
        dual is d = (y − kᵀG⁻¹Y) / (x·x + λ − kᵀG⁻¹k), and the scores are those of the rest plus d times what the
        newcomer shows the judges beyond the rest, T x − T Xᵀ G⁻¹ k: one factorisation serves all `others`, exactly.
        """
        rest, swaps = torch.from_numpy(np.delete(self.chosen, place)), torch.from_numpy(others)
        wanted = self.wanted[:judges]
        total = torch.zeros(len(swaps), dtype=torch.float64)
        for pool, shown, weight in zip(self.pools, self.seen, self.weights, strict=True):
            seen = shown[:, :judges]
            stay, new = pool[rest].double(), pool[swaps].double()
            gram = stay @ stay.T + self.settings.ridge * torch.eye(len(rest), dtype=torch.float64)
            products = stay @ new.T  # (m − 1, b)
            known = torch.cat([self.targets[rest], products], 1)
            solved = torch.cholesky_solve(known, torch.linalg.cholesky(gram)) if len(rest) else known
            duals, carried = solved.split([self.targets.shape[1], len(swaps)], 1)
            beyond = (new**2).sum(1) + self.settings.ridge - (products * carried).sum(0)
            dual = ((self.targets[swaps] - products.T @ duals) / beyond[:, None]).float()  # (b, c)
            both = torch.cat([duals, carried], 1).float().T @ seen[rest]  # the one large product: (c + b, r)
            base, known_by_rest = both.split([self.targets.shape[1], len(swaps)])
            left = self.settings.steepness * (seen[swaps] - known_by_rest)  # (b, r)
            base = self.settings.steepness * base
            scores = base[:, None] + dual.T[:, :, None] * left  # (c, b, r)
            right = base[wanted, torch.arange(len(wanted))] + dual[:, wanted] * left
            total += weight * (torch.logsumexp(scores, 0) - right).mean(1).double()
        return total
