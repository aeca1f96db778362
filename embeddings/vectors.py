"""Word vectors in memory: the words, their matrix, and what happened while they were read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import EmbeddingsError

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class ReadReport:
    """What was read and what was dropped: `rows` is the sum of `kept` and the four kinds of dropped rows.

    `malformed` rows have a word that is not UTF-8 or a field that is no number, `wrong_dimension` rows have too few or
    too many numbers, `non_finite` rows hold NaN or infinity (in float32), `duplicates` repeat an earlier word (the
    first is kept). `words_with_spaces` counts kept words with a space inside. `examples` shows the first dropped rows.
    """

    rows: int
    kept: int
    malformed: int = 0
    duplicates: int = 0
    wrong_dimension: int = 0
    non_finite: int = 0
    words_with_spaces: int = 0
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line, such as `"kept 3 of 5 rows (dropped: 1 malformed, 1 duplicate)"`."""
        counts = {
            "malformed": self.malformed,
            "duplicate": self.duplicates,
            "of wrong dimension": self.wrong_dimension,
            "not finite": self.non_finite,
        }
        dropped = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
        spaces = f"; {self.words_with_spaces} words with spaces" if self.words_with_spaces else ""
        return f"kept {self.kept} of {self.rows} rows" + (f" (dropped: {dropped})" if dropped else "") + spaces


@dataclass(frozen=True, eq=False)
class WordVectors:
    """Distinct words and their vectors: row `i` of `matrix` (V, d; float32, finite) belongs to `words[i]`.

    Raises:
        EmbeddingsError: the words repeat or do not match the rows, or the matrix is not 2-d, float32 and finite.
    """

    words: list[str]
    matrix: np.ndarray
    name: str
    report: ReadReport

    def __post_init__(self) -> None:
        """Refuse what every other part of the package relies on not to happen."""
        shape = self.matrix.shape
        if self.matrix.ndim != 2 or self.matrix.dtype != np.float32 or shape[1] < 1:
            raise EmbeddingsError(
                f"{self.name}: the matrix must be (words, dimension) float32, found {shape} {self.matrix.dtype}"
            )
        if len(self.words) != shape[0]:
            raise EmbeddingsError(f"{self.name}: {len(self.words)} words for {shape[0]} rows of vectors")
        if len(self.index) != len(self.words):
            repeated = next(word for row, word in enumerate(self.words) if self.index[word] != row)
            raise EmbeddingsError(f"{self.name}: the word {repeated!r} has more than one row; keep the first")
        finite = np.isfinite(self.matrix).all(axis=1)
        if not finite.all():
            word = self.words[int(np.argmin(finite))]
            raise EmbeddingsError(f"{self.name}: the vector of {word!r} holds NaN or infinity; drop that row")

    @cached_property
    def index(self) -> dict[str, int]:
        """Row of each word."""
        return {word: row for row, word in enumerate(self.words)}

    @property
    def dimension(self) -> int:
        """d, the length of each vector."""
        return int(self.matrix.shape[1])

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over the words, the shape and the matrix's little-endian bytes; the name is not part of it."""
        digest = hashlib.sha256(json.dumps([list(self.matrix.shape), self.words]).encode("ascii"))
        digest.update(np.ascontiguousarray(self.matrix, dtype="<f4").data)
        return digest.hexdigest()

    def __len__(self) -> int:
        """V, the number of words."""
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        """Whether the word, exactly as written, has a vector."""
        return word in self.index


def concatenate(parts: Sequence[WordVectors], name: str, *, normalise: bool = True) -> WordVectors:
    """Put several kinds of word vectors side by side: w -> [v_1(w); v_2(w); ...], zeros where a part lacks w.

    The vocabulary is the union in order: the first part's words, then the second part's new ones, and so on. The
    dimension is the sum of the parts'. With `normalise` each part is divided by its own mean row norm first, so that
    no part outweighs the others only because its vectors are longer.

    Raises:
        EmbeddingsError: no part is given.
    """
    if not parts:
        raise EmbeddingsError(f"{name}: there is nothing to concatenate, give at least one set of word vectors")
    words = list(dict.fromkeys(word for part in parts for word in part.words))
    index = {word: row for row, word in enumerate(words)}
    matrix = np.zeros((len(words), sum(part.dimension for part in parts)), dtype=np.float32)
    notes: list[str] = []
    start = 0
    for part in parts:
        mean_norm = float(np.linalg.norm(part.matrix.astype(np.float64), axis=1).mean()) if len(part) else 0.0
        scale = 1.0 / mean_norm if normalise and mean_norm > 0 else 1.0
        rows = np.fromiter((index[word] for word in part.words), dtype=np.int64, count=len(part))
        matrix[rows, start : start + part.dimension] = part.matrix.astype(np.float64) * scale
        notes.append(f"{part.name}: {len(part)} words, {len(words) - len(part)} filled with zeros, scale {scale:.6g}")
        start += part.dimension
    return WordVectors(words, matrix, name, ReadReport(len(words), len(words), examples=tuple(notes)))
