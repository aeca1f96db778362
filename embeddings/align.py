"""Which words of a corpus have a vector, and how much of the corpus that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from embeddings.errors import EmbeddingsError, at_least
from embeddings.vectors import Float32, WordVectors

_MISSING_SHOWN = 20


@dataclass(frozen=True)
class Coverage:
    """How much of a corpus the vectors know; a type is a distinct word, a token one occurrence of it.

    "Found" counts every corpus word with a vector, also the `cut_types` that lie beyond `max_words`;
    `case_folded_types` are those found only after case folding. `missing` holds the 20 most frequent words without a
    vector, each with its count.
    """

    tokens_total: int
    tokens_found: int
    types_total: int
    types_found: int
    case_folded_types: int
    cut_types: int
    missing: tuple[tuple[str, int], ...]

    @property
    def token_share(self) -> float:
        """Tokens found / tokens, from 0 to 1."""
        return self.tokens_found / self.tokens_total

    @property
    def type_share(self) -> float:
        """Types found / types, from 0 to 1."""
        return self.types_found / self.types_total

    def __str__(self) -> str:
        """One line, such as `"vectors cover 98.3% of tokens, 71.2% of types"`."""
        folded = f", {self.case_folded_types} by case folding" if self.case_folded_types else ""
        cut = f"; {self.cut_types} rarer types cut" if self.cut_types else ""
        return f"vectors cover {self.token_share:.1%} of tokens, {self.type_share:.1%} of types{folded}{cut}"


@dataclass(frozen=True, eq=False)
class Alignment:
    """The corpus words that have a vector, most frequent first, with row `i` of `matrix` (n, d) for `words[i]`."""

    words: list[str]
    matrix: Float32
    coverage: Coverage


def align(vectors: WordVectors, counts: Mapping[str, int], *, max_words: int | None = None) -> Alignment:
    """Align word vectors with the words of a corpus.

    Corpus words come in descending frequency, ties in alphabetical order. A word takes the vector of the same
    spelling; failing that, of its case-folded form; failing that, of the first vector word with the same case-folded
    form. Words with count 0 are not in the corpus.

    Args:
        vectors: the word vectors.
        counts: how often each corpus word occurs.
        max_words: keep only the so many most frequent words that have a vector.

    Raises:
        EmbeddingsError: a negative count, an empty corpus, or no corpus word has a vector.
    """
    at_least(1, max_words=max_words)
    negative = next((word for word, count in counts.items() if count < 0), None)
    if negative is not None:
        raise EmbeddingsError(f"the count of {negative!r} is {counts[negative]}; a count must be 0 or more")
    ordered = sorted((item for item in counts.items() if item[1]), key=lambda item: (-item[1], item[0]))
    if not ordered:
        raise EmbeddingsError("the corpus has no words, there is nothing to align with")

    folded: dict[str, int] | None = None
    words: list[str] = []
    rows: list[int] = []
    missing: list[tuple[str, int]] = []
    case_folded = tokens_found = 0
    for word, count in ordered:
        row = vectors.index.get(word)
        if row is None:
            if folded is None:
                folded = _folded_index(vectors)
            row = folded.get(word.casefold())
            case_folded += row is not None
        if row is None:
            missing.append((word, count))
            continue
        words.append(word)
        rows.append(row)
        tokens_found += count
    if not words:
        raise EmbeddingsError(
            f"none of the {len(ordered)} corpus words has a vector in {vectors.name} "
            f"(most frequent: {', '.join(repr(word) for word, _ in missing[:5])}; the vectors hold "
            f"{', '.join(repr(word) for word in vectors.words[:5])}); check language, tokenisation and file"
        )
    kept = len(words) if max_words is None else min(max_words, len(words))
    coverage = Coverage(
        tokens_total=sum(count for _, count in ordered),
        tokens_found=tokens_found,
        types_total=len(ordered),
        types_found=len(words),
        case_folded_types=case_folded,
        cut_types=len(words) - kept,
        missing=tuple(missing[:_MISSING_SHOWN]),
    )
    return Alignment(words[:kept], vectors.matrix[np.array(rows[:kept], dtype=np.int64)], coverage)


def _folded_index(vectors: WordVectors) -> dict[str, int]:
    """Row of each case-folded form: of the word spelt that way if there is one, else of the first that folds to it."""
    index: dict[str, int] = {}
    for row, word in enumerate(vectors.words):
        index.setdefault(word.casefold(), row)
    return {form: vectors.index.get(form, row) for form, row in index.items()}
