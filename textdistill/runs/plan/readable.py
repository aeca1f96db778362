"""The units of a run for readable sets, measured: encoding, language model, matching, search, judging."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

import embeddings
from textdistill.core.distill import Checkpoint
from textdistill.core.precision import weights_in
from textdistill.core.streams import Streams
from textdistill.data import TextTable
from textdistill.data.sets.text_set import TextSet
from textdistill.evaluation.copies import CopyIndex
from textdistill.evaluation.fluency import fluency
from textdistill.evaluation.full_head import tuned_head
from textdistill.evaluation.text_learners import BagOfWords, FineTuned, Frozen, WordNet
from textdistill.learners.pretrained.feature_store import key_of
from textdistill.learners.pretrained.frozen_encoder import PART, Encoder
from textdistill.learners.pretrained.language_models import load_causal
from textdistill.learners.word_counts import one_text
from textdistill.recipe.read import Recipe
from textdistill.recipe.text_settings import Judgement, TextLevel
from textdistill.representations.texts import TextTask, prepare_texts
from textdistill.runs.artifact import learner_of
from textdistill.runs.plan.units import Clock, Enough, Meter
from textdistill.runs.readable.judge import learner_of as judge_of
from textdistill.runs.readable.matching import Matching
from textdistill.runs.readable.soft import FeatureRows, distilled_labels
from textdistill.runs.stages import Stage, fingerprint
from textdistill.selection.candidates import Candidates
from textdistill.selection.methods import METHODS, configured
from textdistill.selection.methods.ours import Ours
from textdistill.synthetic.generator import Sentences, build_generator, train_language_model
from textdistill.synthetic.generator.language_model import perplexity
from textdistill.synthetic.generator.sampling import BATCH, write
from textdistill.synthetic.generator_data import GeneratorData
from textdistill.synthetic.generator_pool import Pool
from textdistill.synthetic.prompted import BATCH as BEHIND_ONE_PROMPT
from textdistill.synthetic.prompted import Prompted

DATA, WRITE, CHOOSE, JUDGE, END = "data", "language model and matching", "choosing", "judging", "report"
SAMPLE = 160  # texts that are encoded to know how fast that goes, and stand for all others
NOISE = 0.3  # of the vectors that stand for the texts that were not encoded
FEW_TESTS, MANY_TESTS = 64, 192
FEW_TOKENS = 4
REPORT_SECONDS = 6.0  # nearest rows, map, page


def probe(recipe: Recipe, folder: Path, device: torch.device, meter: Meter) -> dict[str, Any]:
    """Measure every unit of the recipe's run; the facts that `counts` needs beside the settings."""
    settings = recipe.text
    assert settings is not None
    task = meter.once(DATA, "reading data", lambda: prepare_texts(recipe.data, recipe.representation))
    train = task.splits.train
    facts: dict[str, Any] = {"train": len(train), "classes": len(train.classes), "threads": torch.get_num_threads()}
    features = _encoding(task, settings, meter, facts)
    if settings.choose.generated:
        _writing(recipe, settings, task, features, folder, device, meter, facts)
    if "prompted" in settings.choose.pools:
        _prompting(settings, task, device, meter)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sets are chosen and judged side by side, each by one thread
    try:
        _choosing(settings, task, features, meter, 1 / threads)
        _judging(settings, task, features, meter, 1 / threads)
    finally:
        torch.set_num_threads(threads)
    meter.put(END, "nearest rows, map, report", (REPORT_SECONDS, 0.0))
    return facts


def _encoding(task: TextTask, settings: TextLevel, meter: Meter, facts: dict[str, Any]) -> Tensor:
    """How fast texts are encoded, how many are not known yet; vectors that stand for all training rows."""
    splits, judged = task.splits, {judgement.kind for judgement in settings.judge.by}
    wanted: dict[str, list[TextTable]] = {view: [splits.train] for view in settings.choose.views}
    if "frozen" in judged or settings.choose.keep == "best":
        wanted[settings.judge.encoder] = [splits.train, splits.validation, splits.test]
    vectors, facts["unknown"] = torch.zeros(0, 1), {}
    for name, tables in wanted.items():
        encoder = Encoder(name)
        missing = [text for table in tables for text in _missing(encoder, table)]
        facts["unknown"][name] = sum(map(len, missing))
        some = np.random.default_rng(0).permutation(len(splits.train))[:SAMPLE].tolist()
        pairs = None if splits.train.pairs is None else [splits.train.pairs[row] for row in some]
        texts = [splits.train.texts[row] for row in some]
        meter.once(DATA, f"loading {name}", partial(_encoded, encoder, ["a text"], None))
        _hold(encoder, splits.train, copies=1 + ("frozen" in judged and name == settings.judge.encoder))
        seconds, operations = meter.of(partial(_encoded, encoder, texts, pairs))
        letters = sum(map(len, texts)) + sum(map(len, pairs or ()))
        meter.put(CHOOSE, f"letter encoded ({name})", (seconds / letters, operations / letters))
        facts["letters"] = letters / len(texts)
        if not len(vectors):
            known = _encoded(encoder, texts, pairs)
            rows = torch.randint(len(known), (len(splits.train),), generator=torch.Generator().manual_seed(0))
            noise = torch.randn(len(rows), known.shape[1], generator=torch.Generator().manual_seed(1))
            vectors = torch.nn.functional.normalize(known[rows] + NOISE * noise / known.shape[1] ** 0.5, dim=1)
    facts["width"] = int(vectors.shape[1])
    return vectors


