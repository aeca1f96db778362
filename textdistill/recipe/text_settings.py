"""Settings of readable sets: how they are chosen and judged, and what writes the samples where a generator does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from textdistill.core.bounds import Count, Doc, Natural, OneOf, Positive, faults_of
from textdistill.core.file_names import GENERATED, POOLS
from textdistill.core.precision import Precision
from textdistill.learners.pooling import POOLS as TOKEN_POOLS
from textdistill.learners.pretrained.encoder_files import PACKAGED
from textdistill.selection import SearchSettings
from textdistill.selection.methods import AMONG_REAL_ROWS, METHODS
from textdistill.selection.methods.ours import Ours
from textdistill.selection.methods.search_real import SearchReal
from textdistill.selection.methods.soft_labels import SoftLabels
from textdistill.synthetic.generator.settings import GeneratorSettings, LanguageModelStage, Sampling
from textdistill.synthetic.generator_pool import PoolSettings

# What a recipe without a generator chooses by, and is remembered by, unless it says so.
WITHOUT_GENERATOR = ("random_real", "herding", "k_centers", "search_real")
HEADLINE_WITHOUT_GENERATOR = "search_real"
Method = Annotated[str, OneOf(tuple(METHODS))]
JUDGES = ("frozen", "finetuned", "text_conv", "bi_lstm", "tfidf")


@dataclass(frozen=True)
class Teacher:
    """The representative real rows that gradients are matched with.

    The paper clusters all rows of a class (Maekawa et al. 2024, 3.3); here each set's K-means is of a draw of them.
    """

    sets: Annotated[Natural, Doc("sets of them; none draws rows uniformly")] = 10
    rows: Annotated[Count, Doc("rows of each class in a set")] = 200
    candidates: Annotated[Count, Doc("training rows of each class, drawn for a set, whose K-centres these are")] = 4000


@dataclass(frozen=True)
class Growth:
    """How the pool of `grown` grows: the generator writes where searches of the pool so far want samples.

    In each round the members of so many searched sets are begun anew: each is cut at a random token and written on,
    which gives rewrites of its end, other continuations of its first words, and new samples of its class.
    """

    rounds: Annotated[Count, Doc("times that it grows")] = 3
    sets: Annotated[Count, Doc("searches of a round, whose members are written on")] = 4
    each: Annotated[Count, Doc("samples that are written for a member")] = 20


@dataclass(frozen=True)
class Prompting:
    """How a language model that learns nothing writes the pool of `prompted`.

    In each round the members of so many searched sets, among real rows and what was written before, are shown to it, a
    few of one class in a prompt, and it writes more of the kind.
    """

    model: Annotated[str, Doc("smollm2, a folder, a .gguf file, gpt2 or another hub id")] = "smollm2"
    rounds: Annotated[Count, Doc("times that it is asked")] = 3
    sets: Annotated[Count, Doc("searches of a round, whose members it is shown")] = 4
    shown: Annotated[Count, Doc("members in a prompt")] = 8
    samples: Annotated[Count, Doc("samples that it writes in a round, of all classes as many")] = 2304
    top_p: Annotated[Positive, Le(1), Doc("the chance that the tokens have together that are drawn from")] = 0.9
    temperature: Annotated[Positive, Doc("of the drawing")] = 1.0
    length: Annotated[
        Annotated[int, Ge(2)] | None,
        Doc("the most tokens of a sample, its end too; none: what 99 % of the training rows do not exceed, 96 at most"),
    ] = None
    precision: Annotated[Precision, Doc("of its weights")] = "auto"

    def of_each(self, classes: int) -> int:
        """Samples of each class that it writes in a round."""
        return math.ceil(self.samples / classes)

    @property
    def sampling(self) -> Sampling:
        """How tokens are drawn; what is no text is not drawn again."""
        return Sampling(top_p=self.top_p, temperature=self.temperature, length=self.length, retries=0)


@dataclass(frozen=True)
class Choose:
    """Which sets are chosen, and from what.

    Sets are chosen by each of `methods` (`selection.methods`), which see texts by the encoders `views`; `over`,
    `consistent` and `search` are settings of those that have such. Of what a generator writes, copies of training rows
    are left out: exact ones always, near ones by `near_copies`.
    """

    sizes: Annotated[tuple[Count, ...], Doc("samples of each class")] = (5, 10, 20)
    sets: Annotated[Count, Doc("sets of each size, by each method")] = 20
    over: Annotated[Count, Doc("how many times as many samples are drawn as are kept")] = SearchReal.over
    pool: Annotated[Count, Doc("samples of each class that a generator writes to choose from")] = 3000
    consistent: Annotated[bool, Doc("only samples that a head on all real rows labels as their own")] = Ours.consistent
    near_copies: Annotated[bool, Doc("leave out near copies of training rows, too")] = True
    views: Annotated[tuple[str, ...], Doc("encoders by whose features the methods see texts")] = (PACKAGED,)
    search: Annotated[SearchSettings, Doc("how long and how wide to search")] = field(default_factory=SearchSettings)
    methods: Annotated[tuple[Method, ...], Doc("by which sets are chosen")] = (
        *("random_real", "herding", "k_centers", "search_real"),
        *("vanilla_lm", "dilm", "ours", "k_centers_soft", "ours_soft"),
    )
    grow: Annotated[Growth, Doc("how the pool of the method grown grows")] = field(default_factory=Growth)
    prompted: Annotated[Prompting, Doc("how the pool of the method prompted is written")] = field(
        default_factory=Prompting
    )
    labels: Annotated[
        Literal["head", "ridge"], Doc("the classifier by which soft labels are distilled: logistic, or in closed form")
    ] = SoftLabels.labels
    headline: Annotated[Method, Doc("the method that the run is remembered by")] = "ours"
    size: Annotated[Count, Doc("the size that the run is remembered by")] = 10
    keep: Annotated[
        Literal["first", "best"], Doc("which of its sets is the run's own; best: on train and validation")
    ] = "first"

    @property
    def made(self) -> tuple[str, ...]:
        """The methods whose sets are made here, and not by other authors."""
        return tuple(name for name in self.methods if name in METHODS and METHODS[name].source != "released")

    @property
    def pools(self) -> tuple[str, ...]:
        """What must be written for the methods to choose from, in order: `grown` grows from `matched`."""
        sources = {METHODS[name].source for name in self.made}
        if "grown" in sources:
            sources.add("matched")
        return tuple(name for name in POOLS if name in sources)

    @property
    def generated(self) -> tuple[str, ...]:
        """Those of the pools that a trained generator writes."""
        return tuple(name for name in self.pools if name in GENERATED)

    def between(self) -> list[str]:
        """What is empty, and what is remembered but not made."""
        faults = []
        for key in ("sizes", "views", "methods"):
            if not getattr(self, key):
                faults.append(f"{key}: empty; name at least one")
        if self.size not in self.sizes:
            faults.append(f"size: {self.size}; allowed: one of choose.sizes, {list(self.sizes)}")
        if self.headline not in self.made:
            faults.append(f"headline: {self.headline!r}; allowed: one of choose.methods that are made here")
        return faults

    def faults_without_generator(self) -> list[str]:
        """One line for each method that chooses among what a generator writes."""
        return [
            f"methods: {name!r} chooses among what a generator writes; add a section generator, or choose among real "
            f"rows: {', '.join(AMONG_REAL_ROWS)}"
            for name in self.made
            if METHODS[name].source in GENERATED
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

    `kind` is `frozen` (an encoder that never changes, with a linear head), `finetuned` (the encoder as a whole), a
    network on word vectors, or `tfidf` (words and pairs of words, with logistic regression).
    """

    kind: Annotated[str, OneOf(JUDGES), Doc("what learns from the sets")]
    sizes: Annotated[tuple[Count, ...] | None, Doc("which sizes it sees; none: all")] = None
    methods: Annotated[tuple[Method, ...] | None, Doc("which methods' sets it sees; none: all")] = None
    sets: Annotated[Count | None, Doc("how many of them; none: all")] = None
    nets: Annotated[Count, Doc("networks that learn from each")] = 1
    steps: Annotated[Count | None, Doc("how long; none: what is usual for the kind")] = None
    pool: Annotated[str, OneOf(tuple(TOKEN_POOLS)), Doc("how finetuned states are pooled")] = "mean"


@dataclass(frozen=True)
class Judge:
    """How the chosen sets are judged, on test rows that nothing has seen."""

    encoder: Annotated[str, Doc("the encoder of frozen and finetuned")] = PACKAGED
    precision: Annotated[Precision, Doc("in which it multiplies where it is fine-tuned")] = "auto"
    penalty: Annotated[Positive, Doc("λ of the linear head, the same for every method")] = 1e-3
    by: Annotated[tuple[Judgement, ...], Doc("the learners that judge")] = (Judgement("frozen"),)
    fluency_model: Annotated[str | None, Doc("causal language model whose perplexity is told; none: no such")] = None
    released: Annotated[
        str | None, Doc("a folder of other authors' sets, SIZE/NN.jsonl below a name ending in _SIZE")
    ] = None

    def between(self) -> list[str]:
        """What is wrong with the judges, if only that there are none."""
        faults = [f"by.{number}.{fault}" for number, judgement in enumerate(self.by) for fault in faults_of(judgement)]
        return faults if self.by else ["by: empty; name at least one judge"]


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
