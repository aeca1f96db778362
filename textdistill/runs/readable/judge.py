"""The figures of a text-level run: every set by every learner, tests of significance, and what the texts are like."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from textdistill.core.errors import DataError
from textdistill.core.streams import Streams
from textdistill.data import Splits, TextTable
from textdistill.data.sets.text_set import TextSet
from textdistill.data.sets.text_sets import read_text_sets
from textdistill.evaluation.copies import CopyIndex
from textdistill.evaluation.fluency import fluency
from textdistill.evaluation.full_head import TunedHead, tuned_head
from textdistill.evaluation.reference import TFIDF, of_head
from textdistill.evaluation.scores import score
from textdistill.evaluation.statistics import Summary, corrected, ratio
from textdistill.evaluation.text_learners import BagOfWords, FineTuned, Frozen, TextLearner, WordNet
from textdistill.evaluation.text_scores import Table, judge
from textdistill.learners.pretrained.frozen_encoder import Encoder
from textdistill.learners.pretrained.language_models import load_causal
from textdistill.recipe.text_settings import Choose, Judge, Judgement
from textdistill.selection.methods import METHODS

Sets = dict[tuple[str, int], list[TextSet]]  # by method and samples per class
Tick = Callable[[str], None]
RELEASED = "released"
# What every method is tested against, and the generator's own opponents.
OPPONENTS = ("k_centers", "vanilla_lm", "search_real", RELEASED)


def judged(
    sets: Sets,
    splits: Splits[TextTable],
    choose: Choose,
    settings: Judge,
    metrics: Sequence[str],
    streams: Streams,
    tick: Tick = lambda what: None,
) -> dict[str, Any]:
    """`variants`: for every judge and size (`frozen@10`) the full data's score, the headline's, and all other methods'.

    Every block has each metric's mean, sd and n over sets; `comparisons` has a t-test and a bootstrap interval of the
    headline against every other method, and of all generated ones against K-centres and the generator's own opponents.
    """
    metrics = list(dict.fromkeys(["accuracy", *metrics]))
    released = _released(settings.released, choose.sizes, splits.train.classes)
    full: dict[str, dict[str, Any]] = {}
    full_facts: dict[str, float | str] = {}
    variants: dict[str, Any] = {}
    for judgement in settings.by:
        learner = learner_of(judgement, settings)
        for size in judgement.sizes or choose.sizes:
            chosen = {
                method: sets_of_method[: judgement.sets]
                for (method, of_size), sets_of_method in {**sets, **released}.items()
                if of_size == size and (judgement.methods is None or method in judgement.methods)
            }
            table = judge(
                chosen,
                [learner],
                splits.test,
                nets=judgement.nets,
                metrics=metrics,
                streams=streams.child(size),
                tick=tick,
            )
            if learner.name not in full and judgement.kind == "frozen":
                full[learner.name], tuned = full_score(splits, settings, metrics)
                full_facts = {"full_penalty": tuned.penalty, "reference": of_head(settings.encoder, tuned.penalty)}
            elif learner.name not in full and isinstance(learner, BagOfWords):
                tick(f"all training rows, {learner.name}")
                full[learner.name] = as_block(learner.score(splits.train, splits.test, 0, metrics))
            headline, pairs = _headline_and_pairs(table, choose)
            known = full.get(learner.name)
            variant = variant_of(table, learner, headline, pairs, known, streams, nets=judgement.nets)
            if judgement.kind == "frozen":
                variant["protocol"] |= full_facts
            elif known is not None:
                variant["protocol"]["reference"] = TFIDF
            variants[f"{judgement.kind}@{size}"] = variant
    protocol = {"test_rows": len(splits.test), "test_fingerprint": splits.test.fingerprint}
    texts = _texts({**sets, **released}, splits, choose.size, settings.fluency_model, tick)
    return {"variants": variants, "texts": texts, "protocol": {**protocol, "sets": choose.sets, "start": "fresh"}}


def with_variants(metrics: dict[str, Any]) -> dict[str, Any]:
    """The figures with every variant a whole: the run's cost and protocol stand in each of them."""
    shared = {"cost": metrics["cost"], "protocol": metrics["protocol"]}
    for name, block in metrics["variants"].items():
        metrics["variants"][name] = {**block, **shared, "protocol": {**shared["protocol"], **block["protocol"]}}
    return metrics


