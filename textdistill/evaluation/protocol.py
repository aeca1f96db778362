"""The protocol: fresh networks trained on a distilled set, scored once on the test rows, beside full data."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from textdistill.core.batch import Batch
from textdistill.core.checkpoint import write_atomic
from textdistill.core.inner import InnerOptimizer
from textdistill.core.learner import Learner, Params, ReadsWords
from textdistill.core.processes import agreed
from textdistill.core.schedule import DistilledSet
from textdistill.core.spread import Item, Result, over_cores, over_processes
from textdistill.core.streams import Streams
from textdistill.core.unroll import Inner
from textdistill.evaluation.confusion import confusion
from textdistill.evaluation.scores import score
from textdistill.evaluation.settings import VALIDATED, Evaluate, Train, Training
from textdistill.evaluation.statistics import ratio, summarise
from textdistill.evaluation.training import (
    accuracy,
    on_the_way,
    predict,
    scheduled,
    train_by_adam,
    train_by_schedule,
    train_on_real,
)
from textdistill.representations.rows import Inputs, Rows

Scores = list[dict[str, float]]
Tick = Callable[[str], None]
PREDICTED_AT_ONCE = 5000
LOOKS_ON_THE_WAY = 8  # of the outer loop at a network in training
LEAST_A_CLASS = 10  # rows of a full-data score, whatever they cost: fewer would be no reference


class Predictor(Protocol):
    """An objective that classifies by itself: kernel regression."""

    def regression(self, distilled: DistilledSet, learner: Learner, params: Params | None) -> Callable[[Batch], Tensor]:
        """The scores (n, c) of a batch, from a set, a learner and that learner's weights."""
        ...

    def affordable_rows(self, shape: Sequence[int], tests: int) -> int:
        """How many real rows of this shape it can learn from here, with so many to be classified."""
        ...


@dataclass(frozen=True)
class Bench:
    """What every score is taken with: the learner, its inner update rule, the splits, the settings, the random streams.

    `features` gives a vector for each training row, by which baselines select; `plan` is how networks train on a set.
    `inner` is how the objective trains its networks, where that is not plain descent on the loss.
    `predictor` classifies in place of networks where it is set.
    `theta0` is set where the start is fixed: every network then begins there.
    """

    learner: Learner
    optimizer: InnerOptimizer
    train: Rows
    validation: Rows
    test: Rows
    settings: Evaluate
    metrics: Sequence[str]
    streams: Streams
    features: Callable[[], Tensor | Inputs]
    plan: Train = field(default_factory=Train)
    predictor: Predictor | None = None
    inner: Inner | None = None
    theta0: Params | None = None
    tick: Tick = field(default=lambda what: None)

    def start(self, net: int) -> Params:
        """The initial weights of network number `net`."""
        if self.theta0 is not None:
            return {name: value.to(self.learner.device, self.learner.dtype) for name, value in self.theta0.items()}
        return self.learner.init(self.streams.torch("evaluate", net))

    def trained(self, distilled: DistilledSet, net: int, start: Params | None = None) -> Params:
        """Network number `net`, trained on a set by its schedule."""
        start = self.start(net) if start is None else start
        streams = self.streams.child("training", net)
        return train_by_schedule(distilled, self.training(), start, self.plan, streams)

    def training(self) -> Inner:
        """How a network takes its steps: as the objective's own networks do, by the plan's loss."""
        inner = self.inner or Inner(self.learner, self.optimizer)
        return replace(inner, learner=self.learner.measured_by(self.plan.loss), optimizer=self.optimizer)

    def validated(
        self, distilled: DistilledSet, start: Params, streams: Streams, rows: Tensor, moments: Sequence[int]
    ) -> list[float]:
        """Accuracies (percent) on these validation rows of a network that trains on a set, at each of the moments."""
        labels = self.validation.labels[rows].cpu()
        return [
            accuracy(predict(self.learner, params, self.validation, rows=rows), labels)
            for params in on_the_way(distilled, self.training(), start, self.plan, streams, moments)
        ]

    def test_scores(self, params: Params) -> tuple[dict[str, float], Tensor]:
        """The task's metrics on all test rows, in percent, and the predictions."""
        return self._scores(predict(self.learner, params, self.test, self.settings.batch))

    def outcome(
        self, distilled: DistilledSet, net: int, params: Params | None = None
    ) -> tuple[dict[str, float], Tensor]:
        """Test scores of a set, and the predictions: by network number `net`, or by the objective's own regression.

        `params` are that network's weights, where it has been trained already.
        """
        if self.predictor is None:
            return self.test_scores(self.trained(distilled, net) if params is None else params)
        scores = self.predictor.regression(distilled, self.learner, self.start(net))
        parts = [scores(batch).argmax(1) for batch in self._in_order()]
        return self._scores(torch.cat(parts))

    def each(self, work: Callable[[Bench, Item], Result], items: Sequence[Item], alone: bool = True) -> list[Result]:
        """`work(bench, item)` for every item, in order: networks that have nothing to do with each other.

        `alone` is for single networks; larger pieces share the threads.

        Networks of words are small and spread over the cores, each with a bench of its own; larger ones fill the cores
        by themselves, and one after the other they need less memory. The processes of a group share them all.
        """
        small = self.learner.device.type == "cpu" and isinstance(self.learner.module, ReadsWords)
        if not small or self.predictor is not None:
            return over_processes(lambda item: work(self, item), items)
        return over_cores(lambda item: work(replace(self, learner=self.learner.apart()), item), items, alone)

    def _in_order(self) -> Iterator[Batch]:
        for rows in torch.split(torch.arange(len(self.test)), PREDICTED_AT_ONCE):
            yield self.test.batch(rows).to(self.learner.device)

    def _scores(self, predictions: Tensor) -> tuple[dict[str, float], Tensor]:
        names = list(dict.fromkeys(["accuracy", *self.metrics]))
        return score(names, predictions.cpu(), self.test.labels), predictions.cpu()


