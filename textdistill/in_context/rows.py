"""The rows of a table that a language model is asked about, chooses by, and draws its shots from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from textdistill.core.errors import UserError
from textdistill.core.streams import Streams
from textdistill.data import TextTable, balanced_rows, spread
from textdistill.data.sets.text_set import TextSet


def drawn(table: TextTable, rows: int, streams: Streams) -> TextSet:
    """So many rows of a table, in its order."""
    places = streams.numpy().permutation(len(table))[:rows]
    return set_of(table.take(sorted(places.tolist())))


def held_out(train: TextTable, rows: int, pool: int, streams: Streams) -> tuple[TextTable, TextTable]:
    """Training rows that choices are made by, balanced by class, and others that shots are drawn from."""
    wanted = zip(spread(rows, len(train.classes)), train.counts().tolist(), strict=True)
    most = [min(asked, have // 2) for asked, have in wanted]
    if not any(most):
        raise UserError(f"{train.name}: {len(train)} training rows are too few to hold any out; give more")
    held = balanced_rows(train.labels, most, streams.numpy("held"), len(train.classes))[0]
    others = np.setdiff1d(np.arange(len(train)), held)
    return train.take(held), train.take(np.sort(streams.numpy("pool").permutation(others)[:pool]))


def set_of(table: TextTable) -> TextSet:
    """The rows of a table as a set."""
    return TextSet(table.texts, table.labels, table.classes, table.pairs)


def joined(sets: Sequence[TextSet]) -> TextSet:
    """The samples of several sets as one, a sample that stands in more than one once."""
    first = sets[0]
    rows: dict[tuple[str, str | None, int], None] = {}
    for one in sets:
        labelled = zip(one.parts, one.labels.tolist(), strict=True)
        rows |= dict.fromkeys((*sample, label) for sample, label in labelled)
    texts, pairs, labels = (list(column) for column in zip(*rows, strict=True))
    return TextSet(texts, np.array(labels), first.classes, None if first.pairs is None else pairs)
