"""The distilled set on disk: a folder of safetensors and JSON that runs no code and reaches nothing outside itself."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from textdistill.core.checkpoint import write_atomic
from textdistill.core.distill import Objective
from textdistill.core.errors import ArtifactError
from textdistill.core.file_names import MANIFEST, TENSORS
from textdistill.core.learner import Learner, Params
from textdistill.core.manifest import Manifest, check_format, manifest_of, write_manifest
from textdistill.core.schedule import DistilledSet
from textdistill.core.streams import Streams
from textdistill.core.unroll import Inner
from textdistill.evaluation.training import train_by_schedule
from textdistill.recipe.read import Recipe, resolve
from textdistill.recipe.show import settings_of

# A label table larger than this many numbers stays in the tensors alone.
MANIFEST_LABELS = 20_000


@dataclass(frozen=True)
class Artifact:
    """A stored set with its manifest: enough to train on it, in a new process, to the same accuracy."""

    folder: Path
    distilled: DistilledSet
    manifest: Manifest

    @property
    def classes(self) -> list[str]:
        """The class names, in the order of the labels."""
        return list(self.manifest.classes)

    @property
    def seed(self) -> int:
        """What everything random of the run followed from."""
        assert self.manifest.seed is not None  # `load` reads no set without one
        return self.manifest.seed

    def recipe(self, overrides: Sequence[str] = (), data_dir: str | None = None) -> Recipe:
        """The recipe it was made by; a part of one's own (package.module:Class) is never imported from a stored set."""
        recipe = resolve(
            self.manifest.recipe,
            overrides,
            None,
            name=self.manifest.name or self.folder.name,
            data_dir=data_dir,
            custom=False,
        )
        return replace(recipe, variant=self.manifest.variant)

    def learner(self) -> Learner:
        """The network that the set was distilled for."""
        learner = learner_of(self.recipe(), tuple(self.distilled.inputs.shape[2:]), len(self.classes))
        return fitting(learner, self.distilled)

    def train(self, seed: int = 0, steps: int | None = None) -> tuple[Learner, Params]:
        """The network trained on the set by the set's own schedule, and its weights: what the set was distilled for.

        `steps` are inner steps in place of those stored with the set, such as an evaluation by `steps: validated` tells
        in its protocol; the schedule is gone through as often as that takes, whole.
        It begins at the stored θ0 where the start is fixed, else at weights drawn by `seed` (with the run's own seed,
        those of the evaluation's first network). `learner.logits(params, batch)` then classifies a batch.
        """
        learner = self.learner()
        recipe = self.recipe()
        streams = Streams(seed, ("protocol",))
        inner = training_of(recipe, learner)
        start = self.distilled.theta0 or inner.learner.init(streams.torch("evaluate", 0))
        plan = replace(inner, learner=inner.learner.measured_by(recipe.train.loss))
        streams = streams.child("training", 0)
        return inner.learner, train_by_schedule(self.distilled.lasting(steps), plan, start, recipe.train, streams)


def learner_of(recipe: Recipe, shape: tuple[int, ...], classes: int) -> Learner:
    """The learner that a recipe names, for inputs of this shape."""
    return Learner(recipe.learner.make(shape, classes), classes)


def training_of(recipe: Recipe, learner: Learner) -> Inner:
    """How networks train on the finished set: as the objective's do, by the recipe's own update rule if it has one."""
    objective: Objective = recipe.objective.make()
    inner = objective.inner(learner, Streams(0))
    return replace(inner, optimizer=recipe.train.optimizer or inner.optimizer)


def fitting(learner: Learner, distilled: DistilledSet) -> Learner:
    """The learner, if the set's stored θ0 (where it has one) are weights of that network; `ArtifactError` if not."""
    if distilled.theta0 is not None:
        stored = {name: tuple(value.shape) for name, value in distilled.theta0.items()}
        wanted = {name: tuple(value.shape) for name, value in learner.init(torch.Generator()).items()}
        odd = sorted(name for name in stored.keys() | wanted.keys() if stored.get(name) != wanted.get(name))
        if odd:
            where = TENSORS if distilled.folder is None else distilled.folder / TENSORS
            name = odd[0]
            difference = f"{name} is {stored.get(name, 'missing')}, the recipe's network has {wanted.get(name, 'none')}"
            raise ArtifactError(f"{where}: theta0 does not fit: {difference}; distil again")
    return learner


def versions() -> dict[str, str]:
    """What the result may depend on: the versions of Python and of the libraries that compute."""
    out = {"python": platform.python_version()}
    for name in ("textdistill", "torch", "numpy", "gensim", "scikit-learn", "safetensors"):
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            out[name] = "not installed"
    return out


