"""Packed texts: the vectors of the library's own forward on each text alone, whatever the lengths and the model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from tests.learners import models
from textdistill.learners.pooling import pooled
from textdistill.learners.pretrained.encoder_files import PACKAGED, load_model
from textdistill.learners.pretrained.frozen_encoder import Encoder
from textdistill.learners.pretrained.packed_tokens import can_pack

RAGGED = [
    "film",
    "",
    "the plot makes no sense , and the film makes no sense .",
    "dull",
    "a moving , funny film .",
    "film",
    "no " * 60,
    "funny",
]
QUESTIONS = [
    "What is an atom ?",
    "",
    "How did serfdom develop in and then leave Russia ?",
    "Why ?",
    "What is an atom ?",
    "word " * 400,
    "Quel café — ünïcödé 你好 ?",
]


def alone(encoder: Encoder, texts: list[str], pairs: list[str] | None = None) -> torch.Tensor:
    """One text at a time through the library's forward with its own attention."""
    tokenizer, model = load_model(encoder.name, encoder.folder)
    out = []
    for row, text in enumerate(texts):
        second = None if pairs is None else [pairs[row]]
        tokens = tokenizer([text], second, truncation=True, max_length=encoder.longest, return_tensors="pt")
        with torch.no_grad():
            states = model(**tokens).last_hidden_state
        out.append(F.normalize(pooled(states, tokens["attention_mask"].bool(), encoder.pool), dim=1))
    return torch.cat(out)


@pytest.mark.parametrize("tokens", [1, 9, 2048])
@pytest.mark.parametrize("pool", ["mean", "cls", "last"])
@pytest.mark.parametrize("name", ["bert", "roberta", "distilbert"])
def test_ragged_texts_and_pairs_are_as_each_one_alone(name: str, pool: str, tokens: int, tmp_path: Path) -> None:
    folder = models.bert() if name == "bert" else models.other(name)
    encoder = Encoder(folder, cache=tmp_path, pool=pool, tokens=tokens)
    assert can_pack(load_model(folder, encoder.folder)[1]) == (name != "distilbert")
    torch.testing.assert_close(encoder.features(RAGGED), alone(encoder, RAGGED), atol=1e-5, rtol=0)
    others = RAGGED[::-1]
    torch.testing.assert_close(encoder.features(RAGGED, others), alone(encoder, RAGGED, others), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["gpt2", "xlnet"])
def test_models_that_cannot_be_packed_are_padded(name: str, tmp_path: Path) -> None:
    encoder = Encoder(models.other(name), cache=tmp_path, tokens=20)
    assert not can_pack(load_model(name, encoder.folder)[1])
    texts = [text[:60] for text in RAGGED if text]
    torch.testing.assert_close(encoder.features(texts), alone(encoder, texts), atol=1e-5, rtol=0)
    if name == "gpt2":  # of no tokens at all
        assert torch.equal(encoder.features(["", "film"]).norm(dim=1) > 0.5, torch.tensor([False, True]))


def test_the_packaged_encoder_is_as_the_library_has_it(tmp_path: Path) -> None:
    encoder = Encoder(PACKAGED, cache=tmp_path)
    torch.testing.assert_close(encoder.features(QUESTIONS), alone(encoder, QUESTIONS), atol=1e-5, rtol=0)
    pairs = QUESTIONS[::-1]
    torch.testing.assert_close(encoder.features(QUESTIONS, pairs), alone(encoder, QUESTIONS, pairs), atol=1e-5, rtol=0)


def test_a_texts_vector_does_not_depend_on_the_texts_beside_it(tmp_path: Path) -> None:
    """So a run finds the same numbers with an empty cache and with one that has some of its texts."""
    together = Encoder(PACKAGED, cache=tmp_path / "one").features(QUESTIONS)
    encoder = Encoder(PACKAGED, cache=tmp_path / "two")
    apart = torch.cat([encoder.features([text]) for text in QUESTIONS])
    torch.testing.assert_close(apart, together, atol=1e-6, rtol=0)
