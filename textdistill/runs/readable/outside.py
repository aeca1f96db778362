"""Anybody's readable set judged as ours are: against real rows of equal budget and labels, by several learners."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from textdistill.core.distill import peak_rss_mib
from textdistill.core.errors import DataError, UserError, did_you_mean
from textdistill.core.streams import Streams
from textdistill.data import Splits, TextTable
from textdistill.data.sets.text_set import TextSet
from textdistill.evaluation.compression import compression
from textdistill.evaluation.copies import copies_of_test_rows
from textdistill.evaluation.fluency import Causal
from textdistill.evaluation.reference import TFIDF, of_head
from textdistill.evaluation.robust import hard_label_recovery, improvement_over_random, robust_score
from textdistill.evaluation.text_augment import augmented
from textdistill.evaluation.text_baselines import baseline_sets
from textdistill.evaluation.text_learners import BagOfWords, Frozen
from textdistill.evaluation.text_scores import Table, judge
from textdistill.learners.pretrained.encoder_files import PACKAGED
from textdistill.learners.pretrained.frozen_encoder import Encoder
from textdistill.recipe.text_settings import JUDGES, Judge, Judgement
from textdistill.reports.headline import look
from textdistill.reports.text_tables import UNSEEN
from textdistill.runs.readable.judge import as_block, full_score, learner_of, variant_of
from textdistill.runs.readable.labelled import RECIPES, Labeller

SET = "set"  # what the judged set is called beside the baselines
BESIDE = ("random", "herding", "k_centers", "nearest_real")
LEAST_SETS = 5  # of every baseline
Tick = Callable[[str], None]


@dataclass(frozen=True)
class Asked:
    """How a set is judged: by which learners with `nets` networks a set, under which recipes of labels.

    `recipes` of none are `hard` and `teacher`, and `distilled` where the set has soft labels.
    """

    learners: tuple[str, ...] = ("frozen",)
    recipes: tuple[str, ...] | None = None
    encoder: str = PACKAGED
    penalty: float = Judge.penalty
    nets: int = 5
    baseline_sets: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for option, names, allowed in (("learners", self.learners, JUDGES), ("labels", self.recipes or (), RECIPES)):
            for name in names:
                if name not in allowed:
                    raise UserError(f"--{option}: {name!r}; allowed: {', '.join(allowed)}{did_you_mean(name, allowed)}")
        if not self.learners or self.nets < 1 or (self.baseline_sets is not None and self.baseline_sets < 1):
            raise UserError(f"{self}: at least one learner, one network and one set of each baseline are needed")


def judge_outside(
    sets: Sequence[TextSet],
    splits: Splits[TextTable],
    asked: Asked,
    *,
    rates: int = 0,
    tick: Tick = lambda what: None,
) -> dict[str, Any]:
    """The figures, as in metrics.json: `variants` (`LEARNER/RECIPE@SIZE`), `robust`, `compression`, cost, protocol.

    `sets` are of one size and of the classes of `splits`; `rates` the number of learning rates that come with a set.
    Every baseline has as many samples as a set (rounded to whole classes), at least five sets of them, and the same
    recipe of labels. Where samples are copies of test rows (`test_copies`), the sets without them are judged beside
    the others, and no claim is made of these. Raises `DataError` for sets of several sizes, and `UserError` for a
    recipe that no set can have.
    """
    began = time.perf_counter()
    streams, train = Streams(asked.seed, ("evaluate",)), splits.train
    per_class, soft = _size(sets, train), all(given.soft is not None for given in sets)
    recipes = asked.recipes or (RECIPES if soft else RECIPES[:2])
    if "distilled" in recipes and not soft:
        raise UserError("--labels: 'distilled', but the set has hard labels; leave it out")
    settings = Judge(encoder=asked.encoder, penalty=asked.penalty)
    learners = {kind: learner_of(Judgement(kind, nets=asked.nets), settings) for kind in asked.learners}
    frozen = learners.get("frozen") or Frozen(asked.encoder, asked.penalty)
    assert isinstance(frozen, Frozen)
    tick("reading the training rows")
    features = Encoder(asked.encoder).features(train.texts, train.pairs)
    seen, unseen = copies_of_test_rows(sets, splits.test)
    methods = {SET: list(sets), **_baselines(sets, train, features, frozen, per_class, asked, streams, tick)}
    beside = [method for method in methods if method != SET]
    if seen["near"] and unseen:
        methods[UNSEEN] = unseen
        frozen.prepare(unseen)
    metrics = list(dict.fromkeys(["accuracy", *splits.metrics]))
    tick("all training rows")
    full, tuned = full_score(splits, settings, metrics)
    known, references = {"frozen": full}, {"frozen": of_head(asked.encoder, tuned.penalty), "tfidf": TFIDF}
    if "tfidf" in learners:
        known["tfidf"] = as_block(BagOfWords().score(train, splits.test, 0, metrics))
    labeller = Labeller(train, features, frozen, tuned.penalty, streams)
    tables: dict[str, Table] = {}
    variants: dict[str, Any] = {}
    for recipe in recipes:
        labelled = {
            method: [labeller.label(chosen, recipe, number) for number, chosen in enumerate(sets_of_method)]
            for method, sets_of_method in methods.items()
        }
        tables[recipe] = judge(
            labelled,
            list(learners.values()),
            splits.test,
            nets=asked.nets,
            metrics=metrics,
            streams=streams.child("nets"),
            tick=tick,
        )
        for kind, learner in learners.items():
            variants[f"{kind}/{recipe}@{per_class}"] = variant_of(
                tables[recipe],
                learner,
                SET,
                [(SET, method) for method in beside],
                known.get(kind),
                streams,
                rounded=True,
                nets=1 if learner.determined else asked.nets,
                labels=recipe,
                **({"reference": references[kind]} if kind in known else {}),
            )
    robust = {}
    if "frozen" in learners and "hard" in tables:
        own = "distilled" if "distilled" in tables else "hard"
        robust["frozen"] = _robust(methods, tables, own, full, frozen, splits.test, streams)
    return {
        "variants": variants,
        "robust": robust,
        "compression": compression(sets[0], train, rates),
        "test_copies": seen,
        "cost": {
            "evaluation_seconds": round(time.perf_counter() - began, 1),
            "evaluation_peak_mib": round(peak_rss_mib(), 1),
            "threads": torch.get_num_threads(),
        },
        "protocol": {
            **{"test_rows": len(splits.test), "test_fingerprint": splits.test.fingerprint},
            **{"train_rows": len(train), "sets": len(sets), "seed": asked.seed, "start": "fresh"},
            **{"samples_a_set": len(sets[0]), "baseline_samples": len(methods["random"][0])},
            **{"baseline_sets": len(methods["random"]), "labels": list(recipes), "full_penalty": tuned.penalty},
        },
    }


def look_outside(
    sets: Sequence[TextSet], splits: Splits[TextTable], asked: Asked, model: Causal | None = None
) -> dict[str, Any]:
    """What one looks at of the sets (`reports.headline.look`), through the encoder that judges them."""
    return look(sets, splits, Frozen(asked.encoder, asked.penalty), model=model)


def _size(sets: Sequence[TextSet], train: TextTable) -> int:
    sizes = sorted({len(given) for given in sets})
    if not sizes or not sizes[0]:
        raise DataError("no samples to judge; give sets with at least one")
    if len(sizes) > 1:
        raise DataError(f"sets of {', '.join(map(str, sizes))} samples; judge those of one size at a time")
    if any((given.pairs is None) != (train.pairs is None) for given in sets):
        held, given = ("texts", "pairs") if train.pairs is None else ("pairs", "single texts")
        raise DataError(f"the real rows are {held}, the samples {given}; give data of the same task")
    return max(1, round(sizes[0] / len(train.classes)))


def _baselines(
    sets: Sequence[TextSet],
    train: TextTable,
    features: torch.Tensor,
    frozen: Frozen,
    per_class: int,
    asked: Asked,
    streams: Streams,
    tick: Tick,
) -> dict[str, list[TextSet]]:
    count = asked.baseline_sets or max(LEAST_SETS, len(sets))
    frozen.prepare(sets)
    near = [frozen.features(given) for given in sets]
    return {
        name: baseline_sets(
            name, train, features, per_class, count, streams, synthetic=sets, synthetic_features=near, tick=tick
        )
        for name in BESIDE
    }


def _robust(
    methods: dict[str, list[TextSet]],
    tables: dict[str, Table],
    own: str,
    full: dict[str, Any],
    frozen: Frozen,
    test: TextTable,
    streams: Streams,
) -> dict[str, float]:
    """HLR, IOR and LRS by the tables; AIOR and ARS with hard labels and augmented copies."""

    def mean(table: Table, method: str) -> float:
        return table.cell(method, frozen.name).summary().mean

    def hard(chosen: TextSet) -> TextSet:
        return TextSet(chosen.texts, chosen.labels, chosen.classes, chosen.pairs)

    varied = {
        method: [
            augmented(hard(chosen), streams.child("augment", method, number))
            for number, chosen in enumerate(methods[method])
        ]
        for method in (SET, "random")
    }
    table = judge(varied, [frozen], test, streams=streams)
    hlr = hard_label_recovery(full["accuracy"]["mean"], mean(tables["hard"], SET))
    ior = improvement_over_random(mean(tables[own], SET), mean(tables[own], "random"))
    aior = improvement_over_random(mean(table, SET), mean(table, "random"))
    scores = {"hlr": hlr, "ior": ior, "lrs": robust_score(ior, hlr), "aior": aior, "ars": robust_score(aior, hlr)}
    return {name: round(value, 4) for name, value in scores.items()}
