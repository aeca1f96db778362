"""Nearest-neighbour classification on a few points, with soft or hard labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from textdistill.core.errors import DataError, UserError, did_you_mean


def knn_predict(
    support: Float[Tensor, " m *shape"],
    targets: Float[Tensor, "m c"],
    queries: Float[Tensor, " n *shape"],
    *,
    k: int = 1,
    batch: int = 512,
    metric: str = "euclidean",
) -> Int[Tensor, " n"]:
    """The predicted class of each query, `batch` queries at a time; see `knn_predict_batches`."""
    return knn_predict_batches(support, targets, torch.split(queries, batch), k=k, metric=metric)


def knn_predict_batches(
    support: Float[Tensor, " m *shape"],
    targets: Float[Tensor, "m c"],
    batches: Iterable[Tensor],
    *,
    k: int = 1,
    metric: str = "euclidean",
) -> Int[Tensor, " n"]:
    """Distance-weighted soft-label k-nearest neighbours (Sucholutsky & Schonlau 2021, "Less than one-shot learning").

    The class of x is argmax_c Σ_i y_ic / d(x, x_i) over the k nearest points of the support; points at distance 0
    outweigh all others. With k = 1 and one-hot targets this is the plain nearest neighbour. `targets` (m, c) are
    soft labels or one-hot. Of equally near points the first in the support counts, of equal classes the lowest.

    `batches` yields queries (b, *shape), and only one batch is held at a time. Distances are taken in float64:
    `"euclidean"`, or `"cosine"` (1 - cosine; a zero vector is at distance 1 from everything). Where k exceeds the
    support, all of it votes. Raises `UserError` for k below 1 or an unknown metric, `DataError` for no support.
    """
    if metric not in DISTANCES:
        raise UserError(f"metric {metric!r} is unknown{did_you_mean(metric, DISTANCES)}; known: {', '.join(DISTANCES)}")
    if k < 1:
        raise UserError(f"k = {k} neighbours; ask for at least 1")
    if len(support) == 0:
        raise DataError("no points to be neighbours of; give at least one")
    points = support.detach().flatten(1).double()
    votes = targets.detach().double()
    predictions = [_predict(points, votes, batch, min(k, len(points)), DISTANCES[metric]) for batch in batches]
    return torch.cat(predictions) if predictions else torch.zeros(0, dtype=torch.long)


_TOUCHING = 1e-300  # stands for a distance of 0: its inverse outweighs every other and is still finite
_ROUNDING = 1e-13  # squared, relative: above float64's error in a product of 20,000 terms (1.4e-14)

Distance = Callable[[Tensor, Tensor], Tensor]  # (n, f), (m, f) -> (n, m)


def _predict(points: Tensor, votes: Tensor, queries: Tensor, k: int, distance: Distance) -> Tensor:
    distances = distance(queries.detach().flatten(1).to(points), points)
    if k == 1:
        return votes[distances.argmin(dim=1)].argmax(dim=1)
    near, order = distances.sort(dim=1, stable=True)
    weights = 1 / near[:, :k].clamp_min(_TOUCHING)
    return torch.einsum("nk,nkc->nc", weights, votes[order[:, :k]]).argmax(dim=1)


def _euclidean(queries: Tensor, points: Tensor) -> Tensor:
    """‖q - p‖ by one matrix product; what is within rounding of 0 is 0."""
    middle = points.mean(dim=0)
    queries, points = queries - middle, points - middle
    scale = (queries**2).sum(dim=1)[:, None] + (points**2).sum(dim=1)[None]
    squared = scale - 2 * queries @ points.T
    return torch.where(squared > _ROUNDING * scale, squared, 0.0).sqrt()


def _cosine(queries: Tensor, points: Tensor) -> Tensor:
    """1 - ⟨q, p⟩ / (‖q‖ ‖p‖); what is within rounding of 0 is 0."""
    unit = [torch.nn.functional.normalize(side, dim=1) for side in (queries, points)]
    distances = 1 - unit[0] @ unit[1].T
    return torch.where(distances > _ROUNDING, distances, 0.0)


DISTANCES: dict[str, Distance] = {"euclidean": _euclidean, "cosine": _cosine}
