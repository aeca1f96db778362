"""Methods beside each other: the same orders for all, zero-shot as one number, differences over sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from tests.in_context.models import CLASSES, tiny, words
from textdistill.core.errors import UserError
from textdistill.core.streams import Streams
from textdistill.data.sets.text_set import TextSet
from textdistill.data.table import TextTable
from textdistill.evaluation.scores import score
from textdistill.evaluation.text_scores import Cell
from textdistill.export import Wording
from textdistill.in_context import InContext, Likelihood, Prompting, judge_prompts, opponents, rounds

TWO = Wording(CLASSES)
ROWS = words(7)


class Heard:
    """A language model of no weights that remembers what it was asked, and calls the first row's class."""

    def __init__(self) -> None:
        self.shown: list[list[str]] = []
        self.worded: list[Wording] = []

    def in_words(self, wording: Wording, shots: TextSet, rows: TextSet, *, calibration: Any = None) -> np.ndarray:
        self.shown.append(shots.texts)
        self.worded.append(wording)
        right = np.eye(2)[rows.labels]
        right[: len(self.shown) % 3] = 0  # ties: the first class
        return right


def judged(sets: dict[str, list[TextSet]], prompting: Prompting, judge: Any = None, **more: Any) -> InContext:
    return judge_prompts(sets, judge or Heard(), more.pop("wordings", [TWO]), ROWS, prompting, **more)


def test_every_prompt_is_scored_as_the_model_alone_would() -> None:
    judge = Likelihood(tiny())
    found = judged({"a": [words(4)]}, Prompting(k=4, order="interleaved"), judge)
    for method, shots in (("zero_shot", words(4).take([])), ("a", words(4))):
        wanted = score(("accuracy", "macro_f1"), judge.in_words(TWO, shots, ROWS).argmax(1), ROWS.labels)
        assert found.cells[method].scores == ((wanted,),)


def test_all_methods_meet_the_same_random_orders_of_k_balanced_samples() -> None:
    judge, told = Heard(), []
    prompting = Prompting(k=3, orders=4)
    sets = {"a": [words(8), words(4)], "b": [words(6)]}
    found = judged(sets, prompting, judge, tick=told.append, streams=Streams(3))
    first, again = judge.shown[1:5], judge.shown[9:13]
    assert first == again  # the same three texts: the same orders
    assert {tuple(sorted(one)) for one in first} == {tuple(sorted(words(3).texts))}
    assert len({tuple(one) for one in first}) > 1
    assert told == ["zero_shot"] + ["a"] * 8 + ["b"] * 4
    assert rounds([2, 1], prompting) == len(told)
    assert [len(orders) for orders in found.cells["a"].scores] == [4, 4]
    assert found.shots == {"zero_shot": 0, "a": 3, "b": 3}
    assert judged(sets, prompting, Heard(), streams=Streams(3)).as_dict() == found.as_dict()


def test_the_best_order_is_looked_for_on_the_scorers_rows_alone() -> None:
    judge, tried = Heard(), []

    def scorer(shots: TextSet, wording: Wording) -> float:
        tried.append(shots.texts)
        return float(shots.texts[-1] == words(4).texts[0])

    prompting = Prompting(k=4, orders=6, order="best")
    judged({"a": [words(4)]}, prompting, judge, scorer=scorer)
    assert tried[0] == words(4).texts
    assert len(tried) == 7
    assert judge.shown[0] == []
    assert judge.shown[1][-1] == words(4).texts[0]
    assert rounds([1], prompting) == len(tried) + len(judge.shown)


def test_each_method_is_worded_as_suits_it_on_training_rows() -> None:
    other = Wording(CLASSES, template="{{ text }} is {{ label }}")
    judge, asked = Heard(), []

    def scorer(shots: TextSet, wording: Wording) -> float:
        asked.append(len(shots))
        return float((wording is other) == (len(shots) > 0))

    prompting = Prompting(k=2, order="interleaved")
    found = judged({"a": [words(2)] * 3}, prompting, judge, wordings=[TWO, other], scorer=scorer)
    assert [wording is other for wording in judge.worded] == [False, True, True, True]
    assert found.templates["a"] == other.template
    assert found.templates["zero_shot"] == TWO.template
    assert rounds([3], prompting, wordings=2) == len(asked) + len(judge.shown)


def cell(*sets: Sequence[float]) -> Cell:
    return Cell(tuple(tuple({"accuracy": one, "macro_f1": one / 2} for one in orders) for orders in sets))


def table() -> InContext:
    cells = {"zero_shot": cell([60]), "a": cell([70, 74], [75, 77], [65, 69]), "b": cell([60, 62], [64, 66], [61, 61])}
    return InContext(cells, dict.fromkeys(cells, "t"), dict.fromkeys(cells, 2))


