"""The units of a run into tensors, and how many of each its settings ask for: outer steps, networks, baselines."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import embeddings
from textdistill.core.learner import ReadsWords
from textdistill.core.schedule import DistilledSet
from textdistill.core.streams import Streams
from textdistill.data import spread
from textdistill.evaluation.baselines import _neighbours, averages, centroids_of
from textdistill.evaluation.labels import LOOKS, NETS
from textdistill.evaluation.protocol import Bench, FullData, full_rows, validator
from textdistill.evaluation.settings import VALIDATED, Train
from textdistill.evaluation.traditional import logistic
from textdistill.evaluation.training import predict, scheduled, train_by_adam, train_on_real
from textdistill.learners.word_counts import one_text, word_counts
from textdistill.recipe.read import Recipe
from textdistill.representations.task import Task
from textdistill.runs import pipeline
from textdistill.runs.artifact import learner_of
from textdistill.runs.initial_rows import base_task, source_of
from textdistill.runs.plan.units import Clock, Enough, Meter
from textdistill.selection import herding, k_centers
from textdistill.synthetic.initial import make_tensors

DATA, DISTIL, EVALUATE, END = "data", "distilling", "evaluating", "report"
FEW_ROWS, MANY_ROWS = 512, 2048
FEW_BATCHES, MANY_BATCHES = 4, 16
FEW_PAIRED, MANY_PAIRED = 128, 512  # rows that a kernel holds against each sample of a set
# Passes beyond its patience after which training on all rows has usually stopped.
USUAL_PASSES = 4
REPORT_SECONDS = 3.0  # page, pictures, files


def probe(recipe: Recipe, folder: Path, device: torch.device, meter: Meter) -> dict[str, Any]:
    """Measure every unit of the recipe's run; the facts that `counts` needs beside the settings."""
    task = meter.once(DATA, "reading data", lambda: pipeline.prepare_task(recipe))
    period = int(recipe.starts.settings.get("matches", 10)) if hasattr(recipe.starts.type, "trains_on_set") else 1
    clock = Clock(meter, min(period, recipe.outer.steps))
    closed = hasattr(recipe.objective.type, "solve")
    if closed:
        part = recipe.objective
        wanted = part.settings.get("batch") or len(task.train)

        def solve(rows: int) -> None:
            fewer = replace(recipe, objective=replace(part, settings={**part.settings, "batch": rows}))
            pipeline.distill_into(folder / f"solved-{rows}", fewer, task, 0, device=str(device))

        meter.put(DISTIL, "solving", meter.rows(solve, FEW_PAIRED, MANY_PAIRED, min(wanted, len(task.train))))
    else:
        with suppress(Enough):
            pipeline.distill_into(folder, recipe, task, 0, device=str(device), reporter=clock)
        before, each, operations = clock.measured()
        meter.put(DISTIL, "before the first step", (before, 0.0))
        meter.put(DISTIL, "outer step", (each, operations))
    return {"closed": closed, "period": period, **_evaluation(recipe, task, device, meter)}


