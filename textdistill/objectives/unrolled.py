"""The unrolled objective: train on the distilled set from a start, and take the loss on real data (DD, SLDD, TDD)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch

from textdistill.core.batch import Batch, RealData
from textdistill.core.bounds import Count, Doc
from textdistill.core.inner import SGD, InnerOptimizer
from textdistill.core.learner import Learner, Params
from textdistill.core.schedule import Outcome, Synthetic
from textdistill.core.shared_loss import mean_over_processes, own_rows
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.core.unroll import Graph, Inner, MetaGradient


@dataclass(frozen=True)
class Unrolled:
    """ℓ(x, y; θ_T) with θ_T from T inner steps on the distilled set (Sucholutsky & Schonlau, Eqs. 3, 6 and 7).

    Where it departs: of several starts the gradient is the mean, and the sum in the paper's Algorithm 1; real rows are
    drawn with replacement, and dealt out in passes there; a task of two classes has two outputs and labels of two
    numbers, and one of each there (its Table VI); dropout is off in both loops unless asked for, and was on in the
    authors' inner one.
    """

    optimizer: Annotated[InnerOptimizer, Doc("how inner steps are taken")] = field(default_factory=SGD)
    gradient: Annotated[MetaGradient, Doc("how they are differentiated through")] = field(default_factory=Graph)
    steps: Annotated[Count | None, Doc("inner steps to take from the start; none: all of the schedule")] = None
    batch: Annotated[Count, Doc("real rows that the outer loss sees")] = 256
    balanced: Annotated[bool, Doc("draw as many of each class")] = False
    inner_dropout: Annotated[bool, Doc("the learner's own dropout, while it trains on distilled rows")] = False
    outer_dropout: Annotated[bool, Doc("the same while it is scored on real rows")] = False

    name: ClassVar[str] = "unrolled"
    trains: ClassVar[frozenset[str]] = frozenset({"inputs", "targets", "lr"})

    def inner(self, learner: Learner, streams: Streams) -> Inner:
        """The inner problem of one outer step; `streams` is that step's own."""
        drop: Callable[[int], torch.Generator | None] = lambda step: None  # noqa: E731
        if self.inner_dropout:
            drop = lambda step: streams.torch("inner-dropout", step)  # noqa: E731
        return Inner(learner, self.optimizer, drop)

    def real_rows(self, real: RealData, streams: Streams) -> torch.Tensor:
        """The indices of this outer step's real batch."""
        generator = streams.torch("real")
        if not self.balanced:
            return torch.randint(len(real), (min(self.batch, len(real)),), generator=generator)
        per_class = max(1, self.batch // len(real.classes))
        chosen = []
        for label in range(len(real.classes)):
            rows = torch.nonzero(real.labels == label)[:, 0]
            if len(rows):
                chosen.append(rows[torch.randint(len(rows), (per_class,), generator=generator)])
        return torch.cat(chosen)

    def evaluate(
        self, synthetic: Synthetic, real: RealData, learner: Learner, starts: Sequence[Start], streams: Streams
    ) -> list[Outcome]:
        """One outcome for each start, all on the same real batch, whose rows are dealt out to the processes."""
        rows = self.real_rows(real, streams)
        # masks are drawn for a whole batch: with them every process computes it
        own = rows if self.outer_dropout else own_rows(rows)
        batch = real.batch(own)
        inner = self.inner(learner, streams)
        outcomes = []
        for start in starts:
            count = self.steps if self.steps is not None else synthetic.length
            draws = [synthetic.draw(start.age + t) for t in range(count)]
            outcomes.append(
                self.gradient(inner, start.params, start.state, draws, self._outer(learner, batch, len(rows), streams))
            )
        return outcomes

    def _outer(self, learner: Learner, batch: Batch, rows: int, streams: Streams) -> Callable[[Params], torch.Tensor]:
        def outer(params: Params) -> torch.Tensor:
            return learner.loss_once(params, batch, streams.torch("outer-dropout") if self.outer_dropout else None)

        return outer if len(batch) == rows else mean_over_processes(outer, len(batch) / rows)