_HELD: list[Any] = []  # what a run holds at the same time, for the most memory that it has


def _hold(encoder: Encoder, train: TextTable, copies: int) -> None:
    """Further copies of the model, as the stages of a run have their own; the tokens of a part of the rows."""
    _HELD.extend(Encoder(encoder.name)._model for _ in range(copies - 1))
    texts, letters = list[str](), 0
    for text in train.texts:
        letters += len(text)
        texts.append(text)
        if letters > PART:
            break
    encoder.tokenizer(texts, truncation=True, max_length=encoder.longest)


def _encoded(encoder: Encoder, texts: list[str], pairs: list[str] | None) -> Tensor:
    """Features that are computed whether they are known or not, and kept nowhere."""
    with torch.no_grad():
        return encoder._encode(texts, pairs, lambda done: None)


def _missing(encoder: Encoder, table: TextTable) -> list[str]:
    """The texts (with their pairs) whose features are not in the cache."""
    content = (
        list(zip(table.texts, table.pairs, strict=True)) if table.pairs is not None else [(t,) for t in table.texts]
    )
    keyed = {key_of(*one): "".join(one) for one in content}
    places, _ = encoder.store.get(list(keyed))
    return [text for key, text in keyed.items() if key not in places]


def _writing(
    recipe: Recipe, settings: TextLevel, task: TextTask, features: Tensor, folder: Path, device: torch.device,
    meter: Meter, facts: dict[str, Any],
) -> None:  # fmt: skip
    """A step of the language model, a look at its validation rows, a step of the matching, and samples written."""
    train, stage, streams = task.splits.train, settings.language_model, Streams(0, ("text",))
    assert settings.generator is not None
    known = (task.data["fingerprint"], settings.generator, stage, 0)
    cached = embeddings.default_cache_dir() / "generators" / fingerprint(*known)[:32]
    facts["model_kept"] = Stage.named(cached, "language-model", *known).found() is not None
    generator = build_generator(settings.generator, train, streams.child("generator")).to(device)
    clock = Clock(meter)
    with clock.stage("language model", None), suppress(Enough):
        train_language_model(
            generator, train, task.splits.validation, replace(stage, validate_every=10**6), streams,
            on_step=clock.step,
        )  # fmt: skip
    before, each, operations = clock.measured()
    meter.put(WRITE, "tables as tokens", (before, 0.0))
    meter.put(WRITE, "step of the language model", (each, operations))
    held = generator.vocabulary.encode_table(task.splits.validation)
    rows = min(stage.validation_rows, len(held))
    look = meter.rows(lambda n: perplexity(generator, held.take(torch.arange(n))), 64, 256, rows)
    meter.put(WRITE, "look at validation rows", look)
    facts["rows"] = _balanced(train.labels, stage.balance)
    length = min(settings.sampling.length or generator.vocabulary.usual, generator.vocabulary.longest - 1)
    numbers = torch.rand(BATCH, length, dtype=torch.float64)
    seconds, operations = meter.of(lambda: write(generator, 0, numbers, settings.sampling))
    meter.put(WRITE, "sample written", (seconds / BATCH, operations / BATCH))
    if "matched" in settings.choose.pools:
        _matching(recipe, settings, task, features, generator, folder, meter)


