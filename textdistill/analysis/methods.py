"""Label distillation's two ways and its opposite: ridge against standard networks, inputs learned against labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from textdistill.analysis.again import distil, scores_of
from textdistill.analysis.result import ACCURACY, Result, summary
from textdistill.analysis.study import Study
from textdistill.core.errors import UserError
from textdistill.core.plateau import Plateau
from textdistill.core.schedule import DistilledSet
from textdistill.evaluation.labels import with_true_labels
from textdistill.evaluation.protocol import Bench
from textdistill.evaluation.scores import score
from textdistill.evaluation.training import draws_of, predict
from textdistill.objectives.ridge_labels import RidgeLabels
from textdistill.objectives.unrolled import Unrolled
from textdistill.recipe.read import Recipe

METHODS: dict[type, str] = {Unrolled: "second order", RidgeLabels: "ridge"}


def ridge_labels(study: Study) -> Result:
    """Labels learned by the second-order way and by ridge regression, each used to train standard and ridge networks.

    One kind of labels is the run's; the other is learned for the same base examples. Bohdal et al. 2020, Table 16.
    """
    own = label_distillation(study, "ridge-labels")
    other, recipe = _other(own), other_way(study, own)
    sets = {own: study.distilled, other: distil(study, "ridge-labels", METHODS[other].replace(" ", "-"), recipe)}
    ridge = (study.recipe if own is RidgeLabels else recipe).objective.make()
    bench = study.bench(study.learner())
    rows: list[dict[str, Any]] = []
    for way in METHODS:
        label = f"{METHODS[way]} labels"
        row = {"labels": METHODS[way], "steps": sets[way].length}
        standard = scores_of(study, bench, sets[way], label)
        with study.reporter.stage("scoring", study.nets) as bar:
            counted = replace(bench, tick=bar.advance)
            by_ridge = [by_ridge_network(counted, ridge, sets[way], net) for net in range(study.nets)]
        rows.append({**row, "network": "standard", ACCURACY: summary(standard)})
        rows.append({**row, "network": "ridge", ACCURACY: summary(by_ridge)})
    facts = {"run": METHODS[own], "nets": study.nets, "seed": study.seed, "overrides": list(study.overrides)}
    title = "Labels learned in one way and networks that train in another"
    result = Result("ridge-labels", title, rows, "labels", "network", settings=facts)
    result.write(study.out)
    return result


def by_ridge_network(bench: Bench, ridge: RidgeLabels, distilled: DistilledSet, net: int) -> float:
    """Test accuracy of a network whose last layer is the global ridge classifier, trained along with it on the set."""
    bench.tick("ridge network")
    streams = bench.streams.child("training", net)
    inner = replace(ridge, optimizer=bench.optimizer).inner(bench.learner, streams)
    start = inner.learner.init(bench.streams.torch("evaluate", net))
    params, _ = inner.run(start, None, draws_of(distilled, bench.learner, bench.plan, streams))
    predictions = predict(inner.learner, params, bench.test, bench.settings.batch)
    return score(["accuracy"], predictions, bench.test.labels)["accuracy"]


def inputs(study: Study) -> Result:
    """The run's learned labels beside learned inputs with hard labels, by the same loop from the same base examples.

    The paper's "our DD" (Bohdal et al. 2020, Table 17). Overrides are settings of the distillation of inputs alone.
    """
    label_distillation(study, "inputs")
    wanted = ["synthetic.learn=[inputs]", "synthetic.labels=hard", "synthetic.label_init=one_hot"]
    recipe = study.artifact.recipe([*wanted, *study.overrides], study.recipe.data.data_dir)
    learned = distil(study, "inputs", "inputs", recipe)
    true = with_true_labels(study.distilled)
    sets = {"labels": study.distilled, "inputs": learned, **({} if true is None else {"nothing (true labels)": true})}
    bench, rows = study.bench(), []
    for what, distilled in sets.items():
        scores = scores_of(study, bench, distilled, what)
        rows.append({"learned": what, "steps": distilled.length, ACCURACY: summary(scores)})
    settings = {"nets": study.nets, "seed": study.seed, "overrides": list(study.overrides)}
    title = f"Learning labels or inputs of {study.distilled.samples} samples"
    result = Result("inputs", title, rows, "learned", settings=settings)
    result.write(study.out)
    return result


def _other(own: type) -> type:
    return Unrolled if own is RidgeLabels else RidgeLabels


def other_way(study: Study, own: type) -> Recipe:
    """The run's recipe with the other way of learning labels."""
    name = "unrolled, steps: 1" if _other(own) is Unrolled else "ridge_labels"
    wanted = f"objective={{name: {name}, batch: {study.recipe.objective.make().batch}}}"
    return study.artifact.recipe([wanted, *study.overrides], study.recipe.data.data_dir)


def label_distillation(study: Study, name: str) -> type:
    """The run's objective, where the run is one of label distillation; `UserError` where it is not."""
    study.need_labels(name)
    study.need_real_inputs(name)
    part = study.recipe.objective.type
    if part not in METHODS or study.recipe.starts.type is not Plateau:
        raise UserError(
            f"analyse {name}: {study.folder} is no run of label distillation (objective unrolled or ridge_labels, "
            "starts plateau); give one that is"
        )
    return part
