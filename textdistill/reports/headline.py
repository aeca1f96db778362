"""What one looks at of a readable set: nearest real rows, a map, whom a frozen learner confuses, how the texts read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from textdistill.core.checkpoint import write_atomic
from textdistill.data import Splits, TextTable
from textdistill.data.sets.text_set import TextSet
from textdistill.evaluation.confusion import confusion
from textdistill.evaluation.fluency import Causal, fluency
from textdistill.evaluation.text_learners import Frozen
from textdistill.learners.pretrained.frozen_encoder import Encoder
from textdistill.reports.pictures import embedding_picture, shown_rows

NEAREST = 3  # real rows told of each sample
SHOWN = 300  # real rows on the map
LONGEST, HOVER = 400, 160  # characters of a real row in the list, and on the map


def look(
    sets: Sequence[TextSet],
    splits: Splits[TextTable],
    learner: Frozen,
    *,
    soft: TextSet | None = None,
    soft_of: str | None = None,
    model: Causal | None = None,
) -> dict[str, Any]:
    """All of it for the first of `sets`, ready for JSON; how the texts read (`texts`, see `fluency`) for all of them.

    `near`: the nearest training rows of each sample, by Euclidean distance of unit features. `picture`: samples and
    `shown` training rows on the rows' first two principal components. `confusion`: the test rows under `learner`.
    `soft`: the labels of the set `soft` (called `soft_of`) of the same texts, where the first set's are hard.
    """
    first, train = sets[0], splits.train
    encoder = Encoder(learner.encoder, device=learner.device)
    points, real = learner.features(first), encoder.features(train.texts, train.pairs)
    held = splits.validation if len(splits.validation) else splits.test
    rows = shown_rows(train.labels, SHOWN)
    labels = first if first.soft is not None else soft
    return {
        "encoder": learner.encoder,
        "near": _near(points, real, train),
        "picture": embedding_picture(real.numpy(), train.labels, points.numpy(), first.labels, limit=SHOWN),
        "shown": [_text(train, row, HOVER) for row in rows.tolist()],
        "confusion": confusion(learner.predict(first, splits.test), splits.test.labels, list(train.classes)),
        "soft": None if labels is None or labels.soft is None else np.round(labels.soft, 6).tolist(),
        "soft_of": soft_of if first.soft is None else None,
        "texts": fluency(sets, train, held_out=held, model=model, encoder=encoder),
    }


def write_look(path: Path, seen: dict[str, Any]) -> Path:
    """Write what `look` gives."""
    write_atomic(path, json.dumps(seen, ensure_ascii=False) + "\n")
    return path


def _near(points: Tensor, real: Tensor, train: TextTable) -> list[list[dict[str, Any]]]:
    from sklearn.metrics.pairwise import euclidean_distances

    distances = euclidean_distances(points.numpy(), real.numpy())
    return [
        [
            {
                "text": _text(train, row, LONGEST),
                "label": train.classes[int(train.labels[row])],
                "distance": round(float(line[row]), 4),
            }
            for row in np.argsort(line, kind="stable")[:NEAREST].tolist()
        ]
        for line in distances
    ]


def _text(table: TextTable, row: int, longest: int) -> str:
    text = table.texts[row] if table.pairs is None else f"{table.texts[row]} / {table.pairs[row]}"
    return text if len(text) <= longest else text[: longest - 1] + "…"
