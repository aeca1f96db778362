"""Word vectors: reading, training, aligning with a corpus, searching. Needs nothing of any other package here."""

from __future__ import annotations

from embeddings.align import Alignment, Coverage, align
from embeddings.cache import default_cache_dir
from embeddings.errors import EmbeddingsError
from embeddings.read import from_keyed_vectors, load
from embeddings.search import Neighbours, nearest
from embeddings.train import train_word2vec
from embeddings.vectors import ReadReport, WordVectors, concatenate

__all__ = [
    "Alignment",
    "Coverage",
    "EmbeddingsError",
    "Neighbours",
    "ReadReport",
    "WordVectors",
    "align",
    "concatenate",
    "default_cache_dir",
    "from_keyed_vectors",
    "load",
    "nearest",
    "train_word2vec",
]
