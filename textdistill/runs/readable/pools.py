"""Pools of generated samples: written by a generator, copies of training rows left out and counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from textdistill.core.spread import over_processes
from textdistill.core.streams import Streams
from textdistill.data import TextTable
from textdistill.data.sets.text_set import TextSet
from textdistill.data.sets.text_sets import write_text_set
from textdistill.evaluation.copies import copies
from textdistill.runs.progress import Stage as Bar
from textdistill.synthetic.generator import Generator, Sampling, sample


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
    texts: list[str] = []
    pairs: list[str] = []
    labels: list[int] = []
    redrawn: dict[str, int] = {}

    def of_class(label: int) -> tuple[list[str], list[str] | None, dict[str, int]]:
        drawn = sample(generator, label, per_class, streams.torch("pool", label), sampling)
        first, second = generator.vocabulary.decode(drawn.sentences)
        if bar is not None:
            bar.advance(train.classes[label])
        return first, second, drawn.redrawn

    for label, (first, second, reasons) in enumerate(over_processes(of_class, range(len(train.classes)))):
        texts += first
        pairs += second or []
        labels += [label] * len(first)
        for reason, count in reasons.items():
            redrawn[reason] = redrawn.get(reason, 0) + count
    paired = pairs if train.pairs is not None else None
    exact, almost = copies(texts, paired, train)
    table = TextTable(train.name, train.classes, texts, paired, np.array(labels))
    seen: set[tuple[str, int]] = set()
    fresh = np.zeros(len(table), dtype=bool)
    for row, key in enumerate(table.keys()):
        fresh[row] = (key, labels[row]) not in seen
        seen.add((key, labels[row]))
    kept = np.flatnonzero(fresh & ~exact & ~(almost & near))
    pool = TextSet(texts, table.labels, train.classes, paired).take(kept)
    write_text_set(file, pool)
    return {
        "sampled": len(table),
        "redrawn": redrawn,
        "exact_copies": int(exact.sum()),
        "near_copies": int((almost & ~exact).sum()),
        "near_copies_dropped": near,
        "repeated": int((~fresh).sum()),
        "kept": np.bincount(pool.labels, minlength=len(train.classes)).tolist(),
    }
