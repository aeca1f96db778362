"""A weighted sum is the sum of its parts, in value and gradient, and recipes can write it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from tests.core.cases import generator, learner_of, real_rows, taught, tensors
from textdistill.core.distill import distill
from textdistill.core.errors import RecipeError
from textdistill.core.inner import SGD, Adam
from textdistill.core.outer import Outer
from textdistill.core.pool import Pool
from textdistill.core.start_kinds import STARTS
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.core.unroll import Inner
from textdistill.objectives import DistributionMatching, GradientMatching, Unrolled, WeightedSum
from textdistill.objectives.weighted_sum import Weighted
from textdistill.recipe.read import resolve
from textdistill.recipe.show import settings_of
from textdistill.synthetic.tensors import TensorData

LEARNER = learner_of("mlp")
STREAMS = Streams(4).child(0)
PARTS = (GradientMatching(batch=6), DistributionMatching(batch=6), Unrolled(batch=8))
HYBRID = WeightedSum(tuple(Weighted(part, weight) for part, weight in zip(PARTS, (1.0, 0.1, 0.5), strict=True)))


def sent(objective: Any, seeds: tuple[int, ...] = (0,)) -> tuple[list[float], dict[str, torch.Tensor]]:
    """The losses of each start, and the gradients in the set's own parameters."""
    synthetic: TensorData = tensors()
    starts = [Start(LEARNER.init(generator(seed))) for seed in seeds]
    outcomes = objective.evaluate(synthetic, real_rows(), LEARNER, starts, STREAMS)
    for outcome in outcomes:
        synthetic.pullback(outcome.gradients)
    return [one.loss for one in outcomes], {name: one.grad for name, one in synthetic.parameters().items()}  # type: ignore[misc]


def test_value_and_gradient_are_the_sum_of_the_parts() -> None:
    losses, gradients = sent(HYBRID, (0, 1))
    told = [(part.weight, *sent(part.objective, (0, 1))) for part in HYBRID.parts]
    for index, loss in enumerate(losses):
        assert loss == pytest.approx(sum(weight * one[index] for weight, one, _ in told), rel=1e-12)
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, sum(weight * one[name] for weight, _, one in told), rtol=1e-10, atol=1e-13)


def test_it_trains_what_any_part_trains_and_takes_what_all_take() -> None:
    assert HYBRID.trains == {"inputs", "targets", "weights", "lr"}
    assert WeightedSum((Weighted(PARTS[1]),)).trains == {"inputs", "weights"}
    assert HYBRID.starts == {"fixed", "fresh", "trained", "chain"}
    assert WeightedSum((Weighted(Unrolled()),)).starts is None
    one_kind = WeightedSum((Weighted(DistributionMatching(augment=("flip",))), Weighted(Unrolled())))
    assert one_kind.takes == {"pixels"}


def test_networks_train_as_the_first_part_says() -> None:
    momentum = DistributionMatching(optimizer=SGD(momentum=0.9))
    both = WeightedSum((Weighted(momentum), Weighted(Unrolled(optimizer=Adam()))))
    made = both.inner(LEARNER, STREAMS)
    assert isinstance(made, Inner)
    assert made.optimizer == momentum.optimizer == both.optimizer


def test_weights_that_a_part_ends_at_are_passed_on() -> None:
    both = WeightedSum((Weighted(DistributionMatching(batch=8)), Weighted(Unrolled(batch=8))))
    pool = Pool(LEARNER, Streams(0), size=1, most=99)
    ages = []
    for step in range(3):
        (start,) = pool.next(step, tensors(), both.inner(LEARNER, STREAMS))
        ages.append(start.age)
        (outcome,) = both.evaluate(tensors(), real_rows(), LEARNER, [start], STREAMS)
        pool.after_step(step, start, outcome)
    assert ages == [0, 4, 8]


def test_steps_lower_its_loss() -> None:
    found: list[float] = []
    distill(
        taught(HYBRID),
        HYBRID,
        real_rows(),
        learner=LEARNER,
        starts=STARTS["fixed"](LEARNER, Streams(0)),
        outer=Outer(steps=50, lr=0.05),
        on_step=lambda _, record: found.append(record["loss"]),
    )
    assert sum(found[-10:]) < 0.8 * sum(found[:10])


