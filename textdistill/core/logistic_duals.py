"""The duals of a logistic head: of a few samples together by Newton's method, of one newcomer beside others that stay.

With a kernel K that has the penalty in it, a head minimises Σ_i −log softmax(f_i)_y + ½ tr(fᵀ K⁻¹ f); its scores are
f = K a, and at the minimum the duals are a = Y − softmax(K a). Each row of them sums to zero.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

STEPS = 30  # of Newton, at most
CLOSE = 1e-4  # a dual's error, where duals are at most 1
CURVED = 1e-12  # below which a probability curves nothing
SOLVED = 1e-8  # the share of a right side that may be left over
MANY = 10  # classes above which a step of Newton is solved for by conjugate gradients
NEWCOMER_STEPS = 10
REACH = 4.0  # how far a newcomer's own scores move in one step


def curvatures(kernel: Float[Tensor, "m m"], likely: Float[Tensor, "m c"]) -> Float[Tensor, "m m"]:
    """E = D^½ (I + D^½ K D^½)⁻¹ D^½: how samples with the class probabilities `likely` yield to a push of their scores.

    D has one number for a sample, the mean of what its loss curves in the c − 1 directions that matter.
    """
    roots = ((likely * (1 - likely)).sum(1) / (likely.shape[1] - 1)).clamp_min(CURVED).sqrt()
    inner = torch.eye(len(kernel), dtype=kernel.dtype) + roots[:, None] * kernel * roots
    return roots[:, None] * torch.cholesky_inverse(torch.linalg.cholesky(inner)) * roots


def fitted_duals(
    kernel: Float[Tensor, "m m"],
    targets: Float[Tensor, "m c"],
    start: Float[Tensor, "m c"] | None = None,
    close: float = CLOSE,
) -> Float[Tensor, "m c"]:
    """The duals at the minimum, from zero or from `start`, to within `close`; each row of `targets` sums to one.

    Newton's steps, each halved until the loss falls.
    """
    duals = torch.zeros_like(targets) if start is None else start
    scores = kernel @ duals
    loss = _loss(scores, duals, targets)
    newton = _by_factors if targets.shape[1] <= MANY else _by_gradients
    for _ in range(STEPS):
        likely = torch.softmax(scores, 1)
        slope = targets - likely
        if not len(kernel) or float((duals - slope).abs().max()) < close:
            break
        curved = likely * (scores - (likely * scores).sum(1, keepdim=True)) + slope
        step = newton(kernel, likely, curved) - duals
        for halvings in range(12):
            trial = duals + 0.5**halvings * step
            trial_scores = kernel @ trial
            trial_loss = _loss(trial_scores, trial, targets)
            if trial_loss <= loss:
                break
        else:
            break  # as near as rounding lets it come
        duals, scores, loss = trial, trial_scores, trial_loss
    return duals


def _by_factors(
    kernel: Float[Tensor, "m m"], likely: Float[Tensor, "m c"], curved: Float[Tensor, "m c"]
) -> Float[Tensor, "m c"]:
    """The duals a of (I + J K) a = `curved`, as in Rasmussen and Williams 2006, Algorithm 3.3.

    J is block diagonal, diag(p) − ppᵀ for each sample: c + 1 factorisations of m × m instead of one of cm × cm.
    """
    roots = likely.T.clamp_min(CURVED).sqrt()  # (c, m)
    identity = torch.eye(len(kernel), dtype=kernel.dtype)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(identity + roots[:, :, None] * kernel * roots[:, None]))
    yielding = roots[:, :, None] * inverse * roots[:, None]  # (c, m, m)
    pushed = (yielding @ (kernel @ curved).T[:, :, None])[:, :, 0].T  # (m, c)
    shared = torch.cholesky_solve(pushed.sum(1, keepdim=True), torch.linalg.cholesky(yielding.sum(0)))
    return curved - pushed + (yielding @ shared)[:, :, 0].T


def _by_gradients(
    kernel: Float[Tensor, "m m"], likely: Float[Tensor, "m c"], curved: Float[Tensor, "m c"]
) -> Float[Tensor, "m c"]:
    """The same by `_Yielding`: a = b − R (I + Rᵀ K R)⁻¹ Rᵀ K b; for 168 classes in a fiftieth of the time."""
    yielding = _Yielding(kernel, likely)
    return curved - yielding.outward(yielding.solved(yielding.inward(kernel @ curved)))


class _Yielding:
    """R, of J = R Rᵀ = diag(p) − ppᵀ for each sample, and conjugate gradients with I + Rᵀ K R."""

    def __init__(self, kernel: Float[Tensor, "m m"], likely: Float[Tensor, "m c"]):
        self.kernel, self.roots = kernel, likely.clamp_min(CURVED).sqrt()

    def outward(self, u: Float[Tensor, "m c"]) -> Float[Tensor, "m c"]:
        """R u."""
        return self.roots * (u - self.roots * (self.roots * u).sum(1, keepdim=True))

    def inward(self, v: Float[Tensor, "m c"]) -> Float[Tensor, "m c"]:
        """Rᵀ v."""
        pushed = self.roots * v
        return pushed - self.roots * (self.roots * pushed).sum(1, keepdim=True)

    def solved(self, wanted: Float[Tensor, "m c"]) -> Float[Tensor, "m c"]:
        """u of (I + Rᵀ K R) u = `wanted`, but for a share `SOLVED` of its length."""
        found = torch.zeros_like(wanted)
        residual = wanted.clone()
        way, size = residual.clone(), (residual**2).sum()
        for _ in range(wanted.numel()):
            if float(size) <= SOLVED**2 * float((wanted**2).sum()):
                break
            image = way + self.inward(self.kernel @ self.outward(way))
            pace = size / (way * image).sum()
            found, residual = found + pace * way, residual - pace * image
            size, before = (residual**2).sum(), size
            way = residual + (size / before) * way
        return found


def slope_of_targets(
    kernel: Float[Tensor, "m m"], likely: Float[Tensor, "m c"], slope: Float[Tensor, "m c"]
) -> Float[Tensor, "m c"]:
    """∂L/∂Y of a loss L of the duals at the minimum, where `slope` is ∂L/∂a and `likely` softmax(K a).

    The minimum moves by (I + J K) da = dY, where J is block diagonal, diag(p) − ppᵀ for each sample: λ + K J λ = ∂L/∂a
    gives λ = ∂L/∂Y. With J = R Rᵀ that is λ = ∂L/∂a − K R u and (I + Rᵀ K R) u = Rᵀ ∂L/∂a, by conjugate gradients.
    """
    yielding = _Yielding(kernel, likely)
    return slope - kernel @ yielding.outward(yielding.solved(yielding.inward(slope)))


def newcomer_duals(scores: Float[Tensor, "b c"], label: int, own: Float[Tensor, " b"]) -> Float[Tensor, "b c"]:
    """a = e_y − softmax(z + κ a) for newcomers of one class, each by itself.

    `scores` z are what the others' head gives them and `own` κ is how much a newcomer moves its own scores. Newton's
    method in u = κ a, a matrix of rank one beside a diagonal, each step bounded.
    """
    targets = torch.zeros_like(scores)
    targets[:, label] = 1
    own = own.clamp_min(1e-9)[:, None]
    moved = torch.zeros_like(scores)
    for _ in range(NEWCOMER_STEPS):
        likely = torch.softmax(scores + moved, 1)
        slope = moved / own - (targets - likely)
        inverse = 1 / (1 / own + likely)
        first, second = inverse * slope, inverse * likely
        step = first + second * ((likely * first).sum(1) / (1 - (likely * second).sum(1)))[:, None]
        furthest = step.abs().amax(1, keepdim=True)
        moved = moved - step * (REACH / furthest.clamp_min(REACH))
    return moved / own


def _loss(scores: Tensor, duals: Tensor, targets: Tensor) -> float:
    return float(0.5 * (duals * scores).sum() - (targets * torch.log_softmax(scores, 1)).sum())
