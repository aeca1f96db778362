"""What becomes of soft labels: the class alone, a probability for each class, or a weighted row for each class."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from textdistill.data.sets.text_set import TextSet

Labels = Literal["hard", "soft", "weights"]
LABELS: tuple[str, ...] = get_args(Labels)


def probabilities(samples: TextSet) -> np.ndarray:
    """The labels as probabilities, (n, c), rows sum to one.

    Where no value of the set is negative each row is divided by its sum; else every row goes through softmax. Hard
    labels are one-hot.
    """
    values = samples.targets
    if (values >= 0).all() and (values.sum(1) > 0).all():
        return np.asarray(values / values.sum(1, keepdims=True))
    shifted = np.exp(values - values.max(1, keepdims=True))
    return np.asarray(shifted / shifted.sum(1, keepdims=True))


def weighted(samples: TextSet) -> tuple[TextSet, np.ndarray]:
    """A row for each sample and class with a probability above zero, and those probabilities as weights.

    Training on them by weighted cross-entropy is training on the soft labels: Σ_i Σ_c p_ic (−log q_ic), the same sum.
    Rows of one sample follow each other, its weights sum to one.
    """
    shares = probabilities(samples)
    rows, labels = np.nonzero(shares)
    return replace(samples.take(rows), labels=labels, soft=None), shares[rows, labels]
