"""One network that trains along with the labels, and begins anew when the target loss stops falling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from textdistill.core.bounds import Count, Doc, Positive
from textdistill.core.inner import Adam, State
from textdistill.core.learner import Learner
from textdistill.core.schedule import Outcome, Synthetic
from textdistill.core.starts import Passing, Start
from textdistill.core.streams import Streams
from textdistill.core.unroll import Inner

RECORDS = 3  # how many of the last records T_i is the mean of


class Plateau(Passing):
    """The network of label distillation (Bohdal et al. 2020, Algorithm 1).

    After every outer step the network takes an ordinary Adam step at rate `lr` on the base batch of that outer step,
    with the labels as the outer step left them. When the average of the target loss over the last `window` steps has
    found no new low for `patience` steps, the network and its optimiser begin anew, and the steps since the last time
    are recorded. T_i, the number of steps that a network should train on the finished labels, is the mean of the last
    three records. The base batches take turns: a start's age counts the steps since the network began, and picks its
    batch.

    Where it departs: the paper draws its base batches at random, and its T_i is the last record (line 16). Its text
    (section 3) averages the target accuracy, its algorithm (line 13) looks at the loss: here it is the loss.
    """

    name: ClassVar[str] = "plateau"

    def __init__(
        self,
        learner: Learner,
        streams: Streams,
        lr: Annotated[Positive, Doc("rate of the network's own Adam")] = 0.001,
        window: Annotated[Count, Doc("steps that the target loss is averaged over (the paper's N_m)")] = 50,
        patience: Annotated[Count | None, Doc("steps without a new low (N_w); none: the window's")] = None,
    ):
        self.learner, self.streams, self.lr, self.window = learner, streams, lr, window
        self.patience = window if patience is None else patience
        self.records: list[int] = []
        self._clear()

    def _clear(self) -> None:
        self._start: Start | None = None
        self._memory: State | None = None  # Adam's own, no matter how the objective's inner steps are taken
        self._losses: list[float] = []
        self._lowest, self._waited, self._due = float("inf"), 0, False

    def next(self, step: int, synthetic: Synthetic, inner: Inner) -> Sequence[Start]:
        """The network, trained on by the step that it owes to the labels of the last outer step."""
        if self._start is None:
            # The objective's own learner: it may keep more than the network's weights.
            self._start = Start(inner.learner.init(self.streams.torch("theta0", step)))
        if self._due:
            draw = synthetic.draw(self._start.age - 1, grad=False)
            rate = draw.batch.targets.new_tensor(self.lr)
            training = replace(inner, optimizer=Adam(eps=1e-8))
            params, self._memory = training.run(self._start.params, self._memory, [replace(draw, lr=rate)])
            self._start, self._due = replace(self._start, params=params), False
        return [self._start]

    def after_step(self, step: int, start: Start, outcome: Outcome) -> None:
        """Watch the target loss; the network's own step waits for the labels that this outer step is about to make."""
        self._start, self._due = replace(start, age=start.age + 1), True
        self._losses = [*self._losses, outcome.loss][-self.window :]
        if len(self._losses) < self.window:
            return
        average = sum(self._losses) / self.window
        self._lowest, self._waited = (average, 0) if average < self._lowest else (self._lowest, self._waited + 1)
        if self._waited >= self.patience:
            self.records = [*self.records, self._start.age][-RECORDS:]
            self._clear()

    def train_steps(self) -> int | None:
        """T_i; before the first record, the steps so far."""
        if self.records:
            return round(sum(self.records) / len(self.records))
        return max(1, self._start.age) if self._start is not None else 1

    def state_dict(self) -> dict[str, Any]:
        """The network, its Adam's memory, the losses of the window, and what has been counted."""
        tensors: dict[str, Tensor] = {"losses": torch.tensor(self._losses, dtype=torch.float64)}
        state: dict[str, Any] = {"tensors": tensors, "records": self.records, "waited": self._waited, "due": self._due}
        if self._lowest < float("inf"):
            state["lowest"] = self._lowest
        if self._start is not None:
            state["age"], state["names"] = self._start.age, list(self._start.params)
            tensors.update({f"params.{name}": value for name, value in self._start.params.items()})
        if self._memory is not None:
            tensors.update({f"memory.{i}": value for i, value in enumerate(self._memory)})
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """As it was."""
        self._clear()
        tensors: dict[str, Tensor] = state["tensors"]
        self.records = [int(record) for record in state["records"]]
        self._losses = tensors["losses"].tolist()
        self._lowest = float(state.get("lowest", "inf"))
        self._waited, self._due = int(state["waited"]), bool(state["due"])
        if "age" in state:
            # In the order of their names as given: a file's own order is another, and Adam's memory goes by it.
            self._start = Start({name: tensors[f"params.{name}"] for name in state["names"]}, age=int(state["age"]))
        memory = sum(name.startswith("memory.") for name in tensors)
        self._memory = [tensors[f"memory.{i}"] for i in range(memory)] or None
