"""A data set folder as the Hugging Face hub shows it: Parquet, and a card that says what it is and where it is from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from textdistill.core.errors import UserError, did_you_mean
from textdistill.export.material import Material
from textdistill.export.parquet import parquet_bytes
from textdistill.export.rows import KINDS
from textdistill.export.soft import Labels, weighted
from textdistill.export.yaml_text import yaml_text

# Of the identifiers that the hub knows, those that text data come under.
LICENCES = (
    *("apache-2.0", "mit", "bsd-3-clause", "cc0-1.0", "cc-by-2.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0"),
    *("cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0"),
    *("odc-by", "odbl", "pddl", "gpl-3.0", "lgpl-3.0", "afl-3.0", "other", "unknown"),
)
SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"))
SCORES = {
    "distilled": "the set",
    "distilled_snapped": "the set, snapped to words",
    "full": "all training data",
}


@dataclass(frozen=True)
class HuggingfaceFolder:
    """`README.md` (the card) and `data/train.parquet`, for `datasets.load_dataset` and for the hub.

    Columns: `text`, `text_pair` of pairs, `label` (a class label with its names), `label_text`, and `soft_label` (the
    values of all classes as they were learned) or `weight`. `licence` is that of the source data, as the hub
    abbreviates it; what the run recorded, else `unknown`, when `None`. `language` are two- or three-letter codes.
    """

    licence: str | None = None
    language: tuple[str, ...] = ()
    folder: ClassVar[bool] = True
    names: ClassVar[tuple[str, ...]] = ("README.md", "data/train.parquet")
    labels: ClassVar[tuple[Labels, ...]] = KINDS
    uses: ClassVar[frozenset[str]] = frozenset()
    asks: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.licence is not None and self.licence not in LICENCES:
            hint = did_you_mean(self.licence, LICENCES)
            raise UserError(f"licence: {self.licence!r}; allowed: {', '.join(LICENCES)}{hint}")
        for code in self.language:
            if not (code.isalpha() and code.isascii() and code.islower() and len(code) in (2, 3)):
                raise UserError(f"language: {code!r}; allowed: codes of two or three letters, such as en")

    def files(self, material: Material) -> dict[str, bytes]:
        """See the class."""
        samples, weights = material.samples, None
        if material.labels == "weights":
            samples, weights = weighted(samples)
        columns: dict[str, Any] = {"text": samples.texts}
        if samples.pairs is not None:
            columns["text_pair"] = samples.pairs
        columns |= {"label": samples.labels, "label_text": [samples.classes[label] for label in samples.labels]}
        if material.labels == "soft":
            columns["soft_label"] = samples.targets.tolist()
        if weights is not None:
            columns["weight"] = weights
        return {
            "README.md": self._card(material, len(samples)).encode(),
            "data/train.parquet": parquet_bytes(columns, samples.classes),
        }

    def _card(self, material: Material, rows: int) -> str:
        samples, data = material.samples, _mapping(material.manifest.get("data"))
        recorded = str(data.get("licence") or data.get("license") or "unknown").lower()
        licence = self.licence or (recorded if recorded in LICENCES else "other")
        sources = _sources(material.manifest)
        source = " and ".join(sources) or None
        head: dict[str, Any] = {
            "license": licence,
            **({"license_name": "see-below"} if licence == "other" else {}),
            **({"language": list(self.language)} if self.language else {}),
            "pretty_name": material.name,
            "task_categories": ["text-classification"],
            "size_categories": [next((name for most, name in SIZES if rows < most), "1M<n<10M")],
            **_creators(material.manifest),
            "source_datasets": [f"extended|{name}" for name in sources] or ["extended"],
            "tags": ["dataset-distillation", "textdistill"],
            "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "data/train.parquet"}]}],
        }
        view = {
            "title": material.manifest.get("title") or material.name,
            "count": rows,
            "source": source,
            "paired": samples.pairs is not None,
            "classes": samples.classes,
            "labels": material.labels,
            "shares": bool(np.allclose(samples.targets.sum(1), 1, atol=1e-4) and (samples.targets >= 0).all()),
            "made": _made(material),
            "decoded": bool(material.samples.meta.get("decoded")),
            "scores": _scores(material.metrics),
            "whole": material.metrics.get("samples"),
            "licence": self.licence or recorded,
        }
        front = yaml_text(head)
        return f"---\n{front}---\n\n" + _environment().get_template("card.md.j2").render(view)


def _made(material: Material) -> list[tuple[str, str]]:
    """What the run's manifest says of how it was made, and what was chosen of it here."""
    manifest, metrics = material.manifest, material.metrics
    recipe = _mapping(manifest.get("recipe"))
    cost = _mapping(metrics.get("cost"))
    seconds = cost.get("distill_seconds")
    facts = {
        "recipe": manifest.get("name"),
        "variant": manifest.get("variant"),
        "paper": manifest.get("paper"),
        "source data": " and ".join(_sources(manifest)),
        "objective": _mapping(recipe.get("objective")).get("name"),
        "network": _mapping(recipe.get("learner")).get("name"),
        "outer steps": cost.get("outer_steps"),
        "time": f"{seconds / 60:.1f} minutes" if isinstance(seconds, int | float) else None,
        "seed": manifest.get("seed"),
        "commit": manifest.get("commit"),
        "versions": ", ".join(f"{name} {number}" for name, number in _mapping(manifest.get("versions")).items()),
        "samples of the whole set": metrics.get("samples"),
    }
    return [(name, str(value)) for name, value in facts.items() if value not in (None, "")]


