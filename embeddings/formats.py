"""Which of the known formats a file has, judged by its content; and opening it, gzipped or not."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path

from embeddings.errors import EmbeddingsError
from embeddings.rows import shown
from embeddings.text import count_numbers, parse_header

FORMATS = ("auto", "glove", "word2vec", "word2vec-binary", "fasttext", "keyedvectors")

_SAMPLE = 1 << 18
_SAMPLE_LINES = 100
_CONTROL = frozenset(range(0x20)) - frozenset(b"\t\n\v\f\r")
_FOREIGN = {
    b"PK\x03\x04": "a zip archive: unpack it and name the file inside",
    b"BZh": "bzip2: unpack it, or pack it with gzip",
    b"\xfd7zXZ\x00": "xz: unpack it, or pack it with gzip",
    b"\xba\x16\x4f\x2f": "a fastText model (.bin): give the .vec file that belongs to it",
    b"\x93NUMPY": "a NumPy array without words: save words and vectors as word2vec text",
    b"PAR1": "a Parquet table: save words and vectors as word2vec text",
    b"\x89HDF": "an HDF5 file: save words and vectors as word2vec text",
}


@contextmanager
def open_bytes(path: Path) -> Iterator[BufferedIOBase]:
    """The file's bytes, unpacked when they are gzip whatever the file's name is.

    Raises:
        EmbeddingsError: the file cannot be read, or its gzip stream is damaged or ends early.
    """
    try:
        with path.open("rb") as probe:
            packed = probe.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if packed else path.open("rb") as stream:
            yield stream
    except (EOFError, zlib.error) as error:
        raise EmbeddingsError(f"{path}: the gzip stream is truncated or damaged ({error}). Fetch it again") from error
    except OSError as error:
        raise EmbeddingsError(f"{path}: cannot be read: {error.strerror or error}") from error


def detect(path: Path) -> str:
    """The format of a file, one of `FORMATS` but `auto`, from its first 256 KiB.

    A first line of two whole numbers is a word2vec header; what follows is text when a row of the declared dimension
    stands there, binary when it holds control bytes or no UTF-8, and otherwise what the file's suffix says. (GloVe text
    of dimension 1 that begins with a number as word looks like a header: name its format.)

    Raises:
        EmbeddingsError: an empty file, a known other format (the message says what to do), or nothing like vectors.
    """
    with open_bytes(path) as stream:
        sample = stream.read(_SAMPLE)
        whole = len(sample) < _SAMPLE
    if not sample:
        raise EmbeddingsError(f"{path}: the file is empty")
    if sample[0] == 0x80 and sample[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "keyedvectors"
    for magic, advice in _FOREIGN.items():
        if sample.startswith(magic):
            raise EmbeddingsError(f"{path}: is {advice}")
    first, _, rest = sample.partition(b"\n")
    header = parse_header(first)
    lines = (sample if header is None else rest).split(b"\n")
    numbers = [count_numbers(line) for line in (lines if whole else lines[:-1])[:_SAMPLE_LINES]]
    if header is not None:
        if any(count >= header[1] for count in numbers):
            return "word2vec"
        return "word2vec-binary" if _looks_binary(sample) or ".bin" in path.suffixes else "word2vec"
    if not any(numbers) and _looks_binary(sample):
        raise EmbeddingsError(
            f"{path}: is no word-vector file: it begins with {shown(sample[:16])}; expected GloVe or word2vec text, "
            f"word2vec binary, fastText .vec or gensim KeyedVectors"
        )
    return "glove"


def _looks_binary(sample: bytes) -> bool:
    """Whether bytes hold control characters or are not UTF-8 (a character cut at the end is no fault)."""
    if not _CONTROL.isdisjoint(sample):
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return True
    return False