def _prompting(settings: TextLevel, task: TextTask, device: torch.device, meter: Meter) -> None:
    """Samples behind one prompt: it is read, and a few tokens of each are written, for as many as a row has."""
    asked, train = settings.choose.prompted, task.splits.train
    precision = weights_in(asked.precision, device)
    causal = meter.once(
        WRITE, f"loading {asked.model}", lambda: load_causal(asked.model, device=device, dtype=precision)
    )
    some = train.take(np.arange(min(len(train), SAMPLE)))
    model = Prompted.of(causal, some.texts, some.pairs, asked.sampling)
    shown = some.take(np.arange(min(len(some), asked.shown)))
    numbers = torch.rand(BEHIND_ONE_PROMPT, min(FEW_TOKENS, model.length), dtype=torch.float64)
    seconds, operations = meter.of(lambda: model.like(shown.texts, shown.pairs, numbers))
    tokens = model.usual(some.texts, some.pairs) / numbers.shape[1]
    meter.put(WRITE, "samples behind a prompt", (seconds * tokens, operations * tokens))


class _FromRows(GeneratorData):
    """A generator's samples of which training rows stand for what it will have learned to write."""

    rows: ClassVar[Sentences]
    now: ClassVar[Callable[[], float]]
    seconds: ClassVar[float] = 0.0

    def _written(self, name: str, each: int) -> Sentences:
        of_class = [torch.nonzero(self.rows.labels == label)[:, 0] for label in range(self.classes)]
        return self.rows.take(torch.cat([rows[torch.arange(each) % len(rows)] for rows in of_class]))

    def _present(self) -> Pool:
        began = type(self).now()
        pool = super()._present()
        type(self).seconds = max(self.seconds, type(self).now() - began)
        return pool


def _matching(
    recipe: Recipe, settings: TextLevel, task: TextTask, features: Tensor, generator: Any, folder: Path, meter: Meter
) -> None:
    """A step of the matching; the teacher's sets before the first; a sample read and clustered by the learner."""
    train, factor = task.splits.train, min(settings.pool.factor, 2)
    _FromRows.rows, _FromRows.seconds = generator.vocabulary.encode_table(train), 0.0
    _FromRows.now = meter.now
    learner = learner_of(recipe, (), len(train.classes)).to(meter.device)
    os.environ["TEXTDISTILL_CACHE"] = str(folder)  # the features of the few are nobody's
    if learner_freezes(recipe):  # rows are encoded once, which has a unit of its own: here a few stand for all
        few = train.take(np.random.default_rng(0).permutation(len(train))[:SAMPLE])
        rows = few.take(np.arange(len(train)) % len(few))
        task = replace(task, splits=replace(task.splits, train=rows, validation=few, test=few), _read={})
    task.__dict__["_features"] = features  # in place of those that the run would encode first
    small = replace(settings, pool=replace(settings.pool, factor=factor, every=10**9))
    matching = Matching(recipe, small, task.read_by(learner), learner, Streams(0, ("text",)))
    matching.data = _FromRows
    clock = Clock(meter, min(int(recipe.starts.settings.get("matches", 10)), recipe.outer.steps))
    with clock.stage("matching", None), suppress(Enough):
        matching.run(generator, Checkpoint(folder), 0, clock.step)
    before, each, operations = clock.measured()
    read = len(train.classes) * settings.pool.batch * factor
    meter.put(WRITE, "teacher's sets", (max(0.0, before - _FromRows.seconds), 0.0))
    meter.put(WRITE, "sample read and clustered", (_FromRows.seconds / read, 0.0))
    meter.put(WRITE, "step of the matching", (each, operations))


def learner_freezes(recipe: Recipe) -> bool:
    """Whether the learner's body never changes: it then sees features of the rows in place of their tokens."""
    return recipe.learner.settings.get("train") == "head"


def _balanced(labels: np.ndarray, balance: float) -> float:
    """Rows of an epoch of the language model."""
    sizes = np.bincount(labels)
    sizes = sizes[sizes > 0]
    return float((sizes * (sizes.max() / sizes) ** balance).sum())


def _choosing(settings: TextLevel, task: TextTask, features: Tensor, meter: Meter, share: float) -> None:
    """A set of the smallest size by each method; those that look at every row are given vectors in their place."""
    choose, train = settings.choose, task.splits.train
    texts = one_text(train.texts, train.pairs)
    real = Candidates(train.labels, train.classes, lambda: [features] * len(choose.views), read=lambda: texts)
    written = np.repeat(np.arange(len(train.classes)), choose.pool)
    rows = torch.randint(len(features), (len(written),), generator=torch.Generator().manual_seed(2))
    pool = Candidates(
        *(written, train.classes, lambda: [features[rows]] * len(choose.views), real),
        read=lambda: [texts[row] for row in rows],
    )
    if choose.search.words:
        meter.once(CHOOSE, "words of all texts", pool.see)
    least, streams = min(choose.sizes), Streams(0)
    for name in choose.made:
        method = configured(METHODS[name], choose)
        if isinstance(method, Ours):
            method = replace(method, consistent=False)  # vectors that stand for texts have no class
        if f"set by {method.stream}" not in meter.units:
            source, sizes = real if method.source == "real" else pool, [least] * len(train.classes)
            chosen = partial(method.choose, source, sizes, streams, 0)
            meter.put(CHOOSE, f"set by {method.stream}", meter.of(chosen), share)
        if method.soft and "soft labels of a set" not in meter.units:
            some, labels = features[: least * len(train.classes)], torch.arange(least * len(train.classes))
            rows_ = FeatureRows(features, torch.from_numpy(train.labels), train.classes)
            soft = meter.of(partial(distilled_labels, some, labels % len(train.classes), rows_, 0, choose.labels))
            meter.put(CHOOSE, "soft labels of a set", soft)


