"""How training on the set may differ from the set's own: more or fewer steps, other rules, rates and orders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice
from typing import Any

import torch

from textdistill.analysis.result import ACCURACY, Result, summary
from textdistill.analysis.study import Study
from textdistill.core.errors import UserError, did_you_mean
from textdistill.core.inner import SGD, Adam, InnerOptimizer
from textdistill.core.learner import Params
from textdistill.core.schedule import DistilledSet, Draw
from textdistill.core.streams import Streams
from textdistill.evaluation.protocol import Bench
from textdistill.evaluation.settings import Train
from textdistill.evaluation.training import draws_of, scheduled

DEVIATIONS = (-0.5, -0.2, -0.1, 0.0, 0.1, 0.2, 0.5, 1.0)
OPTIMIZERS: dict[str, InnerOptimizer] = {"sgd": SGD(), "momentum": SGD(momentum=0.9), "adam": Adam(eps=1e-8)}
RULES = ("sgd:0.01", "sgd:0.1", "momentum:0.01", "adam:0.0003", "adam:0.001", "adam:0.003", "adam:0.01")
FACTORS = (0.3, 3.0)


def steps(study: Study, *, deviations: Sequence[float] = DEVIATIONS) -> Result:
    """Test accuracy after T · (1 + d) steps for each deviation d, T being the number stored with the set.

    The schedule begins anew where it ends. Each network is scored on its way to the longest training. Bohdal et al.
    2020, Figure 2a and Tables 9 and 10; Table 10 takes steps beyond the schedule at its average rate instead.
    """
    if not deviations or min(deviations) <= -1:
        raise UserError(f"--deviations: {list(deviations)}; allowed: numbers above -1, such as -0.5,0,0.5")
    distilled = study.distilled
    lengths = sorted({max(1, round(distilled.length * (1 + deviation))) for deviation in deviations})
    bench = replace(study.bench(), theta0=distilled.theta0)
    nets = 1 if distilled.theta0 is not None else study.nets
    by_length: dict[int, list[float]] = {length: [] for length in lengths}
    with study.reporter.stage("steps", nets * len(lengths)) as bar:
        for net in range(nets):
            for length, params in on_the_way(bench, distilled, lengths, net):
                by_length[length].append(bench.test_scores(params)[0]["accuracy"])
                bar.advance(f"{length} steps")
    rows = [
        {"steps": length, "deviation": f"{100 * (length / distilled.length - 1):+.0f} %", ACCURACY: summary(scores)}
        for length, scores in by_length.items()
    ]
    title = f"Steps of training on the set, {distilled.length} stored with it"
    settings = {"stored_steps": distilled.length, "nets": nets, "seed": study.seed}
    result = Result("steps", title, rows, "steps", lines=True, settings=settings)
    result.write(study.out)
    return result


def on_the_way(bench: Bench, distilled: DistilledSet, lengths: list[int], net: int) -> Iterator[tuple[int, Params]]:
    """The weights of network `net` after each of these numbers of steps, in ascending order."""
    inner = bench.training()
    streams = bench.streams.child("training", net)
    draws = draws_of(distilled.lasting(max(*lengths, distilled.length)), bench.learner, bench.plan, streams)
    params, state, at = bench.start(net), None, 0
    for length in sorted(lengths):
        params, state = inner.run(params, state, islice(draws, length - at))
        at = length
        yield length, params


@dataclass(frozen=True)
class Shuffled(DistilledSet):
    """The set with another order of its batches, or of all its samples (`by_sample`), in every epoch; rates stay.

    With `across` the visits of all epochs are dealt out anew, so that a batch may come twice before another comes.
    """

    order: int = 0
    by_sample: bool = False
    across: bool = False

    def draw(self, step: int) -> Draw:
        """The step's draw, its samples those of another place."""
        draw = super().draw(step)
        epoch, index = divmod(step % self.length, self.inputs.shape[0])
        rng = Streams(self.order).torch("order", epoch)
        if self.across:
            place = int(torch.randperm(self.length, generator=Streams(self.order).torch("order"))[step % self.length])
            return replace(draw, batch=super().draw(place).batch)
        if not self.by_sample:
            place = int(torch.randperm(self.inputs.shape[0], generator=rng)[index])
            return replace(draw, batch=super().draw(place).batch)
        each = self.inputs.shape[1]
        chosen = torch.randperm(self.samples, generator=rng)[index * each : (index + 1) * each]
        whole = self.pooled()
        return replace(draw, batch=replace(draw.batch, inputs=whole.inputs[chosen], targets=whole.targets[chosen]))