def block(scores: Scores) -> dict[str, dict[str, Any]]:
    """Each metric's mean, sd and n, and all scores in their order."""
    return {
        name: {**summarise(every := [net[name] for net in scores]).as_dict(), "scores": [round(s, 4) for s in every]}
        for name in scores[0]
    }


def score_set(bench: Bench, distilled: DistilledSet, nets: int, what: str) -> tuple[Scores, Tensor]:
    """Scores of `nets` networks trained by the set's own schedule, and the first one's predictions.

    Where the start is fixed there is one network: its result is determined.
    """

    def outcome_of(own: Bench, net: int) -> tuple[dict[str, float], Tensor]:
        own.tick(what)
        return own.outcome(distilled, net)

    outcomes = bench.each(outcome_of, range(1 if bench.theta0 is not None else nets))
    return [scores for scores, _ in outcomes], outcomes[0][1]


def score_ordinary(bench: Bench, distilled: DistilledSet, nets: int) -> Scores:
    """Scores of `nets` networks trained on the samples by plain Adam: the schedule's share is what this lacks."""

    def score_net(own: Bench, net: int) -> dict[str, float]:
        own.tick("ordinary optimiser")
        start = own.learner.init(own.streams.torch("evaluate", net))
        params = train_by_adam(distilled.pooled(), own.learner, start, own.settings.ordinary)
        return own.test_scores(params)[0]

    return bench.each(score_net, range(nets))


def validator(bench: Bench) -> Callable[[DistilledSet], float]:
    """Validation accuracy (percent) of a set in the making: the only look that the outer loop may take.

    It is that of networks which trained for the steps that are recorded with the set; where the finished set has its
    number of steps `validated`, the best on the way there, in `LOOKS_ON_THE_WAY` looks: a plateau may record steps that
    are far too many, after which every set looks alike.
    """
    count = min(bench.settings.validation_rows, len(bench.validation))
    rows = torch.randperm(len(bench.validation), generator=bench.streams.torch("validation-rows"))[:count]

    def validate(distilled: DistilledSet) -> float:
        nets = 1 if bench.theta0 is not None else bench.settings.validation_nets
        distilled = scheduled(distilled, bench.plan)
        looks = LOOKS_ON_THE_WAY if bench.settings.steps == VALIDATED else 1
        moments = sorted({math.ceil(distilled.length * (1 + look) / looks) for look in range(looks)})

        def accuracies_of(net: int) -> list[float]:
            fixed = bench.theta0 is not None
            start = bench.start(0) if fixed else bench.learner.init(bench.streams.torch("validate", net))
            return bench.validated(distilled, start, bench.streams.child("training", net), rows, moments)

        looked: list[list[float]] = over_processes(accuracies_of, range(nets))
        means: list[float] = [sum(at_once) / nets for at_once in zip(*looked, strict=True)]
        return max(means)

    return validate


