"""Distilled embedded sentences read as words: the nearest dictionary word of each position, always with its distance.

A distilled vector need not lie near any word, so a decoded sentence alone says little. Beside every word stands its
distance, beside the distances stands how far real words lie from each other, and `snap` gives the sentences that
the words really stand for, so that their accuracy can be measured too.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Float
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from embeddings import nearest
from textdistill.core.errors import ArtifactError, DataError
from textdistill.core.streams import Streams

Metric = Literal["cosine", "euclidean"]

REFERENCE_WORDS = 2000  # real words drawn for the reference distance


@dataclass(frozen=True)
class RealSentence:
    """A real training sentence near a distilled one; `distance` is one minus the cosine of their mean vectors."""

    text: str
    label: str
    distance: float


@dataclass(frozen=True)
class DecodedSentence:
    """One distilled sentence: sample number `sample` of distilled step `step`.

    `words[i]` is the word nearest to position i at `distances[i]`, `alternatives[i]` the further ones in order.
    `label` holds the learned value of each class as stored, `probabilities` the same made to sum to one.
    """

    step: int
    sample: int
    words: list[str]
    distances: list[float]
    alternatives: list[list[str]]
    label: dict[str, float]
    probabilities: dict[str, float]
    top: str
    nearest_real: list[RealSentence]

    def ranked(self) -> list[tuple[str, float]]:
        """Classes with their probabilities, largest first."""
        return sorted(self.probabilities.items(), key=lambda pair: -pair[1])


@dataclass(frozen=True)
class DecodeSummary:
    """How far the distilled vectors are from words; distances in the unit of `metric`.

    `real_word_distance` is the median distance of real words to their nearest other word. `repeated` is the share of
    positions whose word stood before in its sentence, `unique` the count of different words over all positions.
    `label_rule` says how probabilities came of labels: "normalised" (no label was negative) or "softmax".
    """

    metric: Metric
    positions: int
    mean: float
    median: float
    min: float
    max: float
    real_word_distance: float
    mean_norm: float
    mean_word_norm: float
    repeated: float
    unique: float
    label_rule: Literal["normalised", "softmax"]


@dataclass(frozen=True)
class Decoded:
    """All distilled sentences in words, with what there is to say about them together."""

    sentences: list[DecodedSentence]
    summary: DecodeSummary

    def as_dict(self) -> dict[str, Any]:
        """Plain lists and dicts for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Any) -> Decoded:
        """Inverse of `as_dict`; raises `ArtifactError` that names each faulty entry."""
        try:
            return TypeAdapter(cls).validate_python(values)
        except ValidationError as error:
            faults = [f"{'.'.join(map(str, fault['loc'])) or 'all'}: {fault['msg']}" for fault in error.errors()[:5]]
            raise ArtifactError("decoded sentences: " + "; ".join(faults)) from None

    def without_padding(self, inputs: Tensor) -> Decoded:
        """The same without what is nearest to the zero vectors behind a padded real row of `inputs` (S, m, l, d)."""
        filled = inputs.flatten(0, 1).abs().sum(-1) > 0
        lengths = [max(1, int(row.nonzero().max()) + 1) if bool(row.any()) else 1 for row in filled]
        kept = [
            replace(one, words=one.words[:n], distances=one.distances[:n], alternatives=one.alternatives[:n])
            for one, n in zip(self.sentences, lengths, strict=True)
        ]
        return replace(self, sentences=kept)

    def with_nearest_real(self, found: Sequence[Sequence[RealSentence]]) -> Decoded:
        """The same with the real sentences of `nearest_sentences`, one list for each distilled sentence."""
        if len(found) != len(self.sentences):
            raise DataError(
                f"decode: nearest sentences for {len(found)} samples given, but {len(self.sentences)} exist"
            )
        pairs = zip(self.sentences, found, strict=True)
        return replace(self, sentences=[replace(one, nearest_real=list(real)) for one, real in pairs])