def commit() -> str | None:
    """The commit of the checkout this package runs from, with `+` where files differ; `None` outside a checkout."""
    here = Path(__file__).resolve().parents[1]
    try:
        # Output a run itself records (a recipe's results) does not make the code another.
        head = subprocess.run(
            ["git", "-C", str(here), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, timeout=10
        )
        if head.returncode:
            return None
        changed = subprocess.run(
            ["git", "-C", str(here), "status", "--porcelain", "--", ".", "../embeddings"],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")


def save(
    folder: Path,
    distilled: DistilledSet,
    recipe: Recipe,
    seed: int,
    data: dict[str, Any],
    vectors: dict[str, Any],
    precision: Mapping[str, str] | None = None,
) -> None:
    """Write the two files, each whole or not at all. Nothing in them depends on the clock.

    `precision` tells the type that each section multiplied in, where that was a choice.
    """
    classes = [str(name) for name in data["classes"]]
    labels = distilled.targets
    entries: dict[str, Any] = {
        "name": recipe.name,
        "title": recipe.title,
        "paper": recipe.paper,
        "variant": recipe.variant,
        "recipe": settings_of(recipe),
        "seed": seed,
        "versions": versions(),
        "commit": commit(),
        "data": {key: value for key, value in data.items() if key != "classes"},
        "vectors": vectors,
        "classes": classes,
        "shape": list(distilled.inputs.shape),
        "initialisation": recipe.starts.type.__name__.lower(),
        "learning_rates": [[round(rate, 8) for rate in row] for row in distilled.rates.tolist()],
        "outcome": {key: value for key, value in distilled.meta.items() if key not in ("cost", "owners")},
    }
    if precision:
        entries["precision"] = dict(precision)
    if "owners" in distilled.meta:  # the classes that samples, which are real rows, came with
        entries["owners"] = distilled.meta["owners"]
    if labels.numel() <= MANIFEST_LABELS:
        entries["targets"] = [[[round(x, 6) for x in label] for label in step] for step in labels.tolist()]
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / TENSORS, save_tensors(distilled.tensors()))
    write_manifest(folder, Manifest(**entries))


def load(folder: str | Path) -> Artifact:
    """A stored set. Damaged, incomplete or newer files are an `ArtifactError` that names the file."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ArtifactError(f"{folder}: no such folder; give the folder of a finished run")
    for name in (TENSORS, MANIFEST):
        if not (folder / name).is_file():
            raise ArtifactError(f"{folder / name}: missing; give the folder of a finished run, or run it with --resume")
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            raise ArtifactError(f"{folder / name}: leads outside the folder; copy the real file there")
    try:
        stored = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{folder / MANIFEST}: not readable JSON ({error})") from None
    check_format(stored, folder / MANIFEST)
    try:
        tensors = load_tensors((folder / TENSORS).read_bytes())
    except (OSError, SafetensorError, ValueError) as error:
        raise ArtifactError(f"{folder / TENSORS}: not a readable safetensors file ({error})") from None
    distilled = _checked(folder, tensors, stored)
    return Artifact(folder, distilled, manifest_of(stored, folder / MANIFEST, "distil again"))


def _checked(folder: Path, tensors: dict[str, torch.Tensor], manifest: dict[str, Any]) -> DistilledSet:
    where = folder / TENSORS
    missing = {"inputs", "targets", "learning_rates"} - set(tensors)
    if missing:
        raise ArtifactError(f"{where}: lacks {', '.join(sorted(missing))}")
    inputs, targets, rates = tensors["inputs"], tensors["targets"], tensors["learning_rates"]
    if inputs.dim() < 3 or targets.dim() != 3 or rates.dim() != 2:
        axes = f"{inputs.dim()}, {targets.dim()}, {rates.dim()}"
        raise ArtifactError(f"{where}: inputs, targets, learning_rates have {axes} axes; allowed: 3 or more, 3, 2")
    if inputs.shape[:2] != targets.shape[:2] or rates.shape[1] != inputs.shape[0]:
        shapes = f"{list(inputs.shape)}, {list(targets.shape)}, {list(rates.shape)}"
        raise ArtifactError(f"{where}: shapes {shapes} do not fit together")
    classes = manifest.get("classes")
    if not isinstance(classes, list) or len(classes) != targets.shape[2]:
        raise ArtifactError(f"{folder / MANIFEST}: classes must name the {targets.shape[2]} classes of the labels")
    if not isinstance(manifest.get("recipe"), dict):
        raise ArtifactError(f"{folder / MANIFEST}: recipe missing")
    if not isinstance(manifest.get("seed"), int):
        raise ArtifactError(f"{folder / MANIFEST}: seed {manifest.get('seed')!r}; a whole number is needed")
    for name, value in tensors.items():
        if not value.is_floating_point() or not bool(value.isfinite().all()):
            raise ArtifactError(f"{where}: {name} holds values that are not finite numbers")
    theta0 = {name.removeprefix("theta0."): value for name, value in tensors.items() if name.startswith("theta0.")}
    outcome = manifest.get("outcome")
    meta = dict(outcome) if isinstance(outcome, dict) else {}
    owners = manifest.get("owners")
    if owners is not None:
        whole = isinstance(owners, list) and all(
            type(owner) is int and owner in range(len(classes)) for owner in owners
        )
        if not whole or len(owners) != targets.shape[0] * targets.shape[1]:
            raise ArtifactError(f"{folder / MANIFEST}: owners must number one class for each sample")
        meta["owners"] = owners
    return DistilledSet(inputs, targets, rates, theta0 or None, meta, folder)
