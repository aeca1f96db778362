"""How often words and pairs of neighbouring words occur in texts: what is left of them for who cannot read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


def one_text(texts: Sequence[str], pairs: Sequence[str] | None) -> Sequence[str]:
    """The texts, those of a pair joined: words are counted without regard to which of the two has them."""
    return texts if pairs is None else [f"{first} {second}" for first, second in zip(texts, pairs, strict=True)]


def word_counts(texts: Sequence[str], features: int = 2**18) -> csr_matrix:
    """How often each word and each pair of neighbouring words occurs in each text, (n, features)."""
    from sklearn.feature_extraction.text import HashingVectorizer

    words = HashingVectorizer(
        n_features=features,
        ngram_range=(1, 2),
        token_pattern=r"(?u)\b\w+\b",
        alternate_sign=False,  # the logarithm needs counts
        norm=None,
        dtype=np.float32,
    )
    counts: csr_matrix = words.transform(texts)
    return counts
