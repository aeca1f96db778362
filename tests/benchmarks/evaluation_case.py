"""Scores of several networks on a test split: ours by the protocol, and each network by itself on padded batches."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from tests.benchmarks.oracle import soft_cross_entropy, text_conv
from textdistill.core.inner import SGD
from textdistill.core.learner import Learner
from textdistill.core.schedule import DistilledSet
from textdistill.core.streams import Streams
from textdistill.evaluation.protocol import Bench, score_set
from textdistill.evaluation.settings import Evaluate
from textdistill.learners import LEARNERS, make_learner
from textdistill.representations.embedded_text import EmbeddedText

CLASSES, DIMENSION, WORDS, STEPS, EACH, BATCH = 2, 100, 1000, 5, 10, 256


class Problem:
    """Sentences of up to `length` words, more of them their class's own; a set of some; `nets` TextConvNets."""

    def __init__(self, rows: int, nets: int, length: int, filters: int = 100):
        rng, words = random.Random(0), [f"w{number}" for number in range(WORDS)]
        labels = [row % CLASSES for row in range(rows)]
        sizes = [min(length, max(2, round(rng.gauss(length * 0.4, length * 0.2)))) for _ in labels]
        half = [words[: WORDS // 2], words[WORDS // 2 :]]
        texts = [
            [rng.choice(half[label] if rng.random() < 0.6 else words) for _ in range(size)]
            for label, size in zip(labels, sizes, strict=True)
        ]
        vectors = torch.randn(WORDS, DIMENSION, generator=torch.Generator().manual_seed(1))
        self.test = EmbeddedText(texts, labels, ("a", "b"), words, vectors, length)
        network = LEARNERS["text_conv"]
        settings = network.Settings(filters=filters)  # type: ignore[attr-defined]
        self.learner: Learner = make_learner(network, settings, self.test.shape, CLASSES)
        samples = self.test.batch(torch.arange(CLASSES * EACH))
        rates = torch.full((STEPS, 1), 0.02)
        self.distilled = DistilledSet(samples.inputs[None], samples.targets[None], rates)
        self.nets, self.streams = nets, Streams(0)

    def ours(self) -> float:
        """The mean accuracy in percent, by the protocol that runs use."""
        bench = Bench(
            self.learner,
            SGD(),
            **{"train": self.test, "validation": self.test, "test": self.test},
            settings=Evaluate(nets=self.nets, batch=BATCH),
            metrics=["accuracy"],
            streams=self.streams,
            features=lambda: torch.zeros(0),
        )
        scores, _ = score_set(bench, self.distilled, self.nets, "distilled")
        return sum(one["accuracy"] for one in scores) / len(scores)

    def oracle(self) -> float:
        """The same by the plain way."""
        found = []
        for net in range(self.nets):
            weights = self.trained(self.learner.init(self.streams.torch("evaluate", net)))
            right = 0
            with torch.no_grad():
                for rows in torch.arange(len(self.test)).split(BATCH):
                    logits = text_conv(weights, self.test.batch(rows).inputs)
                    right += int((logits.argmax(1) == self.test.labels[rows]).sum())
            found.append(100 * right / len(self.test))
        return sum(found) / len(found)

    def trained(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Plain descent on the set's texts at its rates."""
        for rate in self.distilled.rates[:, 0]:
            weights = {name: value.detach().requires_grad_() for name, value in weights.items()}
            loss = soft_cross_entropy(text_conv(weights, self.distilled.inputs[0]), self.distilled.targets[0])
            slopes = torch.autograd.grad(loss, list(weights.values()))
            weights = {name: w - rate * g for (name, w), g in zip(weights.items(), slopes, strict=True)}
        return weights
