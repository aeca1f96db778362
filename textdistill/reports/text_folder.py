"""What a text-level run, or the judgement of anybody's set, left in its folder, read and checked.

Needed are `metrics.json` (with `variants`) and `manifest.json`; `samples.jsonl`, `headline.json`, `metrics.jsonl`,
`language-model.jsonl` and `references.bib` may be absent. Accuracies are in percent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, FiniteFloat, NonNegativeInt, PositiveInt

from textdistill.core.errors import ArtifactError
from textdistill.core.file_names import LOOK, MANIFEST, METRICS, MODEL_STEPS, REFERENCES, SAMPLES, STEPS
from textdistill.core.json_files import Part, existing, optional, required, text_of
from textdistill.core.manifest import Headline, Manifest, read_manifest
from textdistill.data.sets.text_set import TextSet
from textdistill.data.sets.text_sets import read_text_set
from textdistill.reports.run_folder import Cost, Picture, Score, Scored, Step, steps_of

UNLIKE = 5.0  # points above an equal share
MOST_OF_NAME = 40  # letters of a class
AGAIN = "judge it again (textdistill evaluate), or delete the file to leave it out"


class Claim(Part):
    """mean(a) − mean(b) with its t-test and the bootstrap interval; missing where a side is a single set.

    `paired` where both sides have the same sets, or networks that began alike; else the test is Welch's.
    """

    difference: FiniteFloat
    t: FiniteFloat | None = None
    df: FiniteFloat | None = None
    p: FiniteFloat | None = None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    paired: bool = False


class MostFrequent(Part):
    """The class with most training rows, one `of` so many, and what naming it always is right about, in percent."""

    name: str = Field(alias="class")
    of: PositiveInt
    accuracy: FiniteFloat

    @classmethod
    def told_in(cls, protocol: Mapping[str, Any]) -> MostFrequent | None:
        """That of a judge's protocol, where it says."""
        known = protocol.get("most_frequent")
        return cls.model_validate(known) if isinstance(known, dict) else None

    @property
    def told(self) -> str:
        """What it is called in a table."""
        return f"Naming {self.name[:MOST_OF_NAME]} always"

    @property
    def telling(self) -> bool:
        """Whether that is so much more than an equal share that figures are to be read beside it."""
        return self.accuracy > 100 / self.of + UNLIKE


class Variant(Part):
    """One judge and one size: the headline's score, all other methods', and tests between them.

    `kept` is what that one of the headline's sets reaches which the run keeps as its own.
    """

    learner: str
    headline: str
    distilled: Scored
    baselines: dict[str, Scored] = Field(default_factory=dict)
    full: Scored | None = None
    ratio: Score | None = None
    kept: FiniteFloat | None = None
    samples: PositiveInt
    comparisons: dict[str, Claim] = Field(default_factory=dict)
    protocol: dict[str, Any] = Field(default_factory=dict)

    @property
    def usual(self) -> MostFrequent | None:
        """The most frequent class, where the test rows are far from equally many of each."""
        usual = MostFrequent.told_in(self.protocol)
        return usual if usual is not None and usual.telling else None

    def methods(self) -> dict[str, Scored]:
        """Every method's scores, the headline's first."""
        return {self.headline: self.distilled, **self.baselines}


class Compression(Part):
    """How much smaller a set is than the training data, counted in one unit."""

    set: int
    train: int
    ratio: FiniteFloat


class SeenRows(Part):
    """How many of `n` samples are copies of test rows; the exact ones are near ones, too."""

    exact: NonNegativeInt
    near: NonNegativeInt
    n: PositiveInt


class Kept(Part):
    """Which of the headline's sets the run kept as its own, by what each reached on training and validation rows."""

    number: NonNegativeInt
    reached: list[FiniteFloat] = Field(default_factory=list)


class TextMetrics(Part):
    """`metrics.json`; `variants` are called `JUDGE@SIZE`, the size in samples a class."""

    variants: dict[str, Variant] = Field(min_length=1)
    cost: Cost = Cost()
    protocol: dict[str, Any] = Field(default_factory=dict)
    generation: dict[str, dict[str, Any]] = Field(default_factory=dict)
    language_model: dict[str, Any] = Field(default_factory=dict)
    matching: dict[str, Any] = Field(default_factory=dict)
    texts: dict[str, dict[str, Any]] = Field(default_factory=dict)
    robust: dict[str, dict[str, Any]] = Field(default_factory=dict)
    compression: dict[str, Compression] = Field(default_factory=dict)
    kept: Kept | None = None
    test_copies: SeenRows | None = None


