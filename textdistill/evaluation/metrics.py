"""Scores of predictions, in percent: `evaluate.Metric` modules over scikit-learn that need no hub and no cache."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import datasets
import evaluate
import numpy as np
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef
from torch import Tensor

from textdistill.errors import DataError, UserError, did_you_mean

ClassIndices = np.ndarray | Tensor | Sequence[int]


class LocalMetric(evaluate.Metric, ABC):
    """A metric of class indices, computed here: nothing is fetched and nothing is left on disk.

    `compute(predictions=…, references=…)` is the `evaluate` interface; it copies every row through Arrow (about
    15 ms for 5,000 rows), so `score` calls `measure`, the same function without the copies.
    """

    name: ClassVar[str]
    description: ClassVar[str]

    def __init__(self) -> None:
        # The base class makes its cache folder even when all is kept in memory, so it gets one that goes away.
        with tempfile.TemporaryDirectory() as folder:
            super().__init__(keep_in_memory=True, cache_dir=folder)

    @staticmethod
    @abstractmethod
    def measure(predictions: np.ndarray, references: np.ndarray) -> float:
        """The score, as a fraction."""

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
        return {self.name: self.measure(predictions, references)}


class Accuracy(LocalMetric):
    """The share of rows whose prediction is right."""

    name = "accuracy"
    description = "Share of right predictions."

    @staticmethod
    def measure(predictions: np.ndarray, references: np.ndarray) -> float:
        """Right predictions / all predictions."""
        return float(accuracy_score(references, predictions))


class F1(LocalMetric):
    """F1 of class 1 where the classes are 0 and 1 (as GLUE has it for MRPC and QQP), macro F1 otherwise."""

    name = "f1"
    description = "F1 of class 1 for two classes, the mean of every class's F1 for more."

    @staticmethod
    def measure(predictions: np.ndarray, references: np.ndarray) -> float:
        """2 TP / (2 TP + FP + FN), of class 1 or averaged over classes; 0 where that is 0/0."""
        two = max(predictions.max(), references.max()) <= 1
        return float(f1_score(references, predictions, average="binary" if two else "macro", zero_division=0))


class MacroF1(LocalMetric):
    """The unweighted mean of the F1 of every class that occurs in the references or the predictions."""

    name = "macro_f1"
    description = "Unweighted mean of every class's F1."

    @staticmethod
    def measure(predictions: np.ndarray, references: np.ndarray) -> float:
        """(1/C) Σ_c F1_c; a class's F1 is 0 where it is 0/0."""
        return float(f1_score(references, predictions, average="macro", zero_division=0))


class Matthews(LocalMetric):
    """Matthews' correlation coefficient (GLUE's metric of CoLA); 0 where either side has one class only."""

    name = "matthews"
    description = "Matthews' correlation coefficient, from -1 to 1."

    @staticmethod
    def measure(predictions: np.ndarray, references: np.ndarray) -> float:
        """(TP TN - FP FN) / sqrt(…) for two classes, and its multi-class form R_K for more."""
        if np.ptp(predictions) == 0 or np.ptp(references) == 0:
            return 0.0  # 0/0, which scikit-learn also calls 0, with a warning when both sides are one class
        return float(matthews_corrcoef(references, predictions))


METRICS: dict[str, type[LocalMetric]] = {kind.name: kind for kind in (Accuracy, F1, MacroF1, Matthews)}


def score(names: Sequence[str], predictions: ClassIndices, references: ClassIndices) -> dict[str, float]:
    """Each named metric in percent (Matthews' coefficient times 100), under its name.

    `predictions` and `references` are (n,) class indices. Raises `UserError` for an unknown name, `DataError` for
    no rows at all or sides of unequal length.
    """
    for name in names:
        if name not in METRICS:
            raise UserError(f"metric {name!r} is unknown{did_you_mean(name, METRICS)}; known: {', '.join(METRICS)}")
    found, wanted = _indices(predictions), _indices(references)
    if len(found) != len(wanted):
        raise DataError(f"{len(found)} predictions for {len(wanted)} references; give one prediction for each row")
    if len(wanted) == 0:
        raise DataError("no rows to score; give at least one")
    return {name: 100.0 * METRICS[name].measure(found, wanted) for name in names}


def _indices(values: ClassIndices) -> np.ndarray:
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    return array.reshape(-1)
