"""Gradient matching: each class of the distilled set moves a network as real rows of that class do (DC, DSA)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from textdistill.core.batch import Batch, RealData
from textdistill.core.bounds import Count, Doc, OneOf, faults_of
from textdistill.core.errors import RecipeError, did_you_mean
from textdistill.core.inner import SGD, InnerOptimizer, State
from textdistill.core.learner import Learner, Params
from textdistill.core.precision import Precision
from textdistill.core.processes import sum_over_processes
from textdistill.core.schedule import Draw, Outcome, Synthetic
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.core.unroll import Inner
from textdistill.objectives.augment import augment, kinds_with, name_faults
from textdistill.objectives.distances import DISTANCES
from textdistill.objectives.last_layer import LastLayer, last_layer
from textdistill.objectives.moments import joined, matched_rows, own_classes, part_of, sent_back, taught_leaves
from textdistill.objectives.passes import Forward, real_gradient, sample_activations


@dataclass(frozen=True)
class GradientMatching:
    """Σ_c D(∇_θ ℓ(S_c; θ), ∇_θ ℓ(T_c; θ)) over the classes c of the set S and as many real rows T_c of each.

    DC (Zhao et al. 2021, Eq. 9 and Algorithm 1); with `augment` it is DSA (Zhao & Bilen 2021, Eq. 7): one random
    transformation, the same for both sides, drawn anew for every class. `distance` is `layerwise` (DC), `cosine` of
    each parameter, `whole` (the cosine of all at once: DiLM, Maekawa et al. 2024, Eq. 3) or `euclidean`. DiLM takes the
    mean over the classes, which is the same to Adam but for `outer.clip`. The report of Sonthalia et al. (II.A, step
    5e) prints the similarity itself and minimises it; its distance, 1 less that, is meant. A synthetic row belongs to
    the class of its largest label; its soft label and its weight, normalised within the class, enter the loss. Real
    rows are drawn without replacement (a larger batch is the average over several), unless the data choose themselves
    (`RepresentativeRows`). Where `layers` are the last one and that is linear, its gradient is taken in closed form,
    the network runs forward alone, and it is in no graph but that of inputs that are learned. What is a constant here
    is multiplied in `precision`: the real side, and samples' features where their inputs are not learned.
    """

    distance: Annotated[
        str, OneOf(tuple(DISTANCES)), Doc("between gradients, layer by layer as DC, or of all at once as DiLM")
    ] = "layerwise"
    batch: Annotated[Count, Doc("real rows of each class that a step sees")] = 256
    augment: Annotated[tuple[str, ...], Doc("random transformations of both sides (DSA)")] = ()
    layers: Annotated[tuple[str, ...], Doc("beginnings of the names of the weights matched, or last; none: all")] = ()
    precision: Annotated[Precision, Doc("in which what is constant is multiplied")] = "auto"
    optimizer: Annotated[InnerOptimizer, Doc("how starts that train on the set do so (chain, DC's own)")] = field(
        default_factory=SGD
    )

    name: ClassVar[str] = "gradient_matching"
    trains: ClassVar[frozenset[str]] = frozenset({"inputs", "targets", "weights"})
    # A pool grows old by the training that an objective does; this one does none.
    starts: ClassVar[frozenset[str]] = frozenset({"fixed", "fresh", "trained", "chain", "on_real"})

    def __post_init__(self) -> None:
        faults = [f"objective.{fault}" for fault in faults_of(self)]
        if not self.takes:
            faults.extend(name_faults(self.augment))
        if faults:
            raise RecipeError(faults)

    @property
    def takes(self) -> frozenset[str]:
        """The kinds of inputs that know all the transformations of `augment`; texts know none."""
        return kinds_with(self.augment) | (frozenset() if self.augment else {"texts"})

    def inner(self, learner: Learner, streams: Streams) -> Inner:
        """Plain training on the distilled set, which DSA transforms at every step."""
        if not self.augment:
            return Inner(learner, self.optimizer)
        return AugmentedInner(learner, self.optimizer, names=self.augment, streams=streams.child("inner-augment"))

    def evaluate(
        self, synthetic: Synthetic, real: RealData, learner: Learner, starts: Sequence[Start], streams: Streams
    ) -> list[Outcome]:
        """One outcome for each start, all on the same real rows; a class's graph is gone before the next one's.

        Classes are dealt out to the processes.
        """
        draws, rows = matched_rows(synthetic, real, self.batch, streams.torch("real"))
        leaves = taught_leaves(draws, self.trains)
        members = torch.cat([draw.batch.targets for draw in draws]).argmax(1)
        matched = matched_names(learner, self.layers)
        outcomes = []
        for start in starts:
            loss, totals = 0.0, [torch.zeros_like(leaf) for leaf in leaves]
            forward = Forward(learner, start.params, self.precision)
            last = last_layer(learner, start.params, matched, draws[0].batch)
            for label in own_classes(rows):
                ours = part_of(joined([draw.batch for draw in draws]), torch.nonzero(members == label)[:, 0])
                ours, theirs = self._transformed(ours, real.batch(rows[label]), streams.child(label))
                if last is None:
                    sides = self._by_autograd(ours, theirs, learner, start.params, matched)
                else:
                    sides = self._by_hand(ours, theirs, last, forward)
                term = DISTANCES[self.distance](*sides)
                loss += float(term.detach())
                gradients = torch.autograd.grad(term, leaves, allow_unused=True)
                for total, gradient in zip(totals, gradients, strict=True):
                    if gradient is not None:
                        total += gradient
            # each process has its own classes: the loss is added in float64, as it is along the classes
            (whole,) = sum_over_processes([torch.tensor(loss, dtype=torch.float64, device=learner.device)])
            outcomes.append(sent_back(float(whole), sum_over_processes(totals), draws, self.trains))
        return outcomes

    def _transformed(self, ours: Batch, theirs: Batch, streams: Streams) -> tuple[Batch, Batch]:
        """Both sides after the same random transformation, the samples with weights that sum to one."""
        if self.augment:
            ours = augment(ours, self.augment, streams.torch("augment"))
            theirs = augment(theirs, self.augment, streams.torch("augment"))
        return within_class(ours), theirs

    def _by_autograd(
        self, ours: Batch, theirs: Batch, learner: Learner, params: Params, matched: Sequence[str]
    ) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        """The gradients of both sides for any weights, the samples' with a graph of the whole network."""
        wanted = real_gradient(learner, params, theirs, matched, self.precision)
        params = {name: value.detach().requires_grad_(name in matched) for name, value in params.items()}
        loss = learner.loss(params, ours)
        return torch.autograd.grad(loss, [params[name] for name in matched], create_graph=True), wanted

    def _by_hand(
        self, ours: Batch, theirs: Batch, last: LastLayer, forward: Forward
    ) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        """Those for the last layer, from features; the network is in no graph but that of inputs that are learned."""
        if ours.inputs.requires_grad:
            features = sample_activations(forward.learner, forward.params, ours)[-2].flatten(1)
        else:
            features = forward.features(ours)
        with torch.no_grad():
            wanted = last.gradient(forward.features(theirs), theirs.targets, theirs.weights)
        return last.gradient(features, ours.targets, ours.weights), wanted


