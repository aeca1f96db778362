"""Samples as rows of a table: texts, class names, and what was asked of soft labels."""

from __future__ import annotations

from typing import Any

from textdistill.export.material import Material, fields_of
from textdistill.export.soft import Labels, probabilities, weighted

KINDS: tuple[Labels, ...] = ("soft", "hard", "weights")


def rows_of(material: Material) -> list[dict[str, Any]]:
    """A dict a row: `text`, `text_pair` of pairs, `label` (the class's name), then `labels` (probability by class) or
    `weight`, as the material's labels say. See `soft.py`."""
    samples, weights = material.samples, None
    if material.labels == "weights":
        samples, weights = weighted(samples)
    shares = probabilities(samples) if material.labels == "soft" else None
    rows: list[dict[str, Any]] = []
    for row, label in enumerate(samples.labels.tolist()):
        columns: dict[str, Any] = {**fields_of(samples, row), "label": samples.classes[label]}
        if shares is not None:
            columns["labels"] = dict(zip(samples.classes, shares[row].tolist(), strict=True))
        if weights is not None:
            columns["weight"] = float(weights[row])
        rows.append(columns)
    return rows
