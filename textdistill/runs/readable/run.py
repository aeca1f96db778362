"""A run for readable sets: language model → matching → generation, where a method needs them → choice → judgement."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

import embeddings
from textdistill.core.checkpoint import remove_checkpoint, write_atomic
from textdistill.core.device import pick_device
from textdistill.core.distill import Checkpoint, peak_rss_mib
from textdistill.core.errors import ArtifactError, RecipeError
from textdistill.core.file_names import CHECKPOINT, POOL, REFERENCES
from textdistill.core.manifest import Headline, Manifest, manifest_in, write_manifest
from textdistill.core.precision import weights_in
from textdistill.core.streams import Streams
from textdistill.data.sets.text_set import TextSet
from textdistill.data.sets.text_sets import read_text_set, write_text_set
from textdistill.learners.pretrained.frozen_encoder import Encoder
from textdistill.learners.pretrained.language_models import load_causal
from textdistill.recipe.read import Recipe, precisions
from textdistill.recipe.references import references
from textdistill.recipe.show import settings_of
from textdistill.recipe.text_settings import Growth, Prompting, TextLevel
from textdistill.representations.texts import prepare_texts
from textdistill.runs.artifact import commit, learner_of, versions
from textdistill.runs.lock import held
from textdistill.runs.progress import Reporter
from textdistill.runs.readable.choose import Chooser, Tick
from textdistill.runs.readable.finish import finish, judge_sets
from textdistill.runs.readable.grow import Continuing, Growing, Showing, Writer
from textdistill.runs.readable.judge import Sets, best_first, scores_of, with_kept, with_variants
from textdistill.runs.readable.matching import Matching
from textdistill.runs.readable.pools import write_pool
from textdistill.runs.readable.report import look_at, write_history
from textdistill.runs.stages import Stage, fingerprint
from textdistill.runs.table_told import tell_table
from textdistill.selection.methods import METHODS, configured
from textdistill.synthetic.generator import Generator, build_generator, train_language_model
from textdistill.synthetic.prompted import Prompted

GENERATOR, SETS = "generator", "sets"


@dataclass(frozen=True)
class TextRun:
    """A finished text-level run: its folder, the figures as in metrics.json, and the set it is remembered by."""

    folder: Path
    metrics: dict[str, Any]
    headline: TextSet
    commit: str | None = None
    written: bool = False  # by a generator, not taken among the training rows


def run_texts(
    recipe: Recipe,
    out: str | Path,
    *,
    seed: int = 0,
    resume: bool = False,
    device: str | None = None,
    reporter: Reporter | None = None,
    cache: Path | None = None,
) -> TextRun:
    """Choose and judge into the folder `out`; before that train, match and generate what the methods choose from.

    The language model lies in `cache` (the usual one when `None`), by what it was trained from, so that recipes share
    it. With `resume` a stage that was stopped goes on from its checkpoint, and one whose inputs are what they were is
    not done again.
    """
    if recipe.text is None:
        raise RecipeError(["choose: missing; a recipe for readable sets says how they are chosen"])
    run = _Run(recipe, recipe.text, Path(out), seed, resume, device, reporter or Reporter(), cache)
    return run.all()


class _Run:
    """The stages of one run, and what they share."""

    def __init__(
        self,
        recipe: Recipe,
        settings: TextLevel,
        out: Path,
        seed: int,
        resume: bool,
        device: str | None,
        reporter: Reporter,
        cache: Path | None,
    ):
        self.recipe, self.settings, self.out, self.seed, self.resume = recipe, settings, out, seed, resume
        self.where, self.reporter = pick_device(device), reporter
        self.cache = (embeddings.default_cache_dir() if cache is None else cache) / "generators"
        with reporter.stage(f"reading {recipe.data.name}", None):
            self.task = prepare_texts(recipe.data, recipe.representation)
        tell_table(self.task, recipe, reporter)
        self.train, self.validation = self.task.splits.train, self.task.splits.validation
        self.streams = Streams(seed, ("text",))
        self.data_print = self.task.data["fingerprint"]

    def all(self) -> TextRun:
        """Every stage in turn."""
        self.out.mkdir(parents=True, exist_ok=True)
        if self.resume:
            self._refuse_other_data()
        self._write_manifest(precisions(self.recipe, self.where))  # from now on the folder is known for a run's
        choose = self.settings.choose
        generators: dict[str, _Done] = {}  # by the pools that they write
        if choose.generated:
            generators["vanilla"] = self._language_model()
        if "matched" in choose.pools:
            generators["matched"] = self._matched(generators["vanilla"])
        pools: dict[str, _Done] = {}
        for name in choose.pools:
            if name == "prompted":
                pools[name] = self._prompted()
            elif name == "grown":
                pools[name] = self._grown(generators["matched"], pools["matched"])
            else:
                pools[name] = self._pool(name, generators[name])
        sets, seconds = self._chosen(pools)
        metrics = self._judged(sets, generators, pools, seconds)
        with self.reporter.stage("keeping one", None) as bar:
            own, kept = best_first(sets, self.task.splits, choose, self.settings.judge, bar.advance)
        metrics = with_kept({**metrics, **kept}, choose)
        sets[choose.headline, choose.size] = own
        write_text_set(self.out, own[0])
        if generators:
            write_history(self.out, generators["vanilla"].record.get("history", []))
        self._write_manifest(metrics["cost"]["precision"])
        write_atomic(self.out / REFERENCES, references(self.recipe))
        finish(self.out, metrics, lambda: look_at(sets, self.task.splits, self.settings, self.reporter))
        headline = replace(own[0], scores=scores_of(metrics, choose))
        written = METHODS[choose.headline].source in choose.pools
        return TextRun(self.out, metrics, headline, commit(), written)

    def _language_model(self) -> _Done:
        """The generator learns to write like the training rows."""
        settings = self.settings
        assert settings.generator is not None  # a recipe without one has no method that needs it
        facts = (self.data_print, settings.generator, settings.language_model, self.seed)
        folder = self.cache / fingerprint(*facts)[:32]
        stage = Stage.named(folder, "language-model", *facts)
        with held(folder, wait=True):  # several runs or processes may want it at once: one trains it
            record = stage.found() or self._trained(stage, folder)
        return _Done(stage.identity, record, folder / GENERATOR)

    def _trained(self, stage: Stage, folder: Path) -> dict[str, Any]:
        """The language model, trained into `folder`; what it cost and how it went."""
        settings, checkpoint = self.settings, folder / CHECKPOINT
        assert settings.generator is not None
        generator = build_generator(settings.generator, self.train, self.streams.child("generator"))
        with self.reporter.stage("language model", None) as bar:
            record = train_language_model(
                generator.to(self.where),
                self.train,
                self.validation,
                settings.language_model,
                self.streams.child("language-model"),
                checkpoint=checkpoint,
                resume=True,  # the folder is named by all that it depends on
                on_step=lambda step, figures: bar.record(step, figures, _note(figures)),
            )
        generator.save(folder / GENERATOR)
        stage.finish(record)
        remove_checkpoint(checkpoint)
        return record

    def _matched(self, vanilla: _Done) -> _Done:
        """Gradient matching moves the generator (Algorithm 1)."""
        recipe, settings = self.recipe, self.settings
        parts = [[part.type.__qualname__, part.settings] for part in (recipe.learner, recipe.objective, recipe.starts)]
        read = recipe.representation.facts()  # by whose encoder the teacher's sets are drawn
        facts = (vanilla.identity, settings.sampling, settings.pool, settings.teacher, parts, read, recipe.outer)
        stage = Stage.named(self.out, "matching", *facts)
        record = stage.found()
        if record is None:
            generator = Generator.load(vanilla.place).to(self.where)
            learner = learner_of(recipe, (), len(self.train.classes)).to(self.where)
            matching = Matching(recipe, settings, self.task.read_by(learner), learner, self.streams)
            checkpoint = Checkpoint(self.out, recipe.checkpoint.every, self.resume, stage.identity)
            with self.reporter.stage("matching", recipe.outer.steps) as bar:
                record = matching.run(
                    generator, checkpoint, self.seed, lambda step, figures: bar.record(step, figures, _note(figures))
                )
            generator.save(self.out / GENERATOR)
            stage.finish(record)
        return _Done(stage.identity, record, self.out / GENERATOR)

    def _pool(self, name: str, source: _Done) -> _Done:
        """The samples that sets are chosen from, copies of training rows left out."""
        choose, file = self.settings.choose, self.out / POOL.format(name=name)
        stage = Stage.named(
            self.out, f"pool-{name}", source.identity, self.settings.sampling, choose.pool, choose.near_copies
        )
        record = stage.found()
        if record is None or not file.is_file():
            generator = Generator.load(source.place).to(self.where)
            with self.reporter.stage(f"generating ({name})", len(self.train.classes)) as bar:
                record = write_pool(
                    generator,
                    self.train,
                    choose.pool,
                    self.settings.sampling,
                    self.streams.child("pool"),
                    file,
                    choose.near_copies,
                    bar,
                )
            stage.finish(record)
        return _Done(stage.identity, record, file)

    def _grown(self, source: _Done, matched: _Done) -> _Done:
        """The matched generator's samples, and more of them around those that searches like."""
        grow = self.settings.choose.grow

        def writer() -> Writer:
            generator = Generator.load(source.place).to(self.where)
            return Continuing(generator, grow.each, self.settings.sampling)

        def begun() -> TextSet:
            return read_text_set(matched.place, self.train.classes)

        return self._more(
            "grown", (source.identity, matched.identity, self.settings.sampling, grow), grow, writer, begun
        )

    def _prompted(self) -> _Done:
        """What a language model writes that is shown what searches like, among the training rows and its own texts."""
        prompting, train = self.settings.choose.prompted, self.train

        def writer() -> Writer:
            precision = weights_in(prompting.precision, self.where)
            causal = load_causal(prompting.model, device=self.where, dtype=precision)
            model = Prompted.of(causal, train.texts, train.pairs, prompting.sampling)
            return Showing(model, prompting.of_each(len(train.classes)), prompting.shown)

        def begun() -> TextSet:
            return TextSet(train.texts, train.labels, train.classes, train.pairs)

        return self._more("prompted", (self.data_print, prompting), prompting, writer, begun, written_alone=True)

    def _more(
        self,
        name: str,
        source: tuple[Any, ...],
        settings: Growth | Prompting,
        writer: Callable[[], Writer],
        begun: Callable[[], TextSet],
        written_alone: bool = False,
    ) -> _Done:
        """The pool `name`: what has begun and what `writer` adds around what searches like, or that alone."""
        choose, file = self.settings.choose, self.out / POOL.format(name=name)
        facts = (choose.search, choose.over, choose.consistent, choose.views, choose.size, choose.near_copies)
        stage = Stage.named(self.out, f"pool-{name}", *source, *facts, self.seed)
        record = stage.found()
        if record is None or not file.is_file():
            began, total = time.perf_counter(), settings.rounds * (settings.sets + len(self.train.classes))
            with self.reporter.stage("growing the pool" if name == "grown" else f"writing ({name})", total) as bar:
                growing = Growing(
                    *(writer(), name, settings.rounds, settings.sets, self.train, self._features, choose),
                    *(self.streams.child("pool"), bar.advance, written_alone),
                )
                pool, record = growing.grown(begun())
            record["seconds"] = time.perf_counter() - began
            write_text_set(file, pool)
            stage.finish(record)
        return _Done(stage.identity, record, file)

    def _features(self, texts: TextSet) -> list[torch.Tensor]:
        return [self._encode(name, texts.texts, texts.pairs) for name in self.settings.choose.views]

    def _chosen(self, pools: dict[str, _Done]) -> tuple[Sets, float]:
        """Sets of every size by every method, and the seconds that it took to choose them."""
        choose, seen = self.settings.choose, self.recipe.representation.facts()
        pooled = [seen["pool"]] if "pool" in seen and seen["encoder"] in choose.views else []
        sets: Sets = {}
        seconds = 0.0
        chooser = None
        with self.reporter.stage("choosing", None) as bar:
            for name in choose.made:
                method = configured(METHODS[name], choose)
                source = [pools[method.source].identity] if method.source in pools else []
                for size in choose.sizes:
                    folder = self.out / SETS / name / str(size)
                    facts = (method, choose.sets, choose.views, name, size, self.data_print, self.seed)
                    stage = Stage.named(folder, "choice", *facts, *source, *pooled)
                    record = stage.found()
                    if record is None:
                        began = time.perf_counter()
                        chooser = chooser or self._chooser(pools, bar.advance)
                        for number, chosen in enumerate(chooser.sets(name, size)):
                            write_text_set(folder / f"{number:02d}.jsonl", chosen)
                        tried = chooser.sharpness.get((method.stream, size))
                        record = stage.finish(
                            {
                                **{"sets": choose.sets, "seconds": time.perf_counter() - began},
                                **({} if tried is None else {"sharpness": tried}),
                            }
                        )
                    seconds += record["seconds"]
                    sets[name, size] = [
                        read_text_set(folder / f"{number:02d}.jsonl", self.train.classes)
                        for number in range(choose.sets)
                    ]
        return sets, seconds

    def _chooser(self, pools: dict[str, _Done], tick: Tick) -> Chooser:
        read = {name: read_text_set(done.place, self.train.classes) for name, done in pools.items()}
        return Chooser(self.train, read, self.settings.choose, self._encode, self.streams.child("choose"), tick)

    def _encode(self, name: str, texts: list[str], pairs: list[str] | None) -> torch.Tensor:
        """Features of texts by the encoder of this name; the representation's own are pooled as it says."""
        if name == self.recipe.representation.encoder:
            return self.task.encoded(texts, pairs)
        return Encoder(name).features(texts, pairs)

    def _judged(
        self, sets: Sets, generators: dict[str, _Done], pools: dict[str, _Done], choosing: float
    ) -> dict[str, Any]:
        """Learners of several kinds learn from the sets, and are scored on the test rows."""
        metrics, judging = judge_sets(sets, self.task, self.settings, self.seed, self.reporter)
        records = {name: done.record for name, done in generators.items()}
        model, matching = records.get("vanilla"), records.get("matched")
        training = sum(float(record["seconds"]) for record in records.values())
        growing = sum(float(done.record.get("seconds", 0.0)) for done in pools.values())
        precision = precisions(self.recipe, self.where)
        metrics["cost"] = {
            # where nothing is trained, distilling is choosing, and writing what is chosen from
            "distill_seconds": round(growing + (training if records else choosing), 1),
            **({} if model is None else {"language_model_seconds": round(float(model["seconds"]), 1)}),
            "judging_seconds": judging,
            **({} if matching is None else {"outer_steps": matching["outer_steps"]}),
            "peak_rss_mib": round(peak_rss_mib(), 1),
            "threads": torch.get_num_threads(),
            # the language model may have been trained before, and elsewhere
            "precision": precision if model is None else precision | {"language_model": model["precision"]},
        }
        if model is not None:
            metrics["language_model"] = {key: value for key, value in model.items() if key != "history"}
        if pools:
            metrics["generation"] = {name: done.record for name, done in pools.items()}
        if matching is not None:
            metrics["matching"] = matching
        return with_variants(metrics)

    def _refuse_other_data(self) -> None:
        """What was chosen from other rows is not replaced by the way: whoever wants that says so."""
        before = manifest_in(self.out).get("data")
        known = before.get("fingerprint") if isinstance(before, dict) else None
        if known not in (None, self.data_print):
            raise ArtifactError(
                f"{self.out}: the data differ from those that this run began with ({self.recipe.data.name} was changed "
                "since, or is another file); put them back, choose another --out, or start anew with --force"
            )

    def _write_manifest(self, precision: dict[str, str]) -> None:
        """Where everything comes from."""
        manifest = Manifest(
            kind="texts",
            name=self.recipe.name,
            title=self.recipe.title,
            recipe=settings_of(self.recipe),
            seed=self.seed,
            precision=precision,
            commit=commit(),
            versions=versions(),
            data={**self.task.data, "classes": list(self.train.classes)},
            headline=Headline(method=self.settings.choose.headline, size=self.settings.choose.size),
        )
        write_manifest(self.out, manifest)


@dataclass(frozen=True)
class _Done:
    """A finished stage: what it was made from, what it found, and where its work lies."""

    identity: str
    record: dict[str, Any]
    place: Path


def _note(record: dict[str, float]) -> str:
    seen = f", perplexity {record['perplexity']:.1f}" if "perplexity" in record else ""
    return f"loss {record['loss']:.3f}{seen}"
