"""What every learner promises, tried on each of them: shapes, starts, padding, dropout, and a second derivative."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.core.cases import (
    CLASSES,
    DIMENSION,
    IMAGE,
    LEARNER_CASES,
    LENGTH,
    generator,
    kind_of,
    kinds_of,
    learner_of,
    randn,
)
from textdistill.core.batch import Batch
from textdistill.core.learner import Learner, Params, dropout

ENDS = torch.tensor([5, 1, 3, 2])
WORDS = [case for case in LEARNER_CASES if "words" in kinds_of(case)]
sentences = pytest.mark.parametrize("learner", WORDS, indirect=True)
dropping = pytest.mark.parametrize("learner", [case for case in WORDS if not case.startswith("dense")], indirect=True)
# a norm over the batch at hand is the one thing by which rows know of each other
alone = pytest.mark.parametrize("learner", [case for case in LEARNER_CASES if case != "convnet batch"], indirect=True)


def batch_of(n: int = 4, length: int = LENGTH, mask: bool = False, fill: float = 0.0) -> Batch:
    """Random sentences; with a mask those that end at ENDS, `fill` beyond their ends."""
    inputs = randn(n, LENGTH, DIMENSION, seed=5)
    targets = randn(n, CLASSES, seed=6)
    if not mask:
        return Batch(inputs[:, :length], targets)
    inside = torch.arange(LENGTH) < ENDS[:n, None]
    inputs = torch.where(inside[:, :, None], inputs, torch.full_like(inputs, fill))
    return Batch(inputs[:, :length], targets, mask=inside[:, :length])


def batch_for(learner: Learner) -> Batch:
    """Four inputs of the learner's kind, sentences with a mask."""
    if kind_of(learner) == "words":
        return batch_of(mask=True)
    return Batch(randn(4, *IMAGE, seed=5), randn(4, CLASSES, seed=6))


@pytest.fixture(params=LEARNER_CASES)
def learner(request: pytest.FixtureRequest) -> Learner:
    return learner_of(request.param)


@pytest.fixture
def params(learner: Learner) -> Params:
    # biases too: zero ones would hide what they do
    drawn = learner.init(generator(1))
    return {name: value + 0.3 * randn(*value.shape, seed=i) for i, (name, value) in enumerate(drawn.items())}


def test_logits_come_last_and_features_before_them(learner: Learner, params: Params) -> None:
    *_, features, logits = learner.activations(params, batch_for(learner))
    assert logits.shape == (4, CLASSES)
    assert features.ndim == 2
    assert len(features) == 4
    last = [name for name, value in params.items() if value.shape == (CLASSES, features.shape[1])][-1]
    bias = last.replace("weight", "bias")
    torch.testing.assert_close(features @ params[last].t() + params[bias], logits)
    assert torch.equal(learner.logits(params, batch_for(learner)), logits)


def test_weights_are_drawn_by_xavier_biases_are_zero_gains_one_and_stored_ones_as_stored(learner: Learner) -> None:
    one, same, other = (learner.init(generator(seed)) for seed in (1, 1, 2))
    assert sum(value.numel() for value in one.values()) == learner.size
    stored = getattr(learner.module, "stored", lambda name: None)
    for name, value in one.items():
        assert torch.equal(value, same[name])
        assert value.dtype == torch.float64
        if stored(name) is not None:
            assert torch.equal(value, stored(name))
        elif "bias" in name:
            assert value.abs().max() == 0
        elif "gain" in name:
            assert (value == 1).all()
        else:
            assert not torch.equal(value, other[name])


@alone
def test_a_row_is_scored_by_itself(learner: Learner, params: Params) -> None:
    batch = batch_for(learner)
    whole = learner.logits(params, batch)
    for row in range(4):
        mask = None if batch.mask is None else batch.mask[row : row + 1]
        single = Batch(batch.inputs[row : row + 1], batch.targets[row : row + 1], mask=mask)
        torch.testing.assert_close(learner.logits(params, single)[0], whole[row])