def _always(distilled: DistilledSet) -> Callable[[int], DistilledSet]:
    return lambda net: distilled


def _shuffled(distilled: DistilledSet, by_sample: bool = False, across: bool = False) -> Callable[[int], DistilledSet]:
    own = {field.name: getattr(distilled, field.name) for field in fields(DistilledSet)}
    return lambda net: Shuffled(**own, order=net, by_sample=by_sample, across=across)


def optimizer(study: Study, *, rules: Sequence[str] | None = None) -> Result:
    """Test accuracy with other update rules, learning rates and orders of the samples, for the stored number of steps.

    A rule is `NAME:RATE`; the usual ones when `None`. Bohdal et al. 2020, Figure 2b and Tables 11 and 12, whose
    "shuffled within epoch" and "across epochs" are batches in another order here; samples in another order are ours.
    """
    distilled = study.distilled
    tries: list[tuple[str, InnerOptimizer | None, Callable[[int], DistilledSet]]] = [
        ("as stored", None, _always(distilled))
    ]
    for factor in FACTORS:
        other = replace(distilled, rates=factor * distilled.rates)
        tries.append((f"as stored, rates × {factor:g}", None, _always(other)))
    if float(distilled.rates.std(unbiased=False)) > 1e-9:
        mean = replace(distilled, rates=distilled.rates.mean().expand_as(distilled.rates).clone())
        tries.append(("as stored, the mean rate", None, _always(mean)))
    if distilled.inputs.shape[0] > 1:
        tries.append(("as stored, batches shuffled", None, _shuffled(distilled)))
        if distilled.rates.shape[0] > 1:
            tries.append(("as stored, batches shuffled across epochs", None, _shuffled(distilled, across=True)))
        tries.append(("as stored, samples shuffled", None, _shuffled(distilled, by_sample=True)))
    for rule in RULES if rules is None else rules:
        name, rate = _rule(rule)
        constant = scheduled(distilled, Train(lr=rate))
        tries.append((f"{name}, {rate:g}", OPTIMIZERS[name], _always(constant)))
    rows: list[dict[str, Any]] = []
    with study.reporter.stage("optimizer", len(tries) * study.nets) as bar:
        for name, optimizer, set_of in tries:
            bench = study.bench()
            bench = replace(bench, theta0=distilled.theta0, optimizer=optimizer or bench.optimizer)
            determined = distilled.theta0 is not None and not isinstance(set_of(0), Shuffled)
            scores = []
            for net in range(1 if determined else study.nets):
                scores.append(bench.test_scores(bench.trained(set_of(net), net))[0]["accuracy"])
                bar.advance(name)
            rows.append({"training": name, ACCURACY: summary(scores)})
    own = type(study.bench().optimizer).__name__.lower()
    settings = {"stored_steps": distilled.length, "own_rule": own, "nets": study.nets, "seed": study.seed}
    title = f"Rules of training on the set for {distilled.length} steps (its own rule: {own})"
    result = Result("optimizer", title, rows, "training", settings=settings)
    result.write(study.out)
    return result


def _rule(text: str) -> tuple[str, float]:
    name, _, rate = text.partition(":")
    try:
        value = float(rate)
    except ValueError:
        value = 0.0
    if name not in OPTIMIZERS or not 0 < value < float("inf"):
        near = did_you_mean(name, OPTIMIZERS)
        raise UserError(f"--rules: {text!r}; allowed: NAME:RATE with a NAME of {', '.join(OPTIMIZERS)}{near}")
    return name, value
