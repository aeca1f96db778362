"""TF-IDF with logistic regression: what a learner without vectors or pre-training makes of the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from textdistill.evaluation.scores import ClassIndices, score
from textdistill.learners.word_counts import word_counts

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Chosen on held-out rows of IMDB and of Rotten Tomatoes, with 200 to 6,000 others to train on: scikit-learn's 1 is 1
# to 14 points worse, 30 within about one point.
_INVERSE_PENALTY = 10.0


def tfidf_logistic(
    train_texts: Sequence[str],
    train_labels: ClassIndices,
    test_texts: Sequence[str],
    test_labels: ClassIndices,
    *,
    seed: int,
    metrics: Sequence[str] = ("accuracy",),
    features: int = 2**18,
) -> dict[str, float]:
    """The named metrics, in percent, of TF-IDF + L2 logistic regression trained on these rows.

    Words and pairs of neighbouring words, hashed to `features` columns: a vocabulary of pairs costs three times the
    time and more memory for about the same accuracy. A value is 1 + log of the count, times
    the inverse document frequency; rows have unit length. Rows of one class only, or without a single word, predict
    their most frequent class. About 9 s for 25,000 film reviews on one thread.
    """
    train, test = (word_counts(texts, features) for texts in (train_texts, test_texts))
    return logistic(train, train_labels, test, test_labels, seed=seed, metrics=metrics)


def logistic(
    counts: csr_matrix,
    train_labels: ClassIndices,
    test_counts: csr_matrix,
    test_labels: ClassIndices,
    *,
    seed: int,
    metrics: Sequence[str] = ("accuracy",),
) -> dict[str, float]:
    """`tfidf_logistic` of rows whose `word_counts` are at hand: to count them is most of the work."""
    from sklearn.dummy import DummyClassifier
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import LogisticRegression

    labels = np.asarray(train_labels)
    if len(np.unique(labels)) == 1 or counts.nnz == 0:
        most_frequent = DummyClassifier(strategy="most_frequent").fit(counts, labels)
        return score(metrics, most_frequent.predict(test_counts), test_labels)
    # A column that no training row has gets no weight; without those, 50 classes take seconds instead of minutes.
    used = np.flatnonzero(counts.getnnz(axis=0))
    weighting = TfidfTransformer(sublinear_tf=True)
    # Unit rows under a penalty make a well-conditioned loss: some 30 steps, far below the bound.
    classifier = LogisticRegression(C=_INVERSE_PENALTY, max_iter=2000, random_state=seed % 2**32)
    classifier.fit(weighting.fit_transform(counts[:, used]), labels)
    rows = weighting.transform(test_counts[:, used])
    return score(metrics, classifier.predict(rows), test_labels)
