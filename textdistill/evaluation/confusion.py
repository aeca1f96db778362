"""The confusion matrix of one set of predictions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from textdistill.core.errors import DataError
from textdistill.evaluation.scores import ClassIndices


def confusion(predictions: ClassIndices, references: ClassIndices, classes: Sequence[str]) -> list[list[int]]:
    """Rows counted by true class (outer list) and predicted class (inner list), in the order of `classes`.

    Predictions and references are (n,) indices into `classes`. Raises `DataError` for an index outside it, for no
    rows at all, and for sides of unequal length.
    """
    from sklearn.metrics import confusion_matrix

    predicted, wanted = _indices(predictions, "prediction", classes), _indices(references, "reference", classes)
    if len(predicted) != len(wanted):
        raise DataError(f"{len(predicted)} predictions for {len(wanted)} references; give one prediction for each row")
    if len(classes) == 1:
        return [[len(wanted)]]  # scikit-learn warns of a matrix this small
    matrix: np.ndarray = confusion_matrix(wanted, predicted, labels=np.arange(len(classes)))
    counts: list[list[int]] = matrix.tolist()
    return counts


def _indices(values: ClassIndices, side: str, classes: Sequence[str]) -> np.ndarray:
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    if array.size == 0:
        raise DataError(f"no {side}s to count; give at least one row")
    outside = (array < 0) | (array >= len(classes))
    if outside.any():
        row = int(np.argmax(outside))
        raise DataError(f"row {row}: {side} {array[row]} is no class; classes are 0 to {len(classes) - 1}")
    return array
