"""Word vectors in word2vec's binary form: "V d", a line feed, then for each word its UTF-8, a space, d float32.

Numbers are little-endian. The C tool ends each row with a line feed and gensim does not; both are read.
"""

from __future__ import annotations

from io import BufferedIOBase

import numpy as np

from embeddings.errors import EmbeddingsError
from embeddings.rows import RowCollector, shown
from embeddings.text import check_dimension, parse_header
from embeddings.vectors import WordVectors

_CHUNK = 1 << 20
_LONGEST_HEADER = 100
_LONGEST_WORD = 10_000


class _Window:
    """A stream seen through a buffer that is refilled as it is consumed."""

    def __init__(self, stream: BufferedIOBase) -> None:
        self._stream = stream
        self._buffer = b""
        self._start = 0
        self.offset = 0

    def _fill(self, size: int) -> None:
        """Have at least `size` bytes ahead, or all that are left."""
        while len(self._buffer) - self._start < size and (more := self._stream.read(max(_CHUNK, size))):
            self._buffer = self._buffer[self._start :] + more
            self._start = 0

    def take(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end of the stream."""
        self._fill(size)
        taken = self._buffer[self._start : self._start + size]
        self._start += len(taken)
        self.offset += len(taken)
        return taken

    def until(self, mark: bytes, limit: int) -> bytes | None:
        """The bytes before the next `mark`, which is consumed too; `None` when it is not within `limit` bytes."""
        end = self._buffer.find(mark, self._start, self._start + limit)
        if end < 0:
            self._fill(limit)
            end = self._buffer.find(mark, self._start, self._start + limit)
        return self.take(end - self._start + 1)[:-1] if end >= 0 else None


def read_binary(
    stream: BufferedIOBase, source: str, name: str, *, dimension: int | None, max_words: int | None
) -> WordVectors:
    """Read word2vec binary vectors from a binary stream.

    A word cannot hold a space in this form: the first space ends it.

    Raises:
        EmbeddingsError: no header, a dimension other than the one asked for, a file that ends early (the message says
            at which row and byte, and what was expected), or rows that `RowCollector.result` refuses.
    """
    window = _Window(stream)
    first = window.until(b"\n", _LONGEST_HEADER)
    header = parse_header(first) if first is not None else None
    if header is None:
        raise EmbeddingsError(
            f"{source}: byte 0: expected the word2vec header 'V d' (two whole numbers and a line feed), "
            f"found {shown(first if first is not None else window.take(_LONGEST_HEADER))}"
        )
    declared, width = header
    check_dimension(width, dimension, f"{source}: byte 0")

    rows = RowCollector(source, max_words)
    for number in range(1, declared + 1):
        if rows.full:
            break
        where = f"row {number} of {declared} (byte {window.offset})"
        word = window.until(b" ", _LONGEST_WORD)
        if word is None:
            found = window.take(_LONGEST_WORD)
            what = "a word and a space" if len(found) < _LONGEST_WORD else f"a space within {_LONGEST_WORD} bytes"
            raise _broken(source, where, what, f"found {len(found)} bytes without a space")
        raw = window.take(4 * width)
        if len(raw) < 4 * width:
            raise _broken(source, where, f"{4 * width} bytes ({width} float32)", f"found the last {len(raw)} bytes")
        rows.add(word.lstrip(b"\n"), np.frombuffer(raw, dtype="<f4").astype(np.float32), where)
    if not rows.full and window.take(_CHUNK).strip():
        rows.note(f"byte 0: the header declares {declared} rows, more bytes follow and were not read")
    return rows.result(name, width)


def _broken(source: str, where: str, expected: str, found: str) -> EmbeddingsError:
    """The error for a file that ends early or has lost its step."""
    return EmbeddingsError(
        f"{source}: {where}: expected {expected}, {found}: the file is truncated or damaged. Fetch it again"
    )
