"""How long and how wide a search for a whole set looks, and what it sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from jaxtyping import Float
from torch import Tensor

from textdistill.core.bounds import Count, Doc, Natural, NotNegative, Positive

USUAL = 2.0


@dataclass(frozen=True)
class SearchSettings:
    """How long and how wide to search, and by which criterion.

    A set looks at no more than `most` rows, class by class as many of each as they have. Where `screen` of the judging
    rows have looked at all candidates, all of them compare the best `compare`.

    `criterion` says what the real rows judge. `head`: the logistic head that the set teaches. `ridge`: a ridge
    classifier, cheaper and worse (recipes/LOG.md). The scores of both are multiplied by `sharpness`: a gentle criterion
    asks for a margin on many rows and so does better on others. With `words`, the real rows also judge what the set
    teaches a learner that sees words alone (`word_view`).
    """

    criterion: Annotated[Literal["head", "ridge"], Doc("what the real rows judge")] = "head"
    tries: Annotated[Count, Doc("searches from other first samples, of which the best is kept")] = 1
    sweeps: Annotated[Natural, Doc("times that every sample may be swapped for another of its class")] = 5
    candidates: Annotated[Count | None, Doc("others that it is held against, drawn anew each time; none: all")] = None
    most: Annotated[Count, Doc("rows that a set looks at, at most, of all there are")] = 100_000
    rows: Annotated[Count, Doc("real rows that judge, drawn anew for each set")] = 8000
    screen: Annotated[Count | None, Doc("how many of them look at all candidates; none: all")] = 400
    compare: Annotated[Count, Doc("candidates that all of them then compare")] = 30
    again: Annotated[Count, Doc("candidates that a place looks at again, from the second sweep on")] = 200
    words: Annotated[
        NotNegative, Doc("weight, beside an encoder's 1, of how texts look by their words (TF-IDF); 0: not at all")
    ] = 0.0
    penalty: Annotated[Positive, Doc("λ of the head")] = 3e-3
    ridge: Annotated[Positive, Doc("λ of the ridge classifier")] = 2.0
    sharpness: Annotated[
        Positive | None, Doc("by which scores are multiplied; none: 1, 2 or 4, by what a few sets teach training rows")
    ] = None

    @property
    def steepness(self) -> float:
        """`sharpness`, and a middling one where a search must begin without its having been tried."""
        return USUAL if self.sharpness is None else self.sharpness


@dataclass(frozen=True)
class View:
    """One way to see texts: features of the pool (n, f) and of the real rows (r, f), by the same encoder.

    Several views make a set that does not lean on the whims of one encoder; each counts by its `weight`.
    """

    pool: Float[Tensor, "n f"]
    real: Float[Tensor, "r f"]
    weight: float = 1.0
