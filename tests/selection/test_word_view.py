"""Searches may see texts by their words as well: TF-IDF in the directions in which the training texts differ most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from textdistill.core.streams import Streams
from textdistill.data import TextTable
from textdistill.data.sets.text_set import TextSet
from textdistill.evaluation.traditional import tfidf_logistic
from textdistill.learners.word_counts import word_counts
from textdistill.recipe.text_settings import Choose
from textdistill.runs.readable.choose import Chooser
from textdistill.selection.candidates import Candidates
from textdistill.selection.methods.search_real import SearchReal
from textdistill.selection.search_settings import SearchSettings
from textdistill.selection.word_view import WordSpace

TEXTS = ["a fine film", "a fine cast", "what a dull plot", "a dull film", "the cast is dull", "a plot so fine"]
CLASSES = ("bad", "good")
STREAMS = Streams(0)


def space(texts: list[str]) -> WordSpace:
    found = WordSpace.of(texts)
    assert found is not None
    return found


def test_texts_are_unit_vectors_and_those_that_share_words_lie_near() -> None:
    features = space(TEXTS).features(["fine", "a fine film", "a dull plot"])
    assert torch.allclose(features.norm(dim=1), torch.ones(3))
    assert features[0] @ features[1] > features[0] @ features[2]


def test_all_its_directions_keep_the_likeness_of_whole_tfidf_rows() -> None:
    found = space(TEXTS)
    rows = torch.from_numpy(found.weighting.transform(word_counts(TEXTS)[:, found.columns]).toarray())
    features = found.features(TEXTS)
    assert torch.allclose(features @ features.T, rows @ rows.T, atol=1e-5)


def test_a_word_that_one_training_text_has_is_no_word_of_the_space() -> None:
    assert torch.equal(space(TEXTS).features(["so", "unheard of"]), torch.zeros(2, 6))


def test_texts_that_share_no_word_have_no_space_and_look_alike() -> None:
    texts = ["one", "two", "", "…"]
    assert WordSpace.of(texts) is None
    seen = Candidates(np.array([0, 1, 0, 1]), CLASSES, lambda: [torch.eye(4)], read=lambda: texts)
    assert torch.equal(seen.words, torch.zeros(4, 1))
    chosen = SearchReal(search=SearchSettings(words=1.0)).choose(seen, [1, 1], STREAMS, 0)
    assert sorted(seen.labels[chosen]) == [0, 1]


def telling_by_words() -> Candidates:
    """Rows that an encoder cannot tell apart, of which every third says its class in a word of its own."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    fillers = [" ".join(rng.choice(["it", "was", "then", "there", "and", "so"], 4)) for _ in labels]
    said = zip(fillers, labels, np.arange(60) % 3 == 0, strict=True)
    texts = [f"{filler} {CLASSES[label]}" if tells else filler for filler, label, tells in said]
    return Candidates(labels, CLASSES, lambda: [torch.ones(60, 4) / 2], read=lambda: texts)


def taught(texts: Sequence[str], labels: Sequence[int]) -> float:
    """Percent of the rows that tell their class which TF-IDF learns to classify from these texts."""
    rows = telling_by_words()
    assert rows.read is not None
    asked = [(text, label) for text, label in zip(rows.read(), rows.labels, strict=True) if CLASSES[label] in text]
    wanted = np.array([label for _, label in asked])
    return tfidf_logistic(texts, np.asarray(labels), [text for text, _ in asked], wanted, seed=0)["accuracy"]


def test_some_of_the_rows_are_seen_as_they_were_among_all() -> None:
    seen, rows = telling_by_words(), np.array([4, 1, 9])
    assert torch.equal(seen.only(rows).words, seen.words[torch.from_numpy(rows)])


def test_what_was_written_is_seen_in_the_space_of_the_training_texts() -> None:
    real = Candidates(np.zeros(6, dtype=np.int64), CLASSES, lambda: [], read=lambda: TEXTS)
    written = Candidates(np.zeros(1, dtype=np.int64), CLASSES, lambda: [], real, read=lambda: ["a fine plot"])
    assert torch.equal(written.words, space(TEXTS).features(["a fine plot"]))


def test_words_of_rows_without_texts_are_a_fault_of_ours() -> None:
    with pytest.raises(ValueError, match="no texts"):
        _ = Candidates(np.zeros(1, dtype=np.int64), CLASSES, lambda: []).words


@pytest.mark.parametrize("method", ["search_real", "ours"])
def test_searches_that_see_words_find_sets_that_teach_them(method: str) -> None:
    seen = telling_by_words()
    assert seen.read is not None
    train = TextTable("own", CLASSES, list(seen.read()), None, seen.labels)
    pool = TextSet([f"{text} indeed" for text in train.texts], seen.labels, CLASSES)

    def by(words: float) -> float:
        search = SearchSettings(sharpness=2.0, words=words)
        choose = Choose(sizes=(2,), size=2, sets=4, over=30, consistent=False, views=("blind",), search=search)
        chooser = Chooser(train, {"matched": pool}, choose, lambda name, of, pairs: torch.ones(len(of), 4) / 2, STREAMS)
        return float(np.mean([taught(chosen.texts, chosen.labels.tolist()) for chosen in chooser.sets(method, 2)]))

    assert by(0.5) > by(0.0) + 5  # by the encoder alone, any rows are as good