@dataclass(frozen=True)
class FullData:
    """Test scores of networks trained on all training rows; kept in `cache` by what they depend on, `key` among it."""

    bench: Bench
    key: dict[str, Any]
    cache: Path | None

    def kept(self) -> Scores | None:
        """The scores, where an earlier run left them."""
        file, nets = self._file(), self.bench.settings.full_nets
        try:
            kept: Scores = [] if file is None else json.loads(file.read_text())["scores"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            kept = []  # none, or a damaged entry, which is made anew
        found: Scores | None = agreed(kept if len(kept) == nets else None)
        return found

    def scores(self) -> Scores:
        """The scores, kept from an earlier run or found now."""
        kept = self.kept()
        if kept is not None:
            return kept
        scores = _full_data(self.bench)
        file = self._file()
        if file is not None:
            write_atomic(file, json.dumps({"identity": self._identity(), "scores": scores}, default=str))
        return scores

    def _identity(self) -> dict[str, Any]:
        bench = self.bench
        return {
            **self.key,
            "nets": bench.settings.full_nets,
            "training": asdict(bench.settings.full),
            "metrics": list(bench.metrics),
            "seed": bench.streams.seed,
            "by": bench.settings.by,
            "rows": full_rows(bench),
            "version": 1,
        }

    def _file(self) -> Path | None:
        digest = hashlib.sha256(json.dumps(self._identity(), sort_keys=True, default=str).encode()).hexdigest()[:32]
        return None if self.cache is None else self.cache / "full" / f"{digest}.json"


def _full_data(bench: Bench) -> Scores:
    settings: Training = bench.settings.full

    def scores_of(net: int) -> dict[str, float]:
        bench.tick("full data")
        if bench.predictor is not None:
            every = bench.train.batch(_some(bench, net))
            whole = DistilledSet(every.inputs[None], every.targets[None], torch.ones(1, 1))
            return bench.outcome(whole, net)[0]
        streams = bench.streams.child("full", net)
        start = bench.learner.init(streams.torch("theta0"))
        params, _ = train_on_real(
            bench.learner, start, bench.train, bench.validation, settings, streams, among=_some(bench, net)
        )
        return bench.test_scores(params)[0]

    return over_processes(scores_of, range(bench.settings.full_nets))


def full_rows(bench: Bench) -> int:
    """From how many training rows the full-data score comes: all, or as many as a kernel's quadratic cost allows."""
    most = bench.settings.full.rows or len(bench.train)
    if bench.predictor is not None and bench.settings.full.rows is None:
        most = bench.predictor.affordable_rows(bench.train.shape, len(bench.test))
        most = max(most, LEAST_A_CLASS * len(bench.train.classes))
    return min(len(bench.train), most)


def _some(bench: Bench, net: int) -> Tensor:
    """The training rows of a full-data score: all in their order, or so many drawn at random."""
    count = full_rows(bench)
    if count == len(bench.train):
        return torch.arange(count)
    return torch.randperm(len(bench.train), generator=bench.streams.torch("full-rows", net))[:count].sort().values


def headline(
    bench: Bench,
    sets: Sequence[DistilledSet],
    full: Scores,
    snap: Callable[[Tensor], Tensor] | None,
) -> dict[str, Any]:
    """`full`, `distilled`, `distilled_snapped`, `distilled_ordinary`, `ratio` and the confusion matrix.

    Several sets (repeated distillations) are pooled: with a fixed start each gives one score, from its own θ0.
    """
    own: Scores = []
    snapped: Scores = []
    predictions = None
    for distilled in sets:
        at = replace(bench, theta0=distilled.theta0)
        scores, first = score_set(at, distilled, bench.settings.nets, "distilled")
        own.extend(scores)
        predictions = first if predictions is None else predictions
        if snap is not None:
            words = replace(distilled, inputs=snap(distilled.inputs))
            snapped.extend(score_set(at, words, bench.settings.nets, "snapped to words")[0])
    if predictions is None:
        raise ValueError("no distilled set to score")
    out: dict[str, Any] = {
        "full": block(full),
        "distilled": block(own),
        "ratio": ratio([net["accuracy"] for net in own], summarise([net["accuracy"] for net in full])).as_dict(),
        "confusion": confusion(predictions, bench.test.labels, bench.test.classes),
        "classes": list(bench.test.classes),
    }
    if bench.plan == Train() and bench.predictor is None:
        out["distilled_ordinary"] = block(score_ordinary(bench, sets[0], min(bench.settings.nets, 5)))
    if snapped:
        out["distilled_snapped"] = block(snapped)
    return out
