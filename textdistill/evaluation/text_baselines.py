"""Baselines for readable sets: real training rows, as many for each class, chosen in every way that trains nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float
from torch import Tensor

from textdistill.core.errors import DataError, UserError, did_you_mean
from textdistill.core.streams import Streams
from textdistill.data.sets.text_set import TextSet
from textdistill.data.table import TextTable
from textdistill.selection.candidates import Candidates
from textdistill.selection.methods import METHODS, Method

NEAREST = "nearest_real"
# Baselines by their names here: all but the last are methods of `selection.methods`.
BY_METHOD = {"random": "random_real", **{name: name for name in ("herding", "k_centers", "best_k_centers")}}
TEXT_BASELINES = (*BY_METHOD, NEAREST)


def method_of(name: str) -> Method | None:
    """The method that a run or a judgement of sets calls so; `None` for what is none."""
    return METHODS.get(BY_METHOD.get(name, name))


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

    - `random`, `herding`, `k_centers`, `best_k_centers`: see the method's own file in `selection.methods`.
    - `nearest_real`: for every sample of the sets in `synthetic` the nearest row of its class by `synthetic_features`
      (one (m, f) table for each set), no row twice: see `nearest_real_sets`.
    """
    if name not in TEXT_BASELINES:
        raise UserError(
            f"baseline {name!r} is unknown{did_you_mean(name, TEXT_BASELINES)}; known: {', '.join(TEXT_BASELINES)}"
        )
    if len(features) != len(train):
        raise DataError(f"{len(features)} feature rows for {len(train)} training rows; one for each is needed")
    if name == NEAREST:
        if not synthetic:
            raise UserError("nearest_real: no synthetic sets to be near to; give those of a method")
        return nearest_real_sets(synthetic, synthetic_features, train, features)
    counts, method = [per_class] * len(train.classes), METHODS[BY_METHOD[name]]
    candidates = Candidates(train.labels, train.classes, lambda: [features])
    chosen = []
    for number in range(sets):
        tick(name)
        rows = method.choose(candidates, counts, streams, number)
        chosen.append(_rows_as_set(train, rows, {"method": name, "number": number}))
    return chosen


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
    from sklearn.metrics.pairwise import euclidean_distances

    if len(synthetic) != len(synthetic_features):
        raise DataError(f"{len(synthetic_features)} tables of features for {len(synthetic)} synthetic sets")
    retrieved = []
    for number, (distilled, points) in enumerate(zip(synthetic, synthetic_features, strict=True)):
        if distilled.classes != train.classes:
            raise DataError(
                f"synthetic set {number}: classes {distilled.classes}; those of the rows are {train.classes}"
            )
        rows = np.zeros(len(distilled), np.int64)
        for label in np.unique(distilled.labels):
            own, samples = np.flatnonzero(train.labels == label), np.flatnonzero(distilled.labels == label)
            if len(own) < len(samples):
                raise DataError(f"class {train.classes[label]!r}: {len(samples)} samples for {len(own)} training rows")
            distances = euclidean_distances(points[samples].numpy(), features[own].numpy())
            for place, line in zip(samples, distances, strict=True):
                nearest = int(line.argmin())
                rows[place] = own[nearest]
                distances[:, nearest] = np.inf
        retrieved.append(_rows_as_set(train, rows, {"method": "nearest_real", "number": number}))
    return retrieved


def _rows_as_set(train: TextTable, rows: np.ndarray, meta: dict[str, object]) -> TextSet:
    table = train.take(rows)
    meta = {**meta, "data": train.name, "rows": rows.tolist()}
    return TextSet(table.texts, table.labels, table.classes, table.pairs, meta=meta)
