"""Pre-trained learners: they begin with stored weights and a fresh head, read texts, and differentiate twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.core.cases import generator, learner_of, randn
from tests.learners import models
from textdistill.core.batch import Batch
from textdistill.core.errors import RecipeError
from textdistill.core.inner import SGD
from textdistill.core.learner import Learner, Params
from textdistill.core.schedule import Draw
from textdistill.core.unroll import Inner
from textdistill.learners.pretrained.frozen_encoder import Encoder
from textdistill.learners.pretrained.network import Pretrained, PretrainedSettings, Reader, reader_of
from textdistill.objectives.gradient_matching import matched_names

KINDS = ("roberta", "xlnet", "gpt2", "distilbert")
CLASSES = 3


@pytest.fixture(autouse=True)
def _features_are_kept_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTDISTILL_CACHE", str(tmp_path))


def made(model: str | None = None, dtype: torch.dtype = torch.float64, **settings: Any) -> Learner:
    settings = {"model": model or models.bert(), "train": "all", "length": 20, **settings}
    return Learner(Pretrained(PretrainedSettings(**settings), (), CLASSES), CLASSES).to("cpu", dtype)


def batch_of(learner: Learner, texts: list[str] = models.TEXTS, pairs: list[str] | None = None) -> Batch:
    inputs, mask = reader_of(learner).read(texts, pairs)
    if inputs.is_floating_point():
        inputs = inputs.to(learner.dtype)
    return Batch(inputs, randn(len(texts), CLASSES, seed=6, dtype=learner.dtype), mask=mask)


def trained(learner: Learner, params: Params, steps: int = 3) -> Params:
    draws = [Draw(step, batch_of(learner), torch.tensor(0.1, dtype=learner.dtype)) for step in range(steps)]
    return Inner(learner, SGD()).run(params, None, draws)[0]


@pytest.mark.parametrize("train", ["all", 1])
def test_after_training_the_same_weights_come_back_to_the_bit(train: Any) -> None:
    learner = made(dtype=torch.float32, train=train)
    first = learner.init(generator(1))
    kept = {name: value.clone() for name, value in first.items()}
    inside = {name: value.detach().clone() for name, value in learner.module.named_parameters()}
    moved = trained(learner, first)
    with torch.no_grad():
        for value in first.values():
            value.zero_()  # not even a step in place reaches what is stored
    again = learner.init(generator(1))
    assert again.keys() == kept.keys() == moved.keys()
    for name, value in kept.items():
        assert torch.equal(again[name], value)
        assert not torch.equal(moved[name], value)
    assert all(torch.equal(inside[n], p) for n, p in learner.module.named_parameters() if not n.startswith("head"))


def test_only_the_head_is_drawn() -> None:
    learner = made()
    one, other = learner.init(generator(1)), learner.init(generator(2))
    differing = {name for name in one if not torch.equal(one[name], other[name])}
    assert differing == {"head.weight"}
    assert one["head.bias"].abs().max() == 0


def test_what_trains_is_all_or_the_last_layers_or_the_head_and_nothing_that_has_no_say() -> None:
    every, last, head = (set(made(train=train).names) for train in ("all", 1, "head"))
    assert head == {"head.weight", "head.bias"} < last < every
    assert {name.split(".layer.")[1][0] for name in last - head} == {"1"}
    assert not any("pooler" in name for name in every)  # BERT's own head, which the features do not go through
    assert any("word_embeddings" in name for name in every)
    assert set(made(train=2).names) < every  # its two layers, and not the embeddings


@pytest.mark.parametrize("train", [3, 0])
def test_more_layers_than_there_are_are_refused(train: int) -> None:
    with pytest.raises(RecipeError, match=rf"learner\.train: {train}; .* allowed: 'head' or 'all', or 1 to 2 layers"):
        made(train=train)


@pytest.mark.parametrize("train", ["all", 1, "head"])
def test_the_last_layer_is_found_as_such(train: Any) -> None:
    learner = made(train=train)
    assert tuple(matched_names(learner, ("last",))) == Pretrained.last_layer
    params, batch = learner.init(generator()), batch_of(learner)
    features, logits = learner.activations(params, batch)
    weight, bias = (params[name] for name in Pretrained.last_layer)
    torch.testing.assert_close(F.linear(features, weight, bias), logits)


@pytest.mark.parametrize("kind", ["bert", *KINDS])
def test_a_text_is_scored_alike_alone_in_a_batch_and_padded_on_either_side(kind: str) -> None:
    learner = made(models.bert() if kind == "bert" else models.other(kind))
    params, batch = learner.init(generator()), batch_of(learner)
    assert batch.mask is not None
    logits = learner.logits(params, batch)
    for row in range(len(models.TEXTS)):
        own = batch_of(learner, [models.TEXTS[row]])
        torch.testing.assert_close(learner.logits(params, own)[0], logits[row])
    shifted = torch.full_like(batch.inputs, -1)
    for row, count in enumerate(batch.mask.sum(1).tolist()):
        shifted[row, shifted.shape[1] - count :] = batch.inputs[row, :count]
    torch.testing.assert_close(learner.logits(params, Batch(shifted, batch.targets, mask=batch.mask.flip(1))), logits)
    torch.testing.assert_close(learner.logits(params, Batch(shifted, batch.targets)), logits)


def test_a_stored_sets_numbers_are_read_as_the_ids_they_are() -> None:
    learner = made()
    params, batch = learner.init(generator()), batch_of(learner)
    floats = Batch(batch.inputs.double(), batch.targets)
    assert torch.equal(learner.logits(params, floats), learner.logits(params, batch))


@pytest.mark.parametrize("kind", ["bert", "xlnet"])
def test_which_text_of_a_pair_is_which_matters(kind: str) -> None:
    learner = made(models.bert() if kind == "bert" else models.other(kind))
    params = learner.init(generator())
    one, other = (batch_of(learner, *texts) for texts in ((["dull"], ["funny film"]), (["funny film"], ["dull"])))
    assert one.inputs[0, :, 1].max() >= 1
    assert not torch.allclose(learner.logits(params, one), learner.logits(params, other))
    flat = Batch(one.inputs * torch.tensor([1, 0]), one.targets, mask=one.mask)
    assert not torch.allclose(learner.logits(params, one), learner.logits(params, flat))


def test_long_texts_are_cut_and_empty_ones_scored() -> None:
    learner = made(models.other("gpt2"), length=5)
    batch = batch_of(learner, ["the plot makes no sense and the film makes no sense", "", "dull"])
    assert batch.inputs.shape == (3, 5, 2)
    assert learner.logits(learner.init(generator()), batch).isfinite().all()
    assert made(length=500).module.shape == (24, 2)  # no longer than the model


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_dropout_follows_its_stream_and_leaves_everyone_elses_numbers_alone(kind: str) -> None:
    learner = made(models.bert() if kind == "bert" else models.other(kind), dropout=0.3)
    params, batch = learner.init(generator()), batch_of(learner)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    one, same, other = (learner.logits(params, batch, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    plain = learner.logits(params, batch)
    assert torch.equal(plain, learner.logits(params, batch))
    assert not torch.equal(plain, one)
    none = made(models.bert() if kind == "bert" else models.other(kind), dropout=0.0)
    assert torch.equal(none.logits(params, batch, generator(1)), none.logits(params, batch))


@pytest.mark.parametrize(("kind", "train"), [("bert", "all"), ("gpt2", 1), ("xlnet", 1)])
def test_the_gradient_differentiates_again(kind: str, train: Any) -> None:
    learner = made(models.bert() if kind == "bert" else models.other(kind), train=train)
    params, batch = learner.init(generator()), batch_of(learner)
    names = list(params)
    along = [randn(*params[name].shape, seed=20 + at) for at, name in enumerate(names)]

    def gradient(values: list[Tensor], graph: bool) -> tuple[list[Tensor], list[Tensor]]:
        leaves = [value.detach().requires_grad_() for value in values]
        found = learner.gradient(dict(zip(names, leaves, strict=True)), batch, graph=graph)
        return found, leaves

    first, leaves = gradient(list(params.values()), True)
    found = torch.autograd.grad(sum((g * d).sum() for g, d in zip(first, along, strict=True)), leaves)
    step = 1e-5
    ahead, behind = (
        gradient([v + way * d for v, d in zip(params.values(), along, strict=True)], False)[0] for way in (step, -step)
    )
    for own, a, b in zip(found, ahead, behind, strict=True):
        torch.testing.assert_close(own, (a - b) / (2 * step), rtol=1e-4, atol=1e-5)


def test_models_are_pooled_as_their_makers_do_unless_told_otherwise() -> None:
    pools = {kind: made(models.other(kind)).module.pool for kind in KINDS}
    assert pools == {"roberta": "cls", "xlnet": "last", "gpt2": "last", "distilbert": "cls"}
    assert made().module.pool == "cls"
    assert made(pool="mean").module.pool == "mean"
    assert made("minilm", train="head").module.pool == "mean"


@pytest.mark.parametrize(("pool", "at"), [("cls", 0), ("last", -1)])
def test_a_pool_of_one_token_is_its_last_state(pool: str, at: int) -> None:
    learner = made(pool=pool)
    params = learner.init(generator())
    batch = batch_of(learner, [models.TEXTS[2], "dull"])
    module: Any = learner.module
    for row, count in enumerate(batch.mask.sum(1).tolist()):  # type: ignore[union-attr]
        states = module.body.model(input_ids=batch.inputs[row : row + 1, :count, 0]).last_hidden_state
        torch.testing.assert_close(learner.activations(params, batch)[-2][row], states[0, at])


def test_a_head_alone_takes_frozen_features_of_the_encoder() -> None:
    learner = made(train="head")
    inputs, mask = reader_of(learner).read(models.TEXTS)
    assert mask is None
    assert inputs.shape == (4, *learner.module.shape) == (4, 8)
    assert torch.equal(inputs, Encoder(models.bert(), pool="cls").features(models.TEXTS))
    full = made(dtype=torch.float32)
    features = full.activations(full.init(generator()), batch_of(full))[-2]
    torch.testing.assert_close(inputs, F.normalize(features, dim=1))
    found, _ = learner.activations(learner.init(generator()), batch_of(learner))
    torch.testing.assert_close(found.square().mean(1), torch.ones(4, dtype=torch.float64))  # of size one


def test_networks_of_vectors_read_no_texts() -> None:
    assert isinstance(made(train="head").module, Reader)
    with pytest.raises(RecipeError, match="AveragedMLP reads no texts; use pretrained"):
        reader_of(learner_of("mlp"))


def test_the_packaged_encoder_puts_like_beside_like_at_its_stored_weights() -> None:
    learner = made("minilm", torch.float32, train=1)
    assert len(learner.names) == 18
    params = learner.init(generator())
    batch = batch_of(learner, ["A moving, funny film.", "This movie is touching and funny.", "Stock prices fell."])
    one, like, other = F.normalize(learner.activations(params, batch)[-2], dim=1)
    assert float(one @ like) > float(one @ other) + 0.3
