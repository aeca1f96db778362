"""The samples that steps are taken on: written by the generator now and then, a batch of them drawn at every step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from textdistill.core.batch import Batch
from textdistill.core.bounds import Count, Doc, NotNegative, OneOf, Positive
from textdistill.core.precision import Precision
from textdistill.core.streams import Streams
from textdistill.synthetic.generator import Sentences

WEIGHTINGS = ("mean", "sequence")
# Of texts and their second halves: a learner's inputs, and the mask of their real positions if they have such.
Read = Callable[[list[str], list[str] | None], tuple[Tensor, Tensor | None]]
Decode = Callable[[Sentences], tuple[list[str], list[str] | None]]
# A learner's features (n, f) of a batch; and of features, how many groups and a stream: each row's group.
FeaturesOf = Callable[[Batch], Tensor]
ClustersOf = Callable[[Tensor, int, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class PoolSettings:
    """How a generator's samples are drawn and weighted; the defaults are the paper's and, for weights, its code's.

    A class's weights are softmax(−l_i / `temperature`), where l_i is a sample's mean NLL over its tokens (`weighting`
    `mean`: long samples stay alive) or its sum (`sequence`: a_i ∝ p_φ(x̃_i), Eq. 5).
    """

    batch: Annotated[Count, Doc("samples of each class that a step sees")] = 64
    factor: Annotated[Count, Doc("how many times as many the pool has")] = 200
    every: Annotated[Count, Doc("steps after which it is written anew")] = 200
    diverse: Annotated[
        bool, Doc("one sample from each of batch K-means clusters of the pool's features, else any, none twice")
    ] = True
    temperature: Annotated[Positive, Doc("of the samples' weights")] = 1.0
    weighting: Annotated[str, OneOf(WEIGHTINGS), Doc("by NLL per token, or of the whole sample")] = "mean"
    micro_batch: Annotated[Count, Doc("samples that the generator sees at a time")] = 16
    penalty: Annotated[
        NotNegative, Doc("λ of a language-model loss on as many real rows, beside the matching (the paper has none)")
    ] = 0.0
    precision: Annotated[Precision, Doc("in which the generator's matrices are multiplied")] = "auto"
    lr: Annotated[Positive, Doc("rate at which networks train on the exported set")] = 1e-4


@dataclass(frozen=True, eq=False)
class Pool:
    """Samples of all classes as the generator and as the learner read them; `groups` (n,) number a class's clusters."""

    sentences: Sentences
    inputs: Tensor
    mask: Tensor | None
    groups: Int[Tensor, " n"]

    @staticmethod
    def of(sentences: Sentences, decode: Decode, read: Read, groups: Int[Tensor, " n"] | None = None) -> Pool:
        """These sentences, read by the learner; without `groups` each class is one."""
        inputs, mask = read(*decode(sentences))
        return Pool(sentences, inputs, mask, torch.zeros_like(sentences.labels) if groups is None else groups)

    def clustered(self, count: int, features: FeaturesOf, clusters: ClustersOf, streams: Streams) -> Pool:
        """The same samples, those of every class in `count` groups of alike features."""
        groups = torch.zeros_like(self.groups)
        for label in self.sentences.labels.unique().tolist():
            rows = torch.nonzero(self.sentences.labels == label)[:, 0]
            points = features(self.batch(rows, int(self.sentences.labels.max()) + 1))
            groups[rows] = torch.from_numpy(clusters(points, count, streams.numpy("clusters", label)))
        return Pool(self.sentences, self.inputs, self.mask, groups)

    def batch(self, rows: Int[Tensor, " b"], classes: int) -> Batch:
        """These samples as the learner sees them, with one-hot targets."""
        targets = torch.nn.functional.one_hot(self.sentences.labels[rows], classes)
        targets = targets.to(self.inputs.dtype if self.inputs.is_floating_point() else torch.float32)
        return Batch(self.inputs[rows], targets, mask=None if self.mask is None else self.mask[rows])

    def rows(self, each: int, streams: Streams) -> Int[Tensor, " b"]:
        """`each` samples of every class, class by class.

        Where a class has so many groups, one of each group, and of the whole class for a group without any; where it
        has one, without replacement.
        """
        chosen = []
        for label in self.sentences.labels.unique().tolist():
            mine, rng = torch.nonzero(self.sentences.labels == label)[:, 0], streams.torch(label)
            groups = self.groups[mine]
            if int(groups.max()) == 0:
                chosen.append(mine[torch.randperm(len(mine), generator=rng)[:each]])
                continue
            members = [mine[groups == group] for group in range(each)]
            chosen += [_one(of if len(of) else mine, rng) for of in members]
        return torch.cat(chosen)

    def tensors(self) -> dict[str, Tensor]:
        """What it can be made from again, with a decoder and a reader."""
        sentences = self.sentences
        return {"ids": sentences.ids, "mask": sentences.mask, "labels": sentences.labels, "groups": self.groups}

    @staticmethod
    def again(tensors: Mapping[str, Tensor], decode: Decode, read: Read) -> Pool:
        """The pool that `tensors` told of."""
        sentences = Sentences(tensors["ids"], tensors["mask"], tensors["labels"])
        return Pool.of(sentences, decode, read, tensors["groups"])


def _one(rows: Int[Tensor, " n"], rng: torch.Generator) -> Int[Tensor, " 1"]:
    return rows[torch.randint(len(rows), (1,), generator=rng)]