def _judging(settings: TextLevel, task: TextTask, features: Tensor, meter: Meter, share: float) -> None:
    """A set learnt from and all test rows classified, by each judge; the head on all rows; what the texts are like."""
    splits, choose, judge = task.splits, settings.choose, settings.judge
    train, test = splits.train, splits.test
    rows = np.concatenate([np.flatnonzero(train.labels == label)[: choose.size] for label in range(len(train.classes))])
    own = TextSet([train.texts[row] for row in rows], train.labels[rows], train.classes,
                  None if train.pairs is None else [train.pairs[row] for row in rows])  # fmt: skip
    labels = torch.from_numpy(train.labels)
    kinds = {judgement.kind for judgement in judge.by}
    if "frozen" in kinds or choose.keep == "best":
        stand_in = Frozen(judge.encoder, judge.penalty)
        stand_in._known.update({sample: features[row] for row, sample in enumerate(own.parts)})
        held = features[torch.arange(len(test)) % len(features)]
        stand_in._tests[test.fingerprint] = held
        meter.put(JUDGE, "set judged by frozen", meter.of(lambda: stand_in.score(own, test, 0, ["accuracy"])), share)
    if "frozen" in kinds:
        checked = features[: len(splits.validation)], labels[: len(splits.validation)]
        meter.once(JUDGE, "head on all rows", lambda: tuned_head(features, labels, *checked, len(train.classes)))
    for judgement in judge.by:
        if judgement.kind in ("finetuned", "text_conv", "bi_lstm"):
            meter.put(
                JUDGE, f"network trained ({judgement.kind})", _network(judgement, settings, own, test, meter), share
            )
    if "tfidf" in kinds:
        words, few = BagOfWords(), train.take(np.random.default_rng(0).permutation(len(train))[:2000])
        counted = meter.of(lambda: words.score(own, test.take(np.arange(min(2000, len(test)))), 0, ["accuracy"]))
        meter.put(JUDGE, "set judged by tfidf", (counted[0] * max(1.0, len(test) / 2000), 0.0), share)
        whole = meter.of(lambda: words.score(few, test.take(np.arange(min(2000, len(test)))), 0, ["accuracy"]))
        meter.put(JUDGE, "all rows by tfidf", (whole[0] * max(1.0, len(train) / 2000), 0.0))
    index = meter.once(JUDGE, "index of copies", lambda: CopyIndex(train))
    model = None if judge.fluency_model is None else load_causal(judge.fluency_model)
    meter.put(JUDGE, "texts of a set looked at", meter.of(lambda: fluency([own], train, model=model, index=index)))


def _network(
    judgement: Judgement, settings: TextLevel, own: TextSet, test: TextTable, meter: Meter
) -> tuple[float, float]:
    """Seconds and operations of a network that learns from the set and classifies the test rows."""
    learner: Any = judge_of(judgement, settings.judge)
    assert isinstance(learner, FineTuned | WordNet)
    few, more = 2, 6

    def score(steps: int, tests: int) -> None:
        replace(learner, steps=steps).score(own, test.take(np.arange(min(tests, len(test)))), 0, ["accuracy"])

    score(1, 8)  # weights and vectors are read
    asked = ((few, FEW_TESTS), (more, FEW_TESTS), (few, MANY_TESTS))
    low, high, wide = (meter.of(partial(score, steps, tests)) for steps, tests in asked)
    parts = []
    for place in (0, 1):
        step = max(0.0, high[place] - low[place]) / (more - few)
        row = max(0.0, wide[place] - low[place]) / (MANY_TESTS - FEW_TESTS)
        parts.append(low[place] + step * (learner.steps - few) + row * max(0, len(test) - FEW_TESTS))
    return parts[0], parts[1]
