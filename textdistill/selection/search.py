"""Choosing a set as a whole: samples are swapped until a classifier fitted on them classifies real rows well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from textdistill.selection.classes import Labels, shares
from textdistill.selection.head_criterion import HeadCriterion
from textdistill.selection.ridge_criterion import RidgeCriterion
from textdistill.selection.search_settings import SearchSettings, View

DEFAULT_SEARCH = SearchSettings()
GAIN = 1e-6  # by which the loss must fall for a swap to be taken


@runtime_checkable
class Criterion(Protocol):
    """What real rows say of a set, and of the set with one of its samples swapped for another."""

    def begin(self, chosen: np.ndarray) -> float:
        """The loss of a set, which is the one in hand from now on."""
        ...

    def losses(self, place: int, others: np.ndarray, judges: int | None = None) -> Float[Tensor, " b"]:
        """The loss with each of `others` in the place, as good as it can be told cheaply, by the first `judges`."""
        ...

    def take(self, place: int, other: int, least: float) -> float | None:
        """Swap, if the loss falls below `least`: the new loss, or `None` and nothing is swapped."""
        ...


CRITERIA: dict[str, type[HeadCriterion] | type[RidgeCriterion]] = {"head": HeadCriterion, "ridge": RidgeCriterion}


def search_set(
    views: Sequence[View],
    pool_labels: Labels,
    real_labels: Labels,
    counts: Sequence[int],
    rng: np.random.Generator,
    settings: SearchSettings = DEFAULT_SEARCH,
    first: np.ndarray | None = None,
) -> np.ndarray:
    """Rows of the pool, `counts[c]` of class c, that minimise the real rows' cross-entropy under what the set teaches.

    The loss is the criterion's, summed over the views. It is coordinate descent by swaps from `first`, so a swap is
    taken only where the loss falls; without it from random rows of each class, `settings.tries` times, of which the
    lowest loss is kept. Returns distinct int64 indices, class by class.
    """
    labels = torch.as_tensor(np.asarray(pool_labels), dtype=torch.long)
    wanted = torch.as_tensor(np.asarray(real_labels), dtype=torch.long)
    judges = torch.from_numpy(rng.permutation(len(wanted))[: settings.rows])
    criterion: Criterion = CRITERIA[settings.criterion](views, labels, wanted[judges], judges, len(counts), settings)
    parts = shares(labels, counts)
    members = {part.label: part.rows for part in parts}
    best: tuple[float, np.ndarray] | None = None
    for _ in range(settings.tries if first is None else 1):
        begun = (
            np.concatenate([rng.permutation(part.rows)[: part.take] for part in parts])
            if first is None
            else first.copy()
        )
        found = _descended(criterion, begun, labels, members, rng, settings)
        if best is None or found[0] < best[0]:
            best = found
    assert best is not None  # one start at least
    return best[1]


def _descended(
    criterion: Criterion,
    chosen: np.ndarray,
    labels: Int[Tensor, " n"],
    members: dict[int, np.ndarray],
    rng: np.random.Generator,
    settings: SearchSettings,
) -> tuple[float, np.ndarray]:
    """The loss and the set after all sweeps from `chosen`, or after one that swaps nothing."""
    best = criterion.begin(chosen)
    liked: dict[int, np.ndarray] = {}
    for _ in range(settings.sweeps):
        swapped = False
        for place in map(int, rng.permutation(len(chosen))):
            others = np.setdiff1d(liked.get(place, members[int(labels[chosen[place]])]), chosen)
            if settings.candidates is not None:
                others = rng.permutation(others)[: settings.candidates]
            if not len(others):
                continue
            if settings.screen is not None and len(others) > settings.compare:
                order = criterion.losses(place, others, settings.screen).argsort().numpy()
                if settings.candidates is None:
                    liked.setdefault(place, others[order[: settings.again]])
                others = others[order[: settings.compare]]
            losses = criterion.losses(place, others)
            least = int(losses.argmin())
            found = criterion.take(place, int(others[least]), best - GAIN)
            if found is not None:
                best, swapped = found, True
                chosen[place] = others[least]
        if not swapped:
            break
    return best, chosen
