"""Settings of readable sets: how they are chosen and judged, and what writes the samples where a generator does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from textdistill.core.errors import did_you_mean, too_small
from textdistill.core.file_names import POOLS
from textdistill.core.precision import Precision
from textdistill.learners.pooling import POOLS as TOKEN_POOLS
from textdistill.learners.pretrained.encoder_files import PACKAGED
from textdistill.selection import SearchSettings
from textdistill.selection.methods import AMONG_REAL_ROWS, METHODS
from textdistill.selection.methods.ours import Ours
from textdistill.selection.methods.search_real import SearchReal
from textdistill.synthetic.generator.settings import GeneratorSettings, LanguageModelStage, Sampling
from textdistill.synthetic.generator_pool import PoolSettings

LEAST_OF_SEARCH = {"sweeps": 0, "candidates": 1, "most": 1, "rows": 1, "screen": 1, "compare": 1, "again": 1}
# What a recipe without a generator chooses by, and is remembered by, unless it says so.
WITHOUT_GENERATOR = ("random_real", "herding", "k_centers", "search_real")
HEADLINE_WITHOUT_GENERATOR = "search_real"
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
    """Which sets are chosen, and from what.

    `sets` sets of each of the `sizes` (samples a class) are chosen by each of `methods` (`selection.methods`), which
    see texts by the encoders `views`; `over`, `consistent` and `search` are settings of those that have such. The run
    is remembered by `headline` and `size`. Of what a generator writes, a pool of `pool` samples a class is chosen from;
    copies of training rows are left out of it: exact ones always, near ones by `near_copies`.
    """

    sizes: tuple[int, ...] = (5, 10, 20)
    sets: int = 20
    over: int = SearchReal.over
    pool: int = 3000
    consistent: bool = Ours.consistent
    near_copies: bool = True
    views: tuple[str, ...] = (PACKAGED,)
    search: SearchSettings = field(default_factory=SearchSettings)
    methods: tuple[str, ...] = (
        *("random_real", "herding", "k_centers", "search_real"),
        *("vanilla_lm", "dilm", "ours", "k_centers_soft", "ours_soft"),
    )
    headline: str = "ours"
    size: int = 10

    choices: ClassVar[Mapping[str, Sequence[str]]] = {"methods": tuple(METHODS), "headline": tuple(METHODS)}

    @property
    def made(self) -> tuple[str, ...]:
        """The methods whose sets are made here, and not by other authors."""
        return tuple(name for name in self.methods if name in METHODS and METHODS[name].source != "released")

    @property
    def pools(self) -> tuple[str, ...]:
        """What generators must write for the methods to choose from: `vanilla`, `matched`, both or nothing."""
        sources = {METHODS[name].source for name in self.made}
        return tuple(name for name in POOLS if name in sources)

    def faults(self) -> list[str]:
        """What is wrong with the values, one line each: the key, the value found, what is allowed."""
        found = too_small(self, {"sizes": 1, "sets": 1, "over": 1, "pool": 1, "size": 1})
        found += [f"search.{fault}" for fault in too_small(self.search, LEAST_OF_SEARCH)]
        for key in ("sizes", "views", "methods"):
            if not getattr(self, key):
                found.append(f"{key}: empty; name at least one")
        if self.size not in self.sizes:
            found.append(f"size: {self.size}; allowed: one of choose.sizes, {list(self.sizes)}")
        if self.headline not in self.made:
            found.append(f"headline: {self.headline!r}; allowed: one of choose.methods that are made here")
        return found

    def faults_without_generator(self) -> list[str]:
        """One line for each method that chooses among what a generator writes."""
        return [
            f"methods: {name!r} chooses among what a generator writes; add a section generator, or choose among real "
            f"rows: {', '.join(AMONG_REAL_ROWS)}"
            for name in self.made
            if METHODS[name].source in POOLS
        ]


def without_generator(given: Any) -> Any:
    """The section `choose` of a recipe without a generator: where it names no methods, those that need none."""
    if not isinstance(given, Mapping):
        return given
    methods, usual = given.get("methods", WITHOUT_GENERATOR), HEADLINE_WITHOUT_GENERATOR
    named = [methods] if isinstance(methods, str) else methods
    headline = named[-1] if isinstance(named, list) and named and usual not in named else usual
    return {"methods": methods, "headline": headline, **given}


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
        told = [("kind", self.kind, JUDGES), ("pool", self.pool, tuple(TOKEN_POOLS))]
        told += [("methods", one, tuple(METHODS)) for one in self.methods or ()]
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
    """All sections of a recipe for readable sets; without a `generator`, only `choose` and `judge` say something."""

    generator: GeneratorSettings | None = None
    language_model: LanguageModelStage = field(default_factory=LanguageModelStage)
    sampling: Sampling = field(default_factory=Sampling)
    pool: PoolSettings = field(default_factory=PoolSettings)
    teacher: Teacher = field(default_factory=Teacher)
    choose: Choose = field(default_factory=Choose)
    judge: Judge = field(default_factory=Judge)
