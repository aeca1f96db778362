"""Methods beside each other: every set judged by every learner, and whether two methods differ by more than chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from textdistill.core.errors import UserError, did_you_mean
from textdistill.core.spread import over_cores, over_processes
from textdistill.core.streams import Streams
from textdistill.data.sets.text_set import TextSet
from textdistill.data.sets.text_sets import with_classes
from textdistill.data.table import TextTable
from textdistill.evaluation.statistics import Difference, Summary, difference, holm, summarise
from textdistill.evaluation.text_learners import TextLearner

Tick = Callable[[str], None]
MEAN = "mean"  # of all metrics: what GLUE reports of QQP


@dataclass(frozen=True)
class Cell:
    """One method judged by one learner: `scores[s][k]` are the metrics of network k trained on set s, in percent.

    Whoever repeats a method gets another set, so sets are the sample: networks of one set are averaged before any
    mean, spread or test is taken. `texts` tells the sets apart by what they hold, `nets` what the networks of each set
    began with (nothing, where the learner is determined): where another cell has the same, their scores are paired.
    """

    scores: tuple[tuple[dict[str, float], ...], ...]
    texts: tuple[str, ...] = ()
    nets: tuple[str, ...] = ()

    def per_set(self, metric: str = "accuracy") -> np.ndarray:
        """The score of every set, (sets,): the mean over its networks."""
        return np.array([np.mean([_metric(net, metric) for net in nets]) for nets in self.scores])

    def summary(self, metric: str = "accuracy") -> Summary:
        """Mean, standard deviation and number of the sets' scores."""
        return summarise(self.per_set(metric))

    def within(self, metric: str = "accuracy") -> float:
        """The standard deviation among networks of the same set: sqrt of the mean of the sets' variances, n − 1."""
        nets = np.array([[_metric(net, metric) for net in nets] for nets in self.scores])
        return float(np.sqrt(nets.var(axis=1, ddof=1).mean())) if nets.shape[1] > 1 else 0.0

    def same_draws(self, other: Cell) -> bool:
        """Whether set s of both cells holds the same texts, or has networks that began alike, for every s."""
        return any(own and own == theirs for own, theirs in ((self.texts, other.texts), (self.nets, other.nets)))

    def less(self, other: Cell, metric: str, streams: Streams) -> Difference:
        """This cell's scores less the other's, over sets; paired where they have the same draws."""
        ours, theirs = self.per_set(metric), other.per_set(metric)
        return difference(ours, theirs, streams.numpy("bootstrap"), self.same_draws(other))

    def as_dict(self) -> dict[str, Any]:
        """For each metric `mean`, `sd` and `n` (over sets), `nets` and `sd_nets` (within a set), and `scores`."""
        out: dict[str, Any] = {}
        for metric in self.scores[0][0]:
            raw = [[round(net[metric], 4) for net in nets] for nets in self.scores]
            spread = {"nets": len(raw[0]), "sd_nets": round(self.within(metric), 4)}
            out[metric] = {**self.summary(metric).as_dict(), **spread, "scores": raw}
        return out


@dataclass(frozen=True)
class Table:
    """Every method's cells, by learner; `cells[method][learner]`."""

    cells: dict[str, dict[str, Cell]]
    samples: dict[str, int] = field(default_factory=dict)

    @property
    def learners(self) -> list[str]:
        """The names of the learners, in their order."""
        return list(dict.fromkeys(name for row in self.cells.values() for name in row))

    def cell(self, method: str, learner: str) -> Cell:
        """One cell; `UserError` for a name that the table does not have."""
        for name, known in ((method, list(self.cells)), (learner, self.learners)):
            if name not in known:
                raise UserError(f"{name!r} is not in this table{did_you_mean(name, known)}; it has {', '.join(known)}")
        return self.cells[method][learner]

    def compare(
        self, a: str, b: str, learner: str, metric: str = "accuracy", streams: Streams | None = None
    ) -> Difference:
        """Method `a` less method `b` by one learner, over sets."""
        first, second = (self.cell(name, learner) for name in (a, b))
        return first.less(second, metric, (streams or Streams(0)).child(a, b, learner, metric))

    def as_dict(self) -> dict[str, Any]:
        """`{method: {learner: {metric: …}}}`, with every score."""
        return {
            method: {"samples": self.samples.get(method), **{name: cell.as_dict() for name, cell in row.items()}}
            for method, row in self.cells.items()
        }

    def rows(self, metric: str = "accuracy", against: str | None = None) -> list[dict[str, str]]:
        """A line for each method as text, for any table: `mean ± sd` by every learner, best first by the first one.

        Beside methods that differ from `against` stands `*` (p < 0.05) or `**` (p < 0.01), by Holm's p among all
        methods under that learner.
        """
        stars = {} if against is None else {learner: self._stars(against, learner, metric) for learner in self.learners}
        first = self.learners[0]
        order = sorted(self.cells, key=lambda method: -self.cells[method][first].summary(metric).mean)
        out = []
        for method in order:
            row = {"method": method, "samples": str(self.samples.get(method, "")), "sets": ""}
            for learner, cell in self.cells[method].items():
                summary = cell.summary(metric)
                row["sets"] = str(summary.n)
                spread = f" ± {summary.sd:.1f}" if summary.n > 1 else ""
                row[learner] = f"{summary.mean:.1f}{spread}{stars.get(learner, {}).get(method, '')}"
            out.append(row)
        return out

    def markdown(self, metric: str = "accuracy", against: str | None = None) -> str:
        """The rows as a table of Markdown."""
        rows = self.rows(metric, against)
        names = list(rows[0])
        head = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
        return (
            "\n".join(head + [f"| {' | '.join(_cell(row.get(name, '')) for name in names)} |" for row in rows]) + "\n"
        )

    def _stars(self, against: str, learner: str, metric: str) -> dict[str, str]:
        others = [method for method in self.cells if method != against and learner in self.cells[method]]
        ps = holm([self.compare(method, against, learner, metric).test.p for method in others])
        signs = ["" if p is None or p >= 0.05 else " **" if p < 0.01 else " *" for p in ps]
        return dict(zip(others, signs, strict=True))