RECIPE: dict[str, Any] = {
    "data": {"name": "imdb"},
    "synthetic": {"per_class": 2, "learn": ["inputs"]},
    "starts": "fresh",
    "objective": {
        "name": "weighted_sum",
        "parts": [
            {"name": "gradient_matching", "weight": 1.0},
            {"name": "distribution_matching", "weight": 0.1, "batch": 5, "optimizer": {"name": "sgd", "momentum": 0.9}},
        ],
    },
}


def with_parts(parts: Any) -> dict[str, Any]:
    recipe = copy.deepcopy(RECIPE)
    recipe["objective"]["parts"] = parts
    return recipe


def test_a_recipe_writes_the_parts_as_a_list() -> None:
    assert resolve(RECIPE).objective.make() == WeightedSum(
        (
            Weighted(GradientMatching(), 1.0),
            Weighted(DistributionMatching(batch=5, optimizer=SGD(momentum=0.9)), 0.1),
        )
    )
    (one,) = resolve(with_parts(["cafe"])).objective.settings["parts"]
    assert one.weight == 1.0


@pytest.mark.parametrize(
    "parts", [RECIPE["objective"]["parts"], ["cafe"], [{"name": "weighted_sum", "parts": ["cafe"]}]]
)
def test_a_resolved_recipe_is_the_same_recipe(parts: list[Any]) -> None:
    told = settings_of(resolve(with_parts(parts)))
    assert settings_of(resolve(told)) == told
    assert [part["name"] for part in told["objective"]["parts"]] == [
        part if isinstance(part, str) else part["name"] for part in parts
    ]


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([], r"objective\.parts: \[\]; allowed: one part or more"),
        (3, r"objective\.parts: 3; allowed: a list of mappings with a name, one of unrolled, "),
        ([3], r"objective\.parts\.0: 3; allowed: a mapping with a name, one of unrolled, "),
        ([{"weight": 3}], r"objective\.parts\.0: \{\}; allowed: a mapping with a name, one of unrolled, "),
        (["cafe", {"name": "caf"}], r"objective\.parts\.1\.name: 'caf'; allowed: .*did you mean 'cafe'"),
        ([{"name": "cafe", "batch": 0}], r"objective\.parts\.0\.batch: 0; allowed: 1 or more"),
        ([{"name": "cafe", "weight": -1}], r"objective\.parts\.0\.weight: -1\.0; allowed: finite numbers above 0"),
        (
            [{"name": "cafe", "weight": ".x"}],
            r"objective\.parts\.0\.weight: found '\.x'; input should be a valid number",
        ),
        ([{"name": "cafe", "bacth": 1}], r"objective\.parts\.0\.bacth: unknown; allowed: weight, batch, .*'batch'"),
        ([{"name": "gradient_matching", "distance": "cosin"}], r"objective\.parts\.0\.distance: 'cosin'; .*'cosine'"),
        ([{"name": "cafe", "optimizer": "adm"}], r"objective\.parts\.0\.optimizer\.name: 'adm'; .*'adam'"),
        (
            [{"name": "cafe", "optimizer": {"name": "sgd", "momentum": 1.0}}],
            r"objective\.parts\.0\.optimizer\.momentum: 1\.0; allowed: below 1",
        ),
        (
            [{"name": "weighted_sum", "parts": [{"name": "cafe", "batch": 0}]}],
            r"objective\.parts\.0\.parts\.0\.batch: 0; allowed: 1 or more",
        ),
    ],
)
def test_each_fault_is_one_line_that_names_the_part(parts: Any, told: str) -> None:
    with pytest.raises(RecipeError, match=told) as caught:
        resolve(with_parts(parts))
    assert len(caught.value.faults) == 1


def test_what_no_part_trains_is_refused() -> None:
    recipe = copy.deepcopy(RECIPE)
    recipe["synthetic"]["learn"] = ["inputs", "lr"]
    with pytest.raises(RecipeError, match=r"synthetic\.learn: \['lr'\] get no gradient from weighted_sum") as caught:
        resolve(recipe)
    assert len(caught.value.faults) == 1
