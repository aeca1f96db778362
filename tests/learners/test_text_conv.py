"""TextConvNet against `torch.nn.Conv2d` and a plain maximum: value, gradient, second derivative, padding included."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from textdistill.core.batch import Batch
from textdistill.core.errors import RecipeError
from textdistill.learners import TextConvNet, make_learner, text_conv
from textdistill.learners.text_conv import TextConvSettings, max_over_time, search


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def plain(inputs: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The maximum over time and its place, from a convolution of one image channel, as in the paper."""
    found = F.conv2d(inputs[:, None], weight[:, None])[..., 0].max(2)
    return found.values, found.indices


@given(
    n=st.integers(1, 9),
    length=st.integers(5, 12),
    chunk=st.integers(1, 40),
    widths=st.permutations((1, 3, 5)),
    filters=st.integers(1, 4),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_the_search_is_a_convolution_and_its_maximum_whatever_the_chunks(
    n: int, length: int, chunk: int, widths: list[int], filters: int, seed: int
) -> None:
    inputs = randn(n, length, 3, seed=seed)
    weights = [randn(filters + i, width, 3, seed=seed + i) for i, width in enumerate(widths)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_conv, "CHUNK_WORDS", chunk)
        value, where = search(inputs, weights)
    wanted = [plain(inputs, weight) for weight in weights]
    torch.testing.assert_close(value, torch.cat([v for v, _ in wanted], 1))
    assert torch.equal(where, torch.cat([w for _, w in wanted], 1))


@given(ends=st.lists(st.integers(0, 9), min_size=1, max_size=7), chunk=st.integers(1, 40), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_knowing_the_lengths_changes_the_work_and_not_the_result(ends: list[int], chunk: int, seed: int) -> None:
    lengths = torch.tensor(ends)
    inputs = randn(len(ends), 9, 2, seed=seed) * (torch.arange(9) < lengths[:, None])[:, :, None]
    weights = [randn(3, width, 2, seed=seed + width) for width in (2, 4)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_conv, "CHUNK_WORDS", chunk)
        value, where = search(inputs, weights, lengths)
    plain_value, plain_where = search(inputs, weights)
    torch.testing.assert_close(value, plain_value)
    assert torch.equal(where[value != 0], plain_where[plain_value != 0])  # padding ties at zero: any of it will do


def test_a_place_is_within_its_own_sentence_even_when_every_other_score_is_lower() -> None:
    # the windows that reach into the next sentence would score highest here
    inputs = torch.zeros(2, 4, 1)
    inputs[0, 3], inputs[1, 0] = 1.0, 5.0
    value, where = search(inputs, [torch.ones(1, 2, 1)])
    assert value.tolist() == [[1.0], [5.0]]
    assert where.tolist() == [[2], [0]]


def test_a_sentence_shorter_than_the_filter_is_padded_with_zero_vectors() -> None:
    inputs, weight = randn(3, 2, 4), randn(5, 3, 4, seed=1)
    wanted, _ = plain(F.pad(inputs, (0, 0, 0, 1)), weight)
    torch.testing.assert_close(max_over_time(inputs, [weight]), wanted)


def test_gradient_and_second_derivative_of_the_maximum_over_time() -> None:
    inputs, *weights = (t.requires_grad_() for t in (randn(3, 5, 2), randn(2, 2, 2, seed=1), randn(3, 3, 2, seed=2)))

    def function(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return max_over_time(x, [a, b]) ** 2

    assert torch.autograd.gradcheck(function, (inputs, *weights))
    assert torch.autograd.gradgradcheck(function, (inputs, *weights))


class PaperNet(nn.Module):
    """The paper's network out of torch's own layers."""

    def __init__(self, length: int, dimension: int, classes: int, filters: int = 100):
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(1, filters, (k, dimension)) for k in (3, 4, 5))
        self.linear = nn.Linear(3 * filters, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        pooled = [F.relu(layer(inputs[:, None]))[..., 0].amax(2) for layer in self.convolutions]
        return self.linear(torch.cat(pooled, 1))


def paired(filters: int = 6, length: int = 11, dimension: int = 4, classes: int = 3) -> tuple[nn.Module, nn.Module]:
    theirs = PaperNet(length, dimension, classes, filters).double()
    ours = TextConvNet(TextConvSettings(filters=filters), (length, dimension), classes).double()
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=rng, dtype=torch.float64))
        for layer, k in zip(theirs.convolutions, (3, 4, 5), strict=True):
            getattr(ours, f"filter{k}").copy_(layer.weight[:, 0])
            getattr(ours, f"bias{k}").copy_(layer.bias)
        ours.linear_weight.copy_(theirs.linear.weight)
        ours.linear_bias.copy_(theirs.linear.bias)
    return ours, theirs


def test_the_same_function_as_conv2d_with_the_same_gradient_and_second_derivative() -> None:
    ours, theirs = paired()
    direction = randn(5, 3, seed=3)
    answers = []
    for net, run in ((ours, lambda x: ours(x, None, None)[-1]), (theirs, theirs)):
        inputs = randn(5, 11, 4, seed=4).requires_grad_()
        logits = run(inputs)
        parameters = list(net.parameters())
        # a loss with curvature, so that the second derivative is not that of the maximum alone
        first = torch.autograd.grad((logits.softmax(1) * direction).sum(), parameters, create_graph=True)
        second = torch.autograd.grad(sum((g**2).sum() for g in first), [inputs, *parameters])
        flat = torch.cat([g.flatten() for g in first])
        answers.append((logits, flat.norm(), second[0], torch.cat([g.flatten() for g in second[1:]]).norm()))
    for own, other in zip(*answers, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("classes", [2, 5, 6])
def test_as_many_parameters_as_the_papers_network(classes: int) -> None:
    learner = make_learner(TextConvNet, TextConvSettings(), (400, 100), classes)
    assert learner.size == sum(p.numel() for p in PaperNet(400, 100, classes).parameters())


@pytest.mark.parametrize("width", [3, 4, 5])
def test_xaviers_fans_are_those_of_conv2d(width: int) -> None:
    learner = make_learner(TextConvNet, TextConvSettings(), (400, 100), 6)
    drawn = learner.init(torch.Generator().manual_seed(0))[f"filter{width}"]
    fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(nn.Conv2d(1, 100, (width, 100)).weight)
    assert drawn.std().item() == pytest.approx((2 / (fan_in + fan_out)) ** 0.5, rel=0.02)


def test_a_batch_cut_to_its_longest_sentence_and_margin_is_the_whole_batch() -> None:
    learner = make_learner(TextConvNet, TextConvSettings(filters=7), (20, 3), 2).to("cpu", torch.float64)
    params = learner.init(torch.Generator().manual_seed(0))
    # padding must be able to win: every score of a real window is negative
    params = {name: -value.abs() if name.startswith("filter") else value for name, value in params.items()}
    lengths = torch.tensor([6, 2, 0])
    mask = torch.arange(20) < lengths[:, None]
    inputs = randn(3, 20, 3).abs() * mask[:, :, None]
    targets = torch.eye(2, dtype=torch.float64)[[0, 1, 1]]
    cut = 6 + learner.margin
    short = learner.logits(params, Batch(inputs[:, :cut], targets, mask=mask[:, :cut]))
    torch.testing.assert_close(short, learner.logits(params, Batch(inputs, targets, mask=mask)))
    torch.testing.assert_close(short, learner.logits(params, Batch(inputs, targets)))


@pytest.mark.parametrize("widths", [(), (0, 3), (3, 3)])
def test_widths_that_make_no_network_are_a_fault_of_the_recipe(widths: tuple[int, ...]) -> None:
    with pytest.raises(RecipeError, match=r"learner\.widths"):
        TextConvNet(TextConvSettings(filters=2, widths=widths), (5, 4), 2)
