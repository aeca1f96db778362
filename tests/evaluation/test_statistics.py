"""Summaries, the distillation ratio, Welch's test and the bootstrap, against scipy and known values."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from textdistill.core.errors import UserError
from textdistill.evaluation.statistics import Summary, bootstrap_difference, ratio, summarise, welch


def test_the_spread_has_n_minus_one_in_the_denominator() -> None:
    found = summarise([1.0, 2.0, 3.0, 4.0])
    assert (found.mean, found.sd, found.n) == pytest.approx((2.5, (5 / 3) ** 0.5, 4))


def test_one_score_has_no_spread() -> None:
    assert summarise([71.5]) == Summary(71.5, 0.0, 1)


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
    assert ratio([78.3], 87.1).mean == pytest.approx(89.9, abs=0.05)
    found = ratio([40.0, 60.0], 80.0)
    assert (found.mean, found.sd, found.n) == pytest.approx((62.5, 200**0.5 / 0.8, 2))


@pytest.mark.parametrize("full", [0.0, -3.0, float("nan")])
def test_a_ratio_to_a_full_score_that_is_not_above_zero_is_refused(full: float) -> None:
    with pytest.raises(UserError, match="the ratio needs one above 0"):
        ratio([1.0], full)


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


def test_welch_of_two_constant_sides_is_certain() -> None:
    other = welch([0.1] * 3, [0.7] * 3)  # their computed spread is 1e-17, not 0
    assert (other.t, other.df, other.p) == (None, None, 0.0)
    equal = welch([0.1 + 0.2] * 3, [0.3] * 3)
    assert (equal.t, equal.df, equal.p) == (None, None, 1.0)


def test_welch_of_a_single_score_has_a_difference_but_no_test() -> None:
    assert welch([70.0], [50.0, 52.0]).as_dict() == {"difference": 19.0, "t": None, "df": None, "p": None}


def test_a_comparison_as_a_dict_keeps_the_leading_digits_of_a_small_p() -> None:
    found = welch([90.0, 90.1, 90.2, 90.1], [50.0, 50.1, 50.2, 50.15]).as_dict()
    assert found["p"] is not None
    assert 0 < found["p"] < 1e-6
    assert found["difference"] == pytest.approx(39.9875)
    assert json.loads(json.dumps(found)) == found


def test_the_bootstrap_interval_is_scipys_percentile_interval() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(72, 3, 20), rng.normal(70, 2, 15)
    found = bootstrap_difference(a, b, np.random.default_rng(1))
    wanted = stats.bootstrap(
        (a, b),
        lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
        method="percentile",
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert found == pytest.approx((wanted.low, wanted.high), abs=0.1)


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
