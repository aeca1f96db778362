"""How far two gradients of a network are apart: by output row (DC), by parameter, as one vector (DiLM), or squared."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

# Added to the product of two norms, as in DC's code: rows without a gradient weigh little instead of dividing by zero.
EPSILON = 1e-6

Gradients = Sequence[Tensor]
Distance = Callable[[Gradients, Gradients], Tensor]


def layerwise(synthetic: Gradients, real: Gradients) -> Tensor:
    """Σ_layers Σ_rows 1 − ⟨g_r, g'_r⟩/(‖g_r‖‖g'_r‖ + ε), without one-dimensional parameters (Zhao et al. 2021, Eq. 9).

    A row is what one output of a linear layer or one filter of a convolution weighs its inputs by: the first dimension
    stays, the others are flattened.
    """
    pairs = [(one, other) for one, other in zip(synthetic, real, strict=True) if one.dim() > 1]
    return _total([_off(one.flatten(1), other.flatten(1)).sum() for one, other in pairs], synthetic)


def cosine(synthetic: Gradients, real: Gradients) -> Tensor:
    """Σ_parameters 1 − ⟨g, g'⟩/(‖g‖‖g'‖ + ε), each parameter one vector, biases too."""
    pairs = zip(synthetic, real, strict=True)
    return _total([_off(one.flatten(), other.flatten()) for one, other in pairs], synthetic)


def whole(synthetic: Gradients, real: Gradients) -> Tensor:
    """1 − ⟨g, g'⟩/(‖g‖‖g'‖ + ε) of all parameters as one vector (Maekawa et al. 2024, Eq. 3, and their code)."""
    one, other = (torch.cat([part.flatten() for part in parts]) for parts in (synthetic, real))
    return _off(one, other)


def euclidean(synthetic: Gradients, real: Gradients) -> Tensor:
    """Σ_parameters ‖g − g'‖²."""
    pairs = zip(synthetic, real, strict=True)
    return _total([(one - other).square().sum() for one, other in pairs], synthetic)


def _off(one: Tensor, other: Tensor) -> Tensor:
    """1 − cosine over the last dimension."""
    product = torch.linalg.vector_norm(one, dim=-1) * torch.linalg.vector_norm(other, dim=-1)
    off: Tensor = 1 - (one * other).sum(-1) / (product + EPSILON)
    return off


def _total(parts: Sequence[Tensor], like: Gradients) -> Tensor:
    return torch.stack(list(parts)).sum() if parts else like[0].new_zeros(())


DISTANCES: dict[str, Distance] = {"layerwise": layerwise, "cosine": cosine, "whole": whole, "euclidean": euclidean}
