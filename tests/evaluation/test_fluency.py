"""Fluency: the perplexity is the model's own over real tokens, the other figures can be counted by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from textdistill.core.errors import UserError
from textdistill.data.sets.text_set import TextSet
from textdistill.data.table import TextTable
from textdistill.evaluation import fluency as room
from textdistill.evaluation.fluency import distinct, fluency, log_losses, perplexity


@dataclass
class Tiny:
    """A GPT-2 of random weights that reads letters."""

    model: Any
    tokenizer: Any
    name: str = "tiny"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    from transformers import GPT2Config, GPT2LMHeadModel, GPT2Tokenizer

    folder: Path = tmp_path_factory.mktemp("tiny")
    letters = ["<|endoftext|>", *"abcdefghijklmnopqrstuvwxyz.", "Ġ", "Ċ"]
    (folder / "vocab.json").write_text(json.dumps({letter: place for place, letter in enumerate(letters)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = GPT2Tokenizer.from_pretrained(folder)
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=len(letters), n_positions=64, n_embd=16, n_layer=1, n_head=2, bos_token_id=0)
    return Tiny(GPT2LMHeadModel(config).eval().requires_grad_(False), tokenizer)


TEXTS = ["a dull film", "ok", "", "it moves and it is funny."]


def test_a_texts_loss_is_the_models_own_whatever_is_scored_beside_it(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "TOKENS_AT_ONCE", 40)
    losses, counts = log_losses(TEXTS, tiny)
    assert counts.tolist() == [len(text) for text in TEXTS]
    for text, loss in zip(TEXTS, losses, strict=True):
        ids = torch.tensor([[0, *tiny.tokenizer(text)["input_ids"]]])
        each = torch.log_softmax(tiny.model(ids).logits[0, :-1], 1).gather(1, ids[0, 1:, None])
        assert loss == pytest.approx(-float(each.sum()), abs=1e-4)
    assert perplexity(TEXTS, tiny) == pytest.approx(np.exp(losses.sum() / counts.sum()))
    monkeypatch.setattr(room, "LONGEST", 5)
    assert log_losses(TEXTS, tiny)[1].tolist() == [5, 2, 0, 5]
    assert perplexity([], tiny) == 1


@pytest.mark.parametrize(
    ("vocabulary", "begins", "ends", "start"),
    [({"<|endoftext|>": 0}, 1, 2, 0), ({}, 1, 2, 1), ({}, None, 2, 2)],
    ids=["between documents", "of beginning", "of end"],
)
def test_a_text_is_read_as_a_document_of_its_own(
    tiny: Tiny, vocabulary: dict[str, int], begins: int | None, ends: int, start: int
) -> None:
    class Names:
        bos_token_id, eos_token_id = begins, ends

        def get_vocab(self) -> dict[str, int]:
            return vocabulary

        def __call__(self, *args: object, **settings: object) -> object:
            return tiny.tokenizer(*args, **settings)

    ids = torch.tensor([[start, *tiny.tokenizer("a dull film")["input_ids"]]])
    each = torch.log_softmax(tiny.model(ids).logits[0, :-1], 1).gather(1, ids[0, 1:, None])
    losses = log_losses(["a dull film"], Tiny(tiny.model, Names()))[0]
    assert losses[0] == pytest.approx(-float(each.sum()), abs=1e-4)


def test_distinct_counts_different_words_and_bigrams() -> None:
    tokens = [["a", "b", "a", "b"], ["a"]]
    assert distinct(tokens, 1) == 2 / 5
    assert distinct(tokens, 2) == 2 / 3
    assert distinct([[]], 2) == 0


def of(*texts: str) -> TextSet:
    return TextSet(list(texts), np.zeros(len(texts), np.int64), ("a", "b"))


TRAIN = TextTable("train", ("a", "b"), ["a dull film", "it moves me", "never again"], None, np.array([0, 1, 0]))


class Lengths:
    """An "encoder" whose vector of a text is its length."""

    def features(self, texts: list[str], pairs: list[str] | None = None) -> Tensor:
        seconds = [""] * len(texts) if pairs is None else pairs
        return torch.tensor([[float(len(a) + len(b))] for a, b in zip(texts, seconds, strict=True)])


def test_every_figure_is_over_sets(tiny: Tiny) -> None:
    sets = [of("a dull film", "It  moves me", "it moves me!", "never"), of("so so so so")]
    found = fluency(sets, TRAIN, model=tiny)
    assert found["words"] == {"mean": 3.375, "sd": pytest.approx(0.8839, abs=1e-4), "n": 2}
    assert found["exact_copies"]["mean"] == 25
    assert found["near_copies"]["mean"] == 37.5
    assert found["distinct_1"]["mean"] == pytest.approx(100 * (8 / 11 + 1 / 4) / 2, abs=0.01)
    assert found["distinct_2"]["mean"] == pytest.approx(100 * (5 / 7 + 1 / 3) / 2, abs=0.01)
    each = [perplexity(one.texts, tiny) for one in sets]
    assert found["perplexity"]["mean"] == pytest.approx(np.mean(each), abs=1e-3)
    assert (found["language_model"], found["perplexity"]["n"]) == ("tiny", 2)


def test_without_a_model_or_an_encoder_their_figures_are_left_out() -> None:
    found = fluency([of("a dull film")], TRAIN)
    assert list(found) == ["words", "distinct_1", "distinct_2", "exact_copies", "near_copies"]
    held_out = TextTable("held", ("a", "b"), ["x" * 40, "y" * 50, "z" * 60], None, np.array([0, 1, 0]))
    found = fluency([of("a dull film"), of("no")], TRAIN, held_out=held_out, encoder=Lengths())
    assert (found["membership"]["nearer_train"], found["membership"]["expected"]) == (100, 50)
    assert found["held_out_near_copies"] == 0
    with pytest.raises(UserError, match="no samples to look at"):
        fluency([], TRAIN)


def test_both_texts_of_a_pair_count() -> None:
    train = TextTable("train", ("a", "b"), ["one two"], ["three four"], np.array([0]))
    one = TextSet(["one two"], np.array([0]), ("a", "b"), pairs=["three four"])
    found = fluency([one], train, held_out=train, encoder=Lengths())
    assert (found["words"]["mean"], found["exact_copies"]["mean"]) == (4, 100)
    assert found["membership"]["train_distance"] == 0