def _evaluation(recipe: Recipe, task: Task, device: torch.device, meter: Meter) -> dict[str, Any]:
    streams, settings = Streams(0), recipe.evaluate
    learner = learner_of(recipe, task.shaped(recipe.synthetic.length), len(task.classes)).to(device)
    task = task.read_by(learner)
    base = base_task(recipe, task)
    source = source_of(recipe, task, base, streams)
    shape = task.shaped(recipe.synthetic.length)
    synthetic = make_tensors(recipe.synthetic, shape, len(task.classes), source, streams.torch("initial")).to(device)
    starts = recipe.starts.make(learner, streams.child("starts"))
    made = replace(synthetic.export().lasting(starts.train_steps()), theta0=starts.theta0())
    made = scheduled(made, recipe.train)
    bench = replace(pipeline.make_bench(recipe, task, learner, 0), theta0=made.theta0)
    small = device.type == "cpu" and isinstance(learner.module, ReadsWords) and bench.predictor is None
    threads = torch.get_num_threads()
    share = 1 / threads if small else 1.0
    facts: dict[str, Any] = {
        "fixed": made.theta0 is not None, "length": made.length, "steps": int(made.inputs.shape[0]),
        "train": len(task.train), "test": len(task.test), "classes": len(task.classes),
        "predictor": bench.predictor is not None, "plain": bench.plan == Train(),
        "floating": made.inputs.is_floating_point(), "snapped": task.snap() is not None,
        "texts": task.plain_texts() is not None, "watched": recipe.outer.keep == "best",
        "owned": made.meta.get("rows") is not None and base is task,
    }  # fmt: skip
    plain = learner_of(recipe, task.shape, len(task.classes)).to(device)
    whole = replace(bench, theta0=None, inner=None, learner=plain)
    cache = FullData(whole, pipeline._full_key(recipe, task), embeddings.default_cache_dir())
    facts["full_kept"] = cache.kept() is not None
    # A kernel's regression on real rows holds three square matrices of them, of which the few here are no measure.
    squares = 3 * 8 * full_rows(whole) ** 2 / 2**20 if bench.predictor is not None and not facts["full_kept"] else 0.0
    facts["further_mib"] = squares
    # The set and its start, and in the checkpoint the set with the optimiser's two moments.
    stored = sum(value.numel() * value.element_size() for value in made.tensors().values())
    learned = sum(value.numel() * value.element_size() for value in synthetic.parameters().values())
    facts["stored_mib"] = (stored + 3 * learned) / 2**20
    if small:
        torch.set_num_threads(1)
    try:
        _networks(bench, made, meter, share)
        if not facts["full_kept"]:
            _full(whole, task, meter)
        _choices(bench, task, made, meter, share, facts)
    finally:
        torch.set_num_threads(threads)
    if facts["watched"]:
        validate = validator(bench)
        meter.put(DISTIL, "look at validation rows", meter.of(lambda: validate(made)))
    if facts["texts"] and settings.traditional:
        _bag_of_words(task, meter)
    meter.put(END, "decoding, pictures, report", (REPORT_SECONDS, 0.0))
    return facts


def _networks(bench: Bench, made: Any, meter: Meter, share: float) -> None:
    """What a network's training on a set takes, a step, and to classify the test rows, or those of validation."""
    start = bench.start(0)
    if bench.predictor is not None:
        scores = bench.predictor.regression(made, bench.learner, start)
        solved = meter.of(lambda: bench.predictor.regression(made, bench.learner, start))  # type: ignore[union-attr]
        asked = meter.rows(
            lambda n: scores(bench.test.batch(torch.arange(n)).to(bench.learner.device)),
            FEW_PAIRED,
            MANY_PAIRED,
            len(bench.test),
        )
        meter.put(EVALUATE, "regression on a set", (solved[0] + asked[0], solved[1] + asked[1]))
        return
    few = made.lasting(min(made.length, max(10, int(made.inputs.shape[0]))))
    seconds, operations = meter.of(lambda: bench.trained(few, 0))
    meter.put(EVALUATE, "inner step", (seconds / few.length, operations / few.length), share)

    def classify(split: Any, count: int) -> None:
        predict(bench.learner, start, split, bench.settings.batch, torch.arange(count))

    test = meter.rows(lambda n: classify(bench.test, n), FEW_ROWS, MANY_ROWS, len(bench.test))
    meter.put(EVALUATE, "test rows classified", test, share)
    rows = min(bench.settings.validation_rows, len(bench.validation))
    meter.put(EVALUATE, "validation rows classified", meter.of(lambda: classify(bench.validation, rows)), share)
    short = replace(bench.settings.ordinary, steps=4)
    seconds, operations = meter.of(lambda: train_by_adam(made.pooled(), bench.learner, start, short))
    meter.put(EVALUATE, "step of the ordinary optimiser", (seconds / 4, operations / 4), share)


