"""Pools of generated samples: written by a generator, copies of training rows left out and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textdistill.core.spread import over_processes
from textdistill.core.streams import Streams
from textdistill.data import TextTable
from textdistill.data.sets.text_set import TextSet
from textdistill.data.sets.text_sets import write_text_set
from textdistill.evaluation.copies import CopyIndex
from textdistill.runs.progress import Stage as Bar
from textdistill.synthetic.generator import Generator, Sampling, sample

# Texts, second texts, labels: what was drawn, before anything is left out.
Drawn = tuple[list[str], list[str], list[int]]
# Texts and second texts of one class, and how many were thrown away, by reason.
OfClassDrawn = tuple[list[str], list[str] | None, dict[str, int]]


def drawn_by(of_class: Callable[[int], OfClassDrawn], labels: Sequence[int]) -> tuple[Drawn, dict[str, int]]:
    """What `of_class` draws for each of the labels, spread over the processes."""
    texts: list[str] = []
    pairs: list[str] = []
    own: list[int] = []
    redrawn: Counter[str] = Counter()
    for label, (first, second, reasons) in zip(labels, over_processes(of_class, labels), strict=True):
        texts += first
        pairs += second or []
        own += [label] * len(first)
        redrawn.update(reasons)
    return (texts, pairs, own), dict(redrawn)


@dataclass(frozen=True)
class Sieve:
    """What of drawn samples may stand in a pool: no copy of a training row (`near` ones too), and nothing twice."""

    train: TextTable
    copies: CopyIndex
    near: bool

    def sifted(self, drawn: Drawn, pool: TextSet | None = None) -> tuple[TextSet, dict[str, int]]:
        """The samples that are new beside `pool`, and how many were left out: `exact_copies`, `near_copies` (of
        training rows) and `repeated` (texts that were there already)."""
        texts, pairs, labels = drawn
        paired = pairs if self.train.pairs is not None else None
        exact, almost = self.copies.masks(texts, paired)
        table = TextTable(self.train.name, self.train.classes, texts, paired, np.array(labels, dtype=np.int64))
        seen = set() if pool is None else self._keys(pool)
        fresh = np.zeros(len(table), dtype=bool)
        for row, key in enumerate(table.keys()):
            fresh[row] = (key, labels[row]) not in seen
            seen.add((key, labels[row]))
        kept = np.flatnonzero(fresh & ~exact & ~(almost & self.near))
        counts = {
            "exact_copies": int(exact.sum()),
            "near_copies": int((almost & ~exact).sum()),
            "repeated": int((~fresh).sum()),
        }
        return TextSet(texts, table.labels, self.train.classes, paired).take(kept), counts

    def _keys(self, pool: TextSet) -> set[tuple[str, int]]:
        table = TextTable(self.train.name, pool.classes, pool.texts, pool.pairs, pool.labels)
        return set(zip(table.keys(), pool.labels.tolist(), strict=True))


def write_pool(
    generator: Generator,
    train: TextTable,
    per_class: int,
    sampling: Sampling,
    streams: Streams,
    file: Path,
    near: bool = True,
    bar: Bar | None = None,
) -> dict[str, Any]:
    """Sample `per_class` texts of each class into `file` (JSON lines), without copies and without repetitions.

    The paper leaves nothing out, and says that real samples may be among its own (Maekawa et al. 2024, Limitations).

    What is dropped is told and not replaced: `redrawn` (by reason), `exact_copies` and `near_copies` of training rows,
    `repeated` (texts that the pool has already), and the number of samples that are left of each class.
    """

    def of_class(label: int) -> OfClassDrawn:
        drawn = sample(generator, label, per_class, streams.torch("pool", label), sampling)
        first, second = generator.vocabulary.decode(drawn.sentences)
        if bar is not None:
            bar.advance(train.classes[label])
        return first, second, drawn.redrawn

    written, redrawn = drawn_by(of_class, range(len(train.classes)))
    pool, counts = Sieve(train, CopyIndex(train), near).sifted(written)
    write_text_set(file, pool)
    return {
        "sampled": len(written[0]),
        "redrawn": redrawn,
        **{name: counts[name] for name in ("exact_copies", "near_copies")},
        "near_copies_dropped": near,
        "repeated": counts["repeated"],
        "kept": np.bincount(pool.labels, minlength=len(train.classes)).tolist(),
    }
