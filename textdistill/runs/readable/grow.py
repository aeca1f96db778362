"""A pool that grows where searches want it: what they chose is cut short and written on by the generator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Int

from textdistill.core.spread import over_cores
from textdistill.core.streams import Streams
from textdistill.data import TextTable
from textdistill.data.sets.text_set import TextSet
from textdistill.evaluation.copies import CopyIndex
from textdistill.recipe.text_settings import Choose
from textdistill.runs.readable.choose import Features, Tick, seen
from textdistill.runs.readable.pools import Drawn, OfClassDrawn, Sieve, drawn_by
from textdistill.selection.candidates import Candidates
from textdistill.selection.methods import METHODS, Method, configured
from textdistill.selection.sharpness import sharpened
from textdistill.synthetic.generator import Generator, Sampling
from textdistill.synthetic.generator.sampling import BATCH, flaws, write
from textdistill.synthetic.generator.sentences import Sentences
from textdistill.synthetic.prompted import BATCH as BEHIND_ONE_PROMPT
from textdistill.synthetic.prompted import Prompted


class Writer(Protocol):
    """What writes more texts of the kind that searches chose."""

    def more(self, members: TextSet, label: int, streams: Streams) -> OfClassDrawn:
        """Samples of a class, around its members, and what was no text of the task, by reason."""


@dataclass(frozen=True)
class Continuing:
    """Cuts members at a random token and writes them on, by the generator: `each` samples for a member."""

    generator: Generator
    each: int
    sampling: Sampling

    def more(self, members: TextSet, label: int, streams: Streams) -> OfClassDrawn:
        """Rewrites of members' ends, other continuations of their first words, and new samples of their class."""
        rows = self.generator.vocabulary.encode(members.texts, members.pairs, members.labels)
        return continued(self.generator, rows, label, self.each, streams.torch(label), self.sampling)


@dataclass(frozen=True)
class Showing:
    """Shows members to a language model that learned nothing: `each` samples of a class, behind prompts of `shown`."""

    model: Prompted
    each: int
    shown: int

    def more(self, members: TextSet, label: int, streams: Streams) -> OfClassDrawn:
        """New samples of the members' class; no two prompts show the same members in the same order."""
        rng, numbers = streams.numpy("shown", label), streams.torch("written", label)
        texts: list[str] = []
        pairs: list[str] = []
        reasons: Counter[str] = Counter()
        for start in range(0, self.each, BEHIND_ONE_PROMPT):
            some = members.take(rng.permutation(len(members))[: self.shown])
            rows = min(BEHIND_ONE_PROMPT, self.each - start)
            each = torch.rand(rows, self.model.length, dtype=torch.float64, generator=numbers)
            first, second, redrawn = self.model.like(some.texts, some.pairs, each)
            texts += first
            pairs += second
            reasons.update(redrawn)
        return texts, pairs, dict(reasons)


