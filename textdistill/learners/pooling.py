"""One vector for a text out of the states of its tokens."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def pooled(states: Float[Tensor, "n l f"], inside: Bool[Tensor, "n l"], pool: str) -> Float[Tensor, "n f"]:
    """The `mean` over a row's real positions, or the state of its first (`cls`) or of its `last` one."""
    return POOLS[pool](states, inside)


def _mean(states: Tensor, inside: Tensor) -> Tensor:
    inside = inside.to(states)[:, :, None]
    return (states * inside).sum(1) / inside.sum(1).clamp_min(1.0)


def _first(states: Tensor, inside: Tensor) -> Tensor:
    return states[torch.arange(len(states), device=states.device), inside.int().argmax(1)]


def _last(states: Tensor, inside: Tensor) -> Tensor:
    places = torch.arange(inside.shape[1], device=inside.device)
    return states[torch.arange(len(states), device=states.device), (inside * places).argmax(1)]


POOLS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"mean": _mean, "cls": _first, "last": _last}
