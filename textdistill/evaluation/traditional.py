"""TF-IDF with logistic regression: what a learner without vectors or pre-training makes of the same rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from textdistill.evaluation.metrics import ClassIndices, score

_MANY_ROWS = 1000  # from here on a term must occur in two rows; among few rows every term counts


def tfidf_logistic(
    train_texts: Sequence[str],
    train_labels: ClassIndices,
    test_texts: Sequence[str],
    test_labels: ClassIndices,
    *,
    seed: int,
    metrics: Sequence[str] = ("accuracy",),
    features: int = 50_000,
) -> dict[str, float]:
    """The named metrics, in percent, of TF-IDF + L2 logistic regression trained on these rows.

    Words and pairs of neighbouring words, at most `features` of them (the most frequent), 1 + log of the count
    times the inverse document frequency. Rows of one class only, or without a single word, predict their most
    frequent class. About 20 s for 20,000 film reviews on one thread.
    """
    labels = np.asarray(train_labels)
    vectors = TfidfVectorizer(
        ngram_range=(1, 2),
        token_pattern=r"(?u)\b\w+\b",
        min_df=2 if len(train_texts) >= _MANY_ROWS else 1,
        max_features=features,
        sublinear_tf=True,
        dtype=np.float32,
    )
    words = vectors.build_tokenizer()
    if len(np.unique(labels)) == 1 or not any(words(text) for text in train_texts):
        model = DummyClassifier(strategy="most_frequent")
    else:
        # Rows have unit length, so the penalised loss is well conditioned: some 30 steps, far below the bound.
        model = make_pipeline(vectors, LogisticRegression(max_iter=2000, random_state=seed % 2**32))
    model.fit(train_texts, labels)
    return score(metrics, model.predict(test_texts), test_labels)
