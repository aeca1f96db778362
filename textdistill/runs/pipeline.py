"""A day in the life of a distillation: recipe → data → distil → evaluate → decode → report."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import embeddings
from textdistill.core.checkpoint import write_atomic
from textdistill.core.device import pick_device
from textdistill.core.distill import Checkpoint, distill
from textdistill.core.file_names import METRICS, REFERENCES
from textdistill.core.learner import Learner
from textdistill.core.processes import meet
from textdistill.core.schedule import DistilledSet
from textdistill.core.streams import Streams
from textdistill.data import Splits, TextTable
from textdistill.evaluation.baselines import run_baselines
from textdistill.evaluation.labels import to_train_for
from textdistill.evaluation.protocol import Bench, FullData, Predictor, block, full_rows, headline, validator
from textdistill.evaluation.reference import of_networks
from textdistill.evaluation.traditional import logistic
from textdistill.evaluation.training import scheduled
from textdistill.learners.word_counts import one_text, word_counts
from textdistill.recipe.read import Recipe, precisions
from textdistill.recipe.references import references
from textdistill.recipe.told import TOLD
from textdistill.reports.report import write_readme, write_report
from textdistill.representations.decode import Decoded
from textdistill.representations.kinds import prepare
from textdistill.representations.task import Task
from textdistill.runs.artifact import Artifact, fitting, learner_of, load, save, training_of
from textdistill.runs.initial_rows import base_task, owners_of, source_of
from textdistill.runs.progress import Reporter
from textdistill.runs.readable_set import read_set, write_rows
from textdistill.runs.stages import Stage, fingerprint
from textdistill.runs.table_told import tell_table
from textdistill.synthetic.initial import make_tensors


@dataclass(frozen=True)
class Run:
    """A finished run: its folder, the stored set, and the scores as in metrics.json."""

    folder: Path
    artifact: Artifact
    metrics: dict[str, Any]
    decoded: Decoded | None = None


def run(
    recipe: Recipe,
    out: str | Path,
    *,
    seed: int = 0,
    resume: bool = False,
    device: str | None = None,
    reporter: Reporter | None = None,
    task: Task | None = None,
    cache: Path | None = None,
) -> Run:
    """Distil, evaluate, decode and report into the folder `out`.

    With `evaluate.repeats` above one, further distillations with seeds seed + 1, … lie in `out/repeats/`. With
    `resume`, stages that
    are finished are kept, and the distillation goes on from its last checkpoint to the same bits.
    """
    out = Path(out)
    reporter = reporter or Reporter()
    task = task or prepare_task(recipe, reporter)
    tell_table(task, recipe, reporter)
    sets = []
    for repeat in range(recipe.evaluate.repeats):
        folder = out if repeat == 0 else out / "repeats" / str(repeat)
        sets.append(distill_into(folder, recipe, task, seed + repeat, resume, device, reporter))
    return evaluate(out, recipe=recipe, task=task, sets=sets, device=device, reporter=reporter, seed=seed, cache=cache)


def prepare_task(recipe: Recipe, reporter: Reporter | None = None) -> Task:
    """The recipe's data in its representation."""
    with (reporter or Reporter(quiet=True)).stage(f"reading {recipe.data.name}", None):
        return prepare(recipe.data, recipe.representation)


def distill_into(
    folder: Path,
    recipe: Recipe,
    task: Task,
    seed: int,
    resume: bool = False,
    device: str | None = None,
    reporter: Reporter | None = None,
    base_seed: int | None = None,
) -> DistilledSet:
    """One distillation, stored in `folder` with its checkpoints and its log.

    `base_seed` chooses the real rows that it begins with, and nothing else; `seed` does when it is `None`.
    """
    reporter = reporter or Reporter(quiet=True)
    meet()  # where several processes distil together: before the first of them writes
    watch = recipe.outer.keep == "best"
    identity = _identity(recipe, task, seed, base_seed)
    # How networks train on the finished set is no matter to the steps towards it, unless validation chooses among them:
    # with other `train` settings a finished distillation is not begun anew.
    steps_identity = identity if watch else _identity(recipe, task, seed, base_seed, leaving=("train",))
    stage = Stage.distillation(folder, identity)
    if resume and (cost := stage.found()) is not None:
        stored = load(folder).distilled
        return replace(stored, meta={**stored.meta, "cost": cost})
    where = pick_device(device)
    streams = Streams(seed)
    learner = learner_of(recipe, task.shaped(recipe.synthetic.length), len(task.classes)).to(where)
    task = task.read_by(learner)
    shape, base = task.shaped(recipe.synthetic.length), base_task(recipe, task)
    synthetic = make_tensors(
        recipe.synthetic,
        shape,
        len(task.classes),
        source_of(recipe, task, base, streams if base_seed is None else Streams(base_seed)),
        streams.torch("initial"),
    ).to(where)
    bench = make_bench(recipe, task, learner, seed)
    starts = recipe.starts.make(learner, streams.child("starts"))
    with reporter.stage("distilling", recipe.outer.steps) as bar:
        result = distill(
            synthetic,
            recipe.objective.make(),
            task.seen_by(learner, where),
            learner=learner,
            starts=starts,
            outer=recipe.outer,
            seed=seed,
            validate=validator(replace(bench, theta0=starts.theta0())) if watch else None,
            checkpoint=Checkpoint(
                folder, recipe.checkpoint.every, resume, steps_identity, _made_of(recipe, task, seed, watch)
            ),
            on_step=lambda step, record: bar.record(step, record, _note(record)),
        )
    result = scheduled(result, recipe.train)
    rows = result.meta.get("rows")
    if rows is not None and base is task:
        result = replace(result, meta={**result.meta, "owners": owners_of(rows, base)})
    data = {**task.data, "classes": task.classes}
    save(folder, result, recipe, seed, data, task.facts, precisions(recipe, where))
    if rows is not None and -1 not in rows:
        write_rows(folder, task.classes, result.targets, base.readable(rows))
    stage.finish(result.meta["cost"])
    return result


