"""The linear head on all training rows, which every ratio is taken against: its penalty is chosen, not given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from textdistill.learners.linear_head import LinearHead, fit_head

# From what ten rows want to what a million do, two to a decade.
PENALTIES = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6)


@dataclass(frozen=True)
class TunedHead:
    """A head, the penalty λ that it was fitted with, and the validation accuracy of every λ tried, in percent."""

    head: LinearHead
    penalty: float
    tried: dict[float, float]


def tuned_head(
    features: Float[Tensor, "n f"],
    labels: Int[Tensor, " n"],
    held_out: Float[Tensor, "v f"],
    held_out_labels: Int[Tensor, " v"],
    classes: int,
    penalties: Sequence[float] = PENALTIES,
) -> TunedHead:
    """The head on all training rows with the λ that the validation rows like best; of equals, the largest.

    Penalties are tried from the largest down, until two in a row are worse than the best.
    """
    targets = F.one_hot(labels, classes).float()
    best: TunedHead | None = None
    tried: dict[float, float] = {}
    worse = 0
    for penalty in sorted(penalties, reverse=True):
        head = fit_head(features, targets, penalty)
        accuracy = 100 * float((head.predict(held_out) == held_out_labels).double().mean())
        tried[penalty] = accuracy
        if best is None or accuracy > tried[best.penalty]:
            best, worse = TunedHead(head, penalty, tried), 0
        else:
            worse += 1
            if worse == 2:
                break
    if best is None:
        raise ValueError("no penalty to try")
    return best
