"""Which samples become demonstrations: balance, order, budget, and the best order by somebody's judgement."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.export.samples import plain
from textdistill.core.errors import UserError
from textdistill.data.sets.text_set import TextSet
from textdistill.export import Shots, Wording, arrange
from textdistill.export.shots import balanced


def set_of(labels: list[int], classes: int = 3) -> TextSet:
    return TextSet([f"t{place}" for place in range(len(labels))], np.array(labels), tuple("abc"[:classes]))


def words(text: str) -> int:
    return len(text.split())


def test_all_samples_as_they_stand_unless_told_otherwise() -> None:
    assert arrange(set_of([2, 0, 0, 1]), Shots()).texts == ["t0", "t1", "t2", "t3"]


def test_k_is_in_total_and_takes_from_the_classes_in_turn() -> None:
    samples = set_of([0, 0, 0, 0, 1, 1, 2, 2])
    assert arrange(samples, Shots(k=5)).texts == ["t0", "t1", "t4", "t5", "t6"]


def test_a_class_that_runs_out_leaves_its_turns_to_the_others() -> None:
    assert Counter(arrange(set_of([0, 0, 0, 0, 1]), Shots(k=4)).labels.tolist()) == {0: 3, 1: 1}


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(labels=st.lists(st.integers(0, 2), min_size=1, max_size=12), k=st.integers(1, 12))
def test_no_class_has_two_more_than_one_that_still_has_samples(labels: list[int], k: int) -> None:
    samples, k = set_of(labels), min(k, len(labels))
    rows = balanced(samples, k)
    assert len(rows) == k == len(set(rows))
    assert set(balanced(samples, k - 1)) <= set(rows)
    have, taken = Counter(labels), Counter(labels[row] for row in rows)
    short = [name for name in have if taken[name] < have[name]]
    assert all(taken[name] <= taken[other] + 1 for name in have for other in short)


def test_interleaved_is_the_classes_in_turn() -> None:
    assert arrange(set_of([0, 0, 1, 1, 1]), Shots(order="interleaved")).labels.tolist() == [0, 1, 0, 1, 1]


def test_shuffled_is_the_same_by_the_same_seed_and_the_same_samples_by_any() -> None:
    samples = plain(8)
    first, again, other = (arrange(samples, Shots(k=6, order="shuffled", seed=seed)).texts for seed in (0, 0, 1))
    assert first == again != other
    assert sorted(first) == sorted(other) == samples.texts[:6]


def test_best_is_the_order_that_the_scorer_likes_most() -> None:
    seen: list[list[str]] = []

    def likes_t3_first(samples: TextSet, wording: Wording) -> float:
        assert wording.prefix(samples).count("\nLabel:") == 4
        seen.append(samples.texts)
        return float(samples.texts[0] == "t3")

    found = arrange(set_of([0, 0, 1, 1]), Shots(order="best", candidates=20), scorer=likes_t3_first)
    assert found.texts[0] == "t3"
    assert seen[:2] == [["t0", "t1", "t2", "t3"], ["t0", "t2", "t1", "t3"]]
    assert len({tuple(one) for one in seen}) == len(seen)


def test_of_equally_good_orders_the_first_is_taken() -> None:
    samples = set_of([0, 0, 1, 1])
    assert arrange(samples, Shots(order="best"), scorer=lambda samples, wording: 0.5).texts == samples.texts


@pytest.mark.parametrize("order", ["as_selected", "interleaved", "shuffled"])
@pytest.mark.parametrize("budget", [20, 21, 27, 40, 1000])
def test_a_budget_takes_as_many_as_fit_and_no_fewer(order: str, budget: int) -> None:
    samples = plain(12)
    shots = Shots(order=order, token_budget=budget, tokenizer="words")  # type: ignore[arg-type]
    found = arrange(samples, shots, words)
    wording = shots.wording(samples)
    assert words(wording.prefix(found)) <= budget
    if len(found) < len(samples):
        more = arrange(samples, Shots(k=len(found) + 1, order=order))  # type: ignore[arg-type]
        assert words(wording.prefix(more)) > budget


def test_a_budget_lowers_k_and_never_raises_it() -> None:
    assert len(arrange(plain(12), Shots(k=2, token_budget=1000, tokenizer="words"), words)) == 2


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"k": 13}, "k: 13 shots asked, but the set has 12 samples"),
        ({"k": 0}, "k: 0; allowed: 1 or more"),
        ({"order": "shufled"}, r"order: 'shufled'; allowed: .*did you mean 'shuffled'"),
        ({"labels": "softer"}, r"labels: 'softer'; allowed: hard, soft, weights \(did you mean 'soft'"),
        ({"order": "best"}, "best needs a language model"),
        ({"token_budget": 100}, "counted by the model's tokenizer"),
        ({"tokenizer": "words"}, "counted by the model's tokenizer"),
        ({"token_budget": 9, "tokenizer": "words"}, "the instruction and one shot take 15 tokens: allow more"),
    ],
)
def test_a_choice_that_cannot_be_made_is_told_in_a_line(settings: dict[str, object], fault: str) -> None:
    with pytest.raises(UserError, match=fault) as caught:
        arrange(plain(12), Shots(**settings), words)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_an_empty_set_has_nothing_to_export() -> None:
    with pytest.raises(UserError, match="no samples"):
        arrange(set_of([]), Shots())
