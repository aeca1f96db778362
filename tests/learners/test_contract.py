"""What every learner promises, tried on each of them: shapes, starts, padding, dropout, and a second derivative."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.core.cases import CLASSES, DIMENSION, LEARNER_CASES, LENGTH, generator, learner_of, randn
from textdistill.core.batch import Batch
from textdistill.core.learner import Learner, Params, dropout

ENDS = torch.tensor([5, 1, 3, 2])


def batch_of(n: int = 4, length: int = LENGTH, mask: bool = False, fill: float = 0.0) -> Batch:
    """Random sentences; with a mask those that end at ENDS, `fill` beyond their ends."""
    inputs = randn(n, LENGTH, DIMENSION, seed=5)
    targets = randn(n, CLASSES, seed=6)
    if not mask:
        return Batch(inputs[:, :length], targets)
    inside = torch.arange(LENGTH) < ENDS[:n, None]
    inputs = torch.where(inside[:, :, None], inputs, torch.full_like(inputs, fill))
    return Batch(inputs[:, :length], targets, mask=inside[:, :length])


@pytest.fixture(params=LEARNER_CASES)
def learner(request: pytest.FixtureRequest) -> Learner:
    return learner_of(request.param)


@pytest.fixture
def params(learner: Learner) -> Params:
    # biases too: zero ones would hide what they do
    drawn = learner.init(generator(1))
    return {name: value + 0.3 * randn(*value.shape, seed=i) for i, (name, value) in enumerate(drawn.items())}


def test_logits_come_last_and_features_before_them(learner: Learner, params: Params) -> None:
    *_, features, logits = learner.activations(params, batch_of(mask=True))
    assert logits.shape == (4, CLASSES)
    assert features.ndim == 2
    assert len(features) == 4
    last = [name for name, value in params.items() if value.shape == (CLASSES, features.shape[1])][-1]
    bias = last.replace("weight", "bias")
    torch.testing.assert_close(features @ params[last].t() + params[bias], logits)
    assert torch.equal(learner.logits(params, batch_of(mask=True)), logits)


def test_weights_are_drawn_by_xavier_and_biases_are_zero(learner: Learner) -> None:
    one, same, other = (learner.init(generator(seed)) for seed in (1, 1, 2))
    assert sum(value.numel() for value in one.values()) == learner.size
    for name, value in one.items():
        assert torch.equal(value, same[name])
        assert value.dtype == torch.float64
        if "bias" in name:
            assert value.abs().max() == 0
        else:
            assert not torch.equal(value, other[name])


def test_a_sentence_is_scored_by_itself(learner: Learner, params: Params) -> None:
    whole = learner.logits(params, batch_of())
    for row in range(4):
        alone = Batch(batch_of().inputs[row : row + 1], batch_of().targets[row : row + 1])
        torch.testing.assert_close(learner.logits(params, alone)[0], whole[row])


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


def test_a_mask_of_ones_is_no_mask(learner: Learner, params: Params) -> None:
    plain = batch_of()
    full = Batch(plain.inputs, plain.targets, mask=torch.ones(4, LENGTH, dtype=torch.bool))
    torch.testing.assert_close(learner.logits(params, full), learner.logits(params, plain))


@pytest.mark.parametrize("length", [1, 2])
def test_the_shortest_sentences_are_scored(learner: Learner, params: Params, length: int) -> None:
    assert learner.logits(params, batch_of(length=length)).isfinite().all()


def test_a_sentence_without_a_word_is_scored(learner: Learner, params: Params) -> None:
    batch = Batch(torch.zeros(2, LENGTH, DIMENSION, dtype=torch.float64), batch_of(2).targets)
    empty = Batch(batch.inputs, batch.targets, mask=torch.zeros(2, LENGTH, dtype=torch.bool))
    assert learner.logits(params, empty).isfinite().all()


def test_the_modules_own_weights_are_neither_used_nor_changed(learner: Learner, params: Params) -> None:
    expected = learner.logits(params, batch_of())
    with torch.no_grad():
        for parameter in learner.module.parameters():
            parameter.fill_(torch.nan)
    leaves = {name: value.requires_grad_() for name, value in params.items()}
    torch.autograd.grad(learner.loss(leaves, batch_of()), list(leaves.values()))
    assert torch.equal(learner.logits(params, batch_of()), expected)
    assert all(p.isnan().all() and p.grad is None for p in learner.module.parameters())


def test_dropout_follows_its_stream_and_is_off_without(learner: Learner, params: Params) -> None:
    def run(drop: torch.Generator | None) -> Tensor:
        return learner.logits(params, batch_of(), drop)

    assert torch.equal(run(generator(1)), run(generator(1)))
    assert not torch.equal(run(generator(1)), run(generator(2)))
    assert not torch.equal(run(generator(1)), run(None))
    assert torch.equal(run(None), run(None))


def test_every_weight_has_a_gradient_and_a_second_derivative(learner: Learner, params: Params) -> None:
    """The Hessian of the loss times a direction, against differences of gradients; the inputs take part."""
    batch = batch_of(mask=True)
    names = list(params)
    point = [batch.inputs, *params.values()]
    inside = batch.mask
    assert inside is not None
    direction = [randn(*value.shape, seed=20 + i) for i, value in enumerate(point)]
    direction[0] = direction[0] * inside[:, :, None]  # beyond a sentence's end there is nothing to move

    def gradient(values: list[Tensor], graph: bool = False) -> tuple[list[Tensor], list[Tensor]]:
        leaves = [value.detach().requires_grad_() for value in values]
        weights = dict(zip(names, leaves[1:], strict=True))
        loss = learner.loss(weights, Batch(leaves[0], batch.targets, mask=inside))
        return list(torch.autograd.grad(loss, leaves, create_graph=graph)), leaves

    first, leaves = gradient(point, graph=True)
    assert all(g.abs().max() > 0 for g in first)
    along = sum((g * d).sum() for g, d in zip(first, direction, strict=True))
    found = torch.autograd.grad(along, leaves)
    step = 1e-6
    ahead, _ = gradient([v + step * d for v, d in zip(point, direction, strict=True)])
    behind, _ = gradient([v - step * d for v, d in zip(point, direction, strict=True)])
    for own, a, b, where in zip(found, ahead, behind, ["inputs", *names], strict=True):
        wanted = (a - b) / (2 * step)
        if where == "inputs":
            own, wanted = own * inside[:, :, None], wanted * inside[:, :, None]
        torch.testing.assert_close(own, wanted, rtol=1e-5, atol=1e-7, msg=lambda text, w=where: f"{w}: {text}")


def test_the_loss_is_soft_cross_entropy_and_weights_are_shares(learner: Learner, params: Params) -> None:
    batch = batch_of()
    logs = learner.logits(params, batch).log_softmax(1)
    rows = [-sum(float(batch.targets[i, c] * logs[i, c]) for c in range(CLASSES)) for i in range(4)]
    assert float(learner.loss(params, batch)) == pytest.approx(sum(rows) / 4)
    shares = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    weighted = Batch(batch.inputs, batch.targets, shares)
    wanted = sum(share * row for share, row in zip(shares.tolist(), rows, strict=True))
    assert float(learner.loss(params, weighted)) == pytest.approx(wanted)


def test_weights_and_batches_move_to_another_type_together(learner: Learner) -> None:
    learner.to("cpu", torch.float32)
    drawn = learner.init(generator())
    assert all(value.dtype == torch.float32 for value in drawn.values())
    batch = batch_of(mask=True).to("cpu", torch.float32)
    assert batch.mask is not None
    assert batch.mask.dtype == torch.bool
    assert learner.logits(drawn, batch).dtype == torch.float32


def test_inverted_dropout_keeps_the_mean_and_leaves_rate_zero_alone() -> None:
    values = torch.ones(40_000, dtype=torch.float64)
    dropped = dropout(values, 0.3, generator())
    assert dropped.unique().tolist() == [0.0, pytest.approx(1 / 0.7)]
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.02)
    assert dropout(values, 0.0, generator()) is values
    assert dropout(values, 0.3, None) is values
