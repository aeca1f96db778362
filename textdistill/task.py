"""From a recipe's data and representation to the three splits as embedded text: what a distillation works on."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

import embeddings
from textdistill.data import DataSettings, EmbeddedText, Splits, count_words, load, table_tokens
from textdistill.errors import RecipeError

WORD2VEC = "word2vec"
SCALES = ("raw", "unit", "standard")


@dataclass(frozen=True)
class Word2Vec:
    """Settings of vectors trained on the training texts (skip-gram with negative sampling).

    `corpus` names another data set whose training texts, without their labels, are used instead (a small task's texts
    are too few).
    """

    corpus: str | None = None
    dimension: int = 100
    epochs: int = 5
    window: int = 5
    min_count: int = 2
    negative: int = 5
    skip_gram: bool = True


@dataclass(frozen=True)
class Representation:
    """How texts become vectors.

    `vectors` names one or more sources (a file, `glove-6b-50d`, `gensim:NAME`, or `word2vec`, trained on the training
    texts); several are
    put side by side. Texts are cut or padded to `length` words; the `max_words` most frequent words of the training
    texts are known.
    `scale` is `raw`, `unit` (mean norm 1) or `standard` (each dimension with mean 0 and variance 1 over the running
    words).
    `unknown` words are left out (`skip`) or become zero vectors (`zero`, as the paper's code does).
    """

    vectors: tuple[str, ...] = ("glove-6b-50d",)
    length: int = 100
    max_words: int | None = 30000
    scale: str = "raw"
    unknown: str = "skip"
    word2vec: Word2Vec = field(default_factory=Word2Vec)


@dataclass
class Task:
    """Everything real: splits, vectors, and the splits as embedded text."""

    splits: Splits
    train: EmbeddedText
    validation: EmbeddedText
    test: EmbeddedText
    words: list[str]
    matrix: Tensor
    vectors: dict[str, Any]
    data: dict[str, Any]

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, in the order of the labels."""
        return self.splits.train.classes

    @property
    def shape(self) -> tuple[int, ...]:
        """Length and dimension of an embedded text."""
        return self.train.shape


def prepare(data: DataSettings, representation: Representation, seed: int = 0) -> Task:
    """Load, split, tokenise, align with the vectors, embed.

    The vocabulary and any trained vectors see training texts only.
    """
    splits = load(data)
    tokens = {name: table_tokens(getattr(splits, name)) for name in ("train", "validation", "test")}
    counts = count_words(tokens["train"])
    parts = []
    for source in representation.vectors:
        if source == WORD2VEC:
            parts.append(_trained(data, representation.word2vec, tokens["train"], seed))
        else:
            parts.append(embeddings.load(source))
    if not parts:
        raise RecipeError(["representation.vectors: empty; name at least one source, such as 'glove-6b-50d'"])
    vectors = parts[0] if len(parts) == 1 else embeddings.concatenate(parts, name="+".join(representation.vectors))
    aligned = embeddings.align(vectors, counts, max_words=representation.max_words)
    matrix = torch.from_numpy(np.ascontiguousarray(aligned.matrix))
    frequency = torch.tensor([float(counts[word]) for word in aligned.words])
    matrix = _scaled(matrix, frequency / frequency.sum(), representation.scale)
    embedded = {
        name: EmbeddedText(
            tokens[name],
            getattr(splits, name).labels,
            splits.train.classes,
            aligned.words,
            matrix,
            representation.length,
            unknown=representation.unknown,  # type: ignore[arg-type]
        )
        for name in tokens
    }
    return Task(
        splits,
        embedded["train"],
        embedded["validation"],
        embedded["test"],
        aligned.words,
        matrix,
        {
            "name": vectors.name,
            "dimension": vectors.dimension,
            "fingerprint": vectors.fingerprint,
            "words": len(aligned.words),
            "coverage": str(aligned.coverage),
            "token_share": round(aligned.coverage.token_share, 4),
            "type_share": round(aligned.coverage.type_share, 4),
            "reading": str(vectors.report),
        },
        {
            "name": data.name,
            "source": splits.report.source,
            "fingerprint": splits.fingerprint,
            "rows": {name: len(getattr(splits, name)) for name in tokens},
            "report": str(splits.report),
            "metrics": list(splits.metrics),
            "cut_rows": embedded["train"].cut_rows,
            "empty_rows": embedded["train"].empty_rows,
        },
    )


def _trained(data: DataSettings, settings: Word2Vec, own: list[list[str]], seed: int) -> embeddings.WordVectors:
    options = asdict(settings)
    corpus = options.pop("corpus")
    if corpus is not None:
        other = load(DataSettings(name=corpus, data_dir=data.data_dir))
        own = table_tokens(other.train)
    return embeddings.train_word2vec(own, **options, seed=seed)


def _scaled(matrix: Tensor, frequency: Tensor, scale: str) -> Tensor:
    if scale == "unit":
        matrix = matrix / torch.linalg.vector_norm(matrix, dim=1).mean()
    if scale == "standard":
        mean = (frequency[:, None] * matrix).sum(0)
        matrix = (matrix - mean) / ((frequency[:, None] * (matrix - mean) ** 2).sum(0) + 1e-12).sqrt()
    return matrix
