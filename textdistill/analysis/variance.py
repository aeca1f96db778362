"""How noisy the labels' gradient is: by the second-order way and by ridge regression, on the same networks' ages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from textdistill.analysis.methods import METHODS, label_distillation, other_way
from textdistill.analysis.result import Result, summary
from textdistill.analysis.study import Study
from textdistill.core.errors import UserError
from textdistill.core.inner import Adam
from textdistill.core.learner import Params
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.synthetic.tensors import TensorData

MEASURE = "variance / squared mean"


def gradient_variance(study: Study, *, draws: int = 20, ages: Sequence[int] | None = None) -> Result:
    """Var[∂L/∂Ỹ] over `draws` real batches, for networks that took `ages` steps on the set.

    Bohdal et al. 2020, Figure 3. Of the gradients g_1 … g_n of a base batch's labels, `variance` is the mean over
    entries of their variance over the draws; the other figure is Σ Var[g] / ‖mean g‖²: Adam's steps know no scale, and
    the two ways' gradients have scales of their own (α of the inner step, α of the ridge classifier). The paper does
    not say over what its variance is taken. Ages are 0, half and all of the stored steps unless told; each network is
    one score of the second figure, and the first is the mean over networks.
    """
    own = label_distillation(study, "gradient-variance")
    if draws < 2:
        raise UserError(f"--draws: {draws}; allowed: 2 or more")
    distilled, settings = study.distilled, study.recipe.synthetic
    seen = sorted(set(ages if ages is not None else (0, distilled.length // 2, distilled.length)))
    if not seen or seen[0] < 0:
        raise UserError(f"--ages: {seen}; allowed: numbers of steps, 0 or more")
    learner, streams = study.learner(), Streams(study.seed, ("gradient-variance",))
    real = study.task.seen_by(learner, study.where)
    synthetic = TensorData(
        distilled.inputs, distilled.targets, distilled.rates, learned=frozenset({"targets"}), labels=settings.labels
    ).to(study.where)
    rate = torch.tensor(float(study.recipe.starts.settings.get("lr", 0.001)), device=study.where)
    rows: list[dict[str, Any]] = []
    with study.reporter.stage("gradients", len(METHODS) * study.nets * len(seen)) as bar:
        for way, name in METHODS.items():
            objective = (study.recipe if way is own else other_way(study, own)).objective.make()
            inner = replace(objective.inner(learner, streams), optimizer=Adam(eps=1e-8))
            found: dict[int, list[tuple[float, float]]] = {age: [] for age in seen}
            for net in range(study.nets):
                params: Params = inner.learner.init(streams.torch("theta0", net))
                state, at = None, 0
                for age in seen:
                    steps = [replace(synthetic.draw(step, grad=False), lr=rate) for step in range(at, age)]
                    params, state = inner.run(params, state, steps)
                    at, start = age, Start(params, age=age)
                    outcomes = (
                        objective.evaluate(synthetic, real, learner, [start], streams.child(net, age, draw))[0]
                        for draw in range(draws)
                    )
                    labels = torch.stack([outcome.gradients[0][1]["targets"] for outcome in outcomes])
                    found[age].append(spread_of(labels))
                    bar.advance(f"{name}, {age} steps")
            for age, values in found.items():
                variance, relative = zip(*values, strict=True)
                mean = float(f"{sum(variance) / len(variance):.4g}")
                rows.append({"way": name, "steps": age, "variance": mean, MEASURE: summary(relative)})
    facts = {"run": METHODS[own], "draws": draws, "ages": seen, "nets": study.nets, "seed": study.seed}
    title = f"Variance of the labels' gradient over {draws} real batches"
    result = Result("gradient-variance", title, rows, "steps", "way", measure=MEASURE, unit=MEASURE, settings=facts)
    result.write(study.out)
    return result


def spread_of(gradients: Float[Tensor, "draws m c"]) -> tuple[float, float]:
    """The mean over entries of the variance over draws (unbiased), and Σ variance over the squared norm of the mean."""
    values = gradients.double()
    variance, size = values.var(0), values.mean(0).square().sum()
    return float(variance.mean()), float(variance.sum() / size.clamp_min(torch.finfo(torch.float64).tiny))
