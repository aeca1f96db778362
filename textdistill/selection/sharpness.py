"""How sharp the criterion of a search should be: tried on the training rows, where nobody has said it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch
import torch.nn.functional as F

from textdistill.core import watch
from textdistill.core.spread import over_cores
from textdistill.core.streams import Streams
from textdistill.learners.linear_head import fit_head
from textdistill.selection.candidates import Candidates
from textdistill.selection.methods.method import Method
from textdistill.selection.methods.soft_labels import SoftLabels
from textdistill.selection.search_settings import SearchSettings

# Gentle where labels are noisy (IMDB's first sentences: 67.2 and not 65.7 with 2), sharper where classes are many and
# apart (TREC-6); recipes/LOG.md.
VALUES = (1.0, 2.0, 4.0)
TRIALS = 2
M = TypeVar("M", bound=Method)


def undecided(method: Method) -> bool:
    """Whether the method searches, and nobody has said how sharply."""
    search = getattr(method.of if isinstance(method, SoftLabels) else method, "search", None)
    return isinstance(search, SearchSettings) and search.sharpness is None


def sharp(method: M, value: float) -> M:
    """The method with this sharpness."""
    given: dict[str, Any] = (
        {"of": sharp(method.of, value)}
        if isinstance(method, SoftLabels)
        else {"search": replace(method.search, sharpness=value)}  # type: ignore[attr-defined]
    )
    return replace(method, **given)  # type: ignore[type-var]


def sharpened(method: M, candidates: Candidates, counts: Sequence[int], streams: Streams) -> tuple[M, float | None]:
    """The method with the sharpness that suits these rows, and which; as it is, and `None`, if that is decided.

    Of `VALUES` the one whose `TRIALS` sets teach linear heads to classify most training rows right, by the first view;
    of equals the gentler. A set is so few of them that they count as rows that it has not seen.
    """
    if not undecided(method):
        return method, None
    trials = [(value, number) for value in VALUES for number in range(TRIALS)]
    candidates.see()  # encoded here, by all cores

    def right(trial: tuple[float, int]) -> float:
        value, number = trial
        told(trials.index(trial), len(trials))
        rows = torch.from_numpy(sharp(method, value).choose(candidates, counts, streams.child("sharpness"), number))
        labels = torch.from_numpy(candidates.labels)[rows]
        head = fit_head(candidates.views[0][rows], F.one_hot(labels, len(counts)).float())
        real = candidates.real
        return float((head.predict(real.views[0]) == torch.from_numpy(real.labels)).double().mean())

    with watch.counting("trying how sharp a search should be:", "searches") as told:
        found = over_cores(right, trials, alone=True)
    taught = {
        value: sum(share for (of, _), share in zip(trials, found, strict=True) if of == value) for value in VALUES
    }
    best = max(VALUES, key=lambda value: taught[value])
    return sharp(method, best), best
