"""Whatever bytes a file holds, reading ends in sound vectors with honest counts or in an EmbeddingsError."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embeddings import EmbeddingsError, WordVectors, load
from embeddings.formats import FORMATS

HARSH = settings(max_examples=120, deadline=None, derandomize=True, database=None)

NUMBERS = st.sampled_from(
    [b"0.5", b"-1", b"3e4", b"nan", b"inf", b"1e39", b"1e999", b"x", b"1_0", b"0x1f", b"", b"--1"]
)
WORDS = st.sampled_from(
    [b"the", b"the", b"a b", b"12", b"0.5", b"nan", b"\xff\xfe", b"", b"\xc2\xa0", b"\x00", b"\xef\xbb\xbf"]
)
SEPARATORS = st.sampled_from([b" ", b" ", b" ", b"\t", b"  "])
GOOD_ROWS = st.builds(lambda n: b"w%d %d.25 0.5 -1e-3" % (n, n), st.integers(0, 99))
ODD_ROWS = st.builds(lambda w, s, n: w + s + s.join(n), WORDS, SEPARATORS, st.lists(NUMBERS, max_size=6))
HEADERS = st.sampled_from([b"", b"3 3\n", b"0 3\n", b"9 3\n", b"3 0\n", b"99999999999999999999 3\n", b"3 3 3\n", b"\n"])
TEXTS = st.builds(
    lambda header, rows, end: header + end.join(rows),
    HEADERS,
    st.lists(GOOD_ROWS | GOOD_ROWS | ODD_ROWS, max_size=12),
    st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n"]),
)
BINARY_ROWS = st.builds(
    lambda word, raw, end: word + b" " + raw + end,
    WORDS,
    st.binary(min_size=12, max_size=12),
    st.sampled_from([b"", b"\n"]),
)
BINARIES = st.builds(lambda header, rows: header + b"".join(rows), HEADERS, st.lists(BINARY_ROWS, max_size=6))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("malformed")


def read_or_refuse(content: bytes, folder: Path, format: str = "auto", max_words: int | None = None) -> None:
    path = folder / "vectors"
    path.write_bytes(content)
    try:
        vectors = load(path, format=format, max_words=max_words, cache_dir=folder / "cache")
    except EmbeddingsError:
        return
    sound(vectors, max_words)


def sound(vectors: WordVectors, max_words: int | None) -> None:
    report = vectors.report
    dropped = report.malformed + report.duplicates + report.wrong_dimension + report.non_finite
    assert report.rows == report.kept + dropped
    assert 1 <= report.kept == len(vectors) == len(set(vectors.words)) <= (max_words or report.kept)
    assert 2 * (dropped - report.duplicates) <= report.rows
    assert np.isfinite(vectors.matrix).all()


@HARSH
@given(content=TEXTS, max_words=st.none() | st.integers(1, 4))
def test_text(content: bytes, max_words: int | None, folder: Path) -> None:
    read_or_refuse(content, folder, max_words=max_words)


@HARSH
@given(content=BINARIES, cut=st.integers(0, 20))
def test_binary(content: bytes, cut: int, folder: Path) -> None:
    read_or_refuse(content[: len(content) - cut], folder)


@HARSH
@given(
    content=st.binary(max_size=200) | TEXTS | BINARIES,
    format=st.sampled_from([f for f in FORMATS if f != "keyedvectors"]),
)
def test_any_bytes_read_as_any_format(content: bytes, format: str, folder: Path) -> None:
    read_or_refuse(content, folder, format)


@HARSH
@given(content=TEXTS, where=st.integers(2, 60), byte=st.integers(0, 255), cut=st.integers(0, 12))
def test_damaged_gzip(content: bytes, where: int, byte: int, cut: int, folder: Path) -> None:
    packed = bytearray(gzip.compress(content, mtime=0))
    packed[where % len(packed)] = byte
    read_or_refuse(bytes(packed[: len(packed) - cut]), folder)


def test_the_strategies_reach_both_ends(folder: Path) -> None:
    """The property above would hold for a reader that refuses everything."""
    path = folder / "both"
    path.write_bytes(b"3 3\nw1 1.25 0.5 -1e-3\nw2 2.25 0.5 -1e-3\nthe 0.5 x 1\n")
    assert load(path, cache_dir=folder / "cache").report.malformed == 1
    path.write_bytes(b"the x x x\n")
    with pytest.raises(EmbeddingsError):
        load(path, cache_dir=folder / "cache")
