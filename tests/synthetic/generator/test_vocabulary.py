"""Texts become tokens and come back as they were; what a text says is never a token with a meaning of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.synthetic.generator.small import SETTINGS, STREAMS, fresh, pretrained_folder, table
from textdistill.core.errors import DataError, UserError
from textdistill.synthetic.generator import GeneratorSettings, Sentences, Vocabulary, build_generator

ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SAYING = ("<sep>", "<bos_0>", "<eos>", "a <sep> b <bos_1>", "<|endoftext|> <|end|>")


def unbounded(pairs: bool) -> Vocabulary:
    return Vocabulary.learn(table(pairs=pairs), 300, 1000)


SINGLE, PAIRED = unbounded(False), unbounded(True)


@settings(max_examples=60, deadline=None)
@given(st.lists(ANY, min_size=1, max_size=4))
def test_any_text_comes_back_as_it_was(texts: list[str]) -> None:
    assert SINGLE.decode(SINGLE.encode(texts, None, [0] * len(texts))) == (texts, None)
    other = texts[::-1]
    assert PAIRED.decode(PAIRED.encode(texts, other, [1] * len(texts))) == (texts, other)


@pytest.mark.parametrize("text", SAYING)
def test_what_a_text_says_is_no_special_token(text: str, tmp_path: Path) -> None:
    given = GeneratorSettings(model=str(pretrained_folder(tmp_path)))
    own = build_generator(given, table(pairs=True), STREAMS).vocabulary
    for vocabulary in (PAIRED, own):
        row = vocabulary.encode([text], [text], [0]).ids[0]
        assert int((row >= vocabulary.base).sum()) == (2 if vocabulary.own_eos else 3)
        assert int((row == vocabulary.eos).sum()) == 1
        assert vocabulary.decode(vocabulary.encode([text], [text], [0])) == ([text], [text])


def test_a_row_is_its_class_its_sentences_and_an_end() -> None:
    def tokens(text: str) -> list[int]:
        return list(PAIRED.tokenizer.encode(text).ids)

    found = PAIRED.encode(["a film", "one that is longer"], ["dull", "not"], [1, 0])
    row = [PAIRED.bos(1), *tokens("a film"), PAIRED.sep, *tokens("dull"), PAIRED.eos]
    assert found.ids[0, : len(row)].tolist() == row
    assert found.mask[0].tolist() == [True] * len(row) + [False] * (found.ids.shape[1] - len(row))
    assert found.lengths[0] == len(row) - 1
    assert found.labels.tolist() == [1, 0]


def test_every_token_is_one_of_them_and_only_parts_of_texts_are_sayable() -> None:
    special = [PAIRED.bos(0), PAIRED.bos(1), PAIRED.sep, PAIRED.eos]
    assert sorted(special) == list(range(PAIRED.base, PAIRED.size))
    assert PAIRED.sayable.sum() == PAIRED.base
    assert not PAIRED.sayable[special].any()


def test_of_a_pair_that_is_too_long_the_longer_sentence_is_cut_first() -> None:
    vocabulary = Vocabulary.learn(table(pairs=True), 256, 11)  # 8 for letters
    long, short = "abcdefghij", "xyz"
    for first, second, kept in (
        (long, short, ("abcde", short)),
        (short, long, (short, "abcde")),
        (long, long, ("abcd", "abcd")),
        (short, short, (short, short)),
    ):
        row = vocabulary.encode([first], [second], [0])
        assert vocabulary.decode(row) == ([kept[0]], [kept[1]])
        assert row.ids[0, row.lengths[0]] == vocabulary.eos


def test_what_is_usual_is_what_99_percent_of_the_rows_do_not_exceed() -> None:
    lengths = SINGLE.encode_table(table()).lengths.numpy()
    assert (lengths <= SINGLE.usual).mean() >= 0.99 > (lengths < SINGLE.usual).mean()


def test_the_same_texts_give_the_same_vocabulary() -> None:
    assert unbounded(False).tokenizer.to_str() == SINGLE.tokenizer.to_str()


def test_rows_are_taken_without_needless_padding_and_joined() -> None:
    rows = SINGLE.encode_table(table())
    short, long = int(rows.lengths.argmin()), int(rows.lengths.argmax())
    assert rows.take([short]).ids.shape == (1, 1 + int(rows.lengths.min()))
    joined = Sentences.join([rows.take([short]), rows.take([long, short])])
    expected = rows.take([short, long, short])
    assert torch.equal(joined.ids, expected.ids)
    assert torch.equal(joined.mask, expected.mask)
    assert torch.equal(joined.labels, expected.labels)


def test_new_tokens_of_a_pretrained_model_begin_at_the_mean_of_the_old_ones(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    folder = pretrained_folder(tmp_path)
    old = AutoModelForCausalLM.from_pretrained(folder)
    generator = build_generator(GeneratorSettings(model=str(folder)), table(), STREAMS)
    layers = (
        (old.get_input_embeddings(), generator.model.get_input_embeddings()),
        (old.get_output_embeddings(), generator.model.get_output_embeddings()),
    )
    for before, after in layers:
        assert len(after.weight) == generator.vocabulary.size == generator.vocabulary.base + 3
        assert torch.equal(after.weight[: len(before.weight)], before.weight)
        torch.testing.assert_close(after.weight[-1], before.weight.mean(0))
    assert all(value.requires_grad for value in generator.parameters().values())
    special = generator.vocabulary.tokenizer.token_to_id("<|start|>")
    assert not generator.vocabulary.sayable[[special, generator.vocabulary.base - 1]].any()


def test_a_pretrained_model_reads_no_further_than_it_has_positions(tmp_path: Path) -> None:
    generator = build_generator(GeneratorSettings(model=str(pretrained_folder(tmp_path))), table(), STREAMS)
    assert generator.vocabulary.longest == 64


def test_mistakes_are_told() -> None:
    with pytest.raises(DataError, match="2 texts with 1 labels"):
        SINGLE.encode(["a", "b"], None, [0])
    with pytest.raises(DataError, match="rows with one sentence; a second"):
        SINGLE.encode(["a"], ["b"], [0])
    with pytest.raises(DataError, match="two sentences; none"):
        PAIRED.encode(["a"], None, [0])
    with pytest.raises(DataError, match="label 2; allowed: 0 to 1"):
        SINGLE.encode(["a"], None, np.array([2]))
    with pytest.raises(UserError, match=r"width: 30; allowed: a multiple of heads \(4\).*dropout: 2"):
        build_generator(GeneratorSettings(width=30, dropout=2.0), table(), STREAMS)


def test_what_is_built_depends_on_the_streams_alone() -> None:
    before = torch.random.get_rng_state()
    again = build_generator(SETTINGS, table(), STREAMS).parameters()
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(value, again[name]) for name, value in fresh().parameters().items())
