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
from textdistill.evaluation.statistics import Comparison, Summary, bootstrap_difference, summarise, welch
from textdistill.evaluation.text_learners import TextLearner

Tick = Callable[[str], None]
MEAN = "mean"  # of all metrics: what GLUE reports of QQP


@dataclass(frozen=True)
class Cell:
    """One method judged by one learner: `scores[s][k]` are the metrics of network k trained on set s, in percent.

    Whoever repeats a method gets another set, so sets are the sample: networks of one set are averaged before any
    mean, spread or test is taken.
    """

    scores: tuple[tuple[dict[str, float], ...], ...]

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

    def as_dict(self) -> dict[str, Any]:
        """For each metric `mean`, `sd` and `n` (over sets), `nets` and `sd_nets` (within a set), and `scores`."""
        out: dict[str, Any] = {}
        for metric in self.scores[0][0]:
            raw = [[round(net[metric], 4) for net in nets] for nets in self.scores]
            spread = {"nets": len(raw[0]), "sd_nets": round(self.within(metric), 4)}
            out[metric] = {**self.summary(metric).as_dict(), **spread, "scores": raw}
        return out


@dataclass(frozen=True)
class Difference:
    """mean(a) − mean(b) over sets: Welch's test, and the bootstrap interval of 95% (`None` without two sets a side)."""

    test: Comparison
    low: float | None
    high: float | None

    def as_dict(self) -> dict[str, float | None]:
        """`difference, t, df, p, low, high`, rounded."""
        ends = {"low": self.low, "high": self.high}
        return {**self.test.as_dict(), **{k: None if v is None else round(v, 4) for k, v in ends.items()}}


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
        first, second = (self.cell(name, learner).per_set(metric) for name in (a, b))
        return compare(first, second, (streams or Streams(0)).child(a, b, learner, metric))

    def as_dict(self) -> dict[str, Any]:
        """`{method: {learner: {metric: …}}}`, with every score."""
        return {
            method: {"samples": self.samples.get(method), **{name: cell.as_dict() for name, cell in row.items()}}
            for method, row in self.cells.items()
        }

    def rows(self, metric: str = "accuracy", against: str | None = None) -> list[dict[str, str]]:
        """A line for each method as text, for any table: `mean ± sd` by every learner, best first by the first one.

        Beside methods that differ from `against` by Welch's test stands `*` (p < 0.05) or `**` (p < 0.01).
        """
        first = self.learners[0]
        order = sorted(self.cells, key=lambda method: -self.cells[method][first].summary(metric).mean)
        out = []
        for method in order:
            row = {"method": method, "samples": str(self.samples.get(method, "")), "sets": ""}
            for learner, cell in self.cells[method].items():
                summary = cell.summary(metric)
                row["sets"] = str(summary.n)
                spread = f" ± {summary.sd:.1f}" if summary.n > 1 else ""
                row[learner] = f"{summary.mean:.1f}{spread}{self._stars(method, against, learner, metric)}"
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

    def _stars(self, method: str, against: str | None, learner: str, metric: str) -> str:
        if against is None or method == against:
            return ""
        p = welch(self.cell(method, learner).per_set(metric), self.cell(against, learner).per_set(metric)).p
        return "" if p is None or p >= 0.05 else " **" if p < 0.01 else " *"


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
    for learner in learners:
        learner.prepare([distilled for sets_of_method in ready.values() for distilled in sets_of_method])

        def scores(item: tuple[str, int], learner: TextLearner = learner) -> tuple[dict[str, float], ...]:
            method, number = item
            drawn = seeds or [streams.integer("net", number, net) for net in range(nets)]
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
            of_sets = tuple(scored[method, number] for number in range(len(sets_of_method)))
            cells[method][learner.name] = Cell(of_sets)
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
    test = welch(a, b)
    if min(len(a), len(b)) < 2:
        return Difference(test, None, None)
    return Difference(test, *bootstrap_difference(a, b, streams.numpy("bootstrap")))


def _metric(scores: Mapping[str, float], metric: str) -> float:
    if metric == MEAN:
        return sum(scores.values()) / len(scores)
    if metric not in scores:
        raise UserError(f"metric {metric!r} was not taken{did_you_mean(metric, scores)}; taken: {', '.join(scores)}")
    return scores[metric]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
