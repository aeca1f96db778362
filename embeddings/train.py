"""Training word2vec on a corpus with gensim: the same corpus and settings give the same vectors, and are cached."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from embeddings.cache import cache_key, cached
from embeddings.errors import EmbeddingsError, at_least
from embeddings.vectors import ReadReport, WordVectors

Progress = Callable[[int, int], None]

_LONGEST_SENTENCE = 10_000  # gensim drops what lies beyond without a word
_LARGEST_SEED = 2**32 - 1


def _stable_hash(word: str) -> int:
    """A hash that does not depend on PYTHONHASHSEED."""
    return zlib.crc32(word.encode("utf-8", "surrogatepass"))


class _EpochEnds:
    """gensim's callback interface, reduced to telling how many epochs are done."""

    def __init__(self, progress: Progress, epochs: int) -> None:
        self._progress, self._epochs, self._done = progress, epochs, 0

    def on_train_begin(self, model: Any) -> None:
        """Nothing to tell yet."""

    def on_train_end(self, model: Any) -> None:
        """All has been told."""

    def on_epoch_begin(self, model: Any) -> None:
        """Nothing to tell yet."""

    def on_epoch_end(self, model: Any) -> None:
        """Tell that one more epoch is done."""
        self._done += 1
        self._progress(self._done, self._epochs)


def _digest_and_counts(sentences: Sequence[Sequence[str]]) -> tuple[str, Counter[str]]:
    """SHA-256 (hex) of the corpus and its word counts; refuses what is not a list of lists of words."""
    if isinstance(sentences, str):
        raise EmbeddingsError("sentences must be lists of words, found one string; split it into sentences and words")
    digest, counts = hashlib.sha256(), Counter[str]()
    for number, sentence in enumerate(sentences):
        if isinstance(sentence, str):
            raise EmbeddingsError(f"sentence {number} is a string ({sentence[:40]!r}); split it into words first")
        words = list(sentence)
        for word in words:
            if not isinstance(word, str):
                raise EmbeddingsError(f"sentence {number}: {word!r} is {type(word).__name__}, every word must be a str")
        digest.update(json.dumps(words).encode("ascii") + b"\n")
        counts.update(words)
    return digest.hexdigest(), counts


def train_word2vec(
    sentences: Sequence[Sequence[str]],
    *,
    dimension: int = 100,
    epochs: int = 5,
    window: int = 5,
    min_count: int = 2,
    negative: int = 5,
    skip_gram: bool = True,
    seed: int = 0,
    workers: int = 1,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> WordVectors:
    """Word2vec vectors of a corpus (Mikolov et al., 2013, "Distributed Representations of Words and Phrases").

    Skip-gram (or CBOW) with `negative` sampled words per word. With `workers=1` the result depends only on the corpus,
    the settings and gensim's version; more workers race and are not reproducible. Words are in descending frequency.
    Sentences of more than 10,000 words are cut into pieces, as gensim would ignore the rest.
    Frequent words are skipped at random as in the paper (threshold 1e-3), so that in a corpus of a few dozen distinct
    words little is left to learn from.

    Args:
        sentences: the corpus, one sequence of words per sentence.
        dimension: length of the vectors.
        epochs: passes over the corpus.
        window: words looked at on either side.
        min_count: words seen less often get no vector.
        negative: negative samples per word, at least 1.
        skip_gram: skip-gram, else CBOW.
        seed: of the initial vectors, the windows and the negative samples.
        workers: training threads.
        cache_dir: where the result is kept (in its subfolder `vectors`), by default `default_cache_dir()`.
        progress: called with (epochs done, epochs) after each epoch; not called when the result was cached.

    Raises:
        EmbeddingsError: an empty corpus, a corpus that is not lists of words, no word seen `min_count` times, or a
            setting out of range.
    """
    at_least(1, dimension=dimension, epochs=epochs, window=window, min_count=min_count, negative=negative)
    at_least(1, workers=workers)
    at_least(0, seed=seed)
    if seed > _LARGEST_SEED:
        raise EmbeddingsError(f"seed must be at most {_LARGEST_SEED}, found {seed}")
    digest, counts = _digest_and_counts(sentences)
    if not counts:
        raise EmbeddingsError("the corpus is empty: there is not one word to train on")
    word, most = min(counts.items(), key=lambda item: (-item[1], item[0]))
    if most < min_count:
        raise EmbeddingsError(
            f"no word reaches min_count={min_count}: the most frequent, {word!r}, is seen {most} times; "
            f"lower min_count or give more text"
        )
    import gensim
    from gensim.models import Word2Vec

    settings: dict[str, Any] = {
        "vector_size": dimension,
        "epochs": epochs,
        "window": window,
        "min_count": min_count,
        "negative": negative,
        "sg": int(skip_gram),
        "seed": seed,
        "workers": workers,
    }

    def build() -> WordVectors:
        pieces = [
            list(sentence[start : start + _LONGEST_SENTENCE])
            for sentence in sentences
            for start in range(0, len(sentence), _LONGEST_SENTENCE)
        ]
        callbacks = [] if progress is None else [_EpochEnds(progress, epochs)]
        model = Word2Vec(pieces, hashfxn=_stable_hash, callbacks=callbacks, **settings)
        words = list(model.wv.index_to_key)
        matrix = np.array(model.wv.vectors, dtype=np.float32)
        return WordVectors(words, matrix, name, ReadReport(rows=len(words), kept=len(words)))

    name = f"word2vec-{'skip-gram' if skip_gram else 'cbow'}-{dimension}d"
    key = cache_key(digest, settings | {"trainer": f"gensim {gensim.__version__}"})
    return cached(key, name, cache_dir, build)
