"""How much of a set's score is its labels' or augmentation's doing: DD-Ranking's robust scores, for text."""

from __future__ import annotations

import math

from textdistill.core.errors import UserError

WEIGHT = 0.5


def hard_label_recovery(full: float, hard: float) -> float:
    """HLR = acc(all real rows, hard labels) − acc(the set, hard labels), in points; low is good."""
    return full - hard


def improvement_over_random(own: float, random: float) -> float:
    """IOR = acc(the set, its recipe) − acc(random real rows, the same recipe), in points; high is good."""
    return own - random


def robust_score(ior: float, hlr: float, weight: float = WEIGHT) -> float:
    """(e^α − e^−1) / (e − e^−1) in percent with α = w·IOR − (1 − w)·HLR, both as shares of one (DD-Ranking).

    LRS (label-robust) takes the recipe of the set's own labels for IOR, ARS (augmentation-robust) hard labels with
    augmentation. `weight` is between 0 and 1; at 0.5 a set that is no better than random and as good as all data has
    26.9. Raises `UserError` for another weight.
    """
    if not 0 <= weight <= 1:
        raise UserError(f"robust score: weight {weight}; allowed: 0 to 1")
    alpha = (weight * ior - (1 - weight) * hlr) / 100
    return 100 * (math.exp(alpha) - math.exp(-1)) / (math.e - math.exp(-1))
