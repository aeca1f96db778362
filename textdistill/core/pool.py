"""A pool of networks that grow older as outer steps use them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from textdistill.core.bounds import Count, Doc, Natural
from textdistill.core.learner import Learner
from textdistill.core.schedule import Outcome, Synthetic
from textdistill.core.starts import Passing, Start, kept, restored
from textdistill.core.streams import Streams
from textdistill.core.unroll import Inner


class Pool(Passing):
    """`size` networks that grow older as they are used, each begun anew once it is older than `most` inner steps."""

    name: ClassVar[str] = "pool"

    def __init__(
        self,
        learner: Learner,
        streams: Streams,
        size: Annotated[Count, Doc("networks in the pool")] = 8,
        most: Annotated[Natural, Doc("steps after which a network is begun anew")] = 40,
    ):
        self.learner, self.streams, self.size, self.most = learner, streams, size, most
        self._slots: dict[int, Start] = {}

    def next(self, step: int, synthetic: Synthetic, inner: Inner) -> Sequence[Start]:
        """A network of the pool, chosen at random."""
        slot = int(torch.randint(self.size, (), generator=self.streams.torch("slot", step)))
        if slot not in self._slots or self._slots[slot].age > self.most:
            self._slots[slot] = Start(self.learner.init(self.streams.torch("theta0", step)), slot=slot)
        return [self._slots[slot]]

    def after_step(self, step: int, start: Start, outcome: Outcome) -> None:
        """The network stays as the step left it, older by the schedule steps it took."""
        if outcome.params is not None:
            age = max([start.age, *(at + 1 for at, _ in outcome.gradients)])
            self._slots[start.slot] = Start(outcome.params, outcome.state, age, start.slot)

    def state_dict(self) -> dict[str, Any]:
        """Every network of the pool with its age: tensors by name, ages as numbers."""
        tensors: dict[str, Tensor] = {}
        for slot, start in self._slots.items():
            tensors.update(kept(start, f"{slot}."))
        return {"tensors": tensors, "ages": {str(slot): start.age for slot, start in self._slots.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The pool as it was."""
        self._slots = {}
        for key, age in state.get("ages", {}).items():
            self._slots[int(key)] = restored(state["tensors"], self.learner.names, int(age), f"{key}.", int(key))
