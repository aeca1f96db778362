"""Distances of gradients: what they are in a plain loop, what they leave out, and what they do at zero."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from tests.core.cases import randn
from textdistill.objectives.distances import DISTANCES, EPSILON

SHAPES = ((4, 3, 2, 2), (4,), (2, 3, 5), (5, 7))


def gradients(seed: int) -> list[Tensor]:
    return [randn(*shape, seed=seed + i) for i, shape in enumerate(SHAPES)]


def off(one: list[float], other: list[float]) -> float:
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    norms = math.sqrt(sum(a * a for a in one)) * math.sqrt(sum(b * b for b in other))
    return 1 - dot / (norms + EPSILON)


def plain(name: str, one: list[Tensor], other: list[Tensor]) -> float:
    total = 0.0
    if name == "whole":
        return off(*([value for g in side for value in g.flatten().tolist()] for side in (one, other)))
    for g, h in zip(one, other, strict=True):
        if name == "euclidean":
            total += sum((a - b) ** 2 for a, b in zip(g.flatten().tolist(), h.flatten().tolist(), strict=True))
        elif name == "cosine":
            total += off(g.flatten().tolist(), h.flatten().tolist())
        elif g.dim() > 1:
            for row in range(len(g)):
                total += off(g[row].flatten().tolist(), h[row].flatten().tolist())
    return total


@pytest.mark.parametrize("name", DISTANCES)
def test_it_is_what_a_plain_loop_finds(name: str) -> None:
    one, other = gradients(1), gradients(11)
    assert float(DISTANCES[name](one, other)) == pytest.approx(plain(name, one, other), rel=1e-12)


@pytest.mark.parametrize("name", DISTANCES)
def test_equal_gradients_are_no_distance_apart(name: str) -> None:
    assert float(DISTANCES[name](gradients(1), gradients(1))) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("name", DISTANCES)
def test_its_derivative_is_right_and_finite_where_a_row_is_zero(name: str) -> None:
    other = gradients(11)
    one = [g.requires_grad_() for g in gradients(1)]
    assert torch.autograd.gradcheck(lambda *g: DISTANCES[name](g, other), one)
    with torch.no_grad():
        for g in one:
            g[0] = 0
    found = torch.autograd.grad(DISTANCES[name](one, other), one, allow_unused=True)
    assert all(g.isfinite().all() for g in found if g is not None)


def test_by_layers_biases_do_not_count_and_alone_give_nothing() -> None:
    one, other = gradients(1), gradients(11)
    moved = [g if g.dim() > 1 else g + 5 for g in one]
    assert torch.equal(DISTANCES["layerwise"](one, other), DISTANCES["layerwise"](moved, other))
    assert float(DISTANCES["layerwise"]([one[1]], [other[1]])) == 0
    assert DISTANCES["cosine"](one, other) != DISTANCES["cosine"](moved, other)
