"""What real rows say of a set by the logistic head that it teaches: swaps foretold cheaply, the best refitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from textdistill.core.logistic_duals import curvatures, fitted_duals, newcomer_duals
from textdistill.selection.search_settings import SearchSettings, View

CELLS = 4_000_000  # scores that are held at once while swaps are compared: 16 MB
TINY = 1e-37


class HeadCriterion:
    """The real rows' cross-entropy under a set's own logistic head, and what it would be after a swap.

    A set of m samples with features X (centred by the mean of the real rows, a constant feature beside them) teaches
    the head that minimises Σ_i −log softmax(W x_i)_y + ½ λ m ‖W‖². With K = X Xᵀ / (λm) its scores are K a, of duals
    a = Y − softmax(K a), (m, c). The loss is the mean of −log softmax(β z)_y over the real rows, summed over the views.

    A swap is foretold in three steps: the head of the m − 1 samples S that stay; the residual kernel
    κ(x, t) = K(x, t) − K(x, S) E K(S, t), by which they give way to a newcomer x, where E = D^½ (I + D^½ K D^½)⁻¹ D^½
    and D is how much each sample's loss curves (one number, exact for two classes); and the newcomer's duals, of
    a = e_y − softmax(z(x) + κ(x, x) a). A real row t then scores z(t) + κ(x, t) a. A swap that is taken is refitted.
    """

    def __init__(
        self,
        views: Sequence[View],
        labels: Int[Tensor, " n"],
        wanted: Int[Tensor, " r"],
        judges: Int[Tensor, " r"],
        classes: int,
        settings: SearchSettings,
    ):
        self.labels, self.wanted, self.classes, self.settings = labels, wanted, classes, settings
        self.sights = [_Sight(view, judges, settings.screen or 0) for view in views]
        self.weights = [view.weight for view in views]
        self.chosen, self.targets = np.empty(0, dtype=np.int64), torch.empty(0, classes, dtype=torch.float64)
        self.rests: tuple[int, list[_Rest]] | None = None

    @torch.no_grad()
    def begin(self, chosen: np.ndarray) -> float:
        """The loss of a set, which is the one in hand from now on."""
        self.chosen, self.rests = chosen.copy(), None
        self.targets = F.one_hot(self.labels[torch.from_numpy(chosen)], self.classes).double()
        scale = 1.0 / (self.settings.penalty * len(chosen))
        return self._loss([sight.begin(chosen, self.targets, scale) for sight in self.sights])

    @torch.no_grad()
    def losses(self, place: int, others: np.ndarray, judges: int | None = None) -> Float[Tensor, " b"]:
        """The loss with each of `others` (all of the place's class) in the place, foretold, by the first `judges`."""
        wanted, label = self.wanted[:judges], int(self.labels[self.chosen[place]])
        total = torch.zeros(len(others), dtype=torch.float64)
        width = max(1, CELLS // (len(wanted) * self.classes))
        for sight, rest, weight in zip(self.sights, self._rests_of(place), self.weights, strict=True):
            for at in range(0, len(others), width):
                part = torch.from_numpy(others[at : at + width])
                near = sight.pool[part][:, rest.keep]  # (b, m − 1)
                carried = near @ rest.yielding
                own = sight.squares[part] * sight.scale - (near * carried).sum(1)  # κ(x, x)
                duals = newcomer_duals(near @ rest.duals, label, own)
                beyond = sight.kernel(part, judges) - carried @ rest.judges[: len(wanted)].T  # κ(x, t): (b, r)
                losses = _losses(rest.scores[: len(wanted)], duals, beyond, wanted, self.settings.steepness)
                total[at : at + width] += weight * losses.double()
        return total

    @torch.no_grad()
    def take(self, place: int, other: int, least: float) -> float | None:
        """Swap, if the loss of the refitted head falls below `least`: that loss, or `None` and nothing is swapped."""
        rests = self._rests_of(place)
        swaps = [
            sight.swapped(place, other, rest, self.targets) for sight, rest in zip(self.sights, rests, strict=True)
        ]
        loss = self._loss([swap.scores for swap in swaps])
        if not loss < least:
            return None
        self.chosen[place], self.rests = other, None
        for sight, swap in zip(self.sights, swaps, strict=True):
            sight.adopt(place, other, swap)
        return loss

    def _loss(self, scores: Sequence[Float[Tensor, "r c"]]) -> float:
        losses = [float(F.cross_entropy(self.settings.steepness * z, self.wanted)) for z in scores]
        return sum(weight * loss for weight, loss in zip(self.weights, losses, strict=True))

    def _rests_of(self, place: int) -> list[_Rest]:
        if self.rests is None or self.rests[0] != place:
            self.rests = place, [sight.without(place, self.targets) for sight in self.sights]
        return self.rests[1]


@dataclass(frozen=True)
class _Rest:
    """What is left of a set when a place is empty: the samples' duals, how they yield, and the judges' scores."""

    keep: Int[Tensor, " k"]
    duals: Float[Tensor, "k c"]
    yielding: Float[Tensor, "k k"]  # E
    judges: Float[Tensor, "r k"]
    scores: Float[Tensor, "r c"]


@dataclass(frozen=True)
class _Swap:
    """A set after a swap: its samples' kernel and duals, what the newcomer shows the judges, and the judges' scores."""

    among: Float[Tensor, "m m"]
    duals: Float[Tensor, "m c"]
    shown: Float[Tensor, " r"]
    scores: Float[Tensor, "r c"]


class _Sight:
    """One view: pool (n, f) and judges (r, f), the kernel of the set in hand with both, and the set's duals."""

    def __init__(self, view: View, judges: Int[Tensor, " r"], screen: int):
        mean = view.real.mean(0)
        self.rows, self.real = (view.pool - mean).float(), (view.real[judges] - mean).float()
        self.squares = (self.rows**2).sum(1) + 1.0
        self.screen = torch.addmm(torch.ones(1), self.rows, self.real[:screen].T)  # (n, s), asked for at every place

    def begin(self, chosen: np.ndarray, targets: Tensor, scale: float) -> Float[Tensor, "r c"]:
        """Take a set in hand, with the kernel's scale 1 / (λm): the judges' scores."""
        self.scale, rows = scale, torch.from_numpy(chosen)
        samples = self.rows[rows]
        self.pool, self.judges = (scale * (points @ samples.T + 1.0) for points in (self.rows, self.real))
        self.among = self.pool[rows].double()
        self.duals = fitted_duals(self.among, targets)
        return self.judges @ self.duals.float()

    def kernel(self, part: Int[Tensor, " b"], judges: int | None) -> Float[Tensor, "b r"]:
        """K between samples of the pool and the first `judges`."""
        if judges is not None and judges <= self.screen.shape[1]:
            return self.scale * self.screen[part, :judges]
        return self.scale * (self.rows[part] @ self.real[:judges].T + 1.0)

    def without(self, place: int, targets: Tensor) -> _Rest:
        keep = torch.from_numpy(np.delete(np.arange(len(self.duals)), place))
        inner, leaving = self.among[keep][:, keep], self.among[keep][:, [place]]
        # to begin with, the others yield to what the one that goes leaves open
        yielding = curvatures(inner, torch.softmax(self.among @ self.duals, 1)[keep])
        duals = fitted_duals(inner, targets[keep], self.duals[keep] + yielding @ leaving @ self.duals[[place]])
        yielding = curvatures(inner, torch.softmax(inner @ duals, 1)).float()
        judges = self.judges[:, keep]
        return _Rest(keep, duals.float(), yielding, judges, judges @ duals.float())

    def swapped(self, place: int, other: int, rest: _Rest, targets: Tensor) -> _Swap:
        sample = self.rows[other]
        among = self.among.clone()
        among[place, rest.keep] = among[rest.keep, place] = self.pool[other, rest.keep].double()
        among[place, place] = self.scale * float(self.squares[other])
        start = torch.zeros_like(self.duals)
        start[rest.keep] = rest.duals.double()
        duals = fitted_duals(among, targets, start)
        shown = self.scale * (self.real @ sample + 1.0)
        scores = torch.addmm(torch.outer(shown, duals[place].float()), rest.judges, duals[rest.keep].float())
        return _Swap(among, duals, shown, scores)

    def adopt(self, place: int, other: int, swap: _Swap) -> None:
        self.among, self.duals = swap.among, swap.duals
        self.judges[:, place] = swap.shown
        self.pool[:, place] = self.scale * (self.rows @ self.rows[other] + 1.0)


def _losses(
    scores: Float[Tensor, "r c"],
    duals: Float[Tensor, "b c"],
    beyond: Float[Tensor, "b r"],
    wanted: Int[Tensor, " r"],
    sharpness: float,
) -> Float[Tensor, " b"]:
    """The mean of −log softmax(β (z(t) + κ(x, t) a))_y over the judges, for each newcomer."""
    scores, duals = sharpness * scores, sharpness * duals
    if scores.shape[1] == 2:  # one difference says it all: a fifth of the time
        sign = 1.0 - 2.0 * wanted.to(scores)  # +1 where the first class is right
        margin = torch.addcmul(
            (sign * (scores[:, 1] - scores[:, 0]))[None], beyond * sign, (duals[:, 1] - duals[:, 0])[:, None]
        )
        return F.softplus(margin).mean(1)
    # exponentials of moderate numbers: a sum that overflows is a bad swap, and is told as such
    most = scores.amax(1)
    terms = torch.addcmul((scores.T - most)[:, None], duals.T[:, :, None], beyond).exp_()  # (c, b, r)
    right = (scores.gather(1, wanted[:, None])[:, 0] - most) + duals[:, wanted] * beyond
    return (terms.sum(0).add_(TINY).log_() - right).mean(1)