def decode(
    inputs: Float[Tensor, "steps m length d"],
    targets: Float[Tensor, "steps m c"],
    classes: Sequence[str],
    words: Sequence[str],
    matrix: Float[Tensor, "v d"],
    *,
    metric: Metric = "cosine",
    k: int = 1,
) -> Decoded:
    """The nearest word of every position of every distilled sentence (TDD, decoding by the nearest dictionary vector).

    `matrix[i]` is the vector of `words[i]`; `k` words are kept for each position, the first as the sentence. Distances
    are 1 - cosine or Euclidean. Labels without any negative value are divided by their sum, others go through softmax;
    the rule is the same for the whole set. `nearest_real` starts empty (see `with_nearest_real`).
    Raises `DataError` for shapes that do not fit, fewer than two words, or a vector that is not finite.
    """
    inputs, targets, matrix = (tensor.detach().cpu().float() for tensor in (inputs, targets, matrix))
    _check(inputs, targets, classes, words, matrix)
    if not 1 <= k <= len(words):
        raise DataError(f"decode: k = {k} words for each position asked; allowed are 1 to {len(words)}")
    steps, samples, length, dimension = inputs.shape
    vectors = inputs.reshape(-1, dimension)
    near = nearest(vectors.numpy(), (matrix.numpy(), words), k=k, metric=metric)
    gaps = torch.as_tensor(near.distances).double()

    probabilities, rule = label_shares(targets)
    sentences = []
    for number in range(steps * samples):
        step, sample = divmod(number, samples)
        span = slice(number * length, (number + 1) * length)
        share = _by_class(classes, probabilities[step, sample])
        sentences.append(
            DecodedSentence(
                step=step,
                sample=sample,
                words=[row[0] for row in near.words[span]],
                distances=[_short(value) for value in gaps[span, 0].tolist()],
                alternatives=[list(row[1:]) for row in near.words[span]],
                label=_by_class(classes, targets[step, sample]),
                probabilities=share,
                top=max(share, key=lambda name: share[name]),
                nearest_real=[],
            )
        )

    first = gaps[:, 0].tolist()
    summary = DecodeSummary(
        metric=metric,
        positions=len(first),
        mean=_short(statistics.fmean(first)),
        median=_short(statistics.median(first)),
        min=_short(min(first)),
        max=_short(max(first)),
        real_word_distance=_short(_real_word_distance(words, matrix, metric)),
        mean_norm=_short(vectors.norm(dim=1).mean().item()),
        mean_word_norm=_short(matrix.norm(dim=1).mean().item()),
        repeated=_short(sum(len(one.words) - len(set(one.words)) for one in sentences) / len(first)),
        unique=_short(len({word for one in sentences for word in one.words}) / len(first)),
        label_rule=rule,
    )
    return Decoded(sentences, summary)


def label_shares(targets: Float[Tensor, "*n c"]) -> tuple[Float[Tensor, "*n c"], Literal["normalised", "softmax"]]:
    """Learned labels as shares that sum to one, and the rule that made them so (see `decode`)."""
    if bool((targets >= 0).all()) and bool((targets.sum(-1) > 0).all()):
        return targets / targets.sum(-1, keepdim=True), "normalised"
    return targets.softmax(-1), "softmax"


def snap(
    inputs: Float[Tensor, "*n d"], matrix: Float[Tensor, "v d"], metric: Metric = "cosine"
) -> Float[Tensor, "*n d"]:
    """Every vector replaced with its nearest word's: what the text holds, rather than the vectors.

    A vector of zeros is a position without a word (padding of a real row) and stays one.
    """
    if inputs.shape[-1] != matrix.shape[-1]:
        raise DataError(f"snap: vectors of {inputs.shape[-1]} numbers, but word vectors of {matrix.shape[-1]}")
    queries = inputs.detach().reshape(-1, inputs.shape[-1]).cpu().float().numpy()
    names = [str(row) for row in range(len(matrix))]
    near = nearest(queries, (matrix.detach().cpu().float().numpy(), names), k=1, metric=metric)
    rows = torch.as_tensor(near.indices)[:, 0].to(matrix.device)
    words = matrix.detach()[rows].reshape(inputs.shape).to(inputs.device, inputs.dtype)
    return words * inputs.detach().any(-1, keepdim=True)


