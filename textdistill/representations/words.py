"""Text as word vectors: the representation `words`, its settings, and the splits embedded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

import embeddings
from textdistill.core.batch import RealData
from textdistill.core.bounds import Count, Doc, Natural, OneOf
from textdistill.core.errors import RecipeError
from textdistill.core.learner import Learner
from textdistill.core.schedule import DistilledSet
from textdistill.data import DataSettings, Splits, TextTable, count_words, load, table_tokens
from textdistill.representations.decode import Decoded, decode, nearest_sentences, snap
from textdistill.representations.embedded_text import EmbeddedText, Trimmed
from textdistill.representations.rows import Rows
from textdistill.representations.task import Task

WORD2VEC = "word2vec"
SCALES = ("raw", "unit", "standard")


@dataclass(frozen=True)
class Word2Vec:
    """Settings of vectors trained on the training texts (skip-gram with negative sampling)."""

    corpus: Annotated[
        str | None, Doc("another data set whose training texts are used, where the task's own are too few")
    ] = None
    dimension: Annotated[Count, Doc("numbers in a vector")] = 100
    epochs: Annotated[Count, Doc("passes over the texts")] = 5
    window: Annotated[Count, Doc("words on each side that count as near")] = 5
    min_count: Annotated[Count, Doc("how often a word must come")] = 2
    negative: Annotated[Natural, Doc("other words that each pair is held against")] = 5
    skip_gram: Annotated[bool, Doc("skip-gram, else continuous bag of words")] = True


@dataclass(frozen=True)
class Words:
    """How texts become vectors.

    The sources of `vectors` are files, `glove-6b-50d`, `gensim:NAME`, or `word2vec`, trained on the training texts.
    """

    vectors: Annotated[tuple[str, ...], Doc("one or more sources, put side by side")] = ("glove-6b-50d",)
    length: Annotated[Count, Doc("words that texts are cut or padded to")] = 100
    max_words: Annotated[Count | None, Doc("how many of the training texts' most frequent words are known")] = 30000
    scale: Annotated[
        str, OneOf(SCALES), Doc("unit: mean norm 1; standard: mean 0, variance 1 of each dimension over running words")
    ] = "raw"
    unknown: Annotated[
        str, OneOf(("skip", "zero")), Doc("leave unknown words out, or make them zero vectors as the paper's code does")
    ] = "skip"
    word2vec: Annotated[Word2Vec, Doc("how vectors are trained")] = field(default_factory=Word2Vec)

    name: ClassVar[str] = "words"
    kind: ClassVar[str] = "words"


@dataclass
class WordTask(Task):
    """Embedded text: beside the rows, the tables they came from, and the words with their vectors (V, d)."""

    splits: Splits[TextTable]
    words: list[str]
    matrix: Tensor
    settings: Words
    vectors: embeddings.WordVectors
    rescale: Callable[[Tensor], Tensor]

    @cached_property
    def _features(self) -> Tensor:
        return mean_vectors(self.train)

    def features(self) -> Tensor:
        """The mean word vector of every training row, (n, d): by these rows are selected."""
        return self._features

    def shaped(self, length: int | None) -> tuple[int, ...]:
        """Words per sample and dimension, of a set whose samples have `length` words (the representation's if none)."""
        return (length or self.train.shape[0], self.train.shape[1])

    def fitted(self, inputs: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Rows cut or padded to the samples' number of words."""
        inputs = inputs[:, : shape[0]]
        return torch.nn.functional.pad(inputs, (0, 0, 0, shape[0] - inputs.shape[1]))

    def seen_by(self, learner: Learner, device: torch.device) -> RealData:
        """The training rows as the outer loop wants them: cut behind the longest of each batch."""
        train = self.train.to(device)
        return Trimmed(train, learner.margin) if isinstance(train, EmbeddedText) else train

    def summary(self, inputs: Tensor) -> Tensor:
        """The mean of a sample's vectors."""
        return inputs.mean(1)

    def beside(self, data: DataSettings) -> WordTask:
        """Texts of another data set with the same vectors, moved and scaled in the same way."""
        splits = load(data)
        return _assemble(splits, data, self.settings, self.vectors, self.rescale)

    def snap(self) -> Callable[[Tensor], Tensor]:
        """Each vector replaced by its nearest word's."""
        return lambda inputs: snap(inputs, self.matrix)

    def decode(self, distilled: DistilledSet, k: int, metric: str) -> Decoded:
        """The nearest words, and the real sentences nearest to each sample."""
        inputs, classes = distilled.inputs, self.classes
        decoded = decode(inputs, distilled.targets, classes, self.words, self.matrix, metric=metric, k=k)  # type: ignore[arg-type]
        labels = [classes[label] for label in self.train.labels.tolist()]
        near = nearest_sentences(inputs, self.features(), self.splits.train.texts, labels)
        return decoded.without_padding(inputs).with_nearest_real(near)

    def plain_texts(self) -> Splits[TextTable]:
        """The tables that were embedded."""
        return self.splits

    def readable(self, rows: list[int]) -> list[dict[str, Any]]:
        """Training rows as a person reads them, with their label."""
        return shown_rows(self.splits.train, rows)


def shown_rows(table: TextTable, rows: list[int]) -> list[dict[str, Any]]:
    """Rows of a table as a person reads them: the text, the second text of a pair, and the class."""
    table, shown = table.take(rows), []
    for at, text in enumerate(table.texts):
        pair = {} if table.pairs is None else {"text_pair": table.pairs[at]}
        shown.append({"text": text, **pair, "source_label": table.classes[int(table.labels[at])]})
    return shown


def prepare_words(data: DataSettings, representation: Words, seed: int = 0) -> WordTask:
    """Load, split, tokenise, align with the vectors, embed.

    The vocabulary and any trained vectors see training texts only.
    """
    splits = load(data)
    parts = []
    for source in representation.vectors:
        if source == WORD2VEC:
            parts.append(_trained(data, representation.word2vec, table_tokens(splits.train), seed))
        else:
            parts.append(embeddings.load(source))
    if not parts:
        raise RecipeError(["representation.vectors: empty; name at least one source, such as 'glove-6b-50d'"])
    vectors = parts[0] if len(parts) == 1 else embeddings.concatenate(parts, name="+".join(representation.vectors))
    return _assemble(splits, data, representation, vectors, None)


def _assemble(
    splits: Splits[TextTable],
    data: DataSettings,
    settings: Words,
    vectors: embeddings.WordVectors,
    rescale: Callable[[Tensor], Tensor] | None,
) -> WordTask:
    tokens = {name: table_tokens(getattr(splits, name)) for name in ("train", "validation", "test")}
    counts = count_words(tokens["train"])
    aligned = embeddings.align(vectors, counts, max_words=settings.max_words)
    matrix = torch.from_numpy(np.ascontiguousarray(aligned.matrix))
    frequency = torch.tensor([float(counts[word]) for word in aligned.words])
    rescale = rescale or _scaling(matrix, frequency / frequency.sum(), settings.scale)
    matrix = rescale(matrix)
    embedded = {
        name: EmbeddedText(
            tokens[name],
            getattr(splits, name).labels,
            splits.train.classes,
            aligned.words,
            matrix,
            settings.length,
            unknown=settings.unknown,  # type: ignore[arg-type]
        )
        for name in tokens
    }
    return WordTask(
        train=embedded["train"],
        validation=embedded["validation"],
        test=embedded["test"],
        metrics=tuple(splits.metrics),
        facts={
            "kind": settings.kind,
            "name": vectors.name,
            "dimension": vectors.dimension,
            "fingerprint": vectors.fingerprint,
            "words": len(aligned.words),
            "coverage": str(aligned.coverage),
            "token_share": round(aligned.coverage.token_share, 4),
            "type_share": round(aligned.coverage.type_share, 4),
            "reading": str(vectors.report),
        },
        data={
            **splits.facts(data.name),
            "cut_rows": embedded["train"].cut_rows,
            "empty_rows": embedded["train"].empty_rows,
        },
        splits=splits,
        words=aligned.words,
        matrix=matrix,
        settings=settings,
        vectors=vectors,
        rescale=rescale,
    )


def mean_vectors(text: Rows, batch: int = 512) -> Float[Tensor, "n d"]:
    """The mean word vector of each row over its real words."""
    out = torch.empty(len(text), text.shape[1])
    for rows, values in text.batches(batch):
        assert values.mask is not None
        inside = values.mask.to(values.inputs)[:, :, None]
        out[rows.cpu()] = ((values.inputs * inside).sum(1) / inside.sum(1)).cpu().float()
    return out


def _trained(data: DataSettings, settings: Word2Vec, own: list[list[str]], seed: int) -> embeddings.WordVectors:
    options = asdict(settings)
    corpus = options.pop("corpus")
    if corpus is not None:
        other = load(DataSettings(name=corpus, data_dir=data.data_dir))
        own = table_tokens(other.train)
    return embeddings.train_word2vec(own, **options, seed=seed)


def _scaling(matrix: Tensor, frequency: Tensor, scale: str) -> Callable[[Tensor], Tensor]:
    """How vectors are moved and scaled, as learned from these with their share of the running words."""
    if scale == "unit":
        norm = torch.linalg.vector_norm(matrix, dim=1).mean()
        return lambda values: values / norm
    if scale == "standard":
        mean = (frequency[:, None] * matrix).sum(0)
        sd = ((frequency[:, None] * (matrix - mean) ** 2).sum(0) + 1e-12).sqrt()
        return lambda values: (values - mean) / sd
    return lambda values: values
