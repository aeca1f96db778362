"""Real rows of GloVe come back bit by bit from every format, whatever the file is called."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

from embeddings import EmbeddingsError, WordVectors, from_keyed_vectors, load


def as_text(vectors: WordVectors, header: bool = False, end: str = "\n") -> bytes:
    lines = [f"{len(vectors)} {vectors.dimension}"] if header else []
    rows = zip(vectors.words, vectors.matrix.tolist(), strict=True)
    return "".join(f"{line}{end}" for line in [*lines, *(f"{w} {' '.join(map(repr, v))}" for w, v in rows)]).encode()


def as_binary(vectors: WordVectors, end: bytes = b"\n") -> bytes:
    rows = zip(vectors.words, vectors.matrix, strict=True)
    body = b"".join(word.encode() + b" " + row.astype("<f4").tobytes() + end for word, row in rows)
    return f"{len(vectors)} {vectors.dimension}\n".encode() + body


def as_keyed_vectors(vectors: WordVectors) -> KeyedVectors:
    kv = KeyedVectors(vectors.dimension)
    kv.add_vectors(vectors.words, vectors.matrix)
    return kv


ENCODERS: dict[str, Callable[[WordVectors], bytes]] = {
    "glove.txt": as_text,
    "windows.txt": lambda vectors: as_text(vectors, end="\r\n"),
    "byte-order-mark.txt": lambda vectors: b"\xef\xbb\xbf" + as_text(vectors),
    "tabs.tsv": lambda vectors: as_text(vectors).replace(b" ", b"\t"),
    "glove.txt.gz": lambda vectors: gzip.compress(as_text(vectors)),
    "word2vec.txt": lambda vectors: as_text(vectors, header=True),
    "fasttext.vec": lambda vectors: as_text(vectors, header=True, end=" \n"),
    "word2vec.bin": as_binary,
    "gensim-writes-no-line-feeds.bin": lambda vectors: as_binary(vectors, end=b""),
    "word2vec.bin.gz": lambda vectors: gzip.compress(as_binary(vectors)),
    "binary-called.txt": as_binary,
    "text-called.bin": as_text,
    "gzip-called.vec": lambda vectors: gzip.compress(as_text(vectors, header=True)),
    "text-called.kv": lambda vectors: as_text(vectors, header=True),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_every_format_round_trips(name: str, few: WordVectors, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(ENCODERS[name](few))
    read = load(path)
    assert read.words == few.words
    np.testing.assert_array_equal(read.matrix, few.matrix)
    assert (read.fingerprint, read.name) == (few.fingerprint, name)
    assert (read.report.rows, read.report.kept, read.report.examples) == (40, 40, ())


@pytest.mark.parametrize("binary", [True, False])
def test_what_gensim_saves_as_word2vec_is_read(binary: bool, few: WordVectors, tmp_path: Path) -> None:
    path = tmp_path / "saved"
    as_keyed_vectors(few).save_word2vec_format(str(path), binary=binary)
    read = load(path)
    assert read.words == few.words
    np.testing.assert_array_equal(read.matrix, few.matrix)


@pytest.mark.parametrize(
    ("format", "name"),
    [
        ("glove", "glove.txt"),
        ("word2vec", "word2vec.txt"),
        ("fasttext", "fasttext.vec"),
        ("word2vec-binary", "word2vec.bin"),
    ],
)
def test_a_named_format_reads_the_same(format: str, name: str, few: WordVectors, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(ENCODERS[name](few))
    assert load(path, format=format, dimension=50).fingerprint == few.fingerprint


@pytest.mark.parametrize("name", ["glove.txt", "word2vec.bin"])
def test_max_words_keeps_the_first(name: str, few: WordVectors, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(ENCODERS[name](few))
    read = load(path, max_words=7)
    assert read.words == few.words[:7]
    assert read.report.rows == 7


def test_keyed_vectors_on_disk_need_trust(few: WordVectors, tmp_path: Path) -> None:
    path = tmp_path / "mine.kv"
    as_keyed_vectors(few).save(str(path))
    with pytest.raises(EmbeddingsError, match=r"runs any code.*\n?.*save_word2vec_format.*\n?.*trust_pickle=True"):
        load(path)
    assert load(path, trust_pickle=True).fingerprint == few.fingerprint
    with pytest.raises(EmbeddingsError, match="holds 50-d vectors, but dimension=100"):
        load(path, trust_pickle=True, dimension=100)


def test_a_pickle_is_never_run_unasked(tmp_path: Path) -> None:
    path, witness = tmp_path / "evil.txt", tmp_path / "witness"
    path.write_bytes(b"\x80\x04cos\nmkdir\n(V" + str(witness).encode() + b"\ntR.")
    with pytest.raises(EmbeddingsError, match="pickle"):
        load(path)
    assert not witness.exists()


def test_a_damaged_pickle_is_the_users_error_even_when_trusted(tmp_path: Path) -> None:
    path = tmp_path / "half.kv"
    path.write_bytes(b"\x80\x04\x95nothing")
    with pytest.raises(EmbeddingsError, match="gensim cannot read it"):
        load(path, trust_pickle=True)


def test_words_with_spaces_survive_and_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "spaces.txt"
    path.write_bytes(
        b"the 0.1 0.2 0.3\n. . . 0.4 0.5 0.6\nat name@domain.com 0.7 0.8 0.9\nroute 66 1.0 1.1 1.2\n"
        b"1\xc2\xa01/2 1.3 1.4 1.5\n"
    )
    read = load(path)
    assert read.words == ["the", ". . .", "at name@domain.com", "route 66", "1\u00a01/2"]
    np.testing.assert_array_equal(read.matrix[:, 0], np.float32([0.1, 0.4, 0.7, 1.0, 1.3]))
    assert (read.report.words_with_spaces, read.report.kept) == (3, 5)


def test_each_fault_is_counted_under_its_name(tmp_path: Path) -> None:
    path = tmp_path / "faults.txt"
    good = b"".join(b"w%d 1.0 %d.5\n" % (number, number) for number in range(20))
    path.write_bytes(
        good
        + b"w3 9.0 9.0\n\nshort 1.0\nlong 1.0 2.0 3.0\nword 1.0 x\nnan nan 1.0\ninf 1e39 0.0\nbad\xff 1.0 2.0\nlonely\n"
    )
    report = load(path).report
    assert (report.rows, report.kept, report.duplicates) == (28, 20, 1)
    assert (report.wrong_dimension, report.malformed, report.non_finite) == (2, 3, 2)
    assert report.examples[0] == "line 21: 'w3' was there before"
    assert report.examples[1].startswith("line 23: found 1 numbers after 'short', expected 2")
    assert str(report) == "kept 20 of 28 rows (dropped: 3 malformed, 1 duplicate, 2 of wrong dimension, 2 not finite)"


@pytest.mark.parametrize("name", ["glove.txt", "word2vec.txt", "word2vec.bin"])
def test_a_duplicate_leaves_no_phantom_row(name: str, few: WordVectors, tmp_path: Path) -> None:
    """gensim keeps a zero row for it; here the first vector is kept and rows match words."""
    words = [*few.words[:-1], few.words[0]]
    doubled = object.__new__(WordVectors)  # WordVectors itself refuses a word twice
    doubled.__dict__.update(words=words, matrix=few.matrix, name="doubled")
    path = tmp_path / name
    path.write_bytes(ENCODERS[name](doubled))
    read = load(path)
    assert read.words == words[:-1]
    np.testing.assert_array_equal(read.matrix, few.matrix[:-1])
    assert read.report.duplicates == 1


def test_gensims_phantom_rows_are_dropped_and_counted() -> None:
    kv = KeyedVectors(2)
    kv.add_vectors(["a", "b"], np.float32([[1, 2], [3, 4]]))
    kv.vectors, kv.index_to_key = np.vstack([kv.vectors, np.zeros((1, 2), np.float32)]), ["a", "b", None]
    read = from_keyed_vectors(kv, "mine")
    assert (read.words, read.name, read.report.duplicates) == (["a", "b"], "mine", 1)
    np.testing.assert_array_equal(read.matrix, [[1, 2], [3, 4]])


def test_an_object_without_vectors_is_refused() -> None:
    with pytest.raises(EmbeddingsError, match="expected gensim KeyedVectors, found dict"):
        from_keyed_vectors({}, "mine")


REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "blank": (b"\n\n", r"line 1: found '\\n'; expected lines of a word and its numbers"),
    "prose": (b"It was a dark night.\nThe rain fell.\n", "line 1: found 'It was"),
    "zip": (b"PK\x03\x04rest", "zip archive: unpack"),
    "fasttext-model": (b"\xba\x16\x4f\x2f\x0c\x00", "give the .vec file"),
    "numpy": (b"\x93NUMPY\x01\x00", "NumPy array without words"),
    "other-binary": (b"\x00\x01\x02\x03 \xff", "is no word-vector file"),
    "half-bad": (b"a 1 2\nb 3 x\nc y 4\nd 5 q\n", "3 of 4 rows.*first bad row at line 2: found 'x'"),
    "only-header": (b"5 2\n", "declares 5 rows, but 0 follow"),
    "text-cut": (b"3 2\na 1 2\nb 3 4\n", "declares 3 rows, but 2 follow: the file is truncated"),
    "header-zero": (b"3 0\na\nb\nc\n", "declares dimension 0"),
    "header-absurd": (b"3 999999999\na 1 2\n", "declares dimension 999999999"),
    "gzip-cut": (gzip.compress(b"a 0.1 0.2\n" * 99)[:-9], "gzip stream is truncated"),
    "gzip-damaged": (b"\x1f\x8b\x08\x00" + b"\xff" * 40, "gzip stream is truncated or damaged|cannot be read"),
    "binary-no-rows": (b"0 2\n\x00", "holds no rows"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_says_where_and_why(case: str, tmp_path: Path) -> None:
    content, message = REFUSED[case]
    path = tmp_path / "vectors.bin" if case == "binary-no-rows" else tmp_path / "vectors.any"
    path.write_bytes(content)
    with pytest.raises(EmbeddingsError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        (-7, r"row 40 of 40 \(byte \d+\): expected 200 bytes \(50 float32\), found the last 19[34] bytes"),
        (-207, r"row 39 of 40|row 40 of 40 \(byte \d+\): expected a word and a space"),
    ],
)
def test_a_truncated_binary_says_what_was_expected(cut: int, message: str, few: WordVectors, tmp_path: Path) -> None:
    path = tmp_path / "cut.bin"
    path.write_bytes(as_binary(few)[:cut])
    with pytest.raises(EmbeddingsError, match=message):
        load(path)


def test_a_binary_that_lost_its_step_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lost.bin"
    path.write_bytes(b"2 1\n" + b"\x01" * 20_000)
    with pytest.raises(EmbeddingsError, match="row 1 of 2 .*expected a space within 10000 bytes"):
        load(path)


def test_more_rows_than_declared_are_read_and_noted(tmp_path: Path) -> None:
    path = tmp_path / "more.vec"
    path.write_bytes(b"1 2\na 1 2\nb 3 4\n")
    read = load(path)
    assert read.words == ["a", "b"]
    assert read.report.examples == ("line 1: the header declares 1 rows, 2 follow; all were read",)


@pytest.mark.parametrize("name", ["glove.txt", "word2vec.txt", "word2vec.bin"])
@pytest.mark.parametrize("dimension", [25, 100])
def test_another_dimension_than_asked_is_refused(name: str, dimension: int, few: WordVectors, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(ENCODERS[name](few))
    with pytest.raises(EmbeddingsError, match=r"50-d vectors, but dimension=\d+|found 50 numbers .* expected 100"):
        load(path, dimension=dimension)


def test_mistakes_in_the_call_are_explained(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingsError, match="no such file.*did you mean 'glove-6b-50d'"):
        load("glove-6b-100d")
    with pytest.raises(EmbeddingsError, match="is no file; name the vector file itself"):
        load(tmp_path)
    with pytest.raises(EmbeddingsError, match="format 'word2vec-binry'.*did you mean 'word2vec-binary'"):
        load("glove-6b-50d", format="word2vec-binry")
    with pytest.raises(EmbeddingsError, match="max_words must be an integer of at least 1, found 0"):
        load("glove-6b-50d", max_words=0)
    with pytest.raises(EmbeddingsError, match="cannot be read|no such file"):
        load("x" * 5000)


def test_a_text_without_header_is_no_word2vec(few: WordVectors, tmp_path: Path) -> None:
    path = tmp_path / "glove.txt"
    path.write_bytes(as_text(few))
    with pytest.raises(EmbeddingsError, match="line 1: expected the word2vec header.*format='glove'"):
        load(path, format="word2vec")
    with pytest.raises(EmbeddingsError, match="byte 0: expected the word2vec header"):
        load(path, format="word2vec-binary")