class Near(Part):
    """A real row that lies near a sample."""

    text: str
    label: str
    distance: FiniteFloat


class Look(Part):
    """`headline.json`: what one looks at of the headline's first set (see `headline.look`)."""

    encoder: str
    near: list[list[Near]] = Field(default_factory=list)
    picture: Picture | None = None
    shown: list[str] = Field(default_factory=list)
    confusion: list[list[int]] | None = None
    soft: list[list[FiniteFloat]] | None = None
    soft_of: str | None = None
    texts: dict[str, Any] = Field(default_factory=dict)


class ModelStep(Part):
    """A line of `language-model.jsonl`."""

    step: int
    loss: float | None = None
    perplexity: float | None = None


@dataclass(frozen=True)
class TextFolder:
    """Everything that a report may tell."""

    folder: Path
    metrics: TextMetrics
    manifest: Manifest
    samples: TextSet | None
    look: Look | None
    steps: list[Step]
    model_steps: list[ModelStep]
    references: str | None

    @property
    def classes(self) -> list[str]:
        """Names of the classes, in the order of the labels."""
        return self.manifest.class_names

    @property
    def headline(self) -> Headline:
        """Which method and size the run is remembered by."""
        assert self.manifest.headline is not None  # `read_folder` reads no manifest without one
        return self.manifest.headline


def read_folder(folder: Path) -> TextFolder:
    """Read and check a folder; raises `ArtifactError` for what is missing or malformed."""
    folder = existing(folder)
    for name in (METRICS, MANIFEST, LOOK, SAMPLES, STEPS, MODEL_STEPS, REFERENCES):
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            raise ArtifactError(f"{folder / name}: leads outside the folder; copy the real file there")
    metrics = required(folder / METRICS, "judge the sets, which writes it: textdistill evaluate", TextMetrics)
    manifest = read_manifest(folder, "run it again, or copy it from the run's machine", "kind", "headline")
    samples = read_text_set(folder, manifest.data.get("classes")) if (folder / SAMPLES).is_file() else None
    look = optional(folder / LOOK, AGAIN, Look)
    lines = (text_of(folder / MODEL_STEPS, AGAIN) or "").splitlines()
    remedy = "delete the faulty line, or the file to leave the curves out"
    try:
        model_steps = [ModelStep.model_validate_json(line) for line in lines if line.strip()]
    except ValueError:
        raise ArtifactError(f"{folder / MODEL_STEPS}: a line is no step of training; {remedy}") from None
    return TextFolder(
        folder=folder,
        metrics=metrics,
        manifest=manifest,
        samples=samples,
        look=None if look is None else _fitting(look, samples, manifest, folder),
        steps=steps_of(folder / STEPS),
        model_steps=model_steps,
        references=text_of(folder / REFERENCES, "delete the file to leave it out"),
    )


def _fitting(look: Look, samples: TextSet | None, manifest: Manifest, folder: Path) -> Look:
    """What was seen must be of the samples and classes that lie beside it."""
    classes = len(manifest.class_names)
    n = 0 if samples is None else len(samples)
    faults = []
    if look.near and len(look.near) != n:
        faults.append(f"near: {len(look.near)} samples; samples.jsonl has {n}")
    if look.soft is not None and (len(look.soft) != n or any(len(row) != classes for row in look.soft)):
        faults.append(f"soft: one value of each of {classes} classes for each of {n} samples is needed")
    if look.confusion is not None and {len(look.confusion), *map(len, look.confusion)} != {classes}:
        faults.append(f"confusion: {classes} rows of {classes} counts are needed")
    if look.picture is not None and (len(look.picture.distilled) != n or len(look.shown) != len(look.picture.real)):
        faults.append("picture: a point for every sample, and a text for every real row, is needed")
    if faults:
        raise ArtifactError(f"{folder / LOOK}: {'; '.join(faults)}; {AGAIN}")
    return look
