"""What is chosen on training rows: the wording, the shots and their order, by how likely the right words become."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tests.in_context.models import CLASSES, tiny, words
from textdistill.core.errors import UserError
from textdistill.data.sets.text_set import TextSet
from textdistill.export import Shots, Wording, arrange
from textdistill.in_context import Likelihood, best_wording, choose_shots, validation_scorer
from textdistill.in_context.choose import interleaved

TWO = Wording(CLASSES)


def test_a_prompt_is_as_good_as_the_right_words_are_likely_among_the_label_words() -> None:
    judge, shots, rows = Likelihood(tiny()), words(2), words(5)
    odds = np.exp(judge.in_words(TWO, shots, rows))
    right = odds[np.arange(5), rows.labels] / odds.sum(1)
    told: list[str] = []
    assert validation_scorer(judge, rows, tick=told.append)(shots, TWO) == pytest.approx(np.log(right).mean())
    assert told == ["choosing"]
    with pytest.raises(UserError, match="no rows to judge prompts by"):
        validation_scorer(judge, rows.take([]))


def test_the_best_order_by_a_language_model_is_the_best_of_all_that_compete() -> None:
    scorer, samples = validation_scorer(Likelihood(tiny()), words(4)), words(4)
    seen: list[float] = []

    def heard(shots: TextSet, wording: Wording) -> float:
        seen.append(scorer(shots, wording))
        return seen[-1]

    found = arrange(samples, Shots(order="best", candidates=4), scorer=heard)
    assert len(set(seen)) > 3
    assert scorer(found, TWO) == max(seen)


def test_the_best_wording_is_best_on_average_over_the_sets() -> None:
    wordings = [TWO, Wording(CLASSES, instruction=""), Wording(CLASSES, words=("no", "yes"))]
    liked = {(0, 2): 0.0, (0, 4): 0.0, (1, 2): 5.0, (1, 4): -6.0, (2, 2): 1.0, (2, 4): 0.5}

    def scorer(shots: TextSet, wording: Wording) -> float:
        return liked[wordings.index(wording), len(shots)]

    assert best_wording(scorer, wordings, [words(2), words(4)]) is wordings[2]
    assert best_wording(scorer, wordings, [words(2)]) is wordings[1]
    with pytest.raises(UserError, match="none to choose"):
        best_wording(scorer, [], [words(2)])


def good_words(shots: TextSet, wording: Wording) -> float:
    """Likes every sample that begins with "so", and the longest text last."""
    return sum(text.startswith("so very") for text in shots.texts) + 0.1 * (len(shots.texts[-1]) > 15)


def test_chosen_shots_are_balanced_samples_of_the_pool_and_better_than_any_draw() -> None:
    pool, drawn = words(40), []

    def scorer(shots: TextSet, wording: Wording) -> float:
        drawn.append(good_words(shots, wording))
        return drawn[-1]

    found = choose_shots(pool, 4, scorer, TWO, np.random.default_rng(0), starts=3, budget=40)
    assert len(drawn) == 40
    assert Counter(found.labels.tolist()) == {0: 2, 1: 2}
    assert len(set(found.texts)) == 4
    assert set(found.texts) <= set(pool.texts)
    assert good_words(found, TWO) == max(drawn) > max(drawn[:3])
    again = choose_shots(pool, 4, good_words, TWO, np.random.default_rng(0), starts=3, budget=40)
    assert again.texts == found.texts


def test_where_nothing_can_change_the_search_ends() -> None:
    assert choose_shots(words(1), 1, good_words, TWO, np.random.default_rng(0)).texts == words(1).texts
    for told, settings in (("3 shots asked, but the pool has 2", {"k": 3}), ("2 starts, 1 prompts", {"budget": 1})):
        with pytest.raises(UserError, match=told):
            choose_shots(words(2), **{"k": 1, "starts": 2, **settings}, scorer=good_words, wording=TWO, rng=None)  # type: ignore[arg-type]


def test_interleaved_takes_the_classes_in_turn() -> None:
    samples = TextSet(list("abcdef"), np.array([1, 1, 1, 0, 0, 1]), CLASSES)
    assert interleaved(samples, 4).tolist() == [3, 0, 4, 1]
