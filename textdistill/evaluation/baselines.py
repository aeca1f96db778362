"""The baselines at equal sample count and equal steps: what cheap choices of rows reach with the same network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from textdistill.core.schedule import DistilledSet
from textdistill.data import spread
from textdistill.evaluation.labels import to_train_for, tuned_steps, with_true_labels
from textdistill.evaluation.neighbours import knn_predict
from textdistill.evaluation.protocol import Bench, Scores, block, score_set
from textdistill.evaluation.scores import score
from textdistill.evaluation.settings import VALIDATED
from textdistill.evaluation.statistics import summarise
from textdistill.evaluation.training import accuracy, predict
from textdistill.representations.rows import Inputs, Rows
from textdistill.selection import class_average, herding, k_centers, kmeans_centroids, random_rows

# Best-of-random looks at training rows; a seeded draw of this many is enough to rank the sets.
RANKING_ROWS = 1000
BEST_SHARE = 0.2
# Class-wise k-means over whole embedded texts (length × dimension numbers each): a seeded draw of each class's rows.
CLUSTER_ROWS = 400
# What takes means of inputs, or distances between them.
AVERAGED = {"kmeans", "class_average", "knn_random_real", "knn_kmeans"}


def as_schedule(like: DistilledSet, inputs: Tensor, labels: Int[Tensor, " m"], rate: float | None) -> DistilledSet:
    """Rows as a distilled set with hard labels and `like`'s steps and epochs: dealt out so that each step is balanced.

    `rate` is a constant inner learning rate, or `None` for the distilled schedule's own rates. Classes that gave
    fewer rows than
    asked are filled up by repeating rows.
    """
    steps = like.inputs.shape[0]
    each = like.inputs.shape[1]
    inputs = _fit(inputs, like.inputs.shape[2])
    groups = [torch.nonzero(labels == label)[:, 0].tolist() for label in labels.unique().tolist()]
    order: list[int] = []
    turn = 0
    while len(order) < steps * each:
        order.extend(group[turn % len(group)] for group in groups)
        turn += 1
    order = order[: steps * each]
    classes = like.targets.shape[-1]
    targets = torch.nn.functional.one_hot(labels[order], classes).float()
    rates = like.rates if rate is None else torch.full_like(like.rates, rate)
    return DistilledSet(
        inputs[order].view(steps, each, *inputs.shape[1:]), targets.view(steps, each, classes), rates, like.theta0
    )


def _fit(inputs: Tensor, length: int) -> Tensor:
    """Sentences cut or padded to the samples' length; images (four axes) have it already."""
    if inputs.shape[1] >= length:
        return inputs[:, :length]
    return torch.nn.functional.pad(inputs, (0, 0, 0, length - inputs.shape[1]))


def run_baselines(bench: Bench, like: DistilledSet) -> tuple[dict[str, Any], dict[str, Any]]:
    """Every baseline that the settings name (blocks of metrics), and notes: the rate chosen for each, the rows.

    The rate is chosen for each baseline by validation rows, among the distilled schedule's own and `settings.rates`,
    so that none loses for want of tuning; with `steps: validated` its number of inner steps is, too.

    They are those of Sucholutsky & Schonlau 2021, section IV.B, and K-centres and herding beside them. Departures: the
    best fifth of random sets is found by 1,000 training rows, drawn once; k-means sees up to 400 rows of a class (whole
    sentences are thousands of numbers); nearest neighbours are one. The paper does not say how many, and ranks and
    clusters with all training rows.
    """
    train, settings = bench.train, bench.settings
    features = bench.features()
    labels = train.labels.numpy()
    counts = spread(like.samples, len(train.classes))
    draws = settings.draws
    wanted = set(settings.baselines)
    if not train.batch(torch.arange(min(1, len(train)))).inputs.is_floating_point():
        wanted -= AVERAGED  # the mean of two tokens is none
    out: dict[str, Any] = {}
    notes: dict[str, Any] = {"rates": {}, "steps": {}}

    def rng(name: str, draw: int) -> np.random.Generator:
        return bench.streams.numpy("baseline", name, draw)

    def rows_of(select: Callable[..., np.ndarray], name: str, draw: int) -> tuple[Tensor, Tensor]:
        rows = torch.from_numpy(select(features, labels, counts, rng(name, draw)))
        return train.batch(rows).inputs, train.labels[rows]

    def evaluate(name: str, sets: list[tuple[Tensor, Tensor]], rank: bool = False) -> tuple[Scores, list[float]]:
        rate = None if bench.predictor is not None else _best_rate(bench, like, sets[0])
        notes["rates"][name] = "schedule" if rate is None else rate
        length = to_train_for(bench, as_schedule(like, *sets[0], rate)).length
        if settings.steps == VALIDATED:
            notes["steps"][name] = length
        sample = torch.randperm(len(train), generator=bench.streams.torch("ranking"))[:RANKING_ROWS]

        def score_draw(own: Bench, draw: int) -> tuple[dict[str, float], float]:
            own.tick(name)
            schedule = as_schedule(like, *sets[draw], rate).lasting(length)
            params = own.trained(schedule, draw) if rank or own.predictor is None else None
            scores = own.outcome(schedule, draw, params)[0]
            if not rank or params is None:
                return scores, 0.0
            return scores, accuracy(predict(own.learner, params, train, rows=sample), train.labels[sample])

        outcomes = bench.each(score_draw, range(len(sets)))
        return [scores for scores, _ in outcomes], [right for _, right in outcomes]

    random = [rows_of(random_rows, "random_real", draw) for draw in range(draws)]
    notes["random_rows"] = [int(row) for row in random_rows(features, labels, counts, rng("random_real", 0))]
    if {"random_real", "best_random_real"} & wanted:
        scores, ranks = evaluate("random_real", random, rank="best_random_real" in wanted)
        if "random_real" in wanted:
            out["random_real"] = block(scores)
        if "best_random_real" in wanted:
            best = sorted(range(draws), key=lambda k: -ranks[k])[: max(1, round(BEST_SHARE * draws))]
            out["best_random_real"] = block([scores[k] for k in best])
    if {"kmeans", "knn_kmeans"} & wanted:
        centroids = [centroids_of(train, counts, rng("kmeans", draw)) for draw in range(min(draws, 5))]
        if "kmeans" in wanted:
            repeats = [centroids[draw % len(centroids)] for draw in range(draws)]
            out["kmeans"] = block(evaluate("kmeans", repeats if bench.theta0 is None else centroids)[0])
        if "knn_kmeans" in wanted:
            out["knn_kmeans"] = block(_neighbours(bench, centroids))
    if "class_average" in wanted:
        average = averages(bench.train, counts)
        out["class_average"] = block(
            evaluate("class_average", [average] * (1 if bench.theta0 is not None else draws))[0]
        )
    if "knn_random_real" in wanted:
        out["knn_random_real"] = block(_neighbours(bench, random[:5]))
    if "k_centers" in wanted:
        out["k_centers"] = block(evaluate("k_centers", [rows_of(k_centers, "k_centers", d) for d in range(draws)])[0])
    if "herding" in wanted:
        chosen = rows_of(herding, "herding", 0)
        out["herding"] = block(evaluate("herding", [chosen] * (1 if bench.theta0 is not None else draws))[0])

    def relabelled(own: Bench, name: str) -> tuple[int, Scores] | None:
        labelled = with_true_labels(like, name == "smoothed_labels")
        if labelled is None:
            return None
        labelled = labelled.lasting(tuned_steps(own, labelled))
        own.tick(name)
        return labelled.length, score_set(own, labelled, settings.nets, name)[0]

    names = [name for name in ("true_labels", "smoothed_labels") if name in wanted]
    for name, outcome in zip(names, bench.each(relabelled, names), strict=True):
        if outcome is not None:
            notes["steps"][name], out[name] = outcome[0], block(outcome[1])
    return out, notes


