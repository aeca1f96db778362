"""One network at a time, matched and trained in turn, until a fresh one takes its place (DC's two nested loops)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from textdistill.core.bounds import Count, Doc, Natural
from textdistill.core.learner import Learner
from textdistill.core.schedule import Synthetic
from textdistill.core.starts import Passing, Start, kept, restored
from textdistill.core.streams import Streams
from textdistill.core.unroll import Inner


class Chain(Passing):
    """A fresh network every `matches` outer steps, trained `steps` inner steps on the set between two of them.

    Gradient matching's outer loop is `matches` long and its inner one `steps` (Zhao et al. 2021, Algorithm 1); the
    paper's code takes (1, 1) for one sample per class, (10, 50) for 10 and (50, 10) for 50. The training follows the
    set as the outer step has left it, at the set's own learning rates.
    """

    name: ClassVar[str] = "chain"
    trains_on_set: ClassVar[bool] = True

    def __init__(
        self,
        learner: Learner,
        streams: Streams,
        matches: Annotated[Count, Doc("outer steps that a network is used for")] = 10,
        steps: Annotated[Natural, Doc("inner steps that it trains on the set between two of them")] = 50,
    ):
        self.learner, self.streams, self.matches, self.steps = learner, streams, matches, steps
        self._now: Start | None = None

    def next(self, step: int, synthetic: Synthetic, inner: Inner) -> Sequence[Start]:
        """The network of this outer step."""
        begun = self._now
        if begun is None or step % self.matches == 0:
            self._now = Start(self.learner.init(self.streams.torch("theta0", step)))
        else:  # only now: what the network is trained on may be as the last outer step left it
            self._now = self.trained(begun, step, synthetic, inner)
        return [self._now]

    def trained(self, begun: Start, step: int, synthetic: Synthetic, inner: Inner) -> Start:
        """The network of the last match, `steps` steps older."""
        draws = [synthetic.draw(begun.age + t, grad=False) for t in range(self.steps)]
        params, state = inner.run(begun.params, begun.state, draws)
        return Start(params, state, begun.age + self.steps)

    def state_dict(self) -> dict[str, Any]:
        """The network as it was matched last, the optimiser's memory, and its age."""
        if self._now is None:
            return {}
        return {"tensors": kept(self._now), "age": self._now.age}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The network as it was."""
        self._now = None
        if "age" in state:
            self._now = restored(state["tensors"], self.learner.names, int(state["age"]))
