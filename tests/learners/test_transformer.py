"""A transformer fed with vectors: those of real tokens give what the tokens give, and gradients reach the vectors."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.core.cases import generator, randn
from tests.learners import models
from textdistill.core.batch import Batch
from textdistill.core.errors import RecipeError
from textdistill.core.inner import SGD
from textdistill.core.learner import Learner
from textdistill.core.schedule import Draw
from textdistill.core.unroll import Graph, Inner
from textdistill.learners.pretrained.network import Pretrained, PretrainedSettings, reader_of
from textdistill.learners.transformer import Transformer, TransformerSettings
from textdistill.objectives.gradient_matching import matched_names
from textdistill.representations.wordpieces import token_vectors

REAL = ["A moving, funny film.", "Dull.", "The plot makes no sense, and the acting makes less of it still."]


def made(model: str, length: int = 14, width: int = 8, dtype: torch.dtype = torch.float64, **settings: Any) -> Learner:
    network = Transformer(TransformerSettings(model=model, **settings), (length, width), 3)
    return Learner(network, 3).to("cpu", dtype)


def as_vectors(model: str, texts: list[str], length: int) -> tuple[Tensor, Tensor]:
    """The table's vectors of each text's tokens, zeros behind them, and where there are tokens."""
    tokenizer, vectors = token_vectors(model, False)
    rows = [tokenizer.tokenize(text) for text in texts]
    out = torch.zeros(len(texts), length, vectors.dimension)
    for at, row in enumerate(rows):
        out[at, : len(row)] = torch.from_numpy(vectors.matrix[[vectors.index[token] for token in row]])
    return out, torch.arange(length) < torch.tensor([len(row) for row in rows])[:, None]


@pytest.mark.parametrize("kind", ["bert", "roberta", "xlnet", "gpt2", "distilbert", "minilm"])
def test_vectors_of_real_tokens_score_as_the_tokens_do(kind: str) -> None:
    model = {"bert": models.bert(), "minilm": "minilm"}.get(kind) or models.other(kind)
    texts, width, length = (REAL, 384, 20) if kind == "minilm" else (models.TEXTS, 8, 14)
    learner = made(model, length, width, train=1)
    tokens = Learner(Pretrained(PretrainedSettings(model=model, train=1, length=22), (), 3), 3).to("cpu", torch.float64)
    params = learner.init(generator())
    assert params.keys() == tokens.init(generator()).keys()
    ids, mask = reader_of(tokens).read(texts, None)
    targets = torch.zeros(len(texts), 3, dtype=torch.float64)
    wanted = tokens.logits(params, Batch(ids, targets, mask=mask))
    vectors, inside = as_vectors(model, texts, length)
    found = learner.logits(params, Batch(vectors.double(), targets, mask=inside))
    torch.testing.assert_close(found, wanted)
    # without a mask, zero vectors are the padding that they are in a real row
    assert torch.equal(learner.logits(params, Batch(vectors.double(), targets)), found)


def test_the_gradient_through_one_step_of_head_and_last_layer_is_that_of_finite_differences() -> None:
    learner = made(models.bert(hidden=32), length=5, width=32, train=1)
    params = learner.init(generator(1))
    assert 2 < len(params) < len(made(models.bert(hidden=32), length=5, width=32).names)
    real = Batch(randn(6, 5, 32, seed=2), torch.eye(3, dtype=torch.float64)[torch.arange(6) % 3])
    point = {
        "inputs": 0.5 * randn(3, 5, 32, seed=3),
        "targets": torch.eye(3).double(),
        "lr": torch.tensor(0.3).double(),
    }

    def draw(values: dict[str, Tensor]) -> Draw:
        return Draw(0, Batch(values["inputs"], values["targets"]), values["lr"])

    def loss(values: dict[str, Tensor]) -> float:
        return float(learner.loss(Inner(learner, SGD()).run(params, None, [draw(values)])[0], real))

    leaves = {name: value.clone().requires_grad_() for name, value in point.items()}
    outcome = Graph()(Inner(learner, SGD()), params, None, [draw(leaves)], lambda ended: learner.loss(ended, real))
    ((_, found),) = outcome.gradients
    assert found.keys() == point.keys()
    for seed, (name, gradient) in enumerate(found.items()):
        along, step = randn(*gradient.shape, seed=30 + seed), 1e-5
        ahead, behind = (loss({**point, name: point[name] + way * along}) for way in (step, -step))
        assert gradient.abs().max() > 1e-5
        assert float((gradient * along).sum()) == pytest.approx((ahead - behind) / (2 * step), rel=1e-5)


def test_padding_stays_padding_whatever_is_learned() -> None:
    learner = made(models.bert(), train="head")
    vectors, _ = as_vectors(models.bert(), ["dull film"], 14)
    inputs = vectors.double().requires_grad_()
    batch = Batch(inputs, torch.eye(3).double()[:1])
    (slope,) = torch.autograd.grad(learner.loss(learner.init(generator()), batch), inputs)
    assert slope[0, :2].abs().min() > 0
    assert slope[0, 2:].abs().max() == 0


def test_the_table_of_vectors_never_trains_and_the_last_layer_is_found() -> None:
    learner = made(models.bert())
    assert not any("word_embeddings" in name for name in learner.names)
    assert any("position_embeddings" in name for name in learner.names)
    assert tuple(matched_names(learner, ("last",))) == Transformer.last_layer
    assert set(made(models.bert(), train="head").names) == set(Transformer.last_layer)


def test_vectors_of_another_length_are_refused_with_the_representation_that_fits() -> None:
    with pytest.raises(RecipeError, match=r"vectors of 8 numbers; use it with representation: \{name: wordpieces"):
        made(models.bert(), width=50)


def test_more_tokens_than_the_model_has_places_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"representation\.length: 23; .* allowed: 1 to 22"):
        made(models.bert(), length=23)