def variant_of(
    table: Table,
    learner: TextLearner,
    headline: str,
    pairs: Iterable[tuple[str, str]],
    full: dict[str, Any] | None,
    streams: Streams,
    *,
    nets: int,
    rounded: bool = False,
    **protocol: Any,
) -> dict[str, Any]:
    """One variant's block of metrics.json: the headline's scores by `learner`, all others', and tests of `pairs`.

    `full`, the full data's scores, brings a ratio: of the headline's scores in full, or `rounded` as the block has
    them. `protocol` is what sets this variant apart beside the number of networks and of sets, and the learner.
    The claims of a variant stand in one table: each has Holm's p among them (`p_holm`).
    """
    blocks = {method: score_block(table, method, learner) for method in table.cells}
    own = blocks.pop(headline)
    cell = table.cell(headline, learner.name)
    scores = own["accuracy"]["scores"] if rounded else cell.per_set().tolist()
    block: dict[str, Any] = {
        "learner": learner.name,
        "headline": headline,
        "distilled": own,
        "baselines": blocks,
        "samples": table.samples[headline],
        "comparisons": corrected(
            {f"{a} - {b}": table.compare(a, b, learner.name, streams=streams).as_dict() for a, b in pairs}
        ),
        "protocol": {
            **{"nets": nets, "distillations": len(scores), "draws": len(scores)},
            **protocol,
            "learner": learner_facts(learner),
            "drawn": {"texts": list(cell.texts), "nets": list(cell.nets)},
        },
    }
    if full is not None:
        block["full"] = full
        of_full = Summary(*(full["accuracy"][key] for key in ("mean", "sd", "n")))
        block["ratio"] = ratio(scores, of_full).as_dict()
    return block


def _headline_and_pairs(table: Table, choose: Choose) -> tuple[str, list[tuple[str, str]]]:
    """The method that a variant is remembered by, and which methods are tested against which: no pair both ways."""
    headline = choose.headline if choose.headline in table.cells else next(iter(table.cells))
    generated = [method for method in table.cells if method not in ("random_real", "herding")]
    pairs = [(headline, method) for method in table.cells if method != headline]
    for a in generated:
        pairs += [(a, b) for b in OPPONENTS if a != b and b in table.cells and not {(a, b), (b, a)} & set(pairs)]
    return headline, pairs


def _texts(sets: Sets, splits: Splits[TextTable], size: int, model: str | None, tick: Tick) -> dict[str, Any]:
    """What the texts of every method are like, at the size that the run is remembered by."""
    judge_of_fluency, index, texts = None if model is None else load_causal(model), CopyIndex(splits.train), {}
    for (method, of_size), sets_of_method in sets.items():
        if of_size == size and not METHODS[method].soft:  # soft labels stand on the same texts
            tick(f"texts of {method}")
            texts[method] = fluency(sets_of_method, splits.train, model=judge_of_fluency, index=index)
    return texts


def score_block(table: Table, method: str, learner: TextLearner) -> dict[str, Any]:
    """A method's metrics: mean, sd and n over sets, networks a set, and the score of every set."""
    cell = table.cell(method, learner.name)
    return {
        metric: {
            **{key: summary[key] for key in ("mean", "sd", "n", "nets")},
            "scores": [round(value, 4) for value in cell.per_set(metric).tolist()],
        }
        for metric, summary in cell.as_dict().items()
    }


def learner_facts(learner: Any) -> dict[str, Any]:
    """The settings that a learner's scores depend on, as JSON can hold them."""
    hidden = ("device", "determined")
    names = [field.name for field in fields(learner) if field.init and field.name not in hidden]
    return {"name": learner.name, **{name: getattr(learner, name) for name in names}}


def learner_of(judgement: Judgement, settings: Judge) -> TextLearner:
    """The learner that a judgement asks for."""
    if judgement.kind == "frozen":
        return Frozen(settings.encoder, settings.penalty)
    if judgement.kind == "tfidf":
        return BagOfWords()
    if judgement.kind == "finetuned":
        quick = FineTuned.quick(settings.encoder)
        return FineTuned(
            settings.encoder,
            steps=judgement.steps or quick.steps,
            lr=quick.lr,
            pool=judgement.pool,
            precision=settings.precision,
        )
    return WordNet(judgement.kind) if judgement.steps is None else WordNet(judgement.kind, steps=judgement.steps)


