"""A finished set made readable: sentences for sets of word vectors, a grid of pictures for images, label heat maps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from textdistill.core.checkpoint import write_atomic
from textdistill.core.file_names import DECODED, PICTURE, SAMPLES
from textdistill.data.sets.text_sets import write_samples
from textdistill.reports.grid import write_grid
from textdistill.reports.pictures import embedding_picture, shown_rows
from textdistill.representations.decode import Decoded
from textdistill.representations.task import Task
from textdistill.runs.artifact import load
from textdistill.selection.classes import points, width

MAPPED_VALUES = 2**22  # numbers of real rows that two principal components are taken from
LEAST_MAPPED = 1200  # rows, as many as the picture shows


def read_set(folder: Path, task: Task, k: int = 1, metric: str = "cosine") -> Decoded | None:
    """Write what a person can look at: decoded sentences or a grid of images, the embedding's picture, real samples."""
    artifact = load(folder)
    distilled = artifact.distilled
    to_pixels, decoded = task.pictures(), task.decode(distilled, k, metric)
    if to_pixels is not None:
        write_grid(folder, distilled, artifact.classes, to_pixels)
    if decoded is not None:
        write_atomic(folder / DECODED, json.dumps(decoded.as_dict(), ensure_ascii=False) + "\n")
    features, labels = task.features(), task.train.labels.numpy()
    rows = mapped_rows(labels, width(features))
    picture = embedding_picture(
        points(features, rows),
        labels[rows],
        task.points(distilled.inputs.flatten(0, 1), read_samples(folder)).numpy(),
        distilled.targets.flatten(0, 1).argmax(1).numpy(),
    )
    write_atomic(folder / PICTURE, json.dumps(picture) + "\n")
    return decoded


def mapped_rows(labels: np.ndarray, width: int) -> np.ndarray:
    """The real rows that the picture's axes are taken from: all, or evenly many of each class where they are many."""
    most = max(LEAST_MAPPED, MAPPED_VALUES // max(1, width))
    return np.arange(len(labels)) if len(labels) <= most else np.sort(shown_rows(labels, most))


def read_samples(folder: Path) -> list[dict[str, Any]] | None:
    """What `write_rows` wrote: the samples as they read; `None` where they are no real rows.

    Errors: `OSError` and `ValueError` for a file that cannot be read, or not as JSON lines.
    """
    if not (folder / SAMPLES).is_file():
        return None
    return [json.loads(line) for line in (folder / SAMPLES).read_text(encoding="utf-8").splitlines()]


def write_rows(folder: Path, classes: Sequence[str], targets: Tensor, samples: list[dict[str, Any]]) -> None:
    """`samples.jsonl`: real rows with their distilled labels, one JSON object a line, for any tokeniser and any model.

    Each has the row's own text (or its number, for images), `label` (the class of the highest value) and `labels`, the
    value of every class in six decimals. `targets` (S, m, c) are the labels of the samples in their order.
    """
    rounded = [[round(value, 6) for value in values] for values in targets.flatten(0, 1).tolist()]
    labels = [values.index(max(values)) for values in rounded]
    write_samples(folder / SAMPLES, samples, labels, rounded, [str(name) for name in classes])
