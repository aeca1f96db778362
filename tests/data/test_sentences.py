"""The first sentences of a text."""

from __future__ import annotations

import pytest

from textdistill.core.errors import DataError
from textdistill.data import DataSettings, load
from textdistill.data.sentences import first_sentences


@pytest.mark.parametrize(
    ("text", "count", "first"),
    [
        ("A film. It is dull.", 1, "A film."),
        ("A film. It is dull. Really!", 2, "A film. It is dull."),
        ("No end here", 1, "No end here"),
        ("Mr. Smith went to Washington. He won.", 1, "Mr. Smith went to Washington."),
        ("It has J. K. Rowling in it. Good.", 1, "It has J. K. Rowling in it."),
        ('He said "Go!" Then he went.', 1, 'He said "Go!"'),
        ("What?! Yes.", 1, "What?!"),
        ("Rated 3.5 of 5. Good.", 1, "Rated 3.5 of 5."),
        ("Broken<br /><br />in two. Second.", 1, "Broken in two."),
        ("one. two. three.", 1, "one. two. three."),  # no capital follows: these may be anything
    ],
)
def test_sentences_end_at_punctuation_before_a_capital(text, count, first):
    assert first_sentences(text, count) == first


def test_data_can_be_cut_to_their_first_sentences_and_are_other_data_then():
    whole = load(DataSettings(name="imdb"))
    cut = load(DataSettings(name="imdb", sentences=1))
    assert max(map(len, cut.test.texts)) < max(map(len, whole.test.texts))
    assert cut.fingerprint != whole.fingerprint
    assert all("<br" not in text for text in cut.train.texts)


def test_a_number_of_sentences_below_one_is_refused():
    with pytest.raises(DataError, match="sentences: 0; allowed: 1 or more"):
        load(DataSettings(name="imdb", sentences=0))
