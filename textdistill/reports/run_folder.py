"""What a finished run left in its folder, read and checked: the only source of the report.

Needed are `metrics.json` and `manifest.json`; `metrics.jsonl`, `decoded.json`, `images.json`, `picture.json` and
`references.bib` may be absent. What is there must be well formed: a fault is an `ArtifactError` with the file's name,
the entry and the remedy. Accuracies are in percent.
"""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, FiniteFloat, NonNegativeInt, PositiveInt, field_validator, model_validator

from textdistill.core.errors import ArtifactError
from textdistill.core.file_names import DECODED, IMAGES, METRICS, PICTURE, REFERENCES, STEPS
from textdistill.core.json_files import Part, existing, facts_in, optional, parse, required, text_of
from textdistill.core.manifest import Manifest, read_manifest
from textdistill.representations.decode import Decoded


class Score(Part):
    """A mean in percent with its standard deviation over `n` repetitions; `sd` is missing for a single one."""

    mean: FiniteFloat
    sd: FiniteFloat | None = None
    n: int | None = None


class Scored(Part):
    """One way of training, judged on the test rows: its accuracy and whatever further metrics the task has."""

    accuracy: Score

    def further(self) -> dict[str, Score]:
        """Every metric of this block but the accuracy, by its name."""
        blocks = {name: value for name, value in (self.model_extra or {}).items() if isinstance(value, dict)}
        return {name: Score.model_validate(value) for name, value in blocks.items() if "mean" in value}

    @model_validator(mode="after")
    def _further_metrics_are_scores(self) -> Scored:
        self.further()
        return self


class Cost(Part):
    """What distilling took; seconds of wall clock and MiB."""

    distill_seconds: float | None = None
    outer_steps: int | None = None
    peak_rss_mib: float | None = None


class Metrics(Part):
    """`metrics.json`."""

    full: Scored
    distilled: Scored
    distilled_snapped: Scored | None = None
    distilled_ordinary: Scored | None = None
    baselines: dict[str, Scored | None] = Field(default_factory=dict)
    traditional: dict[str, Scored | None] = Field(default_factory=dict)
    ratio: Score | None = None
    samples: int
    cost: Cost = Cost()
    protocol: dict[str, Any] = Field(default_factory=dict)
    confusion: list[list[int]] | None = None
    classes: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _square(self) -> Metrics:
        if self.confusion is not None:
            count = len(self.classes) or len(self.confusion)
            if len(self.confusion) != count or any(len(row) != count for row in self.confusion):
                raise ValueError(f"confusion must have one row and one column for each of the {count} classes")
        return self


class Step(Part):
    """One line of `metrics.jsonl`; values that were not taken at this step are missing."""

    step: int
    loss: float | None = None
    gradient_norm: float | None = None
    lr: float | None = None
    validation: float | None = None


class Picture(Part):
    """`picture.json`: points (x, y, class index) of real rows and distilled samples."""

    real: list[tuple[FiniteFloat, FiniteFloat, NonNegativeInt]]
    distilled: list[tuple[FiniteFloat, FiniteFloat, NonNegativeInt]]
    explained: list[FiniteFloat] = Field(default_factory=list)


_PNG_URI = "data:image/png;base64,"
_PNG_HEAD = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"  # the signature, and the head of the first part
_WIDEST = 4096  # pixels


class Image(Part):
    """One distilled image: a PNG as data URI, and its highest labels as (class name, value)."""

    step: NonNegativeInt
    sample: NonNegativeInt
    png: str
    labels: list[tuple[str, FiniteFloat]]

    @field_validator("png")
    @classmethod
    def _is_a_picture(cls, uri: str) -> str:
        """A browser is given nothing but PNG: no other kind of file, and no address."""
        try:
            data = base64.b64decode(uri.removeprefix(_PNG_URI), validate=True)
        except ValueError:
            data = b""
        if not uri.startswith(_PNG_URI) or not data.startswith(_PNG_HEAD) or len(data) < len(_PNG_HEAD) + 8:
            raise ValueError(f"must be a PNG as data URI ({_PNG_URI}…)")
        if not all(0 < side <= _WIDEST for side in struct.unpack_from(">II", data, len(_PNG_HEAD))):
            raise ValueError(f"must be a PNG of 1 to {_WIDEST} pixels a side")
        return uri


class Images(Part):
    """`images.json`: the distilled images that are shown, of `total`; `clipped` is the share of pixels cut to 0..1."""

    images: list[Image] = Field(min_length=1)
    total: PositiveInt
    height: PositiveInt
    width: PositiveInt
    clipped: FiniteFloat = Field(default=0.0, ge=0, le=1)


@dataclass(frozen=True)
class FinishedRun:
    """Everything that a report may tell of one run."""

    folder: Path
    metrics: Metrics
    manifest: Manifest
    steps: list[Step]
    decoded: Decoded | None
    images: Images | None
    picture: Picture | None
    references: str | None

    @property
    def classes(self) -> list[str]:
        """Class names in the order of the label's values."""
        return self.metrics.classes or self.manifest.classes


def read_run(folder: Path) -> FinishedRun:
    """Read and check a finished run's folder; raises `ArtifactError` for what is missing or malformed."""
    folder = existing(folder)
    again = "evaluate the run again, or delete the file to leave it out"
    metrics = required(folder / METRICS, "evaluate the run, which writes it", Metrics)
    manifest = read_manifest(folder, "distil again, or copy it from the run's machine", "recipe")
    decoded = optional(folder / DECODED, again, dict)
    return FinishedRun(
        folder=folder,
        metrics=metrics,
        manifest=manifest,
        steps=steps_of(folder / STEPS),
        decoded=None if decoded is None else _decoded(folder / DECODED, decoded),
        images=optional(folder / IMAGES, again, Images),
        picture=optional(folder / PICTURE, again, Picture),
        references=text_of(folder / REFERENCES, "delete the file to leave it out"),
    )


def decoded_in(folder: Path) -> Decoded:
    """The decoded sentences of a run's folder. Errors: `ArtifactError` where there are none, or damaged ones."""
    return Decoded.from_dict(facts_in(folder, DECODED))


def steps_of(path: Path) -> list[Step]:
    """The lines of the log in order of their step; of a step that a resumed run took again, the last line counts."""
    remedy = "delete the faulty line, or the file to leave the curves out"
    lines = enumerate((text_of(path, remedy) or "").split("\n"), start=1)
    steps = [parse(line, f"{path}, line {number}", remedy, Step) for number, line in lines if line.strip()]
    return [step for _, step in sorted({step.step: step for step in steps}.items())]


def _decoded(path: Path, values: dict[str, Any]) -> Decoded:
    try:
        return Decoded.from_dict(values)
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}; evaluate the run again, or delete the file to leave it out") from None
