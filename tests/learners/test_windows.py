"""Chosen windows: three derivatives of one trilinear form, held against plain indexing and autograd."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from textdistill.learners.windows import Chosen, gathered, known_scores, scattered, scores

WIDTHS, FILTERS, COUNT, LENGTH, DIMENSION = (2, 3), (3, 2), 4, 6, 2


def problem(seed: int = 0) -> tuple[Chosen, list[Tensor], Tensor, Tensor, Tensor]:
    """Windows at random places, where they begin, and coefficients, words and filter rows, in float64."""
    rng = torch.Generator().manual_seed(seed)
    starts = [torch.randint(LENGTH - k + 1, (COUNT, f), generator=rng) for k, f in zip(WIDTHS, FILTERS, strict=True)]
    chosen = Chosen.at(starts, WIDTHS, LENGTH)

    def leaf(*shape: int) -> Tensor:
        return torch.randn(shape, generator=rng, dtype=torch.float64).requires_grad_()

    rows = sum(k * f for k, f in zip(WIDTHS, FILTERS, strict=True))
    return chosen, starts, leaf(COUNT, sum(FILTERS)), leaf(COUNT * LENGTH, DIMENSION), leaf(rows, DIMENSION)


def form(starts: list[Tensor], coefficients: Tensor, words: Tensor, rows: Tensor) -> Tensor:
    """T(c, x, w), one window after the other."""
    total, row, column = torch.zeros((), dtype=torch.float64), 0, 0
    for start, width in zip(starts, WIDTHS, strict=True):
        for f in range(start.shape[1]):
            weight = rows[row : row + width]
            for n in range(COUNT):
                first = n * LENGTH + int(start[n, f])
                total = total + coefficients[n, column] * (words[first : first + width] * weight).sum()
            row, column = row + width, column + 1
    return total


@pytest.mark.parametrize("seed", range(3))
def test_the_three_are_the_derivatives_of_the_form(seed: int) -> None:
    chosen, starts, coefficients, words, rows = problem(seed)
    for_c, for_x, for_w = torch.autograd.grad(form(starts, coefficients, words, rows), [coefficients, words, rows])
    torch.testing.assert_close(scores(words, rows, chosen), for_c)
    torch.testing.assert_close(scattered(coefficients, rows, chosen, len(words)), for_x)
    torch.testing.assert_close(gathered(coefficients, words, chosen), for_w)


def test_first_and_second_derivatives_of_each_are_right() -> None:
    chosen, _, coefficients, words, rows = problem()
    for function, leaves in [
        (lambda x, w: scores(x, w, chosen), (words, rows)),
        (lambda c, w: scattered(c, w, chosen, COUNT * LENGTH), (coefficients, rows)),
        (lambda c, x: gathered(c, x, chosen), (coefficients, words)),
        (lambda x, w: known_scores(scores(x, w, chosen).detach(), x, w, chosen) ** 2, (words, rows)),
    ]:
        assert torch.autograd.gradcheck(function, leaves)
        assert torch.autograd.gradgradcheck(function, leaves)


def test_several_filters_on_the_same_words_add_up() -> None:
    chosen = Chosen.at([torch.zeros(1, 3, dtype=torch.int64)], (2,), 4)
    rows = torch.arange(6.0)[:, None]
    found = scattered(torch.ones(1, 3), rows, chosen, 4)
    assert found[:, 0].tolist() == [0 + 2 + 4, 1 + 3 + 5, 0, 0]


def test_known_scores_keep_their_value_and_ask_nothing_of_words_that_want_no_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen, _, _, words, rows = problem()
    calls: list[str] = []
    module = "textdistill.learners.windows"
    plain = scattered
    monkeypatch.setattr(f"{module}.scattered", lambda *args: calls.append("words") or plain(*args))
    values = torch.randn(COUNT, sum(FILTERS), dtype=torch.float64)
    out = known_scores(values, words, rows, chosen)
    assert torch.equal(out, values)
    torch.autograd.grad(out.sum(), [rows], retain_graph=True)
    assert calls == []  # an inner step's first derivative is for the filters alone
    torch.autograd.grad(out.sum(), [words])
    assert calls == ["words"]