def nearest_sentences(
    inputs: Float[Tensor, "steps m length d"],
    real_vectors_mean: Float[Tensor, "n d"],
    texts: Sequence[str],
    labels: Sequence[str],
    k: int = 3,
) -> list[list[RealSentence]]:
    """The k real training sentences nearest to each distilled one, sample after sample of step after step.

    distance = 1 - cos(mean over positions of the distilled vectors, mean vector of the real row). The caller takes the
    means of real rows over their real positions, and should pass training rows only. A mean without a direction
    (all zero) is at distance one from everything. Of fewer than k rows all are given, nearest first.
    """
    if not len(real_vectors_mean) == len(texts) == len(labels):
        sizes = f"{len(real_vectors_mean)} mean vectors, {len(texts)} texts and {len(labels)} labels"
        raise DataError(f"nearest sentences: {sizes} given; give one of each for every real row")
    if inputs.shape[-1] != real_vectors_mean.shape[-1]:
        raise DataError(
            f"nearest sentences: distilled vectors of {inputs.shape[-1]} numbers, "
            f"real means of {real_vectors_mean.shape[-1]}"
        )
    distilled = inputs.detach().cpu().float().flatten(0, 1).mean(dim=1)
    real = real_vectors_mean.detach().cpu().float()
    cosine = torch.nn.functional.normalize(distilled, dim=1) @ torch.nn.functional.normalize(real, dim=1).T
    values, rows = cosine.sort(dim=1, descending=True, stable=True)
    return [
        [RealSentence(texts[row], str(labels[row]), _short(1 - value)) for value, row in zip(near, which, strict=True)]
        for near, which in zip(values[:, :k].tolist(), rows[:, :k].tolist(), strict=True)
    ]


def _check(inputs: Tensor, targets: Tensor, classes: Sequence[str], words: Sequence[str], matrix: Tensor) -> None:
    if inputs.dim() != 4 or targets.dim() != 3 or inputs.shape[:2] != targets.shape[:2] or not inputs.numel():
        raise DataError(
            f"decode: inputs {tuple(inputs.shape)} and targets {tuple(targets.shape)} given; "
            "needed are (steps, samples, length, dimension) and (steps, samples, classes), none of them empty"
        )
    if targets.shape[2] != len(classes):
        raise DataError(f"decode: targets of {targets.shape[2]} values, but {len(classes)} class names")
    if matrix.dim() != 2 or len(words) != len(matrix) or len(words) < 2 or matrix.shape[1] != inputs.shape[3]:
        raise DataError(
            f"decode: {len(words)} words and a matrix {tuple(matrix.shape)} given; "
            f"needed are at least two words with one row of {inputs.shape[3]} numbers each"
        )
    if not (inputs.isfinite().all() and targets.isfinite().all()):
        raise DataError("decode: a distilled vector or label holds NaN or infinity; lower the outer learning rate")


def _real_word_distance(words: Sequence[str], matrix: Tensor, metric: Metric) -> float:
    """Median distance from a real word to its nearest other word, over a seeded sample of the vocabulary."""
    chosen = torch.randperm(len(matrix), generator=Streams(0).torch("decode", "reference"))[:REFERENCE_WORDS]
    near = nearest(matrix[chosen].numpy(), (matrix.numpy(), words), k=2, metric=metric)
    indices, gaps = torch.as_tensor(near.indices), torch.as_tensor(near.distances).double()
    # A word's twin (an equal vector) may come before the word itself, so "the second hit" would not do.
    other = torch.where(indices[:, 0] == chosen, gaps[:, 1], gaps[:, 0])
    return float(other.quantile(0.5))


def _by_class(classes: Sequence[str], values: Tensor) -> dict[str, float]:
    return {str(name): _short(value) for name, value in zip(classes, values.tolist(), strict=True)}


def _short(value: float) -> float:
    """Six decimals are more than a reader needs and keep the files small."""
    return round(float(value), 6)
