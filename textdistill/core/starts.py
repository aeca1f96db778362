"""Where the inner weights start from: one fixed θ0, fresh ones, several averaged, some of a random depth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from textdistill.core.batch import RealData
from textdistill.core.bounds import Count, Doc, Natural
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


def kept(start: Start, prefix: str = "") -> dict[str, Tensor]:
    """The tensors of a start by name, each behind `prefix`, as a checkpoint holds them."""
    tensors = {f"{prefix}params.{name}": value for name, value in start.params.items()}
    return tensors | {f"{prefix}state.{i}": value for i, value in enumerate(start.state or [])}


def restored(tensors: Mapping[str, Tensor], names: Iterable[str], age: int, prefix: str = "", slot: int = 0) -> Start:
    """The start that `kept` told of, its weights in the order of `names`.

    That is the learner's own, and not that of a file: the optimiser's state goes by it.
    """
    params = {name: tensors[f"{prefix}params.{name}"] for name in names}
    count = sum(name.startswith(f"{prefix}state.") for name in tensors)
    return Start(params, [tensors[f"{prefix}state.{i}"] for i in range(count)] or None, age, slot)


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

    def train_steps(self) -> int | None:
        """How many steps networks should train on the finished set, where that was learned here; else `None`."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs: `tensors` by name, and whatever else JSON can hold."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        ...


@runtime_checkable
class SeesReal(Protocol):
    """A source that trains its networks on real rows: the loop shows it the ones it distils from."""

    def see(self, real: RealData) -> None:
        """Train on these from now on."""
        ...


class Passing:
    """Starts that come and go: no weights belong to the set, and its own schedule says how long networks train."""

    def after_step(self, step: int, start: Start, outcome: Outcome) -> None:
        """Nothing to learn from a step."""

    def theta0(self) -> Params | None:
        """No weights belong to the distilled set."""
        return None

    def train_steps(self) -> int | None:
        """The set's own schedule says."""
        return None


class Memoryless(Passing):
    """A source that remembers nothing: every start follows from the seed and the step."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing to remember."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""


@dataclass(frozen=True)
class Fixed(Memoryless):
    """One θ0 for every outer step, stored with the set; or the average over several fixed ones."""

    learner: Learner
    streams: Streams
    nets: Annotated[Count, Doc("networks that the gradient is averaged over; more than one is stored with no set")] = 1

    name: ClassVar[str] = "fixed"

    def next(self, step: int, synthetic: Synthetic, inner: Inner) -> Sequence[Start]:
        """The same weights each time."""
        return [Start(self.learner.init(self.streams.torch("theta0", k))) for k in range(self.nets)]

    def theta0(self) -> Params | None:
        """The weights to evaluate with, when there is just one."""
        return self.learner.init(self.streams.torch("theta0", 0)) if self.nets == 1 else None


@dataclass(frozen=True)
class Fresh(Memoryless):
    """θ0 ~ p(θ0) drawn anew at every outer step, the gradient averaged over `nets` of them (Eq. 7)."""

    learner: Learner
    streams: Streams
    nets: Annotated[Count, Doc("networks that the gradient is averaged over")] = 1

    name: ClassVar[str] = "fresh"

    def next(self, step: int, synthetic: Synthetic, inner: Inner) -> Sequence[Start]:
        """New weights each time."""
        return [Start(self.learner.init(self.streams.torch("theta0", step, k))) for k in range(self.nets)]


@dataclass(frozen=True)
class Trained(Memoryless):
    """Fresh weights trained on the distilled set for a random number of steps, 0 to `most` (RaT-BPTT's start).

    With `growing` this is a curriculum: at outer step k at most `most` · k / `growing` of them.
    """

    learner: Learner
    streams: Streams
    most: Annotated[Natural, Doc("the most steps that a network may have trained")] = 20
    growing: Annotated[Natural, Doc("outer steps in which that number grows from none; 0: it stands")] = 0

    name: ClassVar[str] = "trained"

    def next(self, step: int, synthetic: Synthetic, inner: Inner) -> Sequence[Start]:
        """Weights of a random age."""
        most = self.most if step >= self.growing else self.most * step // self.growing
        age = int(torch.randint(most + 1, (), generator=self.streams.torch("age", step)))
        params = self.learner.init(self.streams.torch("theta0", step))
        params, state = inner.run(params, None, [synthetic.draw(t, grad=False) for t in range(age)])
        return [Start(params, state, age)]