def _full(whole: Bench, task: Task, meter: Meter) -> None:
    """A pass over all training rows with a look at the validation rows; of a kernel, its regression on real rows."""
    settings = whole.settings.full
    if whole.predictor is not None:
        rows, few = full_rows(whole), 256
        some = torch.arange(min(few, rows))

        def regress(count: int) -> None:
            every = task.train.batch(some[:count])
            made = DistilledSet(every.inputs[None], every.targets[None], torch.ones(1, 1))
            scores = whole.predictor.regression(made, whole.learner, whole.start(0))  # type: ignore[union-attr]
            scores(task.test.batch(some[: min(few, len(task.test))]).to(whole.learner.device))

        seconds, operations = meter.of(lambda: regress(len(some)))
        pairs = (rows * rows + rows * len(task.test)) / (len(some) ** 2 + len(some) * min(few, len(task.test)))
        size = min(rows, 1024)  # the system of all rows, whose cost is cubic in them
        square = torch.eye(size, dtype=torch.float64) * size + 1
        solving = meter.of(lambda: torch.linalg.cholesky(square))[0] * (rows / size) ** 3
        meter.put(EVALUATE, "regression on real rows", (seconds * pairs + solving, operations * pairs + rows**3 / 3))
        return
    streams, start = whole.streams.child("plan"), whole.learner.init(whole.streams.torch("plan"))
    rows = full_rows(whole)
    once = replace(settings, epochs=1)

    def epoch(batches: int) -> None:
        among = torch.arange(min(rows, batches * settings.batch))
        train_on_real(whole.learner, start, task.train, task.validation, once, streams, among=among)

    low, high = (meter.of(lambda n=n: epoch(n)) for n in (FEW_BATCHES, MANY_BATCHES))  # type: ignore[misc]
    step = (MANY_BATCHES - FEW_BATCHES) * settings.batch
    further = max(0, rows - MANY_BATCHES * settings.batch)
    slope, steep = max(0.0, high[0] - low[0]) / step, max(0.0, high[1] - low[1]) / step
    meter.put(EVALUATE, "pass over the training rows", (high[0] + slope * further, high[1] + steep * further))


def _choices(bench: Bench, task: Task, made: Any, meter: Meter, share: float, facts: dict[str, Any]) -> None:
    """How long baselines take to choose or average their rows."""
    wanted, labels = set(bench.settings.baselines), task.train.labels.numpy()
    counts, rng = spread(made.samples, len(task.classes)), np.random.default_rng(0)
    features = meter.once(EVALUATE, "features of the training rows", bench.features)
    if facts["floating"] and {"kmeans", "knn_kmeans"} & wanted:
        meter.once(EVALUATE, "K-means centroids", lambda: centroids_of(task.train, counts, rng))
    if facts["floating"] and "class_average" in wanted:
        meter.once(EVALUATE, "class averages", lambda: averages(task.train, counts))
    for name, select in (("k_centers", k_centers), ("herding", herding)):
        if name in wanted:
            meter.once(EVALUATE, f"{name} chosen", partial(select, features, labels, counts, rng))
    if facts["floating"] and {"knn_random_real", "knn_kmeans"} & wanted:
        rows = task.train.batch(torch.arange(made.samples))
        supports = [(rows.inputs, task.train.labels[: made.samples])] * min(bench.settings.draws, 5)
        head: Any = _Head(task.test, min(256, len(task.test)))
        few = replace(bench, test=head)
        seconds, operations = meter.of(lambda: _neighbours(few, supports))
        parts = len(task.test) / len(few.test)
        meter.put(EVALUATE, "nearest neighbours", (seconds * parts, operations * parts))


class _Head:
    """The first rows of a split."""

    def __init__(self, rows: Any, count: int):
        self._rows, self._count, self.labels = rows, count, rows.labels[:count]
        self.batch, self.classes = rows.batch, rows.classes

    def __len__(self) -> int:
        return self._count