def judge(
    sets: Mapping[str, Sequence[TextSet]],
    learners: Sequence[TextLearner],
    test: TextTable,
    *,
    nets: int = 5,
    seeds: Sequence[int] | None = None,
    metrics: Sequence[str] = ("accuracy",),
    streams: Streams | None = None,
    tick: Tick = lambda what: None,
) -> Table:
    """Train `nets` networks of every learner on every set of every method, and score each on all test rows.

    Set number s of every method meets the same seeds (`seeds` for all sets, or `nets` drawn from `streams` for each s):
    methods are compared with equal luck. A learner whose result is determined is scored once a set. `tick` is told
    before every score (`rounds` says how many there will be). Classes are matched to the test rows' by name.
    """
    streams = streams or Streams(0)
    if nets < 1 or (seeds is not None and not seeds):
        raise UserError(f"nets: {nets}, seeds: {seeds}; at least one network is needed")
    empty = [
        method for method, sets_of_method in sets.items() if not sets_of_method or not all(map(len, sets_of_method))
    ]
    if empty or not sets or not learners:
        raise UserError(f"{', '.join(empty) or 'nothing to judge'}: every method needs at least one set with samples")
    ready = {
        method: [with_classes(distilled, test.classes) for distilled in sets_of_method]
        for method, sets_of_method in sets.items()
    }
    cells: dict[str, dict[str, Cell]] = {method: {} for method in sets}

    def seeds_of(number: int) -> Sequence[int]:
        return seeds or [streams.integer("net", number, net) for net in range(nets)]

    def began(number: int) -> str:
        return " ".join(map(str, seeds_of(number)))

    for learner in learners:
        learner.prepare([distilled for sets_of_method in ready.values() for distilled in sets_of_method])

        def scores(item: tuple[str, int], learner: TextLearner = learner) -> tuple[dict[str, float], ...]:
            method, number = item
            drawn = seeds_of(number)
            several = []
            for seed in drawn[:1] if learner.determined else drawn:
                tick(f"{method}, {learner.name}")
                several.append(learner.score(ready[method][number], test, seed, metrics))
            return tuple(several)

        items = [(method, number) for method, sets_of_method in ready.items() for number in range(len(sets_of_method))]
        if learner.determined:
            # one minimum each: too small a work for several threads, and none of it draws from the process's stream;
            # the first makes what the others need
            first = [scores(item) for item in items[:1]]
            every = [*first, *over_cores(scores, items[1:], alone=True)]
        else:
            every = over_processes(scores, items)
        scored = dict(zip(items, every, strict=True))
        for method, sets_of_method in ready.items():
            numbers = range(len(sets_of_method))
            cells[method][learner.name] = Cell(
                tuple(scored[method, number] for number in numbers),
                tuple(distilled.digest for distilled in sets_of_method),
                () if learner.determined else tuple(map(began, numbers)),
            )
    most = {method: max(map(len, sets_of_method)) for method, sets_of_method in ready.items()}
    return Table(cells, most)


def rounds(sets: Mapping[str, Sequence[TextSet]], learners: Sequence[TextLearner], nets: int) -> int:
    """How often `judge` will call `tick`."""
    return sum(len(sets_of_method) for sets_of_method in sets.values()) * sum(
        1 if learner.determined else nets for learner in learners
    )


def compare(a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray, streams: Streams) -> Difference:
    """Whether two methods' sets differ: Welch's t-test, two-sided, and a seeded bootstrap of the difference.

    `a` and `b` have one score for each set (networks averaged, as `Cell.per_set` does): five networks on the same set
    are no five sets, and counted as such they would make chance look significant.
    """
    return difference(a, b, streams.numpy("bootstrap"))


def _metric(scores: Mapping[str, float], metric: str) -> float:
    if metric == MEAN:
        return sum(scores.values()) / len(scores)
    if metric not in scores:
        raise UserError(f"metric {metric!r} was not taken{did_you_mean(metric, scores)}; taken: {', '.join(scores)}")
    return scores[metric]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
