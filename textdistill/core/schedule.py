"""The distilled set as the core sees it: a schedule of (batch, learning rate), and the gradients sent back to it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from textdistill.core.batch import Batch

FIELDS = ("inputs", "targets", "weights", "lr")
TENSOR_FIELDS = ("inputs", "targets", "lr")  # of a set that is held in tensors


@dataclass(frozen=True)
class Draw:
    """One inner step's batch and learning rate, as leaves: the objective differentiates with respect to them.

    `step` is the position in the schedule, by which the gradient finds its way back. Draws that show the same numbers
    may share a leaf: it then has one gradient, the sum over all of them.
    """

    step: int
    batch: Batch
    lr: Tensor | None = None

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Draw:
        """The same draw on another device, as that floating type."""
        return Draw(self.step, self.batch.to(device, dtype), None if self.lr is None else self.lr.to(device, dtype))

    def leaves(self) -> dict[str, Tensor]:
        """The fields that want a gradient."""
        named = {
            "inputs": self.batch.inputs,
            "targets": self.batch.targets,
            "weights": self.batch.weights,
            "lr": self.lr,
        }
        return {name: value for name, value in named.items() if value is not None and value.requires_grad}


@dataclass
class Outcome:
    """What an objective gives for one start: its value, the gradients at the drawn leaves, the weights it ended at."""

    loss: float
    gradients: list[tuple[int, dict[str, Tensor]]] = field(default_factory=list)
    params: dict[str, Tensor] | None = None
    state: list[Tensor] | None = None

    def on(self, device: torch.device) -> Outcome:
        """The same with its tensors there."""
        gradients = [(at, {name: value.to(device) for name, value in found.items()}) for at, found in self.gradients]
        params = None if self.params is None else {name: value.to(device) for name, value in self.params.items()}
        state = None if self.state is None else [value.to(device) for value in self.state]
        return Outcome(self.loss, gradients, params, state)


@runtime_checkable
class Synthetic(Protocol):
    """A distilled set in the making."""

    learned: frozenset[str]  # which of FIELDS

    @property
    def length(self) -> int:
        """The number of inner steps in one pass of the schedule, all epochs included."""
        ...

    def parameters(self) -> dict[str, Tensor]:
        """What the outer optimiser updates, by name."""
        ...

    def draw(self, step: int, grad: bool = True) -> Draw:
        """The batch and learning rate of inner step `step` (modulo the length)."""
        ...

    def pullback(self, gradients: list[tuple[int, dict[str, Tensor]]]) -> None:
        """Add the gradients at the drawn leaves to the `.grad` of the parameters."""
        ...

    def project_(self) -> None:
        """Put the parameters back where they must lie (simplex labels, pixel range)."""
        ...

    def export(self, meta: dict[str, Any] | None = None) -> DistilledSet:
        """The set as it would be stored."""
        ...


@runtime_checkable
class Remembers(Protocol):
    """A distilled set that carries more from step to step than its parameters: a generator's pool of samples."""

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs: `tensors` by name, and whatever else JSON can hold."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        ...


@dataclass(frozen=True)
class DistilledSet:
    """A finished set: S batches of m samples, soft labels, and a learning rate for each step of each epoch.

    `inputs` (S, m, *shape), `targets` (S, m, c), `rates` (E, S); `theta0` the stored weights where the start is fixed.
    """

    inputs: Tensor
    targets: Tensor
    rates: Tensor
    theta0: dict[str, Tensor] | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def samples(self) -> int:
        """M, the number of distilled samples."""
        return int(self.inputs.shape[0] * self.inputs.shape[1])

    @property
    def length(self) -> int:
        """The number of inner steps of the set's own schedule."""
        return int(self.rates.numel())

    def draw(self, step: int) -> Draw:
        """The batch and learning rate of step `step` of the set's own schedule."""
        epoch, index = divmod(step % self.length, self.inputs.shape[0])
        return Draw(step, Batch(self.inputs[index], self.targets[index]), self.rates[epoch, index])

    def lasting(self, steps: int | None) -> DistilledSet:
        """The same set with its schedule gone through as often as makes `steps` inner steps (as it is when `None`)."""
        if steps is None:
            return self
        epochs = max(1, math.ceil(steps / self.inputs.shape[0]))
        return replace(self, rates=self.rates[torch.arange(epochs) % self.rates.shape[0]])

    def pooled(self) -> Batch:
        """All M samples as one batch, for an ordinary optimiser."""
        return Batch(self.inputs.flatten(0, 1), self.targets.flatten(0, 1))

    def tensors(self) -> dict[str, Tensor]:
        """What is stored, by name."""
        out = {"inputs": self.inputs, "targets": self.targets, "learning_rates": self.rates}
        out.update({f"theta0.{name}": value for name, value in (self.theta0 or {}).items()})
        return {name: value.detach().cpu().contiguous() for name, value in out.items()}
