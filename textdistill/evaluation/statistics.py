"""Mean and spread of scores, the distillation ratio, and tests of whether two sets of scores differ.

A score is of whatever was drawn at random: a chosen set, a distillation for a fixed start, a network for fresh ones.
Where both sides used the same draws the test is of the differences, else it is Welch's; of several claims in one table
`holm` says which of them may still be believed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from textdistill.core.errors import UserError

Scores = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Summary:
    """Mean, standard deviation (n - 1 in the denominator; `None` for one score) and number of scores."""

    mean: float
    sd: float | None
    n: int

    def as_dict(self) -> dict[str, float | int | None]:
        """The three under their names, rounded to 4 decimals."""
        return {"mean": round(self.mean, 4), "sd": None if self.sd is None else round(self.sd, 4), "n": self.n}


@dataclass(frozen=True)
class Comparison:
    """A t-test: mean(a) - mean(b), its t, the degrees of freedom, and the two-sided p.

    `t`, `df` and `p` are `None` where a side has fewer than two scores, or nothing varies: then nothing was drawn that
    chance could be judged by.
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


@dataclass(frozen=True)
class Difference:
    """mean(a) − mean(b): the test, the bootstrap interval of 95% (`None` without two scores), and whether `paired`."""

    test: Comparison
    low: float | None
    high: float | None
    paired: bool = False

    def as_dict(self) -> dict[str, Any]:
        """`difference, t, df, p, low, high`, rounded, and `paired`."""
        ends = {"low": self.low, "high": self.high}
        rounded = {key: None if end is None else round(end, 4) for key, end in ends.items()}
        return {**self.test.as_dict(), **rounded, "paired": self.paired}


def summarise(values: Scores) -> Summary:
    """The summary of one or more finite scores."""
    scores = _scores(values)
    return Summary(float(scores.mean()), float(scores.std(ddof=1)) if len(scores) > 1 else None, len(scores))


def ratio(distilled: Scores, full: Summary) -> Summary:
    """The distillation ratio r_M = 100 * distilled / full, in percent (Sucholutsky & Schonlau 2019, section 3).

    The spread is that of both sides, to first order: r sqrt((s_d / d)² + (s_f / f)²); of a single full-data network
    none is known, and that of the distilled scores stands alone. `n` counts these. Raises `UserError` where the
    full-data mean is not above zero.
    """
    if not full.mean > 0:
        raise UserError(f"full-data score {full.mean}: the ratio needs one above 0; check the full-data training")
    return ratio_of(summarise(distilled), full)


def ratio_of(distilled: Summary, full: Summary) -> Summary:
    """The ratio of two summaries, see `ratio`; of a distilled mean of zero the spread is its own alone."""
    mean = 100.0 * distilled.mean / full.mean
    if distilled.sd is None:
        return Summary(mean, None, distilled.n)
    of_full = 0.0 if full.sd is None else mean * full.sd / full.mean
    return Summary(mean, math.hypot(100.0 * distilled.sd / full.mean, of_full), distilled.n)


def welch(a: Scores, b: Scores) -> Comparison:
    """Welch's t-test of unequal variances, two-sided: t = (ā - b̄) / sqrt(s_a²/n_a + s_b²/n_b)."""
    return welch_of(summarise(a), summarise(b))


def welch_of(first: Summary, second: Summary) -> Comparison:
    """Welch's test where no more is known of either side than its mean, standard deviation and number."""
    from scipy import stats

    difference = first.mean - second.mean
    if first.sd is None or second.sd is None or min(first.n, second.n) < 2:
        return Comparison(difference, None, None, None)
    parts = [first.sd**2 / first.n, second.sd**2 / second.n]
    if sum(parts) <= (1e-12 * max(abs(first.mean), abs(second.mean))) ** 2:  # neither varies but for rounding
        return Comparison(difference, None, None, None)
    # From the summaries, since a side that never varies (a constant classifier) makes `ttest_ind` warn.
    test = stats.ttest_ind_from_stats(first.mean, first.sd, first.n, second.mean, second.sd, second.n, equal_var=False)
    df = sum(parts) ** 2 / (parts[0] ** 2 / (first.n - 1) + parts[1] ** 2 / (second.n - 1))  # Welch-Satterthwaite
    return Comparison(difference, float(test.statistic), float(df), float(test.pvalue))


def paired(a: Scores, b: Scores) -> Comparison:
    """Student's test of the differences a_i - b_i, two-sided: score i of both sides is of the same draw."""
    return against(_scores(a) - _scores(b), 0.0)


