"""Label distillation by ridge regression: the classifier of a base batch in closed form, the features of a network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from textdistill.core.batch import Batch, RealData
from textdistill.core.bounds import Count, Doc, Positive
from textdistill.core.inner import Adam, InnerOptimizer, State
from textdistill.core.learner import Learner, Params
from textdistill.core.ridge import kernel_ridge, ridge
from textdistill.core.schedule import Draw, Outcome, Synthetic
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.core.unroll import Inner

# Kept among a network's weights, so that whatever keeps a network keeps them: W (f + 1, c), and the number that `pace`
# multiplies to the output's scale. The network's own last layer stays among its weights, and gets no gradient.
CLASSIFIER, SCALE = "ridge_weight", "ridge_scale"


class RidgeLearner(Learner):
    """A network whose last layer is the ridge classifier: the logits are s · z̃ᵀW, with z̃ the features and a one.

    s is `pace` times a parameter: Adam, whose steps know no scale, then moves it `pace` times as fast as the network.
    """

    def __init__(self, base: Learner, pace: float):
        super().__init__(base.module, base.classes)
        self.device, self.dtype, self.criterion, self.pace = base.device, base.dtype, base.criterion, pace

    @property
    def names(self) -> tuple[str, ...]:
        """The network's, and the scale."""
        return (*super().names, SCALE)

    def init(self, rng: torch.Generator) -> Params:
        """A fresh θ0; no classifier, and s = 1."""
        params = super().init(rng)
        return {**params, SCALE: torch.tensor(1.0 / self.pace, device=self.device, dtype=self.dtype)}

    def scale(self, params: Params) -> Tensor | float:
        """s."""
        return self.pace * params[SCALE] if SCALE in params else 1.0

    def features(self, params: Params, batch: Batch, drop: torch.Generator | None = None) -> Float[Tensor, "n f1"]:
        """z̃: the activation before the network's own logits, and a one for the bias."""
        own = {name: value for name, value in params.items() if name not in (CLASSIFIER, SCALE)}
        return F.pad(super().activations(own, batch, drop)[-2].flatten(1), (0, 1), value=1.0)

    def activations(self, params: Params, batch: Batch, drop: torch.Generator | None = None) -> list[Tensor]:
        """z̃ and the logits."""
        features = self.features(params, batch, drop)
        weight = params.get(CLASSIFIER)
        weight = features.new_zeros(features.shape[1], self.classes) if weight is None else weight
        return [features, self.scale(params) * (features @ weight)]


@dataclass(frozen=True)
class RidgeInner(Inner):
    """Training of such a network: W moves by `rate` towards the batch's own, then θ and s descend on the batch's loss.

    Bohdal et al. 2020, Algorithm 1, lines 9, 10 and 12. There W moves before the labels do (line 11), and once; here
    the loss that the labels learn by sees W moved by the labels as they were, and the W that is kept is moved by the
    labels as line 11 leaves them, those that the network then trains on.
    """

    rate: float = 0.01
    penalty: float = 1.0

    def run(self, params: Params, state: State | None, draws: Iterable[Draw]) -> tuple[Params, State]:
        """Plain training over `draws`. The optimiser remembers θ and s; W is no part of what it moves."""
        if state is None:
            state = self.optimizer.init([value for name, value in params.items() if name != CLASSIFIER])
        return super().run(params, state, draws)

    def step(self, params: Params, state: State, draw: Draw, graph: bool) -> tuple[Params, State]:
        """One step. W is a constant to the descent, as in Algorithm 1, and no graph is made of the step."""
        learner = self.learner
        if graph or draw.lr is None or not isinstance(learner, RidgeLearner):
            raise ValueError("a ridge network's training wants a ridge learner and a learning rate, and gives no graph")
        names = [name for name in params if name != CLASSIFIER]
        weights = {name: params[name].detach().requires_grad_() for name in names}
        with torch.enable_grad():
            features = learner.features(weights, draw.batch, self.drop(draw.step))
            with torch.no_grad():
                local = ridge(features, draw.batch.targets, self.penalty)
                weight = moved(params.get(CLASSIFIER), local, self.rate)
            logits = learner.scale(weights) * (features @ weight)
            loss = -(draw.batch.targets.detach() * F.log_softmax(logits, dim=1)).sum(1).mean()
            grads = torch.autograd.grad(loss, list(weights.values()), allow_unused=True, materialize_grads=True)
        with torch.no_grad():
            new, state = self.optimizer.update(list(weights.values()), grads, state, draw.lr.detach())
        return {**dict(zip(names, new, strict=True)), CLASSIFIER: weight}, state


