"""What gensim holds: `KeyedVectors` in memory, in its own pickle, and the data sets its downloader fetches."""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from embeddings.errors import EmbeddingsError, nearest_names
from embeddings.packaged import PACKAGED
from embeddings.rows import RowCollector
from embeddings.vectors import WordVectors

_SECONDS_WITHOUT_ANSWER = 30.0
_REMEDY = f"Name a local vector file instead, or the packaged vectors {PACKAGED!r}"


def from_keyed_vectors(kv: Any, name: str, *, max_words: int | None = None) -> WordVectors:
    """Word vectors from a `gensim.models.KeyedVectors` (or a model with one as `.wv`), rows in gensim's order.

    The rows gensim keeps for duplicate words without a word of their own (its key is `None`) are dropped and counted
    as duplicates; keys that are no strings, as in document vectors, are malformed.

    Raises:
        EmbeddingsError: the object holds no vectors, or none that can be kept.
    """
    kv = getattr(kv, "wv", kv)
    keys, vectors = getattr(kv, "index_to_key", None), getattr(kv, "vectors", None)
    if not isinstance(keys, list) or not isinstance(vectors, np.ndarray) or vectors.ndim != 2:
        raise EmbeddingsError(f"{name}: expected gensim KeyedVectors, found {type(kv).__name__} without word vectors")
    rows = RowCollector(name, max_words)
    with np.errstate(over="ignore"):
        for row, key in enumerate(keys[: len(vectors)]):
            if rows.full:
                break
            if isinstance(key, str):
                rows.add(key, vectors[row].astype(np.float32), f"row {row}")
            elif key is None:
                rows.drop("duplicates", f"row {row}", "a row without a word, left over from a duplicate")
            else:
                rows.drop("malformed", f"row {row}", f"the key {key!r} is no word")
    return rows.result(name, int(vectors.shape[1]))


def load_pickled(path: Path, name: str, *, trust_pickle: bool, max_words: int | None) -> WordVectors:
    """Vectors saved by gensim's own `save`, which is a pickle: read only when the caller trusts it.

    Raises:
        EmbeddingsError: it is not trusted (the message says how to save it safely), or gensim cannot read it.
    """
    if not trust_pickle:
        raise EmbeddingsError(
            f"{path}: is a pickle saved by gensim, and reading it runs any code its author put there. Where it was "
            f"made, save it as word2vec: KeyedVectors.load({path.name!r}).save_word2vec_format"
            f"({path.stem + '.bin'!r}, binary=True).\nIf you trust its author, pass trust_pickle=True"
        )
    from gensim.utils import SaveLoad

    try:
        loaded = SaveLoad.load(str(path))
    except Exception as error:  # a pickle can raise anything
        raise EmbeddingsError(f"{path}: gensim cannot read it: {type(error).__name__}: {error}") from error
    return from_keyed_vectors(loaded, name, max_words=max_words)


@contextlib.contextmanager
def _quiet_network(logger: logging.Logger) -> Iterator[None]:
    """Keep gensim's tracebacks out of the log and its progress off standard output; let no connection hang."""
    timeout, disabled = socket.getdefaulttimeout(), logger.disabled
    socket.setdefaulttimeout(_SECONDS_WITHOUT_ANSWER)
    logger.disabled = True
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        socket.setdefaulttimeout(timeout)
        logger.disabled = disabled


def download(name: str) -> Path:
    """The file of a gensim-data model, fetched by `gensim.downloader` unless it lies in its folder already.

    Only the data file is used; the code that gensim-data ships beside it is not run.

    Raises:
        EmbeddingsError: no such model (with the nearest names), or the network cannot be reached.
    """
    import gensim.downloader as api

    local = Path(api.BASE_DIR) / name / f"{name}.gz"
    if name and Path(name).name == name and local.is_file():
        return local
    with _quiet_network(api.logger):
        try:
            models = list(api.info(name_only=True)["models"])
        except Exception as error:  # gensim raises bare Exception and ValueError for a network it cannot reach
            raise EmbeddingsError(
                f"gensim:{name}: gensim's catalogue cannot be read, the network is out of reach ({error}). {_REMEDY}"
            ) from error
        if name not in models:
            raise EmbeddingsError(
                f"gensim:{name}: gensim-data has no such model{nearest_names(name, models, 3)}; "
                f"it has {', '.join(sorted(models))}"
            )
        try:
            return Path(api.load(name, return_path=True))
        except Exception as error:  # as above, and bare Exception for a wrong checksum
            raise EmbeddingsError(f"gensim:{name}: cannot be fetched ({error}). {_REMEDY}") from error
