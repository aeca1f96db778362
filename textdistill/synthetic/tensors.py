"""A distilled set held in tensors: inputs, soft labels and learning rates, each learned or fixed."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from textdistill.core.batch import Batch
from textdistill.core.schedule import DistilledSet, Draw


def inverse_softplus(value: Tensor) -> Tensor:
    """The raw number whose softplus is `value` > 0."""
    return value + torch.log(-torch.expm1(-value))


def project_simplex(rows: Float[Tensor, "*batch c"]) -> Float[Tensor, "*batch c"]:
    """The nearest point of the probability simplex to each row (Euclidean; Duchi et al. 2008, figure 1)."""
    ordered, _ = rows.sort(dim=-1, descending=True)
    excess = ordered.cumsum(-1) - 1
    rank = torch.arange(1, rows.shape[-1] + 1, device=rows.device, dtype=rows.dtype)
    support = (ordered - excess / rank > 0).sum(-1, keepdim=True)
    shift = excess.gather(-1, support - 1) / support
    return (rows - shift).clamp_min(0)


def normalise(rows: Float[Tensor, "*batch c"]) -> Float[Tensor, "*batch c"]:
    """Each row clamped to [0, 1] and divided by its sum (Bohdal et al. 2020); uniform where nothing is above zero."""
    rows = rows.clamp(0, 1)
    total = rows.sum(-1, keepdim=True)
    return torch.where(total > 0, rows / total.clamp_min(torch.finfo(rows.dtype).tiny), 1.0 / rows.shape[-1])


PROJECTIONS = {"simplex": project_simplex, "clamped": normalise}
LABEL_KINDS = ("unrestricted", "softmax", *PROJECTIONS, "hard")


class TensorData:
    """S batches of m samples, visited E times over: the distilled set of DD, SLDD, TDD and label distillation.

    `inputs` (S, m, *shape); `targets` (S, m, c), the labels' own numbers (logits for `softmax`); `rates` (E, S) > 0,
    one learning rate for each step of each epoch, kept raw and used through softplus. `learned` says which of them the
    outer loop changes. `rows` (S, m) are the numbers of the real rows that the inputs are (-1: none), if they are such.
    """

    def __init__(
        self,
        inputs: Tensor,
        targets: Tensor,
        rates: Float[Tensor, "epochs steps"],
        *,
        learned: frozenset[str] = frozenset({"inputs", "targets", "lr"}),
        labels: str = "unrestricted",
        rows: Tensor | None = None,
    ):
        if labels not in LABEL_KINDS:
            raise ValueError(f"labels must be one of {LABEL_KINDS}, not {labels!r}")
        self.learned = learned - {"targets"} if labels == "hard" else learned
        self.labels = labels
        self.rows = rows
        self._values = {"inputs": inputs.clone(), "targets": targets.clone(), "lr": inverse_softplus(rates)}
        for name, value in self._values.items():
            value.requires_grad_(name in self.learned)
        self._steps = int(inputs.shape[0])
        self._show()

    def to(self, device: torch.device | str) -> TensorData:
        """The same set on another device."""
        for name, value in self._values.items():
            self._values[name] = value.detach().to(device).requires_grad_(name in self.learned)
        self._show()
        return self

    def _show(self) -> None:
        # A draw shows a view of the set, the same leaf at every visit: a schedule of many epochs costs no copies.
        self._shown = {
            name: [part.requires_grad_(name in self.learned) for part in self._values[name].detach().unbind()]
            for name in ("inputs", "targets")
        }

    @property
    def length(self) -> int:
        """Inner steps in one pass of the schedule: epochs × steps."""
        return int(self._values["lr"].numel())

    def parameters(self) -> dict[str, Tensor]:
        """The learned tensors by field name."""
        return {name: self._values[name] for name in ("inputs", "targets", "lr") if name in self.learned}

    def _label(self, raw: Tensor) -> Tensor:
        return torch.softmax(raw, -1) if self.labels == "softmax" else raw

    def draw(self, step: int, grad: bool = True) -> Draw:
        """The batch and learning rate of step `step`; with `grad`, the learned fields are leaves."""
        epoch, index = divmod(step % self.length, self._steps)
        inputs, targets = self._shown["inputs"][index], self._shown["targets"][index]
        with torch.no_grad():
            rate = F.softplus(self._values["lr"][epoch, index])
            if self.labels == "softmax":
                targets = self._label(targets)
        if not grad:
            return Draw(step, Batch(inputs.detach(), targets.detach()), rate)
        return Draw(
            step,
            Batch(inputs, targets.requires_grad_("targets" in self.learned)),
            rate.requires_grad_("lr" in self.learned),
        )

    def pullback(self, gradients: list[tuple[int, dict[str, Tensor]]]) -> None:
        """Sum the gradients of all visits to a batch, and take them through softplus and softmax."""
        for value in self.parameters().values():
            if value.grad is None:
                value.grad = torch.zeros_like(value)
        for step, found in gradients:
            epoch, index = divmod(step % self.length, self._steps)
            for name, gradient in found.items():
                raw = self._values[name]
                assert raw.grad is not None
                if name == "lr":
                    raw.grad[epoch, index] += gradient * torch.sigmoid(raw.detach()[epoch, index])
                elif name == "targets" and self.labels == "softmax":
                    p = torch.softmax(raw.detach()[index], -1)
                    raw.grad[index] += p * (gradient - (p * gradient).sum(-1, keepdim=True))
                else:
                    raw.grad[index] += gradient

    @torch.no_grad()
    def project_(self) -> None:
        """Labels back onto the simplex, where that is where they live."""
        if self.labels in PROJECTIONS and "targets" in self.learned:
            self._values["targets"].copy_(PROJECTIONS[self.labels](self._values["targets"]))

    def export(self, meta: dict[str, Any] | None = None) -> DistilledSet:
        """The set as learners train on it: labels as they are used, learning rates after the softplus."""
        meta = dict(meta or {})
        if self.rows is not None and "inputs" not in self.learned:
            meta["rows"] = self.rows.flatten().tolist()
        with torch.no_grad():
            return DistilledSet(
                self._values["inputs"].clone(),
                self._label(self._values["targets"]).clone(),
                F.softplus(self._values["lr"]).clone(),
                meta=meta,
            )
