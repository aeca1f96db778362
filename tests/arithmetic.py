"""What 8 bits allow: bounds on results in bfloat16 that follow from the arithmetic, and so hold on every processor."""

from __future__ import annotations

UNIT = 2.0**-8  # u: a number rounded to bfloat16's 8 bits is off by at most this share of itself


def off(roundings: int, cancelling: float = 1.0) -> float:
    """By what share of itself a result is off at most, to first order: k·u·κ.

    Each of the k `roundings` that a value passes on its way adds one u (Higham 2002, lemma 3.1: γ_k ≈ k·u), and a sum
    enlarges that by κ = Σ|x| / |Σx|, how much its terms are `cancelling`. Sums kept in float32 add nothing; those that
    a processor keeps in bfloat16 count one rounding for each of their partial sums.
    """
    return roundings * UNIT * cancelling


def least_cosine(roundings: int, cancelling: float = 1.0) -> float:
    """The least cosine of a result with its exact self: cos ≥ 1 − off² / 2."""
    return 1 - off(roundings, cancelling) ** 2 / 2