def _scores(metrics: Mapping[str, Any]) -> list[tuple[str, float, float, int]]:
    """Accuracies of metrics.json: the set's own, full data's, then the baselines."""
    blocks = [(name, metrics.get(key)) for key, name in SCORES.items()]
    blocks += [(f"baseline {name}", block) for name, block in _mapping(metrics.get("baselines")).items()]
    scores = []
    for name, block in blocks:
        score = _mapping(_mapping(block).get("accuracy"))
        mean, spread, n = score.get("mean"), score.get("sd") or 0.0, score.get("n", 1)
        if isinstance(mean, int | float) and isinstance(spread, int | float) and isinstance(n, int):
            scores.append((name, float(mean), float(spread), n))
    return scores


def _creators(manifest: Mapping[str, Any]) -> dict[str, list[str]]:
    """Who wrote texts and labels, as far as the run says; real rows with learned labels were found, not generated."""
    recipe = _mapping(manifest.get("recipe"))
    if not recipe:
        return {}
    real = _mapping(recipe.get("synthetic")).get("learn") == ["targets"]
    return {
        "annotations_creators": ["machine-generated"],
        "language_creators": ["found" if real else "machine-generated"],
    }


def _sources(manifest: Mapping[str, Any]) -> list[str]:
    """The data behind texts and labels: the samples' own, where they are rows of another set, and the task's."""
    base = _mapping(_mapping(manifest.get("recipe")).get("synthetic")).get("base")
    named = [_source(base), _source(_mapping(manifest.get("data")).get("name"))]
    return list(dict.fromkeys(name for name in named if name))


def _source(name: Any) -> str | None:
    """What data are called; of a file of the user's own its name alone, not where it lies."""
    if isinstance(name, Mapping):
        name = name.get("name")
    if not isinstance(name, str) or not name:
        return None
    return Path(name).name if name.startswith(("/", ".", "~", "\\")) or name[1:2] == ":" else name


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _plain(value: Any) -> str:
    """Text that Markdown shows as it is, on one line: no markup, no HTML, no table cells."""
    text = " ".join(str(value).split())
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]<>()#|!~" else "&amp;" if sign == "&" else sign for sign in text)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
        keep_trailing_newline=True,
    )
    environment.filters["plain"] = _plain
    return environment
