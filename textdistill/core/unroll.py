"""How a meta-gradient is taken through T steps of an inner optimiser: whole graph, or step by step on the way back.

With θ_{t+1} = u(θ_t, s_t, ∇ℓ(x̃_t, ỹ_t; θ_t), η̃_t) and an outer loss ℓ(x, y; θ_T), both give the derivatives with
respect to every x̃_t, ỹ_t and η̃_t (Sucholutsky & Schonlau, Eqs. 3 to 7). A window differentiates through the last
steps only (truncated back-propagation); with a window of T or more both are exact and equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from textdistill.core.bounds import Count, Doc, by_name
from textdistill.core.inner import InnerOptimizer, State
from textdistill.core.learner import Learner, Params
from textdistill.core.schedule import Draw, Outcome

DropStream = Callable[[int], torch.Generator | None]


@dataclass(frozen=True)
class Inner:
    """The inner problem: a learner, its update rule, and one stream of dropout masks for each step (or none).

    A stream is asked for by the step's number, so that a step built a second time drops the same units.
    """

    learner: Learner
    optimizer: InnerOptimizer
    drop: DropStream = lambda step: None

    def step(self, params: Params, state: State, draw: Draw, graph: bool) -> tuple[Params, State]:
        """One update on `draw`. With `graph`, it depends differentiably on weights, state and the draw's leaves."""
        if draw.lr is None:
            raise ValueError("an unrolled inner loop needs a learning rate at every step")
        grads = self.learner.gradient(params, draw.batch, self.drop(draw.step), graph)
        with torch.set_grad_enabled(graph):
            new, state = self.optimizer.update(list(params.values()), grads, state, draw.lr)
        return dict(zip(params, new, strict=True)), state

    def run(self, params: Params, state: State | None, draws: Iterable[Draw]) -> tuple[Params, State]:
        """Plain training over `draws`, nothing kept for a derivative."""
        params = {name: value.detach() for name, value in params.items()}
        state = self.optimizer.init(list(params.values())) if state is None else state
        for draw in draws:
            params, state = self.step(params, state, draw, graph=False)
            params = {name: value.detach() for name, value in params.items()}
        return params, state


OuterLoss = Callable[[Params], Tensor]


@runtime_checkable
class MetaGradient(Protocol):
    """A way to take the derivative of `outer(θ_T)` with respect to the leaves of every draw."""

    def __call__(
        self, inner: Inner, params: Params, state: State | None, draws: Sequence[Draw], outer: OuterLoss
    ) -> Outcome:
        """The loss, the gradients at the leaves of `draws`, and θ_T with the inner optimiser's state."""
        ...


def _split(draws: Sequence[Draw], window: int | None) -> tuple[Sequence[Draw], Sequence[Draw]]:
    cut = 0 if window is None else max(0, len(draws) - window)
    return draws[:cut], draws[cut:]


@dataclass(frozen=True)
class Graph:
    """One autograd graph over the last `window` steps: fastest, memory grows with the window."""

    window: Annotated[Count | None, Doc("the last steps that are differentiated through; none: all")] = None

    name: ClassVar[str] = "graph"

    def __call__(
        self, inner: Inner, params: Params, state: State | None, draws: Sequence[Draw], outer: OuterLoss
    ) -> Outcome:
        """The loss, the gradients, and θ_T."""
        plain, tracked = _split(draws, self.window)
        params, state = inner.run(params, state, plain)
        for draw in tracked:
            params, state = inner.step(params, state, draw, graph=True)
        loss = outer(params)
        leaves = {id(leaf): leaf for draw in tracked for leaf in draw.leaves().values()}
        grads = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
        totals = {key: grad for key, grad in zip(leaves, grads, strict=True) if grad is not None}
        return Outcome(float(loss.detach()), _told(tracked, totals), _plain(params), [s.detach() for s in state])


@dataclass(frozen=True)
class Sweep:
    """Store (θ_t, s_t) at every step and rebuild one step's graph at a time on the way back.

    The same derivative for one more forward per step, and memory for a single step's graph plus T copies of the
    weights.
    """

    window: Annotated[Count | None, Doc("the last steps that are differentiated through; none: all")] = None

    name: ClassVar[str] = "sweep"

    def __call__(
        self, inner: Inner, params: Params, state: State | None, draws: Sequence[Draw], outer: OuterLoss
    ) -> Outcome:
        """The loss, the gradients, and θ_T."""
        plain, tracked = _split(draws, self.window)
        params, state = inner.run(params, state, plain)
        stored: list[tuple[Params, State]] = []
        for draw in tracked:
            stored.append((params, state))
            params, state = inner.run(params, state, [draw])

        last = {name: value.detach().requires_grad_() for name, value in params.items()}
        loss = outer(last)
        adjoint = [*torch.autograd.grad(loss, list(last.values())), *(torch.zeros_like(s) for s in state)]

        totals: dict[int, Tensor] = {}
        while stored:
            old_params, old_state = stored.pop()
            draw = tracked[len(stored)]
            leaf_params = {name: value.detach().requires_grad_() for name, value in old_params.items()}
            leaf_state = [value.detach().requires_grad_() for value in old_state]
            new_params, new_state = inner.step(leaf_params, leaf_state, draw, graph=True)
            leaves = draw.leaves()
            wanted = [*leaf_params.values(), *leaf_state, *leaves.values()]
            outputs = [*new_params.values(), *new_state]
            # A quantity that depends on nothing we follow (Adam's β powers without a graph) has no derivative to give.
            live = [(o, a) for o, a in zip(outputs, adjoint, strict=True) if o.requires_grad]
            grads = torch.autograd.grad([o for o, _ in live], wanted, [a for _, a in live], allow_unused=True)
            count = len(leaf_params) + len(leaf_state)
            adjoint = [
                torch.zeros_like(w) if g is None else g for w, g in zip(wanted[:count], grads[:count], strict=True)
            ]
            for leaf, grad in zip(leaves.values(), grads[count:], strict=True):
                if grad is not None:
                    totals[id(leaf)] = totals[id(leaf)] + grad if id(leaf) in totals else grad
        return Outcome(float(loss.detach()), _told(tracked, totals), _plain(params), state)


def _told(draws: Sequence[Draw], totals: dict[int, Tensor]) -> list[tuple[int, dict[str, Tensor]]]:
    """Every step with its gradients, that of a leaf which several draws share at the first of them."""
    return [
        (draw.step, {name: totals.pop(id(leaf)) for name, leaf in draw.leaves().items() if id(leaf) in totals})
        for draw in draws
    ]


def _plain(params: Params) -> Params:
    return {name: value.detach() for name, value in params.items()}


META_GRADIENTS: dict[str, type] = by_name(Graph, Sweep)
