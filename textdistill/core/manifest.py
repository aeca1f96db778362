"""`manifest.json`, for every kind of run: one model of what it holds, one function that writes it, one that reads it.

A folder says by its number `format` which version of this page it keeps to. Folders older than the number are read as
what they are, those of a newer one are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, FiniteFloat, NonNegativeInt, PositiveInt, model_validator

from textdistill.core.checkpoint import write_atomic
from textdistill.core.errors import ArtifactError
from textdistill.core.file_names import MANIFEST
from textdistill.core.json_files import Part, checked, facts_in, required

FORMAT = 1
KINDS = ("texts", "evaluation")  # a run for readable sets, and the judgement of a set; a set in tensors names no kind


class Headline(Part):
    """Which method and size (samples a class) a run is remembered by."""

    method: str
    size: PositiveInt


class Manifest(Part):
    """What a set was made from, with which code and data; of a set in tensors also what it consists of.

    Every kind has `title`, `recipe` (resolved: every default is in it), `seed`, `commit`, `versions` and `data`.
    """

    format: NonNegativeInt = 0  # 0: a folder from before readable sets had the number
    kind: str | None = None
    name: str | None = None
    title: str
    paper: str | list[str] | None = None
    variant: str | None = None
    set: str | None = None  # where a judged set came from
    recipe: dict[str, Any] = Field(default_factory=dict)
    seed: int | None = None
    versions: dict[str, Any] = Field(default_factory=dict)
    commit: str | None = None
    data: dict[str, Any] = Field(default_factory=dict)
    headline: Headline | None = None
    # of a set in tensors
    vectors: dict[str, Any] | None = None
    classes: list[str] = Field(default_factory=list)
    shape: list[int] | None = None
    initialisation: str | None = None
    learning_rates: list[list[float]] | None = None
    outcome: dict[str, Any] | None = None
    # of either, where there was a choice
    precision: dict[str, Any] | None = None
    owners: list[NonNegativeInt] | None = None
    targets: list[list[list[FiniteFloat]]] | None = None

    @model_validator(mode="after")
    def _even(self) -> Manifest:
        widths = {len(label) for step in self.targets or [] for label in step}
        if len({len(step) for step in self.targets or []}) > 1 or len(widths) > 1 or 0 in widths:
            raise ValueError(
                "targets must be a full table: as many samples in every step, as many values in every label"
            )
        if widths and self.classes and widths != {len(self.classes)}:
            raise ValueError(f"targets must hold one value for each of the {len(self.classes)} classes")
        if self.owners and self.targets and len(self.owners) != sum(map(len, self.targets)):
            raise ValueError("owners must hold one class for each sample of targets")
        if not isinstance(self.data.get("classes", []), list):
            raise ValueError("data.classes must be a list of names")
        return self

    @property
    def class_names(self) -> list[str]:
        """The classes in the order of the labels; readable sets have them with their data."""
        return self.classes or [str(name) for name in self.data.get("classes", [])]

    @property
    def papers(self) -> list[str]:
        """The BibTeX keys."""
        keys = self.paper if isinstance(self.paper, list) else (self.paper or "").split(",")
        return [key.strip() for key in keys if key.strip()]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json`, whole or not at all, with this version's number and the entries that were given."""
    entries = {"format": FORMAT, **manifest.model_dump(exclude={"format"}, exclude_unset=True)}
    text = json.dumps(entries, indent=1, ensure_ascii=False, default=str) + "\n"
    write_atomic(folder / MANIFEST, text.encode(errors="backslashreplace"))  # a path's odd bytes, as JSON escapes them


def read_manifest(folder: Path, remedy: str, *needed: str) -> Manifest:
    """The manifest of a folder; `needed` are entries that must be there, beside the title.

    Errors: `ArtifactError` for a file that is missing or malformed, with the `remedy`, and for a newer format.
    """
    return manifest_of(required(folder / MANIFEST, remedy, dict), folder / MANIFEST, remedy, *needed)


def manifest_of(values: Mapping[str, Any], path: Path, remedy: str, *needed: str) -> Manifest:
    """A manifest's JSON, read from `path`, as `Manifest`; errors as of `read_manifest`."""
    check_format(values, path)
    manifest = checked(values, str(path), remedy, Manifest)
    missing = [name for name in needed if getattr(manifest, name) is None or name not in manifest.model_fields_set]
    if missing:
        raise ArtifactError(f"{path}: {'; '.join(f'{name}: Field required' for name in missing)}; {remedy}")
    return manifest


def manifest_in(folder: Path) -> dict[str, Any]:
    """What anybody's folder has as manifest, unchecked but for its format; empty where it has none.

    For folders that need not be a run's. Errors: `ArtifactError`, as of `facts_in` and for a run of a newer format.
    """
    values = facts_in(folder, MANIFEST)
    if "recipe" in values:  # a manifest of another program may count its formats as it likes
        check_format(values, Path(folder) / MANIFEST)
    return values


def kind_of(folder: Path) -> str | None:
    """`texts` or `evaluation` where the folder's manifest says so; `None` for any other folder."""
    try:
        values = json.loads((Path(folder) / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    kind = values.get("kind") if isinstance(values, dict) else None
    return kind if kind in KINDS else None


def check_format(values: Any, path: Path) -> None:
    """`ArtifactError` unless these are the entries of a manifest in a format that this version reads."""
    found = values.get("format", 0) if isinstance(values, dict) else type(values).__name__
    if type(found) is int and 0 <= found <= FORMAT:
        return
    newer = type(found) is int and found > FORMAT
    remedy = "upgrade textdistill to read it" if newer else "give the folder of a finished run"
    raise ArtifactError(f"{path}: format {found!r}; this version reads format {FORMAT}; {remedy}")