def full_score(
    splits: Splits[TextTable], settings: Judge, metrics: Sequence[str]
) -> tuple[dict[str, dict[str, Any]], TunedHead]:
    """The encoder with a linear head on all training rows, its penalty chosen on validation rows."""
    encoder = Encoder(settings.encoder)
    features, held_out, seen = (
        encoder.features(rows.texts, rows.pairs) for rows in (splits.train, splits.validation, splits.test)
    )
    tuned = tuned_head(
        features,
        torch.from_numpy(splits.train.labels),
        held_out,
        torch.from_numpy(splits.validation.labels),
        len(splits.train.classes),
    )
    scores = score(metrics, tuned.head.predict(seen), splits.test.labels)
    return as_block(scores), tuned


def as_block(scores: dict[str, float]) -> dict[str, Any]:
    """The metrics of one learner as those of several are written."""
    return {name: {"mean": round(value, 4), "sd": None, "n": 1} for name, value in scores.items()}


def best_first(
    sets: Sets, splits: Splits[TextTable], choose: Choose, settings: Judge, tick: Tick
) -> tuple[list[TextSet], dict[str, Any]]:
    """The headline's sets, the one that the run keeps first, and how it was chosen.

    With `choose.keep: best` it is the set that teaches the frozen encoder's head to classify most of the training and
    validation rows, of equals the first: `kept` has its `number`, and what every set reaches on them, in percent.
    Validation rows alone are often few, and all sets of a method have seen the training rows alike.
    """
    own = list(sets[choose.headline, choose.size])
    if choose.keep == "first":
        return own, {}
    learner, tables = Frozen(settings.encoder, settings.penalty), (splits.train, splits.validation)
    reached = [
        judge({"own": own}, [learner], rows, nets=1, tick=tick).cell("own", learner.name).per_set() for rows in tables
    ]
    together = np.average(reached, axis=0, weights=[len(rows) for rows in tables])
    number = int(together.argmax())
    kept = {"number": number, "reached": [round(float(value), 4) for value in together]}
    return [own[number], *own[:number], *own[number + 1 :]], {"kept": kept}


def scores_of(metrics: dict[str, Any], choose: Choose) -> dict[str, dict[str, float]]:
    """What the set that a run keeps reaches by each judge (`set`), and beside it the means of methods and `full`."""
    number, scores = metrics.get("kept", {"number": 0})["number"], {}
    for name, variant in metrics["variants"].items():
        kind, _, size = name.partition("@")
        if size == str(choose.size) and variant["headline"] == choose.headline:
            own = variant["distilled"]["accuracy"]
            blocks = {choose.headline: variant["distilled"], **variant["baselines"]}
            if "full" in variant:
                blocks["full"] = variant["full"]
            means = {method: block["accuracy"]["mean"] for method, block in blocks.items()}
            scores[kind] = {"set": own["scores"][number], **means} if number < len(own["scores"]) else means
    return scores


def with_kept(metrics: dict[str, Any], choose: Choose) -> dict[str, Any]:
    """The figures in which every judge says what the set that was kept reaches (`kept`), where one was chosen."""
    for kind, scores in scores_of(metrics, choose).items() if "kept" in metrics else ():
        if "set" in scores:
            metrics["variants"][f"{kind}@{choose.size}"]["kept"] = round(scores["set"], 4)
    return metrics


def _released(folder: str | None, sizes: Sequence[int], classes: tuple[str, ...]) -> Sets:
    """Sets of other authors, in `FOLDER_SIZE` for each size that is there."""
    if folder is None:
        return {}
    released: Sets = {}
    for size in sizes:
        place = Path(f"{folder}_{size}").expanduser()
        if place.is_dir():
            released[RELEASED, size] = read_text_sets(place, classes)
    if not released:
        raise DataError(f"judge.released: no folder {folder}_SIZE for the sizes {list(sizes)}; give the part before it")
    return released
