"""Scores of predictions as plain functions over scikit-learn, and `score`, which gives them in percent.

The `evaluate.Metric` modules of the same names are in `metrics`, apart from these: to import `evaluate` takes seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from textdistill.core.errors import DataError, UserError, did_you_mean

ClassIndices = np.ndarray | Tensor | Sequence[int]


def accuracy(predictions: np.ndarray, references: np.ndarray) -> float:
    """Right predictions / all predictions."""
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(references, predictions))


def f1(predictions: np.ndarray, references: np.ndarray) -> float:
    """2 TP / (2 TP + FP + FN), of class 1 for classes 0 and 1, else averaged over classes; 0 where that is 0/0."""
    from sklearn.metrics import f1_score

    two = max(predictions.max(), references.max()) <= 1
    return float(f1_score(references, predictions, average="binary" if two else "macro", zero_division=0))


def macro_f1(predictions: np.ndarray, references: np.ndarray) -> float:
    """(1/C) Σ_c F1_c over the classes that occur on either side; a class's F1 is 0 where it is 0/0."""
    from sklearn.metrics import f1_score

    return float(f1_score(references, predictions, average="macro", zero_division=0))


def matthews(predictions: np.ndarray, references: np.ndarray) -> float:
    """(TP TN - FP FN) / sqrt(…) for two classes, and its multi-class form R_K for more."""
    from sklearn.metrics import matthews_corrcoef

    if np.ptp(predictions) == 0 or np.ptp(references) == 0:
        return 0.0  # 0/0, which scikit-learn also calls 0, with a warning when both sides are one class
    return float(matthews_corrcoef(references, predictions))


MEASURES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": accuracy,
    "f1": f1,
    "macro_f1": macro_f1,
    "matthews": matthews,
}


def score(names: Sequence[str], predictions: ClassIndices, references: ClassIndices) -> dict[str, float]:
    """Each named metric in percent (Matthews' coefficient times 100), under its name.

    `predictions` and `references` are (n,) class indices. Raises `UserError` for an unknown name, `DataError` for
    no rows at all or sides of unequal length.
    """
    for name in names:
        if name not in MEASURES:
            raise UserError(f"metric {name!r} is unknown{did_you_mean(name, MEASURES)}; known: {', '.join(MEASURES)}")
    predicted, wanted = _indices(predictions), _indices(references)
    if len(predicted) != len(wanted):
        raise DataError(f"{len(predicted)} predictions for {len(wanted)} references; give one prediction for each row")
    if len(wanted) == 0:
        raise DataError("no rows to score; give at least one")
    return {name: 100.0 * MEASURES[name](predicted, wanted) for name in names}


def _indices(values: ClassIndices) -> np.ndarray:
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    return array.reshape(-1)
