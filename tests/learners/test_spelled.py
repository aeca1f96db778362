"""Texts read word by word of a dictionary against the same texts as vectors: one function, one derivative."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from textdistill.core.batch import Batch
from textdistill.core.learner import Learner, Params
from textdistill.learners import TextConvNet, make_learner, spelled
from textdistill.learners.spelled import distinct
from textdistill.learners.text_conv import TextConvSettings, max_over_time, max_over_words

WORDS, DIMENSION, CLASSES = 9, 3, 3


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def dictionary(seed: int = 0) -> Tensor:
    """Vectors of WORDS words, and the padding."""
    return torch.cat([randn(WORDS, DIMENSION, seed=seed), torch.zeros(1, DIMENSION, dtype=torch.float64)])


def texts(ends: list[int], length: int, seed: int = 0) -> Tensor:
    """Random words up to the ends, padding from there on."""
    ids = torch.randint(WORDS, (len(ends), length), generator=torch.Generator().manual_seed(seed))
    return torch.where(torch.arange(length) < torch.tensor(ends)[:, None], ids, WORDS).int()


@given(
    ends=st.lists(st.integers(0, 9), min_size=1, max_size=7),
    chunk=st.integers(1, 40),
    widths=st.permutations((1, 3, 4)),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_the_maximum_over_words_is_that_over_their_vectors_whatever_the_chunks(
    ends: list[int], chunk: int, widths: list[int], seed: int
) -> None:
    ids, table, lengths = texts(ends, 9, seed), dictionary(seed), torch.tensor(ends)
    weights = [randn(2 + i, width, DIMENSION, seed=seed + i).requires_grad_() for i, width in enumerate(widths)]
    wanted = max_over_time(table[ids.long()], weights, lengths)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spelled, "CHUNK_WORDS", chunk)
        found = max_over_words(ids, table, weights, lengths)
        plain = max_over_words(ids, table, [weight.detach() for weight in weights], lengths)
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(plain, wanted.detach())
    slope = randn(*wanted.shape, seed=seed + 7)
    for own, other in zip(
        torch.autograd.grad(found, weights, slope), torch.autograd.grad(wanted, weights, slope), strict=True
    ):
        torch.testing.assert_close(own, other)


def test_a_text_shorter_than_the_filter_is_padded() -> None:
    ids, table, weight = texts([2, 1], 2), dictionary(), randn(4, 3, DIMENSION, seed=1)
    torch.testing.assert_close(max_over_words(ids, table, [weight]), max_over_time(table[ids.long()], [weight]))


def test_only_words_that_occur_are_multiplied() -> None:
    ids = torch.tensor([[7, 2], [2, 2]], dtype=torch.int32)
    places, rows = distinct(ids, dictionary())
    assert places.tolist() == [[1, 0], [0, 0]]
    assert torch.equal(rows, dictionary()[[2, 7, WORDS]])  # and padding, which a short text needs


def network() -> tuple[Learner, Params]:
    learner = make_learner(TextConvNet, TextConvSettings(filters=5, widths=(2, 3)), (8, DIMENSION), CLASSES)
    learner.to("cpu", torch.float64)
    return learner, {name: randn(*value.shape, seed=i) for i, (name, value) in enumerate(_start(learner).items())}


def _start(learner: Learner) -> Params:
    return learner.init(torch.Generator().manual_seed(0))


def test_a_learner_that_reads_words_has_the_same_logits_loss_and_gradient_dropout_included() -> None:
    learner, params = network()
    ends = [8, 3, 0, 5]
    ids, table, mask = texts(ends, 8), dictionary(), torch.arange(8) < torch.tensor(ends)[:, None]
    targets = randn(4, CLASSES, seed=3)
    reader = learner.reading(table)
    assert reader is not None
    vectors, words = Batch(table[ids.long()], targets, mask=mask), Batch(ids, targets, mask=mask)
    torch.testing.assert_close(reader.logits(params, words), learner.logits(params, vectors), rtol=1e-12, atol=1e-12)
    found = []
    for one, batch in ((reader, words), (learner, vectors)):
        leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
        loss = one.loss(leaves, batch, torch.Generator().manual_seed(5))
        found.append([loss, *torch.autograd.grad(loss, list(leaves.values()))])
    for own, other in zip(*found, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(learner.logits(params, vectors), reader.logits(params, words))  # it reads vectors still


def test_a_learner_that_cannot_read_words_says_so() -> None:
    from textdistill.learners import LEARNERS

    network = LEARNERS["mlp"]
    assert make_learner(network, network.Settings(), (8, DIMENSION), CLASSES).reading(dictionary()) is None
