"""Collecting rows of a source: keeps the good ones, counts and shows the bad ones, and judges the whole."""

from __future__ import annotations

from typing import Literal

import numpy as np

from embeddings.errors import EmbeddingsError
from embeddings.vectors import Float32, ReadReport, WordVectors

Fault = Literal["malformed", "wrong_dimension", "non_finite", "duplicates"]

_EXAMPLES = 5
_SHOWN = 40


def shown(found: bytes | str) -> str:
    """A short, printable form of what was found in a file."""
    text = found.decode("utf-8", "backslashreplace") if isinstance(found, bytes) else found
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


class RowCollector:
    """Takes the rows of one source in order; the first vector of a word is kept.

    `source` is what messages call the source, such as the path of a file; when `max_words` words are kept, `full`
    turns true and the reader should stop.
    """

    def __init__(self, source: str, max_words: int | None = None) -> None:
        """Start with no rows."""
        self._source = source
        self._max_words = max_words
        self._vectors: dict[str, Float32] = {}
        self._faults: dict[Fault, int] = {"malformed": 0, "wrong_dimension": 0, "non_finite": 0, "duplicates": 0}
        self._with_spaces = 0
        self._first_bad = ""
        self._examples: list[str] = []

    @property
    def full(self) -> bool:
        """Whether `max_words` words are kept."""
        return self._max_words is not None and len(self._vectors) >= self._max_words

    def drop(self, fault: Fault, where: str, found: str) -> None:
        """Count a row that is not kept; `where` is its line or row, `found` says what is wrong with it."""
        self._faults[fault] += 1
        if not self._first_bad and fault != "duplicates":
            self._first_bad = f"{where}: {found}"
        if len(self._examples) < _EXAMPLES:
            self._examples.append(f"{where}: {found}")

    def note(self, remark: str) -> None:
        """Add a remark about the whole source to the examples."""
        self._examples.append(remark)

    def add(self, raw: bytes | str, vector: Float32, where: str) -> None:
        """Keep a row of the right dimension, or count why it cannot be kept."""
        try:
            word = raw if isinstance(raw, str) else raw.decode("utf-8")
        except UnicodeDecodeError as error:
            self.drop("malformed", where, f"the word {shown(raw)} is not UTF-8 (byte {error.start})")
            return
        if not np.isfinite(vector).all():
            self.drop("non_finite", where, f"the vector of {shown(word)} holds NaN or infinity")
        elif word in self._vectors:
            self.drop("duplicates", where, f"{shown(word)} was there before")
        else:
            self._vectors[word] = vector
            self._with_spaces += " " in word or "\t" in word

    def result(self, name: str, dimension: int) -> WordVectors:
        """The kept rows in order with their report.

        Raises:
            EmbeddingsError: no row is left, or more than half of all rows are bad (duplicates are not bad); the message
                names the source, the first bad row and what was found there.
        """
        kept, bad = len(self._vectors), sum(self._faults.values()) - self._faults["duplicates"]
        rows = kept + sum(self._faults.values())
        if rows == 0:
            raise EmbeddingsError(f"{self._source}: holds no rows of word vectors")
        if kept == 0 or 2 * bad > rows:
            raise EmbeddingsError(
                f"{self._source}: {bad} of {rows} rows are no {dimension}-d word vectors; first bad row at "
                f"{self._first_bad}.\nCheck that it holds word vectors, and the `format` and `dimension` asked for"
            )
        matrix = np.stack(list(self._vectors.values())).astype(np.float32, copy=False)
        report = ReadReport(
            rows=rows,
            kept=kept,
            malformed=self._faults["malformed"],
            duplicates=self._faults["duplicates"],
            wrong_dimension=self._faults["wrong_dimension"],
            non_finite=self._faults["non_finite"],
            words_with_spaces=self._with_spaces,
            examples=tuple(self._examples),
        )
        return WordVectors(list(self._vectors), matrix, name, report)
