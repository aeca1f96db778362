"""A finished set made readable: sentences for sets of word vectors, a grid of pictures for images, label heat maps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from textdistill.core.checkpoint import write_atomic
from textdistill.evaluation.decode import Decoded, decode, nearest_sentences
from textdistill.reports.grid import write_grid
from textdistill.reports.pictures import embedding_picture
from textdistill.representations.pixels import PixelTask
from textdistill.representations.task import Task
from textdistill.representations.texts import TextTask
from textdistill.representations.words import WordTask
from textdistill.runs.artifact import Artifact, load

DECODED, PICTURE, SAMPLES = "decoded.json", "picture.json", "samples.jsonl"


def read_set(folder: Path, task: Task, k: int = 1, metric: str = "cosine") -> Decoded | None:
    """Write what a person can look at: decoded sentences or a grid of images, the embedding's picture, real samples."""
    artifact = load(folder)
    decoded = None
    if isinstance(task, PixelTask):
        write_grid(folder, artifact.distilled, artifact.classes, task.scaling.invert)
    if isinstance(task, WordTask):
        decoded = _sentences(artifact, task, k, metric)
        write_atomic(folder / DECODED, json.dumps(decoded.as_dict(), ensure_ascii=False) + "\n")
    features, distilled = task.features(), artifact.distilled
    points = _encoded(folder, task) if isinstance(task, TextTask) else task.summary(distilled.inputs.flatten(0, 1))
    picture = embedding_picture(
        features.numpy(),
        task.train.labels.numpy(),
        points.numpy(),
        distilled.targets.flatten(0, 1).argmax(1).numpy(),
    )
    write_atomic(folder / PICTURE, json.dumps(picture) + "\n")
    return decoded


def _encoded(folder: Path, task: TextTask) -> Tensor:
    """The samples' own texts as points among the features."""
    samples = [json.loads(line) for line in (folder / SAMPLES).read_text(encoding="utf-8").splitlines()]
    pairs = [one["text_pair"] for one in samples] if "text_pair" in samples[0] else None
    return task.encoded([one["text"] for one in samples], pairs)


def _sentences(artifact: Artifact, task: WordTask, k: int, metric: str) -> Decoded:
    distilled, classes = artifact.distilled, artifact.classes
    decoded = decode(distilled.inputs, distilled.targets, classes, task.words, task.matrix, metric=metric, k=k)  # type: ignore[arg-type]
    labels = [classes[label] for label in task.train.labels.tolist()]
    found = nearest_sentences(distilled.inputs, task.features(), task.splits.train.texts, labels)
    return _without_padding(decoded, distilled.inputs).with_nearest_real(found)


def _without_padding(decoded: Decoded, inputs: Tensor) -> Decoded:
    """The sentences without what is nearest to the zero vectors behind a padded real row."""
    filled = inputs.flatten(0, 1).abs().sum(-1) > 0
    lengths = [max(1, int(row.nonzero().max()) + 1) if bool(row.any()) else 1 for row in filled]
    kept = [
        replace(one, words=one.words[:n], distances=one.distances[:n], alternatives=one.alternatives[:n])
        for one, n in zip(decoded.sentences, lengths, strict=True)
    ]
    return replace(decoded, sentences=kept)


def write_samples(folder: Path, classes: Sequence[str], targets: Tensor, samples: list[dict[str, Any]]) -> None:
    """`samples.jsonl`: real rows with their distilled labels, one JSON object a line, for any tokeniser and any model.

    Each has the row's own text (or its number, for images), `label` (the class of the highest value) and `labels`, the
    value of every class. `targets` (S, m, c) are the labels of the samples in their order.
    """
    lines = []
    for sample, values in zip(samples, targets.flatten(0, 1).tolist(), strict=True):
        soft = {name: round(value, 6) for name, value in zip(classes, values, strict=True)}
        told = {**sample, "label": max(soft, key=soft.__getitem__), "labels": soft}
        lines.append(json.dumps(told, ensure_ascii=False))
    write_atomic(folder / SAMPLES, "\n".join(lines) + "\n")