@dataclass(frozen=True)
class AugmentedInner(Inner):
    """Training on random transformations of the distilled set, one for all rows of a step."""

    names: tuple[str, ...] = ()
    streams: Streams = field(default_factory=lambda: Streams(0))

    def step(self, params: Params, state: State, draw: Draw, graph: bool) -> tuple[Params, State]:
        """One update on the transformed batch of `draw`."""
        batch = augment(draw.batch, self.names, self.streams.torch(draw.step))
        return super().step(params, state, replace(draw, batch=batch), graph)


def within_class(batch: Batch) -> Batch:
    """The rows of one class with weights that sum to one, differentiably."""
    if batch.weights is None:
        return batch
    return replace(batch, weights=batch.weights / batch.weights.sum())


def matched_names(learner: Learner, layers: Sequence[str]) -> list[str]:
    """The weights whose gradients are compared, in the learner's order: all, or those that begin as `layers` say.

    `last` are those that the network calls its `last_layer`, else the last weight of two dimensions or more, and what
    follows it: its bias.
    """
    if not layers:
        return list(learner.names)
    shapes = dict(learner.module.named_parameters())
    final = max(at for at, name in enumerate(learner.names) if shapes[name].dim() > 1)
    last = getattr(learner.module, "last_layer", learner.names[final:])
    chosen: set[str] = set()
    faults = []
    for layer in layers:
        names = last if layer == "last" else [name for name in learner.names if name.startswith(layer)]
        if not names:
            allowed = ("last", *learner.names)
            faults.append(
                f"objective.layers: {layer!r} begins no weight's name; allowed: {', '.join(allowed)}"
                f"{did_you_mean(layer, allowed)}"
            )
        chosen.update(names)
    if faults:
        raise RecipeError(faults)
    return [name for name in learner.names if name in chosen]
