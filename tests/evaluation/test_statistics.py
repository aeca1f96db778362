"""Summaries, the distillation ratio, Welch's test and the bootstrap, against scipy and known values."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from textdistill.core.errors import UserError
from textdistill.evaluation.statistics import (
    Summary,
    against,
    bootstrap_difference,
    bootstrap_mean,
    corrected,
    difference,
    holm,
    interval,
    paired,
    ratio,
    summarise,
    welch,
)


def test_the_spread_has_n_minus_one_in_the_denominator() -> None:
    found = summarise([1.0, 2.0, 3.0, 4.0])
    assert (found.mean, found.sd, found.n) == pytest.approx((2.5, (5 / 3) ** 0.5, 4))


def test_one_score_has_no_spread() -> None:
    assert summarise([71.5]) == Summary(71.5, None, 1)
    assert summarise([71.5]).as_dict() == {"mean": 71.5, "sd": None, "n": 1}
    assert interval(summarise([71.5])) is None


def test_a_summary_as_a_dict_has_four_decimals_and_survives_json() -> None:
    found = summarise(np.array([1 / 3, 2 / 3])).as_dict()
    assert found == {"mean": 0.5, "sd": 0.2357, "n": 2}
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_no_scores_or_scores_that_are_not_finite_are_refused(values: list[float]) -> None:
    with pytest.raises(UserError, match="at least one is needed, and all must be finite"):
        summarise(values)


def test_the_ratio_is_in_percent_of_the_full_data_score() -> None:
    # TDD on IMDB, M = 2: 78.3 of 87.1 is 89.9 (Sucholutsky & Schonlau 2019, Table IV)
    assert ratio([78.3], Summary(87.1, None, 1)).mean == pytest.approx(89.9, abs=0.05)
    found = ratio([40.0, 60.0], Summary(80.0, None, 1))
    assert (found.mean, found.sd, found.n) == pytest.approx((62.5, 200**0.5 / 0.8, 2))


def test_the_spread_of_a_ratio_is_that_of_both_sides() -> None:
    rng = np.random.default_rng(0)
    distilled, full = rng.normal(70, 3, 20_000), rng.normal(85, 2, 20_000)
    found = ratio(distilled, summarise(full))
    assert found.sd == pytest.approx(np.std(100 * distilled / full, ddof=1), rel=0.02)
    alone = ratio(distilled, Summary(85.0, None, 1)).sd
    assert alone is not None
    assert found.sd is not None
    assert found.sd > 1.1 * alone
    assert ratio([70.0], summarise(full)).sd is None  # one distilled score: nothing was repeated


@pytest.mark.parametrize("full", [0.0, -3.0, float("nan")])
def test_a_ratio_to_a_full_score_that_is_not_above_zero_is_refused(full: float) -> None:
    with pytest.raises(UserError, match="the ratio needs one above 0"):
        ratio([1.0], Summary(full, None, 1))


@given(
    a=st.lists(st.floats(0, 100), min_size=2, max_size=8, unique=True),
    b=st.lists(st.floats(0, 100), min_size=2, max_size=8, unique=True),
)
@settings(max_examples=50, deadline=None)
def test_welch_is_scipys_where_both_sides_vary(a: list[float], b: list[float]) -> None:
    if min(np.std(a), np.std(b)) < 1e-3:  # scipy warns of lost digits there
        return
    found, wanted = welch(a, b), stats.ttest_ind(a, b, equal_var=False)
    assert found.difference == pytest.approx(np.mean(a) - np.mean(b), abs=1e-9)
    assert found.t == pytest.approx(wanted.statistic, rel=1e-6, abs=1e-9)
    assert found.df == pytest.approx(wanted.df)
    assert found.p == pytest.approx(wanted.pvalue, rel=1e-5, abs=1e-12)


def test_welch_against_a_constant_side_is_a_one_sample_test() -> None:
    a = [60.0, 61.0, 63.0, 59.5]
    found, wanted = welch(a, [50.0, 50.0, 50.0]), stats.ttest_1samp(a, 50.0)
    assert (found.t, found.df, found.p) == pytest.approx((wanted.statistic, 3, wanted.pvalue))


def test_where_nothing_varies_nothing_was_drawn_and_no_test_says_more() -> None:
    other = welch([0.1] * 3, [0.7] * 3)  # their computed spread is 1e-17, not 0
    assert (other.t, other.df, other.p) == (None, None, None)
    assert welch([0.1 + 0.2] * 3, [0.3] * 3).p is None
    assert paired([1.0, 2.0, 4.0], [0.9, 1.9, 3.9]).p is None
    assert against([70.0, 70.0], 60.0).as_dict() == {"difference": 10.0, "t": None, "df": None, "p": None}


def test_the_paired_test_is_scipys_and_sees_what_welchs_cannot() -> None:
    rng = np.random.default_rng(5)
    luck = rng.normal(70, 5, 12)
    a, b = luck + rng.normal(1, 0.5, 12), luck + rng.normal(0, 0.5, 12)
    found, wanted = paired(a, b), stats.ttest_rel(a, b)
    assert (found.t, found.p, found.df) == (pytest.approx(wanted.statistic), pytest.approx(wanted.pvalue), 11)
    same = difference(a, b, np.random.default_rng(0), same_draws=True)
    assert same.paired
    assert same.test == found
    others = difference(a, b, np.random.default_rng(0))
    assert not others.paired
    assert others.test == welch(a, b)
    assert found.p is not None
    assert found.p < 0.01 < 0.1 < (others.test.p or 0)
    assert same.low is not None
    assert others.low is not None
    assert same.low > 0 > others.low
    assert not difference(a, b[:5], np.random.default_rng(0), same_draws=True).paired  # no partner for each


def test_holm_steps_down_and_leaves_claims_without_a_test_alone() -> None:
    # Holm 1979: the k-th smallest of m is multiplied by m - k + 1, and none falls below one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, None, 0.9]) == [1.0, None, 1.0]
    assert holm([0.04]) == [0.04]
    assert holm([]) == []
    told = corrected({"a - b": {"p": 0.02}, "a - c": {"p": None}, "b - c": {"p": 0.03}})
    assert [claim["p_holm"] for claim in told.values()] == [0.04, None, 0.04]


def test_holm_keeps_false_claims_of_a_whole_table_below_its_level() -> None:
    rng = np.random.default_rng(6)
    wrong = [min(p for p in holm(rng.uniform(size=12).tolist()) if p is not None) < 0.05 for _ in range(2000)]
    assert np.mean(wrong) == pytest.approx(0.05, abs=0.015)


def test_welch_of_a_single_score_has_a_difference_but_no_test() -> None:
    assert welch([70.0], [50.0, 52.0]).as_dict() == {"difference": 19.0, "t": None, "df": None, "p": None}


def test_a_comparison_as_a_dict_keeps_the_leading_digits_of_a_small_p() -> None:
    found = welch([90.0, 90.1, 90.2, 90.1], [50.0, 50.1, 50.2, 50.15]).as_dict()
    assert found["p"] is not None
    assert 0 < found["p"] < 1e-6
    assert found["difference"] == pytest.approx(39.9875)
    assert json.loads(json.dumps(found)) == found


def test_the_bootstrap_interval_of_many_scores_is_scipys_percentile_interval() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(72, 3, 400), rng.normal(70, 2, 300)
    found = bootstrap_difference(a, b, np.random.default_rng(1))
    wanted = stats.bootstrap(
        (a, b),
        lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
        method="percentile",
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert found == pytest.approx((wanted.low, wanted.high), abs=0.03)


@pytest.mark.parametrize(("first", "second"), [(3, 3), (5, 5), (5, 20)])
def test_the_bootstrap_covers_what_it_says_with_few_scores_too(first: int, second: int) -> None:
    # The plain percentile interval of 95% covers 79, 90 and 88% of these.
    rng = np.random.default_rng(7)
    held = [
        low <= 0 <= high
        for low, high in (
            bootstrap_difference(rng.normal(0, 1, first), rng.normal(0, 1, second), rng, resamples=2000)
            for _ in range(500)
        )
    ]
    assert np.mean(held) == pytest.approx(0.95, abs=0.04)
    mean = [bootstrap_mean(rng.normal(2, 1, 5), rng, resamples=2000) for _ in range(500)]
    assert np.mean([low <= 2 <= high for low, high in mean]) == pytest.approx(0.95, abs=0.04)


def test_the_bootstrap_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    intervals = [
        bootstrap_difference(rng.normal(1, 1, 40), rng.normal(0, 1, 40), rng, resamples=400, level=0.8)
        for _ in range(300)
    ]
    assert np.mean([low <= 1 <= high for low, high in intervals]) == pytest.approx(0.8, abs=0.07)


def test_the_bootstrap_repeats_with_its_seed_and_narrows_with_its_level() -> None:
    a, b = [70.0, 72.0, 75.0], [69.0, 68.0, 71.0]
    wide, again = (bootstrap_difference(a, b, np.random.default_rng(4)) for _ in range(2))
    narrow = bootstrap_difference(a, b, np.random.default_rng(4), level=0.5)
    assert wide == again
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_the_bootstrap_of_single_scores_is_their_difference() -> None:
    assert bootstrap_difference([3.0], [1.0], np.random.default_rng(0)) == (2.0, 2.0)


@pytest.mark.parametrize(("resamples", "level"), [(0, 0.95), (10, 0.0), (10, 1.0), (10, 95.0)])
def test_a_bootstrap_without_meaning_is_refused(resamples: int, level: float) -> None:
    with pytest.raises(UserError, match=r"level is in \(0, 1\), resamples at least 1"):
        bootstrap_difference([1.0], [2.0], np.random.default_rng(0), resamples, level)