def evaluate(
    folder: str | Path,
    *,
    recipe: Recipe | None = None,
    task: Task | None = None,
    sets: list[DistilledSet] | None = None,
    device: str | None = None,
    reporter: Reporter | None = None,
    seed: int | None = None,
    cache: Path | None = None,
) -> Run:
    """Score the set in `folder` against the full data and the baselines; write metrics, decoded sentences or images
    and the report.

    Called on a folder alone, it re-loads everything from there and trains to the same accuracy.
    """
    folder = Path(folder)
    reporter = reporter or Reporter()
    artifact = load(folder)
    recipe = recipe or artifact.recipe()
    task = task or prepare_task(recipe, reporter)
    seed = artifact.seed if seed is None else seed
    sets = sets or [
        _with_cost(place) for place in (folder, *sorted((folder / "repeats").glob("[0-9]*"), key=lambda p: int(p.name)))
    ]
    where = pick_device(device)
    learner = learner_of(recipe, tuple(sets[0].inputs.shape[2:]), len(task.classes)).to(where)
    for distilled in sets:
        fitting(learner, distilled)
    settings = recipe.evaluate
    with reporter.stage("evaluating", None) as bar:
        bench = make_bench(recipe, task, learner, seed, lambda what: bar.advance(what))
        bench = replace(bench, theta0=sets[0].theta0)
        plain = learner_of(recipe, task.shape, len(task.classes)).to(where)
        whole = FullData(
            replace(bench, theta0=None, inner=None, learner=plain),
            _full_key(recipe, task),
            embeddings.default_cache_dir() if cache is None else cache,
        )
        snapper = task.snap() if settings.snapped and "inputs" in recipe.synthetic.learn else None
        trained = [to_train_for(bench, distilled) for distilled in sets]

        def piece(own: Bench, name: str) -> Any:
            return whole.scores() if name == "full" else run_baselines(own, trained[0])

        # The two longest pieces stand side by side; kept scores take no time, and leave the baselines all cores.
        together = [["full"], ["baselines"]] if whole.kept() is not None else [["full", "baselines"]]
        full, (baselines, notes) = [scores for names in together for scores in bench.each(piece, names, alone=False)]
        metrics = headline(bench, trained, full, snapper)
        metrics["baselines"] = baselines
        texts = task.plain_texts()
        if settings.traditional and texts is not None:
            bar.advance("TF-IDF")
            metrics["traditional"] = _traditional(texts, notes.pop("random_rows"), seed, task.metrics)
    costs = [distilled.meta.get("cost", {}) for distilled in sets]
    metrics["samples"] = sets[0].samples
    metrics["cost"] = {
        "distill_seconds": round(sum(float(c.get("distill_seconds", 0.0)) for c in costs) / len(costs), 1),
        "outer_steps": recipe.outer.steps,
        "peak_rss_mib": round(max(float(c.get("peak_rss_mib", 0.0)) for c in costs), 1),
        "threads": torch.get_num_threads(),
        **({"precision": used} if (used := precisions(recipe, where)) else {}),
    }
    metrics["protocol"] = {
        "start": "fixed" if sets[0].theta0 is not None else "fresh",
        "nets": 1 if sets[0].theta0 is not None else settings.nets,
        "distillations": len(sets),
        "full_nets": settings.full_nets,
        "draws": settings.draws,
        "steps": settings.steps,
        "inner_steps": trained[0].length,
        "inner_steps_of_sets": [distilled.length for distilled in trained],
        "recorded_steps_of_sets": [distilled.length for distilled in sets],
        "test_rows": len(task.test),
        "train_rows": len(task.train),
        "full_rows": full_rows(bench),
        "reference": of_networks(settings, recipe.learner.name),
        "seed": seed,
        "seeds": [seed + k for k in range(len(sets))],
        "ordinary": asdict(settings.ordinary),
        "baseline_rates": notes["rates"],
        "baseline_steps": notes["steps"],
    }
    write_atomic(folder / METRICS, json.dumps(metrics, indent=1) + "\n")
    decoded = decode_run(folder, recipe=recipe, task=task)
    write_report(folder)
    write_readme(folder)
    return Run(folder, load(folder), metrics, decoded)


