"""Choosing a set as a whole: samples are swapped until a ridge classifier fitted on them classifies real rows well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from textdistill.selection.classes import Labels, shares


@dataclass(frozen=True)
class SearchSettings:
    """How long and how wide to search.

    `sweeps` times every sample may be swapped for the best of `candidates` others of its class, drawn anew each time;
    `rows` real rows (drawn anew for each set) judge. `ridge` λ and `sharpness` β belong to the criterion; a gentle one
    asks for a margin on many rows and so does better on others (recipes/LOG.md).
    """

    sweeps: int = 4
    candidates: int = 100
    rows: int = 2000
    ridge: float = 2.0
    sharpness: float = 4.0


@dataclass(frozen=True)
class View:
    """One way to see texts: features of the pool (n, f) and of the real rows (r, f), by the same encoder.

    Several views make a set that does not lean on the whims of one encoder; each counts by its `weight`.
    """

    pool: Float[Tensor, "n f"]
    real: Float[Tensor, "r f"]
    weight: float = 1.0


DEFAULT_SEARCH = SearchSettings()


def search_set(
    views: Sequence[View],
    pool_labels: Labels,
    real_labels: Labels,
    counts: Sequence[int],
    rng: np.random.Generator,
    settings: SearchSettings = DEFAULT_SEARCH,
    first: np.ndarray | None = None,
) -> np.ndarray:
    """Rows of the pool, `counts[c]` of class c, that minimise the real rows' cross-entropy under a ridge classifier.

    For a set S with features X and centred one-hot labels Y: A = (X Xᵀ + λI)⁻¹ Y, scores z = β T Xᵀ A of the real rows
    T (all features centred by the mean of the real ones), loss = mean −log softmax(z)_y, summed over the views. It is
    coordinate descent by swaps from `first` (random rows of each class when `None`), so a swap is taken only where the
    loss falls. Returns distinct int64 indices, class by class.
    """
    labels = torch.as_tensor(np.asarray(pool_labels), dtype=torch.long)
    wanted = torch.as_tensor(np.asarray(real_labels), dtype=torch.long)
    judges = torch.from_numpy(rng.permutation(len(wanted))[: settings.rows])
    criterion = _Criterion(views, labels, wanted[judges], judges, len(counts), settings)
    parts = shares(labels, counts)
    chosen = (
        np.concatenate([rng.permutation(part.rows)[: part.take] for part in parts]) if first is None else first.copy()
    )
    members = {part.label: part.rows for part in parts}
    best = float(criterion.losses(chosen, 0, chosen[:1])[0])
    for _ in range(settings.sweeps):
        swapped = False
        for place in rng.permutation(len(chosen)):
            free = np.setdiff1d(members[int(labels[chosen[place]])], chosen)
            if not len(free):
                continue
            others = rng.permutation(free)[: settings.candidates]
            losses = criterion.losses(chosen, int(place), others)
            least = int(losses.argmin())
            if float(losses[least]) < best - 1e-6:
                best, swapped = float(losses[least]), True
                chosen[place] = others[least]
        if not swapped:
            break
    return chosen


class _Criterion:
    """The loss of a set with one of its samples swapped for each of several others."""

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
        self.targets = torch.nn.functional.one_hot(labels, classes).double() - 1.0 / classes
        self.pools, self.seen, self.weights = [], [], []
        for view in views:
            mean = view.real.mean(0)
            pool = (view.pool - mean).float()
            self.pools.append(pool)
            self.seen.append(pool @ (view.real[judges] - mean).float().T)  # (n, r): how the judges see each candidate
            self.weights.append(view.weight)

    @torch.no_grad()
    def losses(self, chosen: np.ndarray, place: int, others: np.ndarray) -> Float[Tensor, " b"]:
        """One loss for each of `others` in the place of sample number `place`.

        With G = X Xᵀ + λI of the samples that stay, k the newcomer's products with them and y its label, the newcomer's
        dual is d = (y − kᵀG⁻¹Y) / (x·x + λ − kᵀG⁻¹k), and the scores are those of the rest plus d times what the
        newcomer shows the judges beyond the rest, T x − T Xᵀ G⁻¹ k: one factorisation serves all `others`, exactly.
        """
        rest, swaps = torch.from_numpy(np.delete(chosen, place)), torch.from_numpy(others)
        total = torch.zeros(len(swaps), dtype=torch.float64)
        for pool, seen, weight in zip(self.pools, self.seen, self.weights, strict=True):
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
            left = self.settings.sharpness * (seen[swaps] - known_by_rest)  # (b, r)
            base = self.settings.sharpness * base
            scores = base[:, None] + dual.T[:, :, None] * left  # (c, b, r)
            right = base[self.wanted, torch.arange(len(self.wanted))] + dual[:, self.wanted] * left
            total += weight * (torch.logsumexp(scores, 0) - right).mean(1).double()
        return total
