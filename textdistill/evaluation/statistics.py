"""Mean and spread of scores, the distillation ratio, and tests of whether two sets of scores differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from textdistill.core.errors import UserError

Scores = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Summary:
    """Mean, standard deviation (n - 1 in the denominator; 0 for one score) and number of scores."""

    mean: float
    sd: float
    n: int

    def as_dict(self) -> dict[str, float | int]:
        """The three under their names, rounded to 4 decimals."""
        return {"mean": round(self.mean, 4), "sd": round(self.sd, 4), "n": self.n}


@dataclass(frozen=True)
class Comparison:
    """Welch's test: mean(a) - mean(b), its t, the degrees of freedom, and the two-sided p.

    `t`, `df` and `p` are `None` where a side has fewer than two scores: there is no spread to judge by. `t` and
    `df` are `None` also where neither side varies; `p` is then 0 for different means and 1 for equal ones.
    """

    difference: float
    t: float | None
    df: float | None
    p: float | None

    def as_dict(self) -> dict[str, float | None]:
        """The four under their names; p keeps its 4 leading digits, the others 4 decimals."""
        return {
            "difference": round(self.difference, 4),
            "t": None if self.t is None else round(self.t, 4),
            "df": None if self.df is None else round(self.df, 4),
            "p": None if self.p is None else float(f"{self.p:.4g}"),
        }


def summarise(values: Scores) -> Summary:
    """The summary of one or more finite scores."""
    scores = _scores(values)
    return Summary(float(scores.mean()), float(scores.std(ddof=1)) if len(scores) > 1 else 0.0, len(scores))


def ratio(distilled: Scores, full_mean: float) -> Summary:
    """The distillation ratio r_M = 100 * distilled / full, in percent (Sucholutsky & Schonlau 2019, section 3).

    Each distilled score is divided by the mean full-data score, which is taken as known. Raises `UserError` where
    that is not above zero.
    """
    if not full_mean > 0:
        raise UserError(f"full-data score {full_mean}: the ratio needs one above 0; check the full-data training")
    return summarise(100.0 * _scores(distilled) / full_mean)


def welch(a: Scores, b: Scores) -> Comparison:
    """Welch's t-test of unequal variances, two-sided: t = (ā - b̄) / sqrt(s_a²/n_a + s_b²/n_b)."""
    return welch_of(summarise(a), summarise(b))


def welch_of(first: Summary, second: Summary) -> Comparison:
    """Welch's test where no more is known of either side than its mean, standard deviation and number."""
    from scipy import stats

    difference = first.mean - second.mean
    if min(first.n, second.n) < 2:
        return Comparison(difference, None, None, None)
    parts = [first.sd**2 / first.n, second.sd**2 / second.n]
    if sum(parts) <= (1e-12 * max(abs(first.mean), abs(second.mean))) ** 2:  # neither varies but for rounding
        return Comparison(difference, None, None, 1.0 if math.isclose(first.mean, second.mean) else 0.0)
    # From the summaries, since a side that never varies (a constant classifier) makes `ttest_ind` warn.
    test = stats.ttest_ind_from_stats(first.mean, first.sd, first.n, second.mean, second.sd, second.n, equal_var=False)
    df = sum(parts) ** 2 / (parts[0] ** 2 / (first.n - 1) + parts[1] ** 2 / (second.n - 1))  # Welch-Satterthwaite
    return Comparison(difference, float(test.statistic), float(df), float(test.pvalue))


def interval(summary: Summary, level: float = 0.95) -> tuple[float, float] | None:
    """Student's interval of the mean, mean ± t·sd/√n; `None` for a single score."""
    from scipy import stats

    if summary.n < 2:
        return None
    reach = float(stats.t.ppf((1 + level) / 2, summary.n - 1)) * summary.sd / math.sqrt(summary.n)
    return summary.mean - reach, summary.mean + reach


def bootstrap_difference(
    a: Scores, b: Scores, rng: np.random.Generator, resamples: int = 10_000, level: float = 0.95
) -> tuple[float, float]:
    """The percentile-bootstrap interval of mean(a) - mean(b), both sides drawn anew and independently.

    `level` is the share of resampled differences inside the interval, between 0 and 1.
    """
    if not 0 < level < 1 or resamples < 1:
        raise UserError(f"bootstrap: level {level} and {resamples} resamples; level is in (0, 1), resamples at least 1")

    def means(scores: np.ndarray) -> np.ndarray:
        drawn: np.ndarray = scores[rng.integers(len(scores), size=(resamples, len(scores)))].mean(axis=1)
        return drawn

    differences = means(_scores(a)) - means(_scores(b))
    low, high = np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _scores(values: Scores) -> np.ndarray:
    scores = np.asarray(values, np.float64).reshape(-1)
    if len(scores) == 0 or not np.isfinite(scores).all():
        raise UserError(f"scores {scores.tolist()[:10]}: at least one is needed, and all must be finite")
    return scores