@sentences
def test_padding_changes_nothing(learner: Learner, params: Params) -> None:
    padded = batch_of(mask=True)
    assert padded.mask is not None
    logits = learner.logits(params, padded)
    for row, end in enumerate(ENDS.tolist()):
        cut = min(LENGTH, end + learner.margin)
        short = Batch(
            padded.inputs[row : row + 1, :cut], padded.targets[row : row + 1], mask=padded.mask[row : row + 1, :cut]
        )
        torch.testing.assert_close(learner.logits(params, short)[0], logits[row])


@sentences
def test_a_mask_of_ones_is_no_mask(learner: Learner, params: Params) -> None:
    plain = batch_of()
    full = Batch(plain.inputs, plain.targets, mask=torch.ones(4, LENGTH, dtype=torch.bool))
    torch.testing.assert_close(learner.logits(params, full), learner.logits(params, plain))


@sentences
@pytest.mark.parametrize("length", [1, 2])
def test_the_shortest_sentences_are_scored(learner: Learner, params: Params, length: int) -> None:
    assert learner.logits(params, batch_of(length=length)).isfinite().all()


@sentences
def test_a_sentence_without_a_word_is_scored(learner: Learner, params: Params) -> None:
    batch = Batch(torch.zeros(2, LENGTH, DIMENSION, dtype=torch.float64), batch_of(2).targets)
    empty = Batch(batch.inputs, batch.targets, mask=torch.zeros(2, LENGTH, dtype=torch.bool))
    assert learner.logits(params, empty).isfinite().all()


def test_the_modules_own_weights_are_neither_used_nor_changed(learner: Learner, params: Params) -> None:
    expected = learner.logits(params, batch_for(learner))
    with torch.no_grad():
        for name in learner.names:
            learner.module.get_parameter(name).fill_(torch.nan)
    leaves = {name: value.requires_grad_() for name, value in params.items()}
    torch.autograd.grad(learner.loss(leaves, batch_for(learner)), list(leaves.values()))
    assert torch.equal(learner.logits(params, batch_for(learner)), expected)
    assert all(learner.module.get_parameter(name).isnan().all() for name in learner.names)
    assert all(parameter.grad is None for parameter in learner.module.parameters())


@dropping
def test_dropout_follows_its_stream_and_is_off_without(learner: Learner, params: Params) -> None:
    def run(drop: torch.Generator | None) -> Tensor:
        return learner.logits(params, batch_of(), drop)

    assert torch.equal(run(generator(1)), run(generator(1)))
    assert not torch.equal(run(generator(1)), run(generator(2)))
    assert not torch.equal(run(generator(1)), run(None))
    assert torch.equal(run(None), run(None))


def test_every_weight_has_a_gradient_and_a_second_derivative(learner: Learner, params: Params) -> None:
    """The Hessian of the loss times a direction, against differences of gradients; the inputs take part."""
    batch = batch_for(learner)
    names = list(params)
    normed = any(name.endswith("_gain") for name in names)
    point = [batch.inputs, *params.values()]
    inside = batch.mask
    keep = torch.ones(()) if inside is None else inside[:, :, None]
    direction = [randn(*value.shape, seed=20 + i) for i, value in enumerate(point)]
    direction[0] = direction[0] * keep  # beyond a sentence's end there is nothing to move

    def gradient(values: list[Tensor], graph: bool = False) -> tuple[list[Tensor], list[Tensor]]:
        leaves = [value.detach().requires_grad_() for value in values]
        weights = dict(zip(names, leaves[1:], strict=True))
        loss = learner.loss(weights, Batch(leaves[0], batch.targets, mask=inside))
        return list(torch.autograd.grad(loss, leaves, create_graph=graph)), leaves

    first, leaves = gradient(point, graph=True)
    # what a norm subtracts again, a convolution's bias, has no say
    idle = {n for n in names if n.endswith("_bias") and "linear" not in n and "norm" not in n} if normed else set()
    assert all(g.abs().max() > 0 for g, n in zip(first[1:], names, strict=True) if n not in idle)
    assert first[0].abs().max() > 0
    along = sum((g * d).sum() for g, d in zip(first, direction, strict=True))
    found = torch.autograd.grad(along, leaves)
    step = 1e-6
    ahead, _ = gradient([v + step * d for v, d in zip(point, direction, strict=True)])
    behind, _ = gradient([v - step * d for v, d in zip(point, direction, strict=True)])
    for own, a, b, where in zip(found, ahead, behind, ["inputs", *names], strict=True):
        wanted = (a - b) / (2 * step)
        if where == "inputs":
            own, wanted = own * keep, wanted * keep
        torch.testing.assert_close(own, wanted, rtol=1e-5, atol=1e-7, msg=lambda text, w=where: f"{w}: {text}")