def _best_rate(bench: Bench, like: DistilledSet, rows: tuple[Tensor, Tensor]) -> float | None:
    """The rate with the highest mean validation accuracy over two networks, on at most `validation_rows` rows."""
    count = min(bench.settings.validation_rows, len(bench.validation))
    sample = torch.randperm(len(bench.validation), generator=bench.streams.torch("rate-rows"))[:count]
    if not bench.settings.rates:
        return None

    def mean(own: Bench, rate: float | None) -> float | None:
        accuracies = []
        for net in range(1 if own.theta0 is not None else 2):
            params = own.trained(as_schedule(like, *rows, rate), 1000 + net)
            if all(bool(value.isfinite().all()) for value in params.values()):
                predictions = predict(own.learner, params, own.validation, rows=sample)
                accuracies.append(accuracy(predictions, own.validation.labels[sample]))
        return summarise(accuracies).mean if accuracies else None

    best: float | None = None
    best_score = -1.0
    rates = (None, *bench.settings.rates)
    for rate, validated in zip(rates, bench.each(mean, rates), strict=True):
        if validated is not None and validated > best_score:
            best, best_score = rate, validated
    return best


def centroids_of(train: Rows, counts: list[int], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Class-wise k-means centroids of a seeded draw of embedded rows: (M, *shape) and their classes."""
    rows = torch.from_numpy(
        random_rows(np.zeros((len(train), 1)), train.labels.numpy(), [max(CLUSTER_ROWS, c) for c in counts], rng)
    )
    values = train.batch(rows).inputs.numpy()
    points, owners = kmeans_centroids(values, train.labels[rows].numpy(), counts, rng)
    return torch.from_numpy(points).float(), torch.from_numpy(owners)


def averages(train: Rows, counts: list[int]) -> tuple[Tensor, Tensor]:
    """The mean input of each class over all its rows, as often as `counts` asks and it has rows, and the classes."""
    points, owners = class_average(Inputs(train), train.labels, counts)
    return torch.from_numpy(points), torch.from_numpy(owners)


def _neighbours(bench: Bench, supports: list[tuple[Tensor, Tensor]]) -> Scores:
    """1-nearest-neighbour over whole inputs (all numbers of a text, all pixels), as in the paper, for each support.

    A row of the test split is read once for all of them.
    """
    points = [inputs.flatten(1).double() for inputs, _ in supports]
    votes = [torch.nn.functional.one_hot(owners, len(bench.train.classes)).float() for _, owners in supports]
    by_support: list[list[Tensor]] = [[] for _ in supports]
    for part in torch.split(torch.arange(len(bench.test)), 256):
        queries = bench.test.batch(part).inputs.flatten(1).double()
        for at, (near, labels) in enumerate(zip(points, votes, strict=True)):
            by_support[at].append(knn_predict(near, labels, queries))
    names = list(dict.fromkeys(["accuracy", *bench.metrics]))
    return [score(names, torch.cat(predictions), bench.test.labels) for predictions in by_support]
