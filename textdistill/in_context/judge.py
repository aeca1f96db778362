"""Sets as demonstrations beside each other: every set in several orders, and whether two methods differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from textdistill.core.errors import UserError, did_you_mean
from textdistill.core.streams import Streams
from textdistill.data.sets.text_set import TextSet
from textdistill.data.sets.text_sets import with_classes
from textdistill.evaluation.scores import score
from textdistill.evaluation.statistics import Difference, against, bootstrap_mean
from textdistill.evaluation.text_scores import Cell
from textdistill.export import Scorer, Wording
from textdistill.in_context.calibration import Calibration
from textdistill.in_context.choose import best_wording, interleaved
from textdistill.in_context.likelihood import Likelihood
from textdistill.in_context.opponents import ZERO_SHOT

Order = Literal["shuffled", "interleaved", "best"]
ORDERS: tuple[str, ...] = get_args(Order)
SCORED = ("accuracy", "macro_f1")
SETS_FOR_WORDING = 2  # of a method, by which its wording is chosen
Tick = Callable[[str], None]


@dataclass(frozen=True)
class Prompting:
    """How sets become prompts.

    `k` demonstrations of each set, balanced by class as far as it goes. `order`: `shuffled`, each set in `orders`
    random orders, the same ones for every method; `interleaved`, the classes in turn; `best`, of the interleaved and
    `orders` shuffled ones that which does best on training rows.
    """

    k: int = 6
    orders: int = 5
    order: Order = "shuffled"

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise UserError(f"order: {self.order!r}; allowed: {', '.join(ORDERS)}{did_you_mean(self.order, ORDERS)}")
        for name, value in (("k", self.k), ("orders", self.orders)):
            if value < 1:
                raise UserError(f"{name}: {value}; allowed: 1 or more")

    @property
    def each(self) -> int:
        """Prompts that are put to the test rows for a set."""
        return self.orders if self.order == "shuffled" else 1


@dataclass(frozen=True)
class InContext:
    """What a language model made of each method's prompts on the same test rows.

    `cells[method]` has the scores of every set (and of every order of it); that of `zero_shot` is one prompt without
    demonstrations. `templates` are those that the methods were worded by, `tried` how many prompts were scored on
    training rows to choose one prompt of a method: its wording and, where the best is taken, its order. `absent`: in
    how many of a method's sets no example of a class is shown, for the classes of which that is so.
    """

    cells: dict[str, Cell]
    templates: dict[str, str]
    shots: dict[str, int]
    tried: dict[str, int] = field(default_factory=dict)
    absent: dict[str, dict[str, int]] = field(default_factory=dict)

    def compare(self, a: str, b: str, metric: str = "accuracy", streams: Streams | None = None) -> Difference:
        """Method `a` less method `b` over sets (orders averaged within a set).

        A t-test and a bootstrap interval of 95%, paired where set s of both is shown in the same orders (`shuffled`) or
        holds the same texts. Against a method of one score, as zero-shot is, Student's test and the interval of a's
        mean alone: both are for these test rows.
        """
        for name in (a, b):
            if name not in self.cells:
                judged = ", ".join(self.cells)
                raise UserError(f"{name!r} was not judged{did_you_mean(name, self.cells)}; {judged} were")
        ours, theirs = self.cells[a].per_set(metric), self.cells[b].per_set(metric)
        luck = (streams or Streams(0)).child("in_context", a, b, metric)
        if len(theirs) == 1 < len(ours):
            known = float(theirs[0])
            low, high = (end - known for end in bootstrap_mean(ours, luck.numpy("bootstrap")))
            return Difference(against(ours, known), low, high)
        return self.cells[a].less(self.cells[b], metric, luck)

    def as_dict(self) -> dict[str, Any]:
        """For each method `shots`, `template`, `tried`, `absent`, and of each metric `mean`, `sd`, `n` (sets),
        `orders`, `sd_orders` (within a set) and `scores` by set and order."""
        out = {}
        for method, cell in self.cells.items():
            block: dict[str, Any] = {"shots": self.shots[method], "template": self.templates[method]}
            block |= {"tried": self.tried.get(method, 0), "absent": self.absent.get(method, {})}
            for metric in SCORED:
                raw = [[round(scores[metric], 4) for scores in orders] for orders in cell.scores]
                spread = {"orders": len(raw[0]), "sd_orders": round(cell.within(metric), 4)}
                block[metric] = {**cell.summary(metric).as_dict(), **spread, "scores": raw}
            out[method] = block
        return out


def judge_prompts(
    sets: Mapping[str, Sequence[TextSet]],
    likelihood: Likelihood,
    wordings: Sequence[Wording],
    rows: TextSet,
    prompting: Prompting,
    *,
    scorer: Scorer | None = None,
    calibration: Calibration | None = None,
    zero_shot: bool = True,
    streams: Streams | None = None,
    tick: Tick = lambda what: None,
) -> InContext:
    """Have `likelihood` classify `rows` behind the demonstrations of every set of every method, and without any.

    Of several `wordings` each method (zero-shot too) is given the one that `scorer` likes most, by its first two sets;
    `scorer` also finds the order `best`. It must know training rows alone. `tick` is told before every prompt that is
    put to `rows` (`rounds` counts these and the scorer's). Errors: `UserError` for a set with fewer than k samples, or
    a choice to be made without a scorer.
    """
    streams = streams or Streams(0)
    empty = [method for method, several in sets.items() if not several]
    if empty or not (sets or zero_shot):
        raise UserError(f"{', '.join(empty) or 'nothing to judge'}: every method needs at least one set")
    if scorer is None and (len(wordings) > 1 or prompting.order == "best"):
        raise UserError("choosing a template or the best order needs training rows to judge by; give some")
    cells, templates, shots, tried = {}, {}, {}, {}
    plans = {
        method: [_shown(method, samples, rows, prompting.k) for samples in several] for method, several in sets.items()
    }
    if zero_shot:
        plans = {ZERO_SHOT: [_nothing(rows)], **plans}
    for method, plan in plans.items():
        wording = wordings[0]
        if scorer is not None:
            wording = best_wording(scorer, wordings, plan[:SETS_FOR_WORDING])
        scored = []
        for number, samples in enumerate(plan):
            luck = streams.child("order", number)
            by_order = []
            for shown in _orders(samples, prompting, wording, scorer, luck):
                tick(method)
                likely = likelihood.in_words(wording, shown, rows, calibration=calibration)
                by_order.append(score(SCORED, likely.argmax(1), rows.labels))
            scored.append(tuple(by_order))
        # Orders are drawn by the number of the set alone: set s of every method is shown in the same ones.
        orders = tuple(map(str, range(len(plan)))) if prompting.order == "shuffled" and prompting.k > 1 else ()
        cells[method] = Cell(tuple(scored), tuple(samples.digest for samples in plan), orders)
        templates[method] = str(wording.template)
        shots[method] = max(map(len, plan))
        tried[method] = len(wordings) * len(plan[:SETS_FOR_WORDING]) if len(wordings) > 1 else 0
        if prompting.order == "best" and shots[method] > 1:
            tried[method] += 1 + prompting.orders
    absent = {method: _absent(plan) for method, plan in plans.items() if method != ZERO_SHOT}
    return InContext(cells, templates, shots, tried, absent)


def rounds(counts: Sequence[int], prompting: Prompting, wordings: int = 1, zero_shot: bool = True) -> int:
    """How many prompts `judge_prompts` will score for methods of so many sets, those on training rows included."""
    asked = prompting.each * sum(counts)
    if prompting.order == "best" and prompting.k > 1:
        asked += (1 + prompting.orders) * sum(counts)
    if wordings > 1:
        asked += wordings * sum(min(SETS_FOR_WORDING, count) for count in (*counts, *[1] * zero_shot))
    return asked + int(zero_shot)


def _shown(method: str, samples: TextSet, rows: TextSet, k: int) -> TextSet:
    """The k samples of a set that are shown, the classes in turn."""
    if len(samples) < k:
        raise UserError(
            f"{method}: k is {k}, but one of its sets has {len(samples)} samples; ask for that many at most"
        )
    if (samples.pairs is None) != (rows.pairs is None):
        kinds = ("single texts", "pairs") if samples.pairs is None else ("pairs", "single texts")
        raise UserError(
            f"{method}: its samples are {kinds[0]}, the rows asked about {kinds[1]}; give a set of this task"
        )
    matched = with_classes(samples, rows.classes)
    return matched.take(interleaved(matched, k))


def _absent(plan: Sequence[TextSet]) -> dict[str, int]:
    """Of which classes how many of these sets show no example."""
    lacking = np.zeros(len(plan[0].classes), dtype=np.int64)
    for one in plan:
        lacking += np.bincount(one.labels, minlength=len(lacking)) == 0
    return {name: int(count) for name, count in zip(plan[0].classes, lacking, strict=True) if count}


def _nothing(rows: TextSet) -> TextSet:
    return TextSet([], np.zeros(0, np.int64), rows.classes, None if rows.pairs is None else [])


def _orders(
    shown: TextSet, prompting: Prompting, wording: Wording, scorer: Scorer | None, streams: Streams
) -> list[TextSet]:
    """A set's samples in every order that is put to the test rows."""
    if len(shown) < 2 or prompting.order == "interleaved":
        return [shown]
    shuffles = [shown.take(streams.numpy(number).permutation(len(shown))) for number in range(prompting.orders)]
    if scorer is None or prompting.order == "shuffled":
        return shuffles
    every = [shown, *shuffles]
    return [every[int(np.argmax([scorer(order, wording) for order in every]))]]