@dataclass
class Growing:
    """What a pool grows by: what writes, the method whose searches say around what, how often, and how texts are seen.

    `rounds` and `sets` (searches of a round) are those of `choose.grow` or of `choose.prompted`.
    """

    writer: Writer
    method: str
    rounds: int
    sets: int
    train: TextTable
    features: Features
    choose: Choose
    streams: Streams
    tick: Tick = lambda what: None
    alone: bool = False  # whether what was there before is left out in the end

    def grown(self, pool: TextSet) -> tuple[TextSet, dict[str, Any]]:
        """The pool with all that was written in so many rounds (or that `alone`), and what became of it.

        A sample is added if it is a text of the task, no copy of a training row (near ones as `choose.near_copies`
        says) and not in the pool yet. `rounds` tells of each round how many were `sampled`, how many left out and why,
        how many were `added`, and which share of the round's members (`grown`, percent) earlier rounds had written.
        """
        rows = TextSet(self.train.texts, self.train.labels, self.train.classes, self.train.pairs)
        real = seen(rows, self.features, self.choose)
        sieve = Sieve(self.train, CopyIndex(self.train), self.choose.near_copies)
        begun = len(pool)
        told: list[dict[str, Any]] = []
        method: Method = configured(METHODS[self.method], self.choose)
        wanted = [self.choose.size] * len(pool.classes)
        for number in range(self.rounds):
            streams = self.streams.child("grow", number)
            candidates = seen(pool, self.features, self.choose, real)
            method, _ = sharpened(method, candidates, wanted, streams)
            members = self.liked(method, candidates, wanted, streams)
            drawn, redrawn = self.around(pool.take(members), streams)
            new, counts = sieve.sifted(drawn, pool)
            told.append(
                {
                    **{"members": len(members), "grown": round(100 * float((members >= begun).mean()), 2)},
                    **{"sampled": len(drawn[0]), "redrawn": redrawn, **counts, "added": len(new)},
                }
            )
            pool = _joined(pool, new)
        total = {key: sum(one[key] for one in told) for key in ("sampled", "exact_copies", "near_copies", "repeated")}
        reasons = sum((Counter(one["redrawn"]) for one in told), Counter[str]())
        near = {"near_copies_dropped": self.choose.near_copies}
        if self.alone:
            pool = pool.take(np.arange(begun, len(pool)))
        kept = np.bincount(pool.labels, minlength=len(pool.classes)).tolist()
        return pool, {**total, "redrawn": dict(reasons), **near, "kept": kept, "rounds": told}

    def around(self, members: TextSet, streams: Streams) -> tuple[Drawn, dict[str, int]]:
        """What is written around members, class by class, and what was no text of the task."""

        def of_class(label: int) -> OfClassDrawn:
            drawn = self.writer.more(members.take(np.flatnonzero(members.labels == label)), label, streams)
            self.tick(members.classes[label])
            return drawn

        return drawn_by(of_class, np.unique(members.labels).tolist())

    def liked(
        self, method: Method, candidates: Candidates, counts: Sequence[int], streams: Streams
    ) -> Int[np.ndarray, " m"]:
        """The rows of the pool that any of the round's searches chose."""
        candidates.see()

        def chosen(number: int) -> np.ndarray:
            self.tick("search")
            return method.choose(candidates, counts, streams, number)

        found = over_cores(chosen, range(self.sets), alone=True)
        members: np.ndarray = np.unique(np.concatenate(found))
        return members


@torch.no_grad()
def continued(
    generator: Generator, members: Sentences, label: int, each: int, rng: torch.Generator, sampling: Sampling
) -> tuple[list[str], list[str], dict[str, int]]:
    """Texts (and second ones) that begin as a member does: each is cut `each` times, anywhere before its end.

    A cut before the first token is a new sample of the class. What is no text of the task is left out and counted.
    """
    vocabulary, training = generator.vocabulary, generator.model.training
    longest = min(sampling.length or vocabulary.usual, vocabulary.longest - 1)
    which = torch.arange(len(members)).repeat_interleave(each)
    room = members.lengths.clamp_max(longest - 1)[which]
    cuts = (torch.rand(len(which), generator=rng) * room).long()
    numbers = torch.rand(len(which), longest, dtype=torch.float64, generator=rng)
    texts: list[str] = []
    pairs: list[str] = []
    redrawn: Counter[str] = Counter()
    generator.model.eval()
    try:
        for cut in cuts.unique().tolist():  # rows that are cut alike are written together
            for part in torch.nonzero(cuts == cut)[:, 0].split(BATCH):
                written = write(generator, label, numbers[part], sampling, members.ids[which[part], 1 : 1 + cut])
                reasons = flaws(generator, written)
                redrawn.update(reason for reason in reasons if reason is not None)
                good = written.take([row for row, reason in enumerate(reasons) if reason is None])
                first, second = vocabulary.decode(good)
                texts += first
                pairs += second or []
    finally:
        generator.model.train(training)
    return texts, pairs, dict(redrawn)


def _joined(pool: TextSet, new: TextSet) -> TextSet:
    pairs = None if pool.pairs is None else [*pool.pairs, *(new.pairs or [])]
    return TextSet([*pool.texts, *new.texts], np.concatenate([pool.labels, new.labels]), pool.classes, pairs)
