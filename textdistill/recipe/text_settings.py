"""Settings of what follows the generator's training: how sets are chosen, and how they are judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from textdistill.core.errors import did_you_mean, too_small
from textdistill.core.precision import Precision
from textdistill.learners.pooling import POOLS
from textdistill.learners.pretrained.encoder_files import PACKAGED
from textdistill.selection import SearchSettings
from textdistill.synthetic.generator.settings import GeneratorSettings, LanguageModelStage, Sampling
from textdistill.synthetic.generator_pool import PoolSettings

# Sets of real rows, of the language model's samples, of the matched generator's; by the same labels or by soft ones.
REAL = ("random_real", "herding", "k_centers", "best_k_centers", "search_real")
GENERATED = ("vanilla_lm", "dilm", "vanilla_random", "dilm_random", "ours")
SEARCHED = ("search_real", "ours")
SOFT = {"k_centers_soft": "k_centers", "dilm_soft": "dilm", "ours_soft": "ours"}
RELEASED = "released"
METHODS = (*REAL, *GENERATED, *SOFT, RELEASED)
LEAST_OF_SEARCH = {"sweeps": 0, "candidates": 1, "rows": 1, "screen": 1, "compare": 1, "again": 1}
JUDGES = ("frozen", "finetuned", "text_conv", "bi_lstm")


@dataclass(frozen=True)
class Teacher:
    """The representative real rows that gradients are matched with: `sets` of `rows` a class; none draws uniformly.

    A set's rows are the K-centres of `candidates` training rows a class, drawn for it.
    """

    sets: int = 10
    rows: int = 200
    candidates: int = 4000

    def faults(self) -> list[str]:
        """What is wrong with the values, one line each: the key, the value found, what is allowed."""
        return too_small(self, {"sets": 0, "rows": 1, "candidates": 1})


@dataclass(frozen=True)
class Choose:
    """What is generated, and which sets are chosen from it.

    For each of the `sizes` (samples a class) and each of `sets` sets, `over` times as many samples as are kept are
    drawn from a pool of `pool` samples a class. `vanilla_lm` and `dilm` keep K-centre samples of it (Maekawa et al.
    2024, 3.4), `vanilla_random` and `dilm_random` any, `ours` the set that `search` finds among samples that a linear
    head on all real rows labels as their own (`consistent`), in the views of `views` encoders. `methods` are what is
    made, `headline` and `size` what the run is remembered by. Copies of training rows are left out: exact ones always,
    near ones by `near_copies`.
    """

    sizes: tuple[int, ...] = (5, 10, 20)
    sets: int = 20
    over: int = 100
    pool: int = 3000
    consistent: bool = True
    near_copies: bool = True
    views: tuple[str, ...] = (PACKAGED,)
    search: SearchSettings = field(default_factory=SearchSettings)
    methods: tuple[str, ...] = (
        *("random_real", "herding", "k_centers", "search_real"),
        *("vanilla_lm", "dilm", "ours", "k_centers_soft", "ours_soft"),
    )
    headline: str = "ours"
    size: int = 10

    choices: ClassVar[Mapping[str, Sequence[str]]] = {"methods": METHODS, "headline": METHODS}

    def faults(self) -> list[str]:
        """What is wrong with the values, one line each: the key, the value found, what is allowed."""
        found = too_small(self, {"sizes": 1, "sets": 1, "over": 1, "pool": 1, "size": 1})
        found += [f"search.{fault}" for fault in too_small(self.search, LEAST_OF_SEARCH)]
        for key in ("sizes", "views", "methods"):
            if not getattr(self, key):
                found.append(f"{key}: empty; name at least one")
        if self.size not in self.sizes:
            found.append(f"size: {self.size}; allowed: one of choose.sizes, {list(self.sizes)}")
        if self.headline not in self.methods or self.headline == RELEASED:
            found.append(f"headline: {self.headline!r}; allowed: one of choose.methods that are made here")
        return found


@dataclass(frozen=True)
class Judgement:
    """One kind of learner that sets are judged by.

    `kind` is `frozen` (an encoder that never changes, with a linear head), `finetuned` (the encoder as a whole), or
    a network on word vectors. `sizes`, `methods` and `sets` say which of the chosen sets it sees (none: all of them),
    `nets` how many networks learn from each; `steps` how long, and how `finetuned` states are pooled (`mean`, `cls`).
    """

    kind: str
    sizes: tuple[int, ...] | None = None
    methods: tuple[str, ...] | None = None
    sets: int | None = None
    nets: int = 1
    steps: int | None = None
    pool: str = "mean"

    def faults(self) -> list[str]:
        """What is wrong with the values, one line each: the key, the value found, what is allowed."""
        found = too_small(self, {"sizes": 1, "sets": 1, "nets": 1, "steps": 1})
        told = [("kind", self.kind, JUDGES), ("pool", self.pool, tuple(POOLS))]
        told += [("methods", one, METHODS) for one in self.methods or ()]
        for key, value, allowed in told:
            if value not in allowed:
                found.append(f"{key}: {value!r}; allowed: {', '.join(allowed)}{did_you_mean(value, allowed)}")
        return found


@dataclass(frozen=True)
class Judge:
    """How the chosen sets are judged, on test rows that nothing has seen.

    `encoder` is the encoder of `frozen` and `finetuned`, which multiplies matrices in `precision` where it is
    fine-tuned; `penalty` the linear head's λ, the same for every method. `fluency_model` names the causal language
    model whose perplexity is told (none: no perplexity). `released` is a folder of sets of other authors,
    `SIZE/NN.jsonl` below it by a name ending in `_SIZE`.
    """

    encoder: str = PACKAGED
    precision: Precision = "auto"
    penalty: float = 1e-3
    by: tuple[Judgement, ...] = (Judgement("frozen"),)
    fluency_model: str | None = None
    released: str | None = None

    def faults(self) -> list[str]:
        """What is wrong with the values, one line each: the key, the value found, what is allowed."""
        found = [f"by.{number}.{fault}" for number, one in enumerate(self.by) for fault in one.faults()]
        if not self.by:
            found.append("by: empty; name at least one judge")
        return found + ([] if self.penalty > 0 else [f"penalty: {self.penalty}; allowed: above 0"])


@dataclass(frozen=True)
class TextLevel:
    """All sections of a recipe that has a generator."""

    generator: GeneratorSettings = field(default_factory=GeneratorSettings)
    language_model: LanguageModelStage = field(default_factory=LanguageModelStage)
    sampling: Sampling = field(default_factory=Sampling)
    pool: PoolSettings = field(default_factory=PoolSettings)
    teacher: Teacher = field(default_factory=Teacher)
    choose: Choose = field(default_factory=Choose)
    judge: Judge = field(default_factory=Judge)
