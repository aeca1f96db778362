"""Reading word vectors from wherever they are: packaged, a file of any known format, or gensim."""

from __future__ import annotations

from pathlib import Path

from embeddings.binary import read_binary
from embeddings.cache import cache_key, cached, file_digest
from embeddings.errors import EmbeddingsError, at_least, nearest_names
from embeddings.formats import FORMATS, detect, open_bytes
from embeddings.gensim_sources import download, from_keyed_vectors, load_pickled
from embeddings.packaged import PACKAGED, load_packaged
from embeddings.text import read_text
from embeddings.vectors import WordVectors

__all__ = ["FORMATS", "PACKAGED", "from_keyed_vectors", "load"]

_GENSIM = "gensim:"


def load(
    source: str | Path,
    *,
    format: str = "auto",
    dimension: int | None = None,
    max_words: int | None = None,
    cache_dir: Path | None = None,
    trust_pickle: bool = False,
) -> WordVectors:
    """Read word vectors.

    Args:
        source: `"glove-6b-50d"` (packaged), `"gensim:NAME"` (a model of gensim-data), or the path of a file: GloVe
            text, word2vec text or binary, fastText `.vec`, each gzipped or not, or gensim's own `save`.
        format: one of `FORMATS`, for a file; `auto` judges by its content.
        dimension: d, checked against what is there.
        max_words: keep only the first so many words.
        cache_dir: where parsed files are kept (in its subfolder `vectors`), by default `default_cache_dir()`.
        trust_pickle: read gensim's own `save` format, which can run any code.

    Raises:
        EmbeddingsError: anything that keeps the vectors from being read; `report` of the result says what was dropped.
    """
    at_least(1, dimension=dimension, max_words=max_words)
    if format not in FORMATS:
        raise EmbeddingsError(f"format {format!r} is not known{nearest_names(format, FORMATS)}; allowed: {FORMATS}")
    if source == PACKAGED:
        return load_packaged(dimension=dimension, max_words=max_words)
    path, name = Path(source).expanduser(), Path(source).name
    if isinstance(source, str) and source.startswith(_GENSIM):
        path, name = download(source.removeprefix(_GENSIM)), source
    try:
        present, is_file = path.exists(), path.is_file()
    except OSError as error:
        raise EmbeddingsError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not present:
        near = nearest_names(str(source), [PACKAGED])
        raise EmbeddingsError(
            f"{source}: there is no such file{near}; allowed are {PACKAGED!r}, 'gensim:NAME' and the path of a file"
        )
    if not is_file:
        raise EmbeddingsError(f"{path}: is no file; name the vector file itself")
    found = detect(path) if format == "auto" else format
    if found == "keyedvectors":
        vectors = load_pickled(path, name, trust_pickle=trust_pickle, max_words=max_words)
        if dimension not in (None, vectors.dimension):
            raise EmbeddingsError(
                f"{path}: holds {vectors.dimension}-d vectors, but dimension={dimension} was asked for"
            )
        return vectors

    def parse() -> WordVectors:
        with open_bytes(path) as stream:
            if found == "word2vec-binary":
                return read_binary(stream, str(path), name, dimension=dimension, max_words=max_words)
            header = found != "glove"
            return read_text(stream, str(path), name, header=header, dimension=dimension, max_words=max_words)

    try:
        content = file_digest(path)
    except OSError as error:
        raise EmbeddingsError(f"{path}: cannot be read: {error.strerror or error}") from error
    settings = {"format": found, "dimension": dimension, "max_words": max_words}
    return cached(cache_key(content, settings), name, cache_dir, parse)
