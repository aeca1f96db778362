"""What a prompt prefers whatever the row says, and label words freed of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int

from textdistill.data.sets.text_set import TextSet
from textdistill.export import Wording

CONTENT_FREE = ("N/A", "", "[MASK]")  # Zhao et al. 2021, section 5
STRENGTH = 1.0  # of the pull towards no calibration, in rows
NEWTON_STEPS = 50


# By the names that people choose from.
CALIBRATIONS = ("none", "content-free", "rows")


class Calibration(Protocol):
    """A prompt's preference, read off questions that it is asked beside the rows."""

    def questions(self, wording: Wording) -> list[str]:
        """Those questions, m of them."""

    def __call__(
        self, scores: Float[np.ndarray, "n c"], reference: Float[np.ndarray, "m c"]
    ) -> Float[np.ndarray, "n c"]:
        """Log-probabilities of rows among the c label words, from the scores of the rows and of the questions."""


class ContentFree:
    """Contextual calibration (Zhao et al. 2021, equation 1 with W = diag(p_cf)⁻¹, b = 0): log q, q ∝ p / p_cf.

    p = softmax(scores) are probabilities among the label words, p_cf their mean over inputs without content.
    """

    def questions(self, wording: Wording) -> list[str]:
        """Inputs without content."""
        return [wording.question(text, text if wording.paired else None) for text in CONTENT_FREE]

    def __call__(
        self, scores: Float[np.ndarray, "n c"], reference: Float[np.ndarray, "m c"]
    ) -> Float[np.ndarray, "n c"]:
        """`scores` less the logarithm of the mean probability without content."""
        from scipy.special import log_softmax, logsumexp

        biased = logsumexp(log_softmax(reference, axis=1), axis=0) - np.log(len(reference))
        shares: np.ndarray = log_softmax(log_softmax(scores, axis=1) - biased, axis=1)
        return shares


@dataclass(frozen=True)
class ByRows:
    """Calibration on labelled training rows: log softmax(a·s + b), a and b likeliest on those rows.

    One slope a and a constant b for each class: Platt scaling of several classes with a shared slope. Where it is
    likeliest, the mean of softmax(a·s + b) is what the classes' shares are (in place of equal shares, as batch
    calibration takes them to be). `shares`: how frequent the classes are where the prompt will be asked; the rows count
    by it, so that rows drawn alike from all classes do not make rare ones likely. Held back as by `STRENGTH` rows that
    say nothing (a = 1, b = 0), so that few rows cannot overturn a prompt.
    """

    rows: TextSet
    shares: tuple[float, ...]

    def questions(self, wording: Wording) -> list[str]:
        """The training rows."""
        return wording.questions(self.rows)

    @property
    def weights(self) -> Float[np.ndarray, " m"]:
        """What every row counts; 1 on average."""
        counts = np.bincount(self.rows.labels, minlength=len(self.shares))
        each = np.array(self.shares) / np.maximum(counts, 1)
        weights: np.ndarray = each[self.rows.labels]
        weights *= len(weights) / weights.sum()
        return weights

    def __call__(
        self, scores: Float[np.ndarray, "n c"], reference: Float[np.ndarray, "m c"]
    ) -> Float[np.ndarray, "n c"]:
        """`scores` as they are likeliest to be right about the training rows."""
        from scipy.special import log_softmax

        slope, constants = likeliest_scale(log_softmax(reference, axis=1), self.rows.labels, self.weights)
        likely: np.ndarray = log_softmax(slope * log_softmax(scores, axis=1) + constants, axis=1)
        return likely


def likeliest_scale(
    scores: Float[np.ndarray, "m c"], labels: Int[np.ndarray, " m"], weights: Float[np.ndarray, " m"]
) -> tuple[float, Float[np.ndarray, " c"]]:
    """(a, b) of the greatest Σ_i w_i log softmax(a·s_i + b)[y_i] − ½ STRENGTH ((a − 1)² + ‖b‖²), by Newton's steps.

    The objective is strictly concave, so there is one; a step is halved as long as it does not climb.
    """
    from scipy.special import log_softmax

    count, classes = scores.shape
    # Row by row, what a change of (a, b) does to each class's score: (m, c, 1 + c).
    slopes = np.concatenate([scores[:, :, None], np.broadcast_to(np.eye(classes), (count, classes, classes))], axis=2)
    neutral = np.r_[1.0, np.zeros(classes)]

    def value(at: np.ndarray) -> float:
        likely = log_softmax(slopes @ at, axis=1)[np.arange(count), labels]
        return float(weights @ likely - 0.5 * STRENGTH * ((at - neutral) ** 2).sum())

    at = neutral
    for _ in range(NEWTON_STEPS):
        odds = np.exp(log_softmax(slopes @ at, axis=1))
        means = np.einsum("mc,mcp->mp", odds, slopes)
        climb = weights @ (slopes[np.arange(count), labels] - means) - STRENGTH * (at - neutral)
        bend = np.einsum("m,mc,mcp,mcq->pq", weights, odds, slopes, slopes)
        bend += STRENGTH * np.eye(1 + classes) - np.einsum("m,mp,mq->pq", weights, means, means)
        step = np.linalg.solve(bend, climb)
        if float(climb @ step) < 1e-12:
            break
        share, height = 1.0, value(at)
        while value(at + share * step) < height and share > 1e-6:
            share /= 2
        at = at + share * step
    return float(at[0]), at[1:]


def calibration_of(name: str, rows: TextSet, counts: Sequence[int]) -> Calibration | None:
    """The calibration of that name; `rows` are training rows held out, `counts` how many of each class there are."""
    if name == "rows":
        return ByRows(rows, tuple(count / sum(counts) for count in counts))
    return ContentFree() if name == "content-free" else None