def moved(weight: Tensor | None, local: Tensor, rate: float) -> Tensor:
    """W ← (1 − α)W + αW_l, from zero where there is no W yet."""
    return rate * local if weight is None else (1 - rate) * weight + rate * local


@dataclass(frozen=True)
class RidgeLabels:
    """ℓ(x, y; W ∘ θ) with W moved towards the ridge classifier of a base batch (Bohdal et al. 2020, Algorithm 1).

    W_l = Z̃ᵀ(Z̃Z̃ᵀ + λI)⁻¹Ỹ (Eq. 3; λ is `penalty`) on the features of the start's network with a one appended, and
    W ← (1 − α)W + αW_l (α is `rate`). The outer loss is the cross-entropy of s · z̃ᵀW on `batch` real rows, and only W_l
    is differentiated: with V = α ∂ℓ/∂W, ∂ℓ/∂Ỹ = (Z̃Z̃ᵀ + λI)⁻¹Z̃V, so that no network is gone back through. The inputs
    get the derivative by autograd when they are learned (the paper's image distillation by ridge, Table 17). W and the
    scale s live with the network, which `starts: plateau` keeps; s learns `pace` times as fast as the network
    (0.01 to its 0.001). Before a network's first step W is zero and s is one.
    """

    batch: Annotated[Count, Doc("real rows that the outer loss sees")] = 1024
    rate: Annotated[Positive, Doc("α, the share by which W moves to a batch's own")] = 0.01
    penalty: Annotated[float, Doc("λ of the ridge classifier")] = 1.0
    pace: Annotated[Positive, Doc("how many times as fast as the network the scale s learns")] = 10.0
    optimizer: Annotated[InnerOptimizer, Doc("of the network and the scale")] = field(default_factory=Adam)

    name: ClassVar[str] = "ridge_labels"
    trains: ClassVar[frozenset[str]] = frozenset({"inputs", "targets"})
    takes: ClassVar[frozenset[str]] = frozenset({"words", "pixels", "texts"})
    starts: ClassVar[frozenset[str]] = frozenset({"plateau"})

    def inner(self, learner: Learner, streams: Streams) -> RidgeInner:
        """How a ridge network trains on the distilled set: here, and on the finished one."""
        return RidgeInner(RidgeLearner(learner, self.pace), self.optimizer, rate=self.rate, penalty=self.penalty)

    def evaluate(
        self, synthetic: Synthetic, real: RealData, learner: Learner, starts: Sequence[Start], streams: Streams
    ) -> list[Outcome]:
        """One outcome for each start, all on the same real rows, the base batch that of the start's age."""
        rows = torch.randint(len(real), (min(self.batch, len(real)),), generator=streams.torch("real"))
        batch, head = real.batch(rows), RidgeLearner(learner, self.pace)
        return [self._outcome(synthetic.draw(start.age), batch, head, start.params) for start in starts]

    def _outcome(self, draw: Draw, real: Batch, learner: RidgeLearner, params: Params) -> Outcome:
        leaves = {name: leaf for name, leaf in draw.leaves().items() if name in self.trains}
        with torch.set_grad_enabled("inputs" in leaves):
            base = learner.features(params, draw.batch)
        fixed = base.detach()
        with torch.no_grad():
            weight = moved(params.get(CLASSIFIER), ridge(fixed, draw.batch.targets, self.penalty), self.rate)
            features = learner.features(params, real)
        loss, slope = cross_entropy_slope(features, weight, real.targets, learner.scale(params))
        if "inputs" in leaves:
            local = ridge(base, draw.batch.targets, self.penalty)
            slopes = torch.autograd.grad((local * (self.rate * slope)).sum(), list(leaves.values()))
            gradients = dict(zip(leaves, slopes, strict=True))
        else:
            gradients = {"targets": kernel_ridge(fixed @ fixed.T, fixed @ (self.rate * slope), self.penalty)}
        return Outcome(float(loss), [(draw.step, gradients)])


@torch.no_grad()
def cross_entropy_slope(
    features: Float[Tensor, "n f"], weight: Float[Tensor, "f c"], targets: Float[Tensor, "n c"], scale: Tensor | float
) -> tuple[Tensor, Float[Tensor, "f c"]]:
    """The mean soft cross-entropy of s · ZW, and its derivative for W: s Zᵀ(softmax · Σ_c y_c − y)/n."""
    rows = torch.log_softmax(scale * (features @ weight), dim=1)
    residual = rows.exp() * targets.sum(1, keepdim=True) - targets
    return -(targets * rows).sum(1).mean(), scale * (features.T @ residual) / len(features)
