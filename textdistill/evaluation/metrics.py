"""Scores of predictions, in percent: `evaluate.Metric` modules over scikit-learn that need no hub and no cache."""

from __future__ import annotations

import tempfile
from typing import ClassVar

import datasets
import evaluate
import numpy as np

from textdistill.evaluation.scores import MEASURES, score

__all__ = ["F1", "METRICS", "Accuracy", "LocalMetric", "MacroF1", "Matthews", "score"]


class LocalMetric(evaluate.Metric):
    """A metric of class indices, computed here: nothing is fetched and nothing is left on disk.

    `compute(predictions=…, references=…)` is the `evaluate` interface; it copies every row through Arrow (about
    15 ms for 5,000 rows), so the protocol calls `scores.score`, the same functions without the copies.
    """

    name: ClassVar[str]
    description: ClassVar[str]

    def __init__(self) -> None:
        # The base class makes its cache folder even when all is kept in memory, so it gets one that goes away.
        with tempfile.TemporaryDirectory() as folder:
            super().__init__(keep_in_memory=True, cache_dir=folder)

    def _info(self) -> evaluate.MetricInfo:
        index = datasets.Value("int64")
        return evaluate.MetricInfo(
            description=self.description,
            citation="",
            inputs_description="Class indices: predictions and references, one each for every row.",
            features=datasets.Features({"predictions": index, "references": index}),
            format="numpy",
        )

    def _compute(self, *, predictions: np.ndarray, references: np.ndarray) -> dict[str, float]:
        return {self.name: MEASURES[self.name](predictions, references)}


class Accuracy(LocalMetric):
    """The share of rows whose prediction is right."""

    name = "accuracy"
    description = "Share of right predictions."


class F1(LocalMetric):
    """F1 of class 1 where the classes are 0 and 1 (as GLUE has it for MRPC and QQP), macro F1 otherwise."""

    name = "f1"
    description = "F1 of class 1 for two classes, the mean of every class's F1 for more."


class MacroF1(LocalMetric):
    """The unweighted mean of the F1 of every class that occurs in the references or the predictions."""

    name = "macro_f1"
    description = "Unweighted mean of every class's F1."


class Matthews(LocalMetric):
    """Matthews' correlation coefficient (GLUE's metric of CoLA); 0 where either side has one class only."""

    name = "matthews"
    description = "Matthews' correlation coefficient, from -1 to 1."


METRICS: dict[str, type[LocalMetric]] = {kind.name: kind for kind in (Accuracy, F1, MacroF1, Matthews)}
