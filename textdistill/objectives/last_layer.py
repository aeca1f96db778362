"""The gradient of the cross-entropy for a linear last layer, in closed form: the network runs forward, never back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from textdistill.core.batch import Batch
from textdistill.core.learner import Learner, Params
from textdistill.objectives.moments import part_of


@dataclass(frozen=True)
class LastLayer:
    """z = Wh + b on the features h of a network, with `weight` (c, f) and `bias` (c,) or none."""

    weight: Float[Tensor, "c f"]
    bias: Float[Tensor, " c"] | None

    def gradient(
        self, features: Float[Tensor, "n f"], targets: Float[Tensor, "n c"], weights: Float[Tensor, " n"] | None
    ) -> list[Tensor]:
        """∇_W ℓ = Σ_i a_i r_i h_iᵀ and ∇_b ℓ = Σ_i a_i r_i with r_i = (Σ_c y_ic) softmax(z_i) − y_i.

        ℓ = Σ_i a_i Σ_c y_ic (−log softmax(z_i))_c, and a_i = 1/n without `weights`. The result is differentiable for
        features, targets and weights.
        """
        scores = F.linear(features, self.weight, self.bias)
        rest = targets.sum(1, keepdim=True) * torch.softmax(scores, 1) - targets
        rest = rest / len(rest) if weights is None else weights[:, None] * rest
        by_weight = rest.t() @ features
        return [by_weight] if self.bias is None else [by_weight, rest.sum(0)]


def last_layer(learner: Learner, params: Params, names: Sequence[str], sample: Batch) -> LastLayer | None:
    """The layer, where `names` are its weight and its bias (if it has one), and nothing else; else `None`.

    A network that says what its `last_layer` is is believed; of any other, one row of `sample` shows whether its logits
    are linear in its features.
    """
    if learner.criterion != "cross_entropy" or not 1 <= len(names) <= 2:
        return None
    weight, *biases = (params[name].detach() for name in names)
    if weight.dim() != 2 or any(bias.shape != weight.shape[:1] for bias in biases):
        return None
    layer = LastLayer(weight, biases[0] if biases else None)
    if tuple(names) == tuple(getattr(learner.module, "last_layer", ())):
        return layer
    with torch.no_grad():
        *_, features, logits = learner.activations(params, part_of(sample, slice(0, 1)))
    if features.shape != (1, weight.shape[1]) or logits.shape != (1, weight.shape[0]):
        return None
    linear = F.linear(features, layer.weight, layer.bias)
    return layer if torch.allclose(linear, logits, rtol=1e-3, atol=1e-5) else None
