"""Baselines for readable sets: real training rows, as many for each class, chosen in every way that trains nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from sklearn.metrics.pairwise import euclidean_distances
from torch import Tensor

from textdistill.core.errors import DataError, UserError, did_you_mean
from textdistill.core.streams import Streams
from textdistill.data.draw import balanced_rows
from textdistill.data.sets.text_set import TextSet
from textdistill.data.table import TextTable
from textdistill.evaluation.training import accuracy
from textdistill.learners.linear_head import fit_head
from textdistill.selection import KMeansSettings, herding, k_centers

TEXT_BASELINES = ("random", "herding", "k_centers", "best_k_centers", "nearest_real")
HERDED_SHARE = 0.5  # of a class's rows, drawn anew for each set
CANDIDATES = 10
HELD_OUT_SHARE, HELD_OUT_MOST = 0.1, 1000  # of a class's rows
# Centroids are found on at most 5,000 rows of a class with 384 numbers each, drawn anew for each set: on SST-2 three
# restarts cost half of one with all 60,000 rows, and the centres are no worse. The nearest rows are sought among all.
KMEANS = KMeansSettings(restarts=3, most_values=2_000_000)
QUICK_KMEANS = KMeansSettings(restarts=1, most_values=2_000_000)


def baseline_sets(
    name: str,
    train: TextTable,
    features: Float[Tensor, "n f"],
    per_class: int,
    sets: int,
    streams: Streams,
    *,
    synthetic: Sequence[TextSet] = (),
    synthetic_features: Sequence[Tensor] = (),
    tick: Callable[[str], None] = lambda what: None,
) -> list[TextSet]:
    """So many sets of real rows, `per_class` of each class (of a smaller class all), by the method `name`.

    `features` are a vector for every training row. Set s depends on the streams, the name and s alone.

    - `random`: drawn uniformly.
    - `k_centers`: the rows nearest to the K-means centroids of each class (DiLM), K-means begun anew for each set.
    - `herding`: greedy mean matching, whose rows are determined: each set herds its own half of the rows, drawn at
      random, so that there is a spread to compare with.
    - `best_k_centers`: of 10 K-centre sets the one whose linear head on `features` is best on held-out training rows,
      a tenth of each class and at most 1,000, from which no centre is taken.
    - `nearest_real`: for every sample of the sets in `synthetic` the nearest row of its class by `synthetic_features`
      (one (m, f) table for each set), no row twice: see `nearest_real_sets`.
    """
    if name not in TEXT_BASELINES:
        raise UserError(
            f"baseline {name!r} is unknown{did_you_mean(name, TEXT_BASELINES)}; known: {', '.join(TEXT_BASELINES)}"
        )
    if len(features) != len(train):
        raise DataError(f"{len(features)} feature rows for {len(train)} training rows; one for each is needed")
    if name == "nearest_real":
        if not synthetic:
            raise UserError("nearest_real: no synthetic sets to be near to; give those of a method")
        return nearest_real_sets(synthetic, synthetic_features, train, features)
    counts = [per_class] * len(train.classes)
    choose = _CHOICES[name]
    found = []
    for number in range(sets):
        tick(name)
        rows = choose(train, features, counts, streams.child("baseline", name, number))
        found.append(_rows_as_set(train, rows, {"method": name, "number": number}))
    return found


def nearest_real_sets(
    synthetic: Sequence[TextSet],
    synthetic_features: Sequence[Tensor],
    train: TextTable,
    features: Float[Tensor, "n f"],
) -> list[TextSet]:
    """Every synthetic sample's nearest training row of the class of its label, with that label hard.

    In the order of the samples, no row twice within a set: what another sample took is passed over. If these rows teach
    as well as the samples do, the samples are no better than retrieval.
    """
    if len(synthetic) != len(synthetic_features):
        raise DataError(f"{len(synthetic_features)} tables of features for {len(synthetic)} synthetic sets")
    found = []
    for number, (one, points) in enumerate(zip(synthetic, synthetic_features, strict=True)):
        if one.classes != train.classes:
            raise DataError(f"synthetic set {number}: classes {one.classes}; those of the rows are {train.classes}")
        rows = np.zeros(len(one), np.int64)
        for label in np.unique(one.labels):
            own, samples = np.flatnonzero(train.labels == label), np.flatnonzero(one.labels == label)
            if len(own) < len(samples):
                raise DataError(f"class {train.classes[label]!r}: {len(samples)} samples for {len(own)} training rows")
            distances = euclidean_distances(points[samples].numpy(), features[own].numpy())
            for place, line in zip(samples, distances, strict=True):
                nearest = int(line.argmin())
                rows[place] = own[nearest]
                distances[:, nearest] = np.inf
        found.append(_rows_as_set(train, rows, {"method": "nearest_real", "number": number}))
    return found


def _random(train: TextTable, features: Tensor, counts: Sequence[int], streams: Streams) -> np.ndarray:
    return balanced_rows(train.labels, counts, streams.numpy("rows"), len(counts), train.classes)[0]


def _k_centers(train: TextTable, features: Tensor, counts: Sequence[int], streams: Streams) -> np.ndarray:
    return k_centers(features, train.labels, counts, streams.numpy("rows"), KMEANS)


def _herding(train: TextTable, features: Tensor, counts: Sequence[int], streams: Streams) -> np.ndarray:
    half = [max(count, round(HERDED_SHARE * n)) for count, n in zip(counts, train.counts().tolist(), strict=True)]
    drawn = balanced_rows(train.labels, half, streams.numpy("half"), len(counts), train.classes)[0]
    chosen: np.ndarray = drawn[herding(features[drawn], train.labels[drawn], counts, streams.numpy("rows"))]
    return chosen


def _best_k_centers(train: TextTable, features: Tensor, counts: Sequence[int], streams: Streams) -> np.ndarray:
    held = [min(HELD_OUT_MOST, round(HELD_OUT_SHARE * n)) for n in train.counts().tolist()]
    if not any(held):
        raise DataError(f"{train.name}: {len(train)} rows are too few to hold any out; leave out best_k_centers")
    judges = balanced_rows(train.labels, held, streams.numpy("held-out"), len(counts), train.classes)[0]
    others = np.setdiff1d(np.arange(len(train)), judges)
    truth, points = torch.from_numpy(train.labels), features[others]
    best, best_score = others[:0], -1.0
    for candidate in range(CANDIDATES):
        rng = streams.numpy("candidate", candidate)
        rows = others[k_centers(points, train.labels[others], counts, rng, QUICK_KMEANS)]
        head = fit_head(features[rows], torch.nn.functional.one_hot(truth[rows], len(counts)).double())
        found = accuracy(head.predict(features[judges]), truth[judges])
        if found > best_score:
            best, best_score = rows, found
    return best


_CHOICES: dict[str, Callable[[TextTable, Tensor, Sequence[int], Streams], np.ndarray]] = {
    "random": _random,
    "herding": _herding,
    "k_centers": _k_centers,
    "best_k_centers": _best_k_centers,
}


def _rows_as_set(train: TextTable, rows: np.ndarray, meta: dict[str, object]) -> TextSet:
    table = train.take(rows)
    meta = {**meta, "data": train.name, "rows": rows.tolist()}
    return TextSet(table.texts, table.labels, table.classes, table.pairs, meta=meta)
