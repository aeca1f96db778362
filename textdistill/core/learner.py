"""The functional learner: a stateless view of a network, so that its weights can be differentiated through."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from textdistill.core.batch import Batch

Params = dict[str, Tensor]


@runtime_checkable
class Network(Protocol):
    """What a module must offer to become a `Learner`.

    `forward` returns every layer's activation, the logits last and the features last but one, and differentiates
    twice. `drop` is the random stream of dropout; `None` turns dropout off.
    """

    def forward(self, inputs: Tensor, mask: Tensor | None, drop: torch.Generator | None) -> list[Tensor]:
        """Every layer's activation for the rows of a batch."""
        ...

    def fans(self, name: str, shape: Sequence[int]) -> tuple[int, int]:
        """The fan-in and fan-out of the weight `name`, for Xavier's initialisation."""
        ...


@runtime_checkable
class ReadsWords(Protocol):
    """A network of word vectors that can also be given the words themselves, and then multiplies each of them once."""

    def reading(self, table: Float[Tensor, "v d"]) -> nn.Module:
        """The same network, with the same weights, for rows of `table` (n, length) in place of their vectors.

        The table's last row is zero and pads.
        """
        ...


class Learner:
    """A network whose weights are arguments.

    `init(rng)` draws θ0 ~ p(θ0): Xavier normal for weights, zero for biases (Sucholutsky & Schonlau, section IV.B). A
    network with a method `constant(name)` says which weights start elsewhere: the gains of its norms, at one; one with
    a method `stored(name)`, which begin with values of their own: a pre-trained network's, whose fresh head alone is
    drawn. Parameters that ask for no gradient are no weights of the learner: they stay in the module as they are.
    The loss of a batch is the soft cross-entropy Σ_i a_i Σ_c y_ic · (−log softmax(z_i))_c with a_i = 1/n unless
    the batch has weights; the labels may be any real vectors, as in the paper.
    """

    def __init__(self, module: nn.Module, classes: int):
        self.module = module
        self.classes = classes
        self._shapes = {name: tuple(p.shape) for name, p in module.named_parameters() if p.requires_grad}
        self.device = torch.device("cpu")
        self.dtype = torch.float32
        self.criterion = "cross_entropy"

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Learner:
        """Draw and keep weights on this device, as this floating type."""
        self.device = torch.device(device)
        self.dtype = dtype or self.dtype
        self.module.to(self.device, self.dtype)
        return self

    def measured_by(self, criterion: str) -> Learner:
        """The same learner with `loss` as the `cross_entropy` or the `squared` distance from the centred labels."""
        other = copy.copy(self)
        other.criterion = criterion
        return other

    def reading(self, table: Float[Tensor, "v d"]) -> Learner | None:
        """The same learner for batches of word ids, integers (n, length), rows of `table`; `None` if it cannot."""
        if not isinstance(self.module, ReadsWords):
            return None
        other = copy.copy(self)
        other.module = self.module.reading(table.to(self.device, self.dtype))
        return other

    def apart(self) -> Learner:
        """The same learner for another thread: to compute, a module borrows the weights, so no two threads share one.

        Nothing is copied but the module's structure.
        """
        kept = {id(one): one for one in (*self.module.parameters(), *self.module.buffers())}
        other = copy.copy(self)
        other.module = copy.deepcopy(self.module, kept)
        return other

    @property
    def margin(self) -> int:
        """How many positions of padding beyond the longest sentence of a batch the network can still tell from none."""
        return int(getattr(self.module, "margin", 0))

    @property
    def size(self) -> int:
        """The number of parameters."""
        return sum(math.prod(shape) for shape in self._shapes.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the weights, in the order of `init`."""
        return tuple(self._shapes)

    def init(self, rng: torch.Generator) -> Params:
        """A fresh θ0 from `rng`."""
        params: Params = {}
        for name, shape in self._shapes.items():
            stored, constant = self._stored(name), self._constant(name, shape)
            if stored is not None:
                value = stored.detach().clone()  # never the module's own, which a step in place would change for all
            elif constant is not None:
                value = torch.full(shape, constant)
            else:
                fan_in, fan_out = self.module.fans(name, shape)  # type: ignore[operator]
                value = torch.randn(shape, generator=rng) * math.sqrt(2.0 / (fan_in + fan_out))
            params[name] = value.to(self.device, self.dtype)
        return params

    def _stored(self, name: str) -> Tensor | None:
        own = getattr(self.module, "stored", None)
        value: Tensor | None = own(name) if own is not None else None
        return value

    def _constant(self, name: str, shape: tuple[int, ...]) -> float | None:
        own = getattr(self.module, "constant", None)
        value: float | None = own(name) if own is not None else None
        return 0.0 if value is None and len(shape) < 2 else value

    def activations(self, params: Params, batch: Batch, drop: torch.Generator | None = None) -> list[Tensor]:
        """Every layer's activation; the last is the logits (n, c), the last but one the features (n, f)."""
        out: list[Tensor] = torch.func.functional_call(self.module, params, (batch.inputs, batch.mask, drop))
        return out

    def logits(self, params: Params, batch: Batch, drop: torch.Generator | None = None) -> Float[Tensor, "n c"]:
        """The class scores before the softmax."""
        return self.activations(params, batch, drop)[-1]

    def loss(self, params: Params, batch: Batch, drop: torch.Generator | None = None) -> Float[Tensor, ""]:
        """Soft cross-entropy of the batch, or ½ Σ_c (z_ic − y_ic + 1/C)² where the learner is measured by that."""
        logits = self.logits(params, batch, drop)
        logits = logits.to(torch.promote_types(logits.dtype, batch.targets.dtype))  # autocast gives them in bfloat16
        if self.criterion == "squared":
            rows = 0.5 * ((logits - (batch.targets - 1.0 / self.classes)) ** 2).sum(1)
        else:
            rows = -(batch.targets * F.log_softmax(logits, dim=1)).sum(1)
        return rows.mean() if batch.weights is None else (batch.weights * rows).sum()

    def loss_once(self, params: Params, batch: Batch, drop: torch.Generator | None = None) -> Float[Tensor, ""]:
        """`loss`, of which the caller wants no more than one derivative, and that for the weights: an outer loss.

        A network may have a method `loss_once(params, inputs, targets, shares)` that knows the cross-entropy's.
        """
        own = self._own("loss_once")
        if own is None or not torch.is_grad_enabled():
            return self.loss(params, batch, drop)
        loss: Tensor = own({name: params[name] for name in self.names}, batch.inputs, batch.targets, _shares(batch))
        return loss

    def gradient(
        self, params: Params, batch: Batch, drop: torch.Generator | None = None, graph: bool = False
    ) -> list[Tensor]:
        """The gradient of `loss` for the weights in their order; with `graph` it is differentiable itself.

        It is so for those weights that ask for a gradient, and for the batch: an unrolled loop's first are just given.
        A network may have a method `gradient(params, inputs, targets, shares)` that knows the cross-entropy's.
        """
        own = self._own("gradient")
        if own is not None:
            with torch.set_grad_enabled(graph):
                slopes = own({name: params[name] for name in self.names}, batch.inputs, batch.targets, _shares(batch))
            by_name = dict(zip(self.names, slopes, strict=True))
            return [by_name[name] for name in params]
        with torch.enable_grad():
            leaves = {
                n: value if value.requires_grad else value.detach().requires_grad_() for n, value in params.items()
            }
            loss = self.loss(leaves, batch, drop)
            return list(torch.autograd.grad(loss, list(leaves.values()), create_graph=graph))

    def _own(self, name: str) -> Callable[..., Any] | None:
        """The network's own method for the cross-entropy, where it has one and that is the criterion."""
        return getattr(self.module, name, None) if self.criterion == "cross_entropy" else None


def _shares(batch: Batch) -> Float[Tensor, " n"]:
    """How much each row of a batch counts in the loss."""
    n = len(batch)
    return batch.targets.new_full((n,), 1.0 / n) if batch.weights is None else batch.weights


def dropout(values: Tensor, rate: float, drop: torch.Generator | None) -> Tensor:
    """Inverted dropout from an explicit stream: the same stream gives the same mask, so a step can be recomputed."""
    if drop is None or rate <= 0.0:
        return values
    keep = (torch.rand(values.shape, generator=drop) >= rate).to(values)
    return values * (keep / (1.0 - rate))
