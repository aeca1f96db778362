"""One network at a time, matched and trained on real rows in turn, until a fresh one takes its place (DiLM)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import torch

from textdistill.core.batch import RealData
from textdistill.core.chain import Chain
from textdistill.core.inner import Adam, InnerOptimizer
from textdistill.core.learner import Learner
from textdistill.core.precision import Precision, products_in
from textdistill.core.schedule import Draw, Synthetic
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.core.unroll import Inner

ADAMW = Adam(eps=1e-8, weight_decay=0.01)


class OnReal(Chain):
    """A fresh network every `matches` outer steps, trained `steps` steps on real rows between two of them.

    Maekawa et al. 2024, Algorithm 1, with T = 10 and K = 20. Of a pre-trained learner a fresh network is the one it
    was pre-trained to, with a new last layer. Every step sees `batch` real rows, drawn without regard to their classes,
    at the constant rate `lr`; `optimizer` is the networks' own, and no concern of the objective (the default, with
    `weight_decay`, is the paper's AdamW). Matrices are multiplied in `precision`. Nothing is
    dropped out.
    """

    trains_on_set: ClassVar[bool] = False

    def __init__(
        self,
        learner: Learner,
        streams: Streams,
        matches: int = 10,
        steps: int = 20,
        batch: int = 64,
        lr: float = 1e-4,
        optimizer: InnerOptimizer = ADAMW,
        precision: Precision = "auto",
    ):
        super().__init__(learner, streams, matches, steps)
        self.batch, self.lr, self.precision = batch, lr, precision
        self.inner = Inner(learner, optimizer)
        self._real: RealData | None = None

    def see(self, real: RealData) -> None:
        """Train on these rows from now on."""
        self._real = real

    def next(self, step: int, synthetic: Synthetic, inner: Inner) -> Sequence[Start]:
        """The network of this outer step; its optimiser's memory stays here, where alone it means anything."""
        return [replace(start, state=None) for start in super().next(step, synthetic, inner)]

    def trained(self, begun: Start, step: int, synthetic: Synthetic, inner: Inner) -> Start:
        """The network of the last match after `steps` steps on real rows."""
        if self._real is None:
            raise ValueError("networks that train on real rows were shown none: call see(real) first")
        params, state = begun.params, begun.state
        rate = torch.tensor(self.lr, device=self.learner.device, dtype=self.learner.dtype)
        for turn in range(self.steps):
            order = torch.randperm(len(self._real), generator=self.streams.torch("rows", step, turn))
            draw = Draw(begun.age + turn, self._real.batch(order[: self.batch]), rate)
            with products_in(self.learner.device, self.precision):  # anew at every step: it keeps copies of the weights
                params, state = self.inner.run(params, state, [draw])
        return Start(params, state, begun.age + self.steps)
