"""Passes through a network that are differentiated at most once: samples' features, real rows and their gradient."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from textdistill.core.batch import Batch
from textdistill.core.learner import Learner, Params
from textdistill.core.precision import Precision, product_type
from textdistill.objectives.moments import part_of

# Numbers that the layers of one piece may show between them: what one layer writes, the next then finds near the
# processor. 2,560 digits through DC's ConvNet with its gradient by autograd, in CPU-s: float32 256 rows at once 11.5,
# 64 8.7, 16 (this) 7.6; bfloat16 256 rows 7.2, 64 (this) 5.2, 16 5.9.
PIECE, PIECE_BFLOAT16 = 2**19, 2**21
# Of a network that has more weights than that, every piece reads them all from afar: so many rows repay it.
REPAID = 32


@runtime_checkable
class FirstOrder(Protocol):
    """What a network may have as `first_order`: itself without autograd, and how many rows it then takes."""

    def rows(self, params: Mapping[str, Tensor], shape: Sequence[int]) -> int:
        """How many rows of this shape make a piece."""
        ...

    def activations(self, params: Mapping[str, Tensor], inputs: Tensor, dtype: torch.dtype) -> list[Tensor]:
        """What the network's `forward` returns, differentiable once for the inputs."""
        ...

    def gradient(
        self,
        params: Mapping[str, Tensor],
        inputs: Tensor,
        targets: Tensor,
        shares: Tensor,
        names: Collection[str],
        dtype: torch.dtype,
    ) -> dict[str, Tensor]:
        """The gradient of the cross-entropy, each row weighed by its share, for the weights `names`."""
        ...


def sample_activations(learner: Learner, params: Params, batch: Batch) -> list[Tensor]:
    """Every layer's activations of samples; they differentiate once, for the inputs and not for the weights."""
    once = _once(learner, batch)
    if once is None:
        return learner.activations(params, batch)
    pieces = _pieces(learner, params, batch, _own(params), once)
    parts = [once.activations(params, rows.inputs, rows.inputs.dtype) for rows in pieces]
    return [torch.cat(layers) for layers in zip(*parts, strict=True)]


@dataclass(frozen=True)
class Forward:
    """A network with given weights, run on rows without a graph, a piece at a time.

    Where `precision` stands for bfloat16 it runs in that type, and so its activations come; the weights are cast once
    for all batches. Weights in float64 are there to be exact: `auto` leaves them so.
    """

    learner: Learner
    params: Params
    precision: Precision = "auto"

    @cached_property
    def inside(self) -> torch.dtype:
        """The type that the network runs in."""
        return _inside(self.params, self.precision)

    @cached_property
    def cast(self) -> Params:
        """All weights, frozen ones too, in the type that the network runs in."""
        every = dict(self.learner.module.named_parameters()) | self.params
        return {name: value.detach().to(self.inside) for name, value in every.items()}

    def activations(self, batch: Batch) -> Iterator[list[Tensor]]:
        """Every layer's activations, piece by piece."""
        inside, once = self.inside, _once(self.learner, batch)
        for rows in _pieces(self.learner, self.params, batch, inside, once):
            with torch.no_grad():  # and not around the yield: whoever asked may have a graph
                if once is None:
                    layers = self.learner.activations(self.cast, rows.to(rows.inputs.device, inside))
                else:
                    layers = once.activations(self.params, rows.inputs, inside)
            yield layers

    def features(self, batch: Batch) -> Tensor:
        """The features (n, f), in the weights' own type."""
        own = _own(self.params)
        return torch.cat([layers[-2].flatten(1).to(own) for layers in self.activations(batch)])


def real_gradient(
    learner: Learner, params: Params, batch: Batch, names: Sequence[str], precision: Precision = "auto"
) -> list[Tensor]:
    """∇ ℓ(batch; θ) for the weights `names`, in the weights' own type and without a graph.

    The network runs in the type that `precision` stands for (see `Forward`), forward and back; the pieces are summed in
    the weights' own.
    """
    own = {name: params[name].detach() for name in names}
    inside = _inside(params, precision)
    totals = {name: torch.zeros_like(value) for name, value in own.items()}
    once = _once(learner, batch) if learner.criterion == "cross_entropy" else None
    leaves = {}
    if once is None:
        cast = Forward(learner, params, precision).cast
        leaves = {name: value.detach().requires_grad_(name in own) for name, value in cast.items()}
    for rows in _pieces(learner, params, batch, inside, once):
        # the loss of rows without weights is their mean
        share = len(rows) / len(batch) if batch.weights is None else 1.0
        if once is None:
            with torch.enable_grad():
                loss = learner.loss(leaves, rows.to(rows.inputs.device, inside))
            slopes = dict(zip(own, torch.autograd.grad(loss, [leaves[name] for name in own]), strict=True))
        else:
            each = rows.inputs.new_full((len(rows),), 1 / len(rows)) if rows.weights is None else rows.weights
            slopes = once.gradient(params, rows.inputs, rows.targets, each, names, inside)
        for name, total in totals.items():
            total.add_(slopes[name], alpha=share)
    return list(totals.values())


def _own(params: Params) -> torch.dtype:
    """The weights' own type."""
    return next(iter(params.values())).dtype


def _inside(params: Params, precision: Precision) -> torch.dtype:
    """The type that a network runs in."""
    weights = next(iter(params.values()))
    if precision == "auto" and weights.dtype == torch.float64:
        return weights.dtype
    return torch.bfloat16 if product_type(precision, weights.device) == "bfloat16" else weights.dtype


def _once(learner: Learner, batch: Batch) -> FirstOrder | None:
    """What the network has for a CPU."""
    once: FirstOrder | None = getattr(learner.module, "first_order", None)
    return once if batch.inputs.device.type == "cpu" else None


def _pieces(
    learner: Learner, params: Params, batch: Batch, inside: torch.dtype, once: FirstOrder | None
) -> Iterator[Batch]:
    """What goes through the network at once, in parts of about one size."""
    count = len(batch)
    size = math.ceil(count / math.ceil(count / max(1, _most(learner, params, batch, inside, once))))
    for first in range(0, count, size):
        yield part_of(batch, slice(first, first + size))


@torch.no_grad()
def _most(learner: Learner, params: Params, batch: Batch, inside: torch.dtype, once: FirstOrder | None) -> int:
    """How many rows a piece has at most; all of them where the network looks at several together."""
    if getattr(learner.module, "mixes_rows", False):
        return len(batch)
    if once is not None:
        return once.rows(params, batch.inputs.shape[1:])
    if sum(value.numel() for value in learner.module.parameters()) > max(PIECE, PIECE_BFLOAT16):
        return REPAID
    shown = learner.activations(params, part_of(batch, slice(0, 1)))
    return (PIECE_BFLOAT16 if inside == torch.bfloat16 else PIECE) // sum(layer.numel() for layer in shown)