def _bag_of_words(task: Task, meter: Meter) -> None:
    texts = task.plain_texts()
    assert texts is not None
    few = min(2000, len(texts.train), len(texts.test))
    labels = np.asarray(texts.train.labels)
    some = np.random.default_rng(0).permutation(len(labels))[:few]

    def fit() -> None:
        tables = (texts.train.take(some), texts.test.take(np.arange(few)))
        counts, asked = (word_counts(one_text(table.texts, table.pairs)) for table in tables)
        logistic(counts, labels[some], asked, tables[1].labels, seed=0, metrics=["accuracy"])

    seconds, _ = meter.of(fit)
    meter.put(EVALUATE, "TF-IDF", (seconds * (len(labels) + len(texts.test)) / (2 * few), 0.0))


def counts(recipe: Recipe, facts: dict[str, Any]) -> dict[str, float]:
    """How many of each unit the recipe's run has."""
    settings, repeats = recipe.evaluate, recipe.evaluate.repeats
    out: dict[str, float] = {"reading data": 1, "decoding, pictures, report": 1}
    if facts["closed"]:
        out["solving"] = repeats
    else:
        out["before the first step"] = repeats
        out["outer step"] = recipe.outer.steps * repeats
        if facts["watched"]:
            out["look at validation rows"] = math.ceil(recipe.outer.steps / recipe.outer.validate_every) * repeats
    out["TF-IDF"] = float(facts["texts"] and settings.traditional)
    baselines, draws = set(settings.baselines), settings.draws
    if not facts["floating"]:
        baselines -= {"kmeans", "class_average", "knn_random_real", "knn_kmeans"}
    if {"knn_random_real", "knn_kmeans"} & baselines:
        out["nearest neighbours"] = len({"knn_random_real", "knn_kmeans"} & baselines)
    out |= {"features of the training rows": 1, "class averages": 1, "herding chosen": 1}
    out |= {"K-means centroids": min(draws, 5), "k_centers chosen": draws}
    one = 1 if facts["fixed"] else draws
    sets = {"kmeans": min(draws, 5) if facts["fixed"] else draws, "class_average": one, "herding": one}
    sets |= {"k_centers": draws, "random_real": draws}
    named = {"random_real" if name == "best_random_real" else name for name in baselines} & sets.keys()
    nets = sum(sets[name] for name in named)
    own = repeats * (1 if facts["fixed"] else settings.nets) * (1 + int(_snaps(recipe, facts)))
    if facts["predictor"]:
        out |= {
            "regression on a set": nets + own,
            "regression on real rows": settings.full_nets * (not facts["full_kept"]),
        }
        return out
    tuned = len(named) * (1 + len(settings.rates)) * (1 if facts["fixed"] else 2) if settings.rates else 0
    relabelled = len({"true_labels", "smoothed_labels"} & baselines) * facts["owned"]
    looked = relabelled + (len(named) + repeats if settings.steps == VALIDATED else 0)
    looking = looked * (1 if facts["fixed"] else NETS)
    every = max(1, settings.label_steps // LOOKS)
    length = _length(recipe, facts)
    trained = nets + own + relabelled * (1 if facts["fixed"] else settings.nets)
    out["inner step"] = length * (trained + tuned) + looking * LOOKS * every
    ordinary = min(settings.nets, 5) if facts["plain"] else 0
    ranked = draws if "best_random_real" in baselines else 0
    out["test rows classified"] = trained + ordinary
    out["validation rows classified"] = tuned + looking * LOOKS + ranked
    out["step of the ordinary optimiser"] = ordinary * settings.ordinary.steps
    passes = min(settings.full.epochs, settings.full.patience + USUAL_PASSES)
    out["pass over the training rows"] = settings.full_nets * passes * (not facts["full_kept"])
    return out


def _snaps(recipe: Recipe, facts: dict[str, Any]) -> bool:
    return facts["snapped"] and recipe.evaluate.snapped and "inputs" in recipe.synthetic.learn


def _length(recipe: Recipe, facts: dict[str, Any]) -> float:
    """Inner steps of a network: the recipe's own, where settings that the plan changes ask for others."""
    if recipe.evaluate.steps == VALIDATED:
        return recipe.evaluate.label_steps / 2
    if recipe.train.epochs is not None:
        return float(recipe.train.epochs * facts["steps"])
    return float(facts["length"])