def against(scores: Scores, known: float) -> Comparison:
    """Student's test of scores against a number that is taken as known."""
    from scipy import stats

    values = _scores(scores)
    gap = float(values.mean()) - known
    if len(values) < 2 or np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())):  # nothing to divide by
        return Comparison(gap, None, None, None)
    test = stats.ttest_1samp(values, known)
    return Comparison(gap, float(test.statistic), float(test.df), float(test.pvalue))


def difference(a: Scores, b: Scores, rng: np.random.Generator, same_draws: bool = False) -> Difference:
    """Whether two sides differ: a t-test, two-sided, and a bootstrap of the difference.

    `same_draws`: score i of both is of the same set, or of networks that began alike; the test is of the differences,
    where there are as many on both sides.
    """
    alike = same_draws and len(a) == len(b)
    test = paired(a, b) if alike else welch(a, b)
    if min(len(a), len(b)) < 2:
        return Difference(test, None, None, alike)
    ends = bootstrap_mean(_scores(a) - _scores(b), rng) if alike else bootstrap_difference(a, b, rng)
    return Difference(test, *ends, alike)


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Holm's p-values, step-down: the k-th smallest of m times m − k + 1, at least as large as those before, at most 1.

    `None` (no test) stays so and does not count among the m.
    """
    tested = sorted((p, place) for place, p in enumerate(ps) if p is not None)
    out: list[float | None] = [None] * len(ps)
    largest = 0.0
    for rank, (p, place) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - rank) * p))
        out[place] = largest
    return out


def corrected(claims: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The claims of one table, as dicts, each with `p_holm` beside its `p`."""
    ps = holm([claim["p"] for claim in claims.values()])
    return {
        name: {**claim, "p_holm": None if p is None else float(f"{p:.4g}")}
        for (name, claim), p in zip(claims.items(), ps, strict=True)
    }


def interval(summary: Summary, level: float = 0.95) -> tuple[float, float] | None:
    """Student's interval of the mean, mean ± t·sd/√n; `None` for a single score."""
    from scipy import stats

    if summary.sd is None or summary.n < 2:
        return None
    reach = float(stats.t.ppf((1 + level) / 2, summary.n - 1)) * summary.sd / math.sqrt(summary.n)
    return summary.mean - reach, summary.mean + reach


def bootstrap_difference(
    a: Scores, b: Scores, rng: np.random.Generator, resamples: int = 10_000, level: float = 0.95
) -> tuple[float, float]:
    """The expanded percentile-bootstrap interval of mean(a) - mean(b), both sides drawn anew and independently.

    Of few scores the plain percentile interval is too narrow (three a side: 95% covers 79%). As Hesterberg (2015,
    "What Teachers Should Know About the Bootstrap") does, resampled means are spread by sqrt(n / (n - 1)), and the
    quantiles are those at which a normal distribution has the reach of Student's t, here with Welch's degrees of
    freedom. `level` is the share of differences inside the interval, between 0 and 1.
    """
    first, second = _scores(a), _scores(b)
    differences = _means(first, rng, resamples, level) - _means(second, rng, resamples, level)
    df = welch(first, second).df if min(len(first), len(second)) > 1 else max(len(first), len(second)) - 1.0
    return _quantiles(differences, df, level)


def bootstrap_mean(
    scores: Scores, rng: np.random.Generator, resamples: int = 10_000, level: float = 0.95
) -> tuple[float, float]:
    """The expanded percentile-bootstrap interval of a mean, see `bootstrap_difference`."""
    values = _scores(scores)
    return _quantiles(_means(values, rng, resamples, level), len(values) - 1.0, level)


def _means(scores: np.ndarray, rng: np.random.Generator, resamples: int, level: float) -> np.ndarray:
    if not 0 < level < 1 or resamples < 1:
        raise UserError(f"bootstrap: level {level} and {resamples} resamples; level is in (0, 1), resamples at least 1")
    n, mean = len(scores), float(scores.mean())
    drawn: np.ndarray = scores[rng.integers(n, size=(resamples, n))].mean(axis=1) - mean
    spread: np.ndarray = mean + (math.sqrt(n / (n - 1)) if n > 1 else 1.0) * drawn
    return spread


def _quantiles(values: np.ndarray, df: float | None, level: float) -> tuple[float, float]:
    from scipy import stats

    tail = (1 - level) / 2
    if df is not None and df > 0:
        tail = float(stats.norm.sf(stats.t.isf(tail, df)))
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def _scores(values: Scores) -> np.ndarray:
    scores = np.asarray(values, np.float64).reshape(-1)
    if len(scores) == 0 or not np.isfinite(scores).all():
        raise UserError(f"scores {scores.tolist()[:10]}: at least one is needed, and all must be finite")
    return scores
