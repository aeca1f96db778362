"""A weighted sum of objectives is an objective: the hybrid of gradient and distribution matching, and any other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Annotated, Any, ClassVar

from textdistill.core.batch import RealData
from textdistill.core.bounds import Doc
from textdistill.core.distill import ClosedForm, Objective
from textdistill.core.errors import RecipeError
from textdistill.core.learner import Learner
from textdistill.core.schedule import Outcome, Synthetic
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.core.unroll import Inner


@dataclass(frozen=True)
class Weighted:
    """One part of a sum. Recipes write the weight among the objective's own settings: `{name: cafe, weight: 0.1}`."""

    objective: Annotated[Objective, Doc("what is minimised")]
    weight: Annotated[float, Doc("how much it counts, above 0")] = 1.0


@dataclass(frozen=True)
class WeightedSum:
    """Σ_k w_k · L_k: one step on several objectives, of the same set, starts, real data and random streams.

    It trains what any of its parts trains, and takes the representations and starts that all of them take. Starts that
    train networks do it as the first part says. Where parts end at weights of their own (unrolled), those of the first
    that does are passed on.
    """

    parts: Annotated[tuple[Weighted, ...], Doc("objectives, each with its own settings and a weight")]

    name: ClassVar[str] = "weighted_sum"

    def __post_init__(self) -> None:
        faults = [] if self.parts else ["objective.parts: []; allowed: one part or more"]
        for number, part in enumerate(self.parts):
            where = f"objective.parts.{number}"
            if not (part.weight > 0 and math.isfinite(part.weight)):
                faults.append(f"{where}.weight: {part.weight}; allowed: finite numbers above 0")
            if isinstance(part.objective, ClosedForm):
                name = type(part.objective).__name__
                faults.append(f"{where}: {name} is solved, not stepped; allowed: objectives that take steps")
        if faults:
            raise RecipeError(faults)

    @property
    def trains(self) -> frozenset[str]:
        """What any part trains."""
        return frozenset().union(*(part.objective.trains for part in self.parts))

    @property
    def takes(self) -> frozenset[str] | None:
        """The representations that every part takes; `None` is all."""
        return self._common("takes")

    @property
    def starts(self) -> frozenset[str] | None:
        """The starts that make sense with every part; `None` is all."""
        return self._common("starts")

    @property
    def optimizer(self) -> Any:
        """The inner optimiser of the first part that has one."""
        optimizers = (getattr(part.objective, "optimizer", None) for part in self.parts)
        return next((one for one in optimizers if one is not None), None)

    def _common(self, name: str) -> frozenset[str] | None:
        abilities = [getattr(part.objective, name, None) for part in self.parts]
        sets = [frozenset(one) for one in abilities if one is not None]
        return reduce(frozenset.intersection, sets) if sets else None

    def inner(self, learner: Learner, streams: Streams) -> Inner:
        """As the first part trains."""
        return self.parts[0].objective.inner(learner, streams)

    def evaluate(
        self, synthetic: Synthetic, real: RealData, learner: Learner, starts: Sequence[Start], streams: Streams
    ) -> list[Outcome]:
        """One outcome for each start: the sum of the parts' losses and of their gradients."""
        by_part = [part.objective.evaluate(synthetic, real, learner, starts, streams) for part in self.parts]
        return [self._sum(outcomes) for outcomes in zip(*by_part, strict=True)]

    def _sum(self, outcomes: Sequence[Outcome]) -> Outcome:
        loss, gradients = 0.0, []
        for part, outcome in zip(self.parts, outcomes, strict=True):
            loss += part.weight * outcome.loss
            gradients += [
                (step, {name: part.weight * value for name, value in found.items()})
                for step, found in outcome.gradients
            ]
        ended = next((outcome for outcome in outcomes if outcome.params is not None), outcomes[0])
        return Outcome(loss, gradients, ended.params, ended.state)
