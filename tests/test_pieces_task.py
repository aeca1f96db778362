"""Tokens of a model as words with the model's own input embeddings: TDD through BERT, before and after snapping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests import tiny
from tests.learners import models
from textdistill import api
from textdistill.core.errors import RecipeError
from textdistill.data import DataSettings, TextTable
from textdistill.recipe.read import resolve
from textdistill.representations.embedded_text import EmbeddedText
from textdistill.representations.wordpieces import PieceTask, Wordpieces, cut, prepare_pieces, token_vectors


@pytest.fixture
def task() -> PieceTask:
    data = DataSettings(name=str(tiny.home() / "reviews.csv"), text="review", label="stars")
    return prepare_pieces(data, Wordpieces(models.bert(), length=10))


def test_the_words_are_the_tokens_that_a_text_can_have(task: PieceTask) -> None:
    assert task.words == ["[UNK]", *models.WORDS]  # neither [CLS] and its like nor BERT's spare places
    assert task.matrix.shape == (15, 8)
    assert task.shape == (10, 8)
    assert task.settings.kind == "words"


def test_each_is_the_models_own_vector_of_it(task: PieceTask) -> None:
    from transformers import AutoModel

    table = AutoModel.from_pretrained(models.bert()).get_input_embeddings().weight
    number = task.tokenizer.convert_tokens_to_ids("funny")
    assert torch.equal(task.matrix[task.words.index("funny")], table[number].detach())
    rows, batch = next(task.train.batches(4))
    assert batch.mask is not None
    for row, vectors, inside in zip(rows.tolist(), batch.inputs, batch.mask, strict=True):
        ids = task.tokenizer(task.splits.train.texts[row], add_special_tokens=False)["input_ids"][:10]
        assert torch.equal(vectors[inside], table[ids].detach())


def test_how_much_of_the_texts_the_model_knows_is_told(task: PieceTask) -> None:
    assert 0 < task.facts["token_share"] < 0.5  # a vocabulary of 14 words
    assert task.data["cut_rows"] > 0


def test_between_the_texts_of_a_pair_stands_the_separator() -> None:
    tokenizer, vectors = token_vectors(models.bert(), True)
    table = TextTable("pairs", ("no", "yes"), ["a dull film"], ["funny"], np.array([0]))
    (row,) = cut(tokenizer, table)
    assert row == ["a", "dull", "film", "[SEP]", "funny"]
    assert "[SEP]" in vectors
    assert "[SEP]" not in token_vectors(models.bert(), False)[1]
    assert cut(token_vectors(models.other("gpt2"), True)[0], table) == [["a", "dull", "film", "funny"]]


def test_another_data_set_is_cut_into_the_same_tokens(task: PieceTask) -> None:
    other = task.beside(DataSettings(name=str(tiny.home() / "reviews.csv"), text="review", label="stars", split_seed=3))
    assert other.words == task.words
    assert isinstance(other.train, EmbeddedText)
    assert torch.equal(other.matrix, task.matrix)


def settings(**learner: Any) -> dict[str, Any]:
    base = tiny.settings()
    return {
        **{key: base[key] for key in ("title", "paper", "data", "checkpoint", "objective")},
        "representation": {"name": "wordpieces", "model": models.bert(), "length": 10},
        "learner": {"name": "transformer", "model": models.bert(), "train": 1, **learner},
        # one sample of each class and step, with rates and soft labels of its own
        "synthetic": {"per_class": 2, "steps": 2, "noise": 0.3, "lr": 0.1},
        "starts": "fresh",
        "outer": {"steps": 2},
        "evaluate": {**base["evaluate"], "baselines": ["random_real"]},
    }


def test_a_set_in_the_models_own_vectors_is_distilled_scored_snapped_and_read(tmp_path: Path) -> None:
    run = api.run(settings(), tmp_path / "run")
    assert run.artifact.distilled.inputs.shape == (2, 2, 10, 8)
    assert run.artifact.distilled.theta0 is None
    assert {"distilled", "distilled_snapped"} <= run.metrics.keys()
    assert run.decoded is not None
    assert all(set(one.words) <= {"[UNK]", *models.WORDS} for one in run.decoded.sentences)
    hard = torch.eye(2).expand(2, 2, 2)
    assert (run.artifact.distilled.targets - hard).abs().min() > 0  # every label and rate has moved
    assert (run.artifact.distilled.rates - 0.1).abs().min() > 1e-6


def test_vectors_and_network_of_different_models_are_refused(tmp_path: Path) -> None:
    recipe = resolve(settings(model=models.bert(hidden=32)))
    with pytest.raises(RecipeError, match="has vectors of 32 numbers"):
        api.run(recipe, tmp_path / "run")