def decode_run(
    folder: str | Path,
    *,
    recipe: Recipe | None = None,
    task: Task | None = None,
    k: int = 1,
    metric: str = "cosine",
) -> Decoded | None:
    """The set made readable (words, or a grid of images), with the picture and the references; returns sentences."""
    folder = Path(folder)
    recipe = recipe or load(folder).recipe()
    task = task or prepare_task(recipe)
    write_atomic(folder / REFERENCES, references(recipe))
    return read_set(folder, task, k, metric)


def make_bench(
    recipe: Recipe, task: Task, learner: Learner, seed: int, tick: Callable[[str], None] = lambda what: None
) -> Bench:
    """The protocol's fixtures for a recipe."""
    inner, task = training_of(recipe, learner), task.read_by(learner)
    return Bench(
        inner.learner, inner.optimizer, task.train, task.validation, task.test, recipe.evaluate, task.metrics,
        Streams(seed, ("protocol",)), task.features, recipe.train, predictor_of(recipe), inner, None, tick,
    )  # fmt: skip


def predictor_of(recipe: Recipe) -> Predictor | None:
    """The objective's own classifier, where the recipe's evaluation asks for it."""
    if recipe.evaluate.by == "networks":
        return None
    predictor: Predictor = recipe.objective.make()  # that it can is a recipe's own check
    return predictor


def distilling(recipe: Recipe) -> dict[str, Any]:
    """The settings that a distillation depends on: two recipes that agree in these distil the same."""
    unrelated = ("evaluate", "checkpoint", "title", *TOLD)
    settings = {key: value for key, value in recipe.raw.items() if key not in unrelated}
    # Where the data lie is nothing to what they are.
    settings["data"] = {key: value for key, value in recipe.raw["data"].items() if key != "data_dir"}
    if recipe.outer.keep == "best":  # the set that is kept depends on how the outer loop looks at it
        settings["looks"] = [recipe.evaluate.steps, recipe.evaluate.validation_rows, recipe.evaluate.validation_nets]
    return settings


def _identity(
    recipe: Recipe, task: Task, seed: int, base_seed: int | None = None, leaving: Collection[str] = ()
) -> str:
    """The digest of what a distillation depends on, but for the settings in `leaving`."""
    settings = {key: value for key, value in distilling(recipe).items() if key not in leaving}
    facts = [settings, recipe.variant, seed, task.data["fingerprint"], task.facts["fingerprint"]]
    return fingerprint(*facts, *([] if base_seed is None else [base_seed]))


def _made_of(recipe: Recipe, task: Task, seed: int, watch: bool) -> dict[str, str]:
    """A digest of each thing that `_identity` is of, by the name that a user knows it by."""
    settings = {key: value for key, value in distilling(recipe).items() if watch or key != "train"}
    return {
        "the recipe": fingerprint(settings, recipe.variant),
        "the seed": str(seed),
        "the data": str(task.data["fingerprint"]),
        "the word vectors, or how the data are read": str(task.facts["fingerprint"]),
    }


def _full_key(recipe: Recipe, task: Task) -> dict[str, Any]:
    network = recipe.learner.type
    return {
        "data": task.data["fingerprint"],
        "vectors": task.facts["fingerprint"],
        "representation": asdict(recipe.representation),
        "network": f"{network.__module__}:{network.__qualname__}",
        "settings": recipe.learner.settings,
    }


def _with_cost(folder: Path) -> DistilledSet:
    stored = load(folder).distilled
    return replace(stored, meta={**stored.meta, "cost": Stage.distillation(folder).record() or {}})


def _traditional(texts: Splits[TextTable], rows: list[int], seed: int, metrics: Sequence[str]) -> dict[str, Any]:
    train, test = texts.train, texts.test
    names = list(dict.fromkeys(["accuracy", *metrics]))
    counts, asked = (word_counts(one_text(table.texts, table.pairs)) for table in (train, test))
    labels, out = np.asarray(train.labels), {}
    for name, which in {"tfidf_full": np.arange(len(labels)), "tfidf_random_real": np.array(rows)}.items():
        scores = logistic(counts[which], labels[which], asked, test.labels, seed=seed, metrics=names)
        out[name] = block([scores])
    return out


def _note(record: dict[str, float]) -> str:
    seen = f", validation {record['validation']:.1f} %" if "validation" in record else ""
    return f"loss {record['loss']:.3f}{seen}"
