"""Demonstrations to compare with: real training rows, drawn at random, as K-centres, or as DSPy labels few shots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from textdistill.core.errors import UserError, did_you_mean
from textdistill.core.streams import Streams
from textdistill.data.sets.text_set import TextSet
from textdistill.data.table import TextTable
from textdistill.evaluation.text_baselines import baseline_sets

ZERO_SHOT = "zero_shot"
OPPONENTS = ("random", "k_centers", "labelled_few_shot")


class Encoding(Protocol):
    """Whatever gives a vector for each text: `learners.frozen_encoder.Encoder`."""

    def features(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> Tensor:
        """The vectors, (n, f)."""
        ...


def opponents(
    names: Sequence[str],
    train: TextTable,
    k: int,
    sets: int,
    streams: Streams,
    encoder: Callable[[], Encoding] | None = None,
) -> dict[str, list[TextSet]]:
    """So many sets of at least k real rows by each method; k of a set are shown (see `judge_prompts`).

    - `random`: as many rows of each class, drawn uniformly.
    - `k_centers`: the rows nearest to the K-means centroids of each class, by the vectors of `encoder`.
    - `labelled_few_shot`: k rows drawn uniformly from all, whatever their class, as DSPy's `LabeledFewShot` does.
    """
    methods: dict[str, list[TextSet]] = {}
    per_class = -(-k // len(train.classes))
    for name in names:
        if name not in OPPONENTS:
            known = ", ".join(OPPONENTS)
            raise UserError(f"opponent {name!r} is unknown{did_you_mean(name, OPPONENTS)}; known: {known}")
        if name == "labelled_few_shot":
            if k > len(train):
                raise UserError(f"k: {k} shots asked, but there are {len(train)} training rows; ask for fewer")
            methods[name] = [_uniform(train, k, streams.child("opponent", name, number)) for number in range(sets)]
            continue
        if name == "k_centers" and encoder is None:
            raise UserError("k_centers needs an encoder of texts; name one, or leave this method out")
        features = torch.zeros(len(train), 1) if encoder is None or name == "random" else _seen(train, encoder())
        methods[name] = baseline_sets(name, train, features, per_class, sets, streams)
    return methods


def _seen(train: TextTable, encoder: Encoding) -> Tensor:
    return encoder.features(train.texts, train.pairs)


def _uniform(train: TextTable, k: int, streams: Streams) -> TextSet:
    table = train.take(streams.numpy("rows").permutation(len(train))[:k])
    return TextSet(table.texts, table.labels, table.classes, table.pairs, meta={"method": "labelled_few_shot"})