def test_the_loss_is_soft_cross_entropy_and_weights_are_shares(learner: Learner, params: Params) -> None:
    batch = batch_for(learner)
    logs = learner.logits(params, batch).log_softmax(1)
    rows = [-sum(float(batch.targets[i, c] * logs[i, c]) for c in range(CLASSES)) for i in range(4)]
    assert float(learner.loss(params, batch)) == pytest.approx(sum(rows) / 4)
    shares = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    weighted = Batch(batch.inputs, batch.targets, shares, batch.mask)
    wanted = sum(share * row for share, row in zip(shares.tolist(), rows, strict=True))
    assert float(learner.loss(params, weighted)) == pytest.approx(wanted)


def test_weights_and_batches_move_to_another_type_together(learner: Learner) -> None:
    learner.to("cpu", torch.float32)
    drawn = learner.init(generator())
    assert all(value.dtype == torch.float32 for value in drawn.values())
    batch = batch_for(learner).to("cpu", torch.float32)
    assert batch.mask is None or batch.mask.dtype == torch.bool
    assert learner.logits(drawn, batch).dtype == torch.float32


def test_inverted_dropout_keeps_the_mean_and_leaves_rate_zero_alone() -> None:
    values = torch.ones(40_000, dtype=torch.float64)
    dropped = dropout(values, 0.3, generator())
    assert dropped.unique().tolist() == [0.0, pytest.approx(1 / 0.7)]
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.02)
    assert dropout(values, 0.0, generator()) is values
    assert dropout(values, 0.3, None) is values


def test_the_gradient_is_that_of_the_loss_with_and_without_a_graph(learner: Learner, params: Params) -> None:
    """Networks that know their own gradient among them: value, and the derivative for weights, inputs and labels."""
    batch = batch_for(learner)
    inputs, targets = batch.inputs.clone().requires_grad_(), batch.targets.clone().requires_grad_()
    shares = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64, requires_grad=True)
    for weights in (None, shares):
        leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
        points = [*leaves.values(), inputs, targets, *([] if weights is None else [weights])]
        same = Batch(inputs, targets, weights, batch.mask)
        wanted = torch.autograd.grad(learner.loss(leaves, same), list(leaves.values()), create_graph=True)
        found = learner.gradient(leaves, same, graph=True)
        plain = learner.gradient(leaves, same)
        along = [randn(*value.shape, seed=40 + i) for i, value in enumerate(wanted)]
        for own, other, bare in zip(found, wanted, plain, strict=True):
            torch.testing.assert_close(own, other)
            torch.testing.assert_close(bare, other.detach())
            assert not bare.requires_grad
        seconds = [
            torch.autograd.grad(list(each), points, along, retain_graph=True, allow_unused=True)
            for each in (found, wanted)
        ]
        for own, other in zip(*seconds, strict=True):
            if other is None:
                assert own is None or own.abs().max() == 0
            else:
                torch.testing.assert_close(own, other)