def test_sets_are_compared_and_orders_averaged_within_them() -> None:
    found = table().compare("a", "b")
    wanted = stats.ttest_ind([72, 76, 67], [61, 65, 61], equal_var=False)
    assert found.test.p == pytest.approx(wanted.pvalue)
    assert found.low is not None
    assert found.low < found.test.difference < (found.high or 0)
    told = table().as_dict()["a"]["accuracy"]
    assert (told["mean"], told["n"], told["orders"]) == (pytest.approx(71.6667), 3, 2)
    assert told["sd"] == pytest.approx(np.std([72, 76, 67], ddof=1), abs=1e-4)
    assert told["sd_orders"] == pytest.approx(np.sqrt((8 + 2 + 8) / 3), abs=1e-4)


def test_zero_shot_is_a_number_that_sets_are_tested_against() -> None:
    found = table().compare("a", "zero_shot", "macro_f1")
    wanted = stats.ttest_1samp([36, 38, 33.5], 30)
    assert (found.test.t, found.test.p) == (pytest.approx(wanted.statistic), pytest.approx(wanted.pvalue))
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.test.difference < found.high
    assert found.high - found.low > 38 - 33.5  # of three sets
    steady = InContext({"a": cell([70], [70]), "zero_shot": cell([60])}, {}, {}).compare("a", "zero_shot")
    assert (steady.test.difference, steady.test.p, steady.low) == (10, None, 10)
    with pytest.raises(UserError, match="'zeroshot' was not judged.*did you mean 'zero_shot'"):
        table().compare("a", "zeroshot")


@pytest.mark.parametrize(
    ("sets", "more", "fault"),
    [
        ({"a": [words(3)]}, {"k": 4}, "a: k is 4, but one of its sets has 3 samples"),
        ({"a": [words(4, pairs=True)]}, {"k": 2}, "its samples are pairs, the rows asked about single texts"),
        ({"a": [words(4, ("x", "y"))]}, {"k": 2}, "class 'x' is unknown"),
        ({"a": []}, {"k": 2}, "a: every method needs at least one set"),
        ({"a": [words(4)]}, {"k": 2, "order": "best"}, "needs training rows to judge by"),
        ({}, {"order": "bst"}, "order: 'bst'; allowed: shuffled, interleaved, best .did you mean 'best'"),
        ({}, {"orders": 0}, "orders: 0; allowed: 1 or more"),
    ],
)
def test_what_cannot_be_judged_is_told_in_a_line(
    sets: dict[str, list[TextSet]], more: dict[str, Any], fault: str
) -> None:
    with pytest.raises(UserError, match=fault) as caught:
        judged(sets, Prompting(**more))
    assert "\n" not in str(caught.value)


class Lengths:
    """An "encoder" whose vector of a text is its length."""

    def features(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> Tensor:
        return torch.tensor([[float(len(text))] for text in texts])


def train(n: int = 30) -> TextTable:
    rows = words(n)
    return TextTable(
        "reviews", CLASSES, [f"{place} {text}" for place, text in enumerate(rows.texts)], None, rows.labels
    )


def test_opponents_are_real_rows_balanced_but_for_dspy_s() -> None:
    found = opponents(("random", "k_centers", "labelled_few_shot"), train(), 5, 8, Streams(0), Lengths)
    assert {name: len(sets) for name, sets in found.items()} == dict.fromkeys(found, 8)
    for name in ("random", "k_centers"):
        assert all(Counter(one.labels.tolist()) == {0: 3, 1: 3} for one in found[name])
    assert all(len(set(one.texts)) == 5 and set(one.texts) <= set(train().texts) for one in found["labelled_few_shot"])
    assert len({int(one.labels.sum()) for one in found["labelled_few_shot"]}) > 1
    fewer = opponents(("labelled_few_shot",), train(), 5, 2, Streams(0))["labelled_few_shot"]
    assert [one.texts for one in fewer] == [one.texts for one in found["labelled_few_shot"][:2]]


def test_opponents_that_cannot_be_drawn_are_told() -> None:
    with pytest.raises(UserError, match=r"opponent 'randm' is unknown \(did you mean 'random'\?\)"):
        opponents(("randm",), train(), 2, 1, Streams(0))
    with pytest.raises(UserError, match="k_centers needs an encoder"):
        opponents(("k_centers",), train(), 2, 1, Streams(0))
    with pytest.raises(UserError, match="40 shots asked, but there are 30 training rows"):
        opponents(("labelled_few_shot",), train(), 40, 1, Streams(0))
