"""How long and how wide a search for a whole set looks, and what it sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class SearchSettings:
    """How long and how wide to search, and by which criterion.

    `sweeps` times every sample may be swapped for another of its class: for the best of `candidates` of them, drawn
    anew each time, or of all there are (none), where a set looks at no more than `most` rows, class by class as many of
    each as they have. `rows` real rows judge, drawn anew for each set; where `screen` of them
    have looked at all candidates, all of them compare the best `compare`. From the second sweep on a place looks again
    at the `again` that it liked best.

    `criterion` says what the real rows judge. `head`: the logistic head that the set teaches, with the penalty λ
    `penalty`. `ridge`: a ridge classifier with the penalty `ridge`, cheaper and worse (recipes/LOG.md). The scores of
    both are multiplied by `sharpness`: a gentle criterion asks for a margin on many rows and so does better on others.
    """

    criterion: Literal["head", "ridge"] = "head"
    sweeps: int = 5
    candidates: int | None = None
    most: int = 100_000
    rows: int = 8000
    screen: int | None = 400
    compare: int = 30
    again: int = 200
    penalty: float = 3e-3
    ridge: float = 2.0
    sharpness: float = 2.0


@dataclass(frozen=True)
class View:
    """One way to see texts: features of the pool (n, f) and of the real rows (r, f), by the same encoder.

    Several views make a set that does not lean on the whims of one encoder; each counts by its `weight`.
    """

    pool: Float[Tensor, "n f"]
    real: Float[Tensor, "r f"]
    weight: float = 1.0
