"""Where the inner weights start from: one fixed θ0, fresh ones, several averaged, a pool that ages, a random depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from textdistill.core.inner import State
from textdistill.core.learner import Learner, Params
from textdistill.core.schedule import Outcome, Synthetic
from textdistill.core.streams import Streams
from textdistill.core.unroll import Inner


@dataclass
class Start:
    """Weights to begin an outer step with, the inner optimiser's state, and how many inner steps they have seen."""

    params: Params
    state: State | None = None
    age: int = 0
    slot: int = 0


@runtime_checkable
class Starts(Protocol):
    """A source of starts. Whatever it remembers between outer steps is in its `state_dict`."""

    def next(self, step: int, synthetic: Synthetic, inner: Inner) -> Sequence[Start]:
        """The starts of outer step `step`; the gradient is the mean over them."""
        ...

    def after_step(self, step: int, start: Start, outcome: Outcome) -> None:
        """What came of a start."""
        ...

    def theta0(self) -> Params | None:
        """The weights that belong to the distilled set, where there are such."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs: `tensors` by name, and whatever else JSON can hold."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        ...


class _Memoryless:
    """A source that remembers nothing: every start follows from the seed and the step."""

    def after_step(self, step: int, start: Start, outcome: Outcome) -> None:
        """Nothing to learn from a step."""

    def theta0(self) -> Params | None:
        """No weights belong to the distilled set."""
        return None

    def state_dict(self) -> dict[str, Any]:
        """Nothing to remember."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""


@dataclass(frozen=True)
class Fixed(_Memoryless):
    """One θ0 for every outer step, stored with the set; `nets` > 1 averages over that many fixed ones."""

    learner: Learner
    streams: Streams
    nets: int = 1

    def next(self, step: int, synthetic: Synthetic, inner: Inner) -> Sequence[Start]:
        """The same weights each time."""
        return [Start(self.learner.init(self.streams.torch("theta0", k))) for k in range(self.nets)]

    def theta0(self) -> Params | None:
        """The weights to evaluate with, when there is just one."""
        return self.learner.init(self.streams.torch("theta0", 0)) if self.nets == 1 else None


@dataclass(frozen=True)
class Fresh(_Memoryless):
    """θ0 ~ p(θ0) drawn anew at every outer step, the gradient averaged over `nets` of them (Eq. 7)."""

    learner: Learner
    streams: Streams
    nets: int = 1

    def next(self, step: int, synthetic: Synthetic, inner: Inner) -> Sequence[Start]:
        """New weights each time."""
        return [Start(self.learner.init(self.streams.torch("theta0", step, k))) for k in range(self.nets)]


@dataclass(frozen=True)
class Trained(_Memoryless):
    """Fresh weights trained on the distilled set for a random number of steps, 0 to `most` (RaT-BPTT's start)."""

    learner: Learner
    streams: Streams
    most: int = 20

    def next(self, step: int, synthetic: Synthetic, inner: Inner) -> Sequence[Start]:
        """Weights of a random age."""
        age = int(torch.randint(self.most + 1, (), generator=self.streams.torch("age", step)))
        params = self.learner.init(self.streams.torch("theta0", step))
        params, state = inner.run(params, None, [synthetic.draw(t, grad=False) for t in range(age)])
        return [Start(params, state, age)]


class Pool:
    """`size` networks that grow older as they are used, each begun anew once it is older than `most` inner steps."""

    def __init__(self, learner: Learner, streams: Streams, size: int = 8, most: int = 40):
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

    def theta0(self) -> Params | None:
        """No weights belong to the distilled set."""
        return None

    def state_dict(self) -> dict[str, Any]:
        """Every network of the pool with its age: tensors by name, ages as numbers."""
        tensors: dict[str, Tensor] = {}
        for slot, start in self._slots.items():
            tensors.update({f"{slot}.params.{name}": value for name, value in start.params.items()})
            tensors.update({f"{slot}.state.{i}": value for i, value in enumerate(start.state or [])})
        return {"tensors": tensors, "ages": {str(slot): start.age for slot, start in self._slots.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The pool as it was."""
        self._slots = {}
        for key, age in state.get("ages", {}).items():
            prefix, states = f"{key}.params.", f"{key}.state."
            tensors: dict[str, Tensor] = state["tensors"]
            # In the learner's own order, which is not that of a file: the optimiser's state goes by it.
            params = {name: tensors[prefix + name] for name in self.learner.names}
            indices = sorted(int(name[len(states) :]) for name in tensors if name.startswith(states))
            kept = [tensors[f"{states}{i}"] for i in indices]
            self._slots[int(key)] = Start(params, kept or None, int(age), int(key))


STARTS: dict[str, type] = {"fixed": Fixed, "fresh": Fresh, "trained": Trained, "pool": Pool}
