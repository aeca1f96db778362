"""Word vectors as text: GloVe (no header), word2vec text and fastText `.vec` (first line "V d").

Rows are split from the right: the last d fields are the numbers and all before them is the word, so that words with
spaces survive. Lines end at a line feed and fields at ASCII white space only, since real words hold other Unicode
spaces (GloVe 840B has no-break spaces inside words).
"""

from __future__ import annotations

from collections import Counter
from io import BufferedIOBase
from itertools import chain, islice

import numpy as np

from embeddings.errors import EmbeddingsError
from embeddings.rows import RowCollector, shown
from embeddings.vectors import WordVectors

LARGEST_DIMENSION = 100_000  # a wider header is a damaged file, and would ask for absurd memory
_BOM = b"\xef\xbb\xbf"
_SAMPLE_LINES = 100
_LONGEST_LINE = 1 << 24  # 16 MiB: no row of numbers is longer, a file without line feeds may be


def parse_header(line: bytes) -> tuple[int, int] | None:
    """`(V, d)` when the line is two whole numbers, else `None`."""
    fields = line.removeprefix(_BOM).split()
    if len(fields) == 2 and all(field.isdigit() and len(field) <= 18 for field in fields):
        return int(fields[0]), int(fields[1])
    return None


def is_number(field: bytes) -> bool:
    """Whether a field reads as a decimal number (NaN and infinity included)."""
    try:
        float(field)
    except ValueError:
        return False
    return b"_" not in field


def count_numbers(line: bytes) -> int:
    """How many fields at the end of the line are numbers; the first field is the word and never counts."""
    numbers = 0
    for field in reversed(line.split()[1:]):
        if not is_number(field):
            break
        numbers += 1
    return numbers


def infer_dimension(lines: list[bytes]) -> int | None:
    """The most frequent number of numbers per line, the smaller one on a tie; `None` when no line ends in a number.

    Lines that are one word and numbers decide if there are any, since a damaged line too may end in some numbers.
    """
    found = [(count_numbers(line), len(line.split()) - 1) for line in lines]
    counts = Counter(numbers for numbers, others in found if numbers and numbers == others)
    counts = counts or Counter(numbers for numbers, _ in found if numbers)
    return min(counts, key=lambda numbers: (-counts[numbers], numbers)) if counts else None


def _is_decimal(field: bytes) -> bool:
    """Whether a field is a number written with a point or an exponent, as components are and words rarely are."""
    return is_number(field) and any(mark in field for mark in (b".", b"e", b"E"))


def _add_line(rows: RowCollector, line: bytes, dimension: int, where: str) -> None:
    """Sort one line that is not blank into the collector."""
    fields = line.rsplit(None, dimension)
    if len(fields) <= dimension:
        numbers = count_numbers(line)
        fault = f"found {numbers} numbers after {shown(line.split()[0])}, expected {dimension}"
        if numbers and numbers == len(line.split()) - 1:
            rows.drop("wrong_dimension", where, fault)
        else:
            rows.drop("malformed", where, fault)
        return
    word = fields[0].strip()
    # "route 66" is a word with a space; "the 0.25" is a word and one number too many
    if any(_is_decimal(field) for field in word.split()[1:]):
        rows.drop("wrong_dimension", where, f"found {count_numbers(line)} numbers, expected {dimension}")
        return
    try:
        vector = np.array([float(field) for field in fields[1:]], dtype=np.float32)
    except ValueError:
        vector = None
    if vector is None or (b"_" in line and any(b"_" in field for field in fields[1:])):  # Python reads 1_0 as 10
        wrong = next(field for field in fields[1:] if not is_number(field))
        rows.drop("malformed", where, f"found {shown(wrong)} where a number of {shown(word)} should stand")
    else:
        rows.add(word, vector, where)


def _read_header(stream: BufferedIOBase, source: str, dimension: int | None) -> tuple[int, int]:
    """`(V, d)` of the first line, checked against the dimension asked for."""
    first = stream.readline(_LONGEST_LINE)
    found = parse_header(first)
    if found is None:
        raise EmbeddingsError(
            f"{source}: line 1: expected the word2vec header 'V d' (two whole numbers), found {shown(first)}; "
            f"use format='glove' for text without a header"
        )
    check_dimension(found[1], dimension, f"{source}: line 1")
    return found


def check_dimension(declared: int, asked: int | None, where: str) -> None:
    """Refuse a header whose dimension is impossible or is not the one asked for."""
    if not 1 <= declared <= LARGEST_DIMENSION:
        raise EmbeddingsError(f"{where}: the header declares dimension {declared}, allowed is 1 to {LARGEST_DIMENSION}")
    if asked is not None and asked != declared:
        raise EmbeddingsError(f"{where}: the header declares {declared}-d vectors, but dimension={asked} was asked for")


def _settle_dimension(head: list[bytes], asked: int | None, source: str) -> int:
    """The dimension of a file without a header, from its first lines and the one asked for."""
    inferred = infer_dimension(head)
    if inferred is None:
        found = f"line 1: found {shown(head[0])}" if head else "the file is empty"
        raise EmbeddingsError(f"{source}: {found}; expected lines of a word and its numbers")
    # Reading only the last numbers of longer rows would make words out of the others.
    if asked is not None and inferred > asked:
        raise EmbeddingsError(f"{source}: the rows hold {inferred}-d vectors, but dimension={asked} was asked for")
    return asked or inferred


def read_text(
    stream: BufferedIOBase, source: str, name: str, *, header: bool, dimension: int | None, max_words: int | None
) -> WordVectors:
    """Read text vectors from a binary stream; `header` says whether the first line is "V d".

    Blank lines are not rows. Without a header and without `dimension`, d is what most of the first 100 lines have.

    Raises:
        EmbeddingsError: no header where one is needed, a dimension other than the one asked for, fewer rows than the
            header declares, or a file that `RowCollector.result` refuses.
    """
    declared: int | None = None
    if header:
        declared, dimension = _read_header(stream, source, dimension)
    lines = iter(lambda: stream.readline(_LONGEST_LINE), b"")
    head = list(islice(lines, _SAMPLE_LINES))
    if head and not header:
        head[0] = head[0].removeprefix(_BOM)
    if dimension is None or not header:
        dimension = _settle_dimension(head, dimension, source)

    rows = RowCollector(source, max_words)
    seen = 0
    with np.errstate(over="ignore"):  # 1e39 becomes infinity in float32, which is counted
        for number, line in enumerate(chain(head, lines), start=2 if header else 1):
            if rows.full:
                break
            if line.strip():
                seen += 1
                _add_line(rows, line, dimension, f"line {number}")
    if declared is not None and not rows.full:
        if seen < declared:
            raise EmbeddingsError(
                f"{source}: the header (line 1) declares {declared} rows, but {seen} follow: the file is truncated or "
                f"its header is wrong. Fetch it again, or mend line 1"
            )
        if seen > declared:
            rows.note(f"line 1: the header declares {declared} rows, {seen} follow; all were read")
    return rows.result(name, dimension)
