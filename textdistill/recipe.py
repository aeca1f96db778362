"""Recipes: YAML files of settings, checked as a whole and turned into frozen dataclasses."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from textdistill.core.outer import OUTER_OPTIMIZERS, SCHEDULES, Outer
from textdistill.data import DataSettings
from textdistill.errors import RecipeError, UserError, did_you_mean
from textdistill.evaluation.settings import BASELINES, Evaluate
from textdistill.parts import choose, fill
from textdistill.paths import recipes_dir
from textdistill.synthetic.settings import INITS, LABEL_INITS, SyntheticSettings
from textdistill.synthetic.tensors import LABEL_KINDS
from textdistill.task import SCALES, Representation


@dataclass(frozen=True)
class CheckpointSettings:
    """How often, in outer steps, the state is saved."""

    every: int = 50


@dataclass(frozen=True)
class Recipe:
    """One experiment, resolved: every setting has its value. `raw` is the mapping it came from, variant and overrides applied."""

    name: str
    title: str
    paper: str
    data: DataSettings
    representation: Representation
    synthetic: SyntheticSettings
    learner: tuple[type, dict[str, Any]]
    objective: tuple[type, dict[str, Any]]
    starts: tuple[type, dict[str, Any]]
    outer: Outer
    checkpoint: CheckpointSettings
    evaluate: Evaluate
    raw: dict[str, Any]
    variant: str | None = None
    source: Path | None = None
    results: dict[str, Any] = field(default_factory=dict)


SECTIONS: dict[str, type] = {
    "data": DataSettings,
    "representation": Representation,
    "synthetic": SyntheticSettings,
    "outer": Outer,
    "checkpoint": CheckpointSettings,
    "evaluate": Evaluate,
}
PART_SECTIONS = {"learner": "text_conv", "objective": "unrolled", "starts": "fixed"}
OTHER_KEYS = ("title", "paper", "variants", "results", "command", "notes", "not_run")
KEYS = ("title", "paper", *SECTIONS, *PART_SECTIONS, *OTHER_KEYS[2:])


def find_recipe(name: str) -> Path:
    """The file of a recipe given by path or by bare name (`quickstart`, `text/…`)."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml") and path.exists():
        return path
    root = recipes_dir()
    known = {str(file.relative_to(root).with_suffix("")): file for file in sorted(root.rglob("*.yaml"))}
    by_last = {Path(key).name: file for key, file in known.items()}
    found = known.get(name) or by_last.get(name)
    if found is None:
        near = did_you_mean(name, [*known, *by_last])
        raise UserError(f"recipe {name!r}: neither a file nor a known recipe{near}; `textdistill ls` lists them")
    return found


def list_recipes() -> dict[str, Path]:
    """All recipes that come with the package, by name."""
    root = recipes_dir()
    return {str(file.relative_to(root).with_suffix("")): file for file in sorted(root.rglob("*.yaml"))}


def read_yaml(path: Path) -> dict[str, Any]:
    """A recipe's mapping as it stands in the file."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError([f"cannot be read ({error})"], str(path)) from None
    except yaml.YAMLError as error:
        raise RecipeError([" ".join(f"not YAML: {error}".split())], str(path)) from None
    if not isinstance(values, dict):
        raise RecipeError([f"holds {type(values).__name__}, not settings by name"], str(path))
    return values


def load_recipe(
    name: str, overrides: Sequence[str] = (), variant: str | None = None, data_dir: str | None = None
) -> Recipe:
    """The recipe called `name` (or at that path), with a variant's settings and then the overrides laid over it.

    An override is `dotted.key=value`, the value read as YAML. Every fault is found before `RecipeError` is raised.
    """
    path = find_recipe(name)
    values = read_yaml(path)
    label = str(path.relative_to(recipes_dir()).with_suffix("")) if path.is_relative_to(recipes_dir()) else path.stem
    recipe = resolve(values, overrides, variant, name=label, data_dir=data_dir)
    return replace(recipe, source=path)


def resolve(
    values: Mapping[str, Any],
    overrides: Sequence[str] = (),
    variant: str | None = None,
    *,
    name: str = "recipe",
    data_dir: str | None = None,
    custom: bool = True,
) -> Recipe:
    """A mapping as a recipe. Without `custom`, parts outside this package are refused (stored sets are strangers')."""
    faults: list[str] = []
    values = copy.deepcopy(dict(values))
    variants = values.get("variants") or {}
    if not isinstance(variants, Mapping):
        faults.append(f"variants: {variants!r}; allowed: settings by the variant's name")
        variants = {}
    if variant is None and variants:
        variant = next(iter(variants))
    if variant is not None:
        if variant in variants:
            _lay_over(values, variants[variant] or {}, f"variants.{variant}", faults)
        else:
            allowed = ", ".join(variants) or "none, the recipe has no variants"
            faults.append(f"--variant: {variant!r}; allowed: {allowed}{did_you_mean(variant, variants)}")
    for override in overrides:
        _override(values, override, faults)
    if data_dir is not None and isinstance(values.get("data"), dict):
        values["data"]["data_dir"] = data_dir
    faults.extend(f"{key}: unknown; allowed: {', '.join(KEYS)}{did_you_mean(key, KEYS)}" for key in values if key not in KEYS)

    made: dict[str, Any] = {}
    for key, kind in SECTIONS.items():
        if key == "data" and isinstance(values.get("data"), str):
            values["data"] = {"name": values["data"]}
        before = len(faults)
        filled = fill(kind, values.get(key) or {}, key, faults, custom)
        if len(faults) == before:
            made[key] = kind(**filled)
    for key, default in PART_SECTIONS.items():
        chosen = choose(key, values.get(key, default), key, faults, custom)
        if chosen is not None:
            made[key] = chosen
    _check(made, faults)
    if faults:
        raise RecipeError(faults, name)
    raw = {key: value for key, value in values.items() if key not in ("variants", "results")}
    return Recipe(
        name=name,
        title=str(values.get("title", name)),
        paper=str(values.get("paper", "sucholutsky2021")),
        raw=raw,
        variant=variant,
        results=dict(values.get("results") or {}),
        **made,
    )


def _lay_over(values: dict[str, Any], other: Mapping[str, Any], path: str, faults: list[str]) -> None:
    """Merge nested settings; where a part's name changes, its old settings go with the old name."""
    if not isinstance(other, Mapping):
        faults.append(f"{path}: {other!r}; allowed: settings by name")
        return
    for key, value in other.items():
        if isinstance(value, Mapping):
            old = values.get(key)
            old = {"name": old} if isinstance(old, str) and key != "data" else old
            keep = isinstance(old, dict) and ("name" not in value or value["name"] == old.get("name"))
            values[key] = dict(old) if keep and isinstance(old, dict) else {}
            _lay_over(values[key], value, f"{path}.{key}", faults)
        else:
            values[key] = value


def _override(values: dict[str, Any], override: str, faults: list[str]) -> None:
    key, sign, text = override.partition("=")
    if not sign or not key.strip():
        faults.append(f"override {override!r}: allowed: dotted.key=value, such as outer.steps=30")
        return
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        faults.append(f"override {override!r}: the value is not YAML")
        return
    *parents, last = key.strip().split(".")
    place = values
    for parent in parents:
        if isinstance(place.get(parent), str):
            place[parent] = {"name": place[parent]}
        if not isinstance(place.get(parent), dict):
            place[parent] = {"name": PART_SECTIONS[parent]} if parent in PART_SECTIONS else {}
        place = place[parent]
    place[last] = value


def _check(made: Mapping[str, Any], faults: list[str]) -> None:
    """What no single field's type can tell."""

    def one_of(path: str, value: Any, allowed: Sequence[str]) -> None:
        if value not in allowed:
            faults.append(f"{path}: {value!r}; allowed: {', '.join(allowed)}{did_you_mean(str(value), allowed)}")

    def at_least(path: str, value: float | None, least: float) -> None:
        if value is not None and value < least:
            faults.append(f"{path}: {value}; allowed: {least:g} or more")

    def above_zero(path: str, value: float | None) -> None:
        if value is not None and not value > 0:
            faults.append(f"{path}: {value}; allowed: above 0")

    if "data" in made:
        faults.extend(f"data.{fault}" for fault in made["data"].faults())
    if "outer" in made:
        outer: Outer = made["outer"]
        one_of("outer.optimizer", outer.optimizer, OUTER_OPTIMIZERS)
        one_of("outer.schedule", outer.schedule, SCHEDULES)
        one_of("outer.keep", outer.keep, ("last", "best"))
        at_least("outer.steps", outer.steps, 1)
        at_least("outer.validate_every", outer.validate_every, 1)
        at_least("outer.decay_every", outer.decay_every, 1)
        above_zero("outer.lr", outer.lr)
        above_zero("outer.clip", outer.clip)
        for key in outer.scale:
            one_of("outer.scale", key, ("inputs", "targets", "lr"))
    if "representation" in made:
        representation: Representation = made["representation"]
        one_of("representation.scale", representation.scale, SCALES)
        one_of("representation.unknown", representation.unknown, ("skip", "zero"))
        at_least("representation.length", representation.length, 1)
        at_least("representation.max_words", representation.max_words, 1)
    if "checkpoint" in made:
        at_least("checkpoint.every", made["checkpoint"].every, 1)
    if "synthetic" in made:
        synthetic: SyntheticSettings = made["synthetic"]
        one_of("synthetic.init", synthetic.init, INITS)
        one_of("synthetic.labels", synthetic.labels, LABEL_KINDS)
        one_of("synthetic.label_init", synthetic.label_init, LABEL_INITS)
        at_least("synthetic.steps", synthetic.steps, 1)
        at_least("synthetic.epochs", synthetic.epochs, 1)
        at_least("synthetic.length", synthetic.length, 1)
        at_least("synthetic.samples", synthetic.samples, 1)
        at_least("synthetic.per_class", synthetic.per_class, 1)
        above_zero("synthetic.lr", synthetic.lr)
        for key in synthetic.learn:
            one_of("synthetic.learn", key, ("inputs", "targets", "lr"))
        if (synthetic.samples is None) == (synthetic.per_class is None):
            faults.append("synthetic: give either samples (M in total) or per_class (for each class)")
        elif synthetic.samples is not None and synthetic.samples % synthetic.steps:
            faults.append(
                f"synthetic.samples: {synthetic.samples}; allowed: a multiple of synthetic.steps ({synthetic.steps}), "
                "since every inner step has as many samples"
            )
        elif synthetic.per_class is not None and synthetic.per_class % synthetic.steps:
            faults.append(
                f"synthetic.per_class: {synthetic.per_class}; allowed: a multiple of synthetic.steps ({synthetic.steps}), "
                "since every inner step has as many of each class"
            )
    if "evaluate" in made:
        evaluate: Evaluate = made["evaluate"]
        for key in evaluate.baselines:
            one_of("evaluate.baselines", key, BASELINES)
        for name in ("nets", "repeats", "full_nets", "draws"):
            at_least(f"evaluate.{name}", getattr(evaluate, name), 1)
    if "objective" in made and "synthetic" in made:
        trains = next((f.default for f in fields(made["objective"][0]) if f.name == "trains"), frozenset())
        unreached = sorted(set(made["synthetic"].learn) - set(trains))
        if unreached:
            faults.append(f"synthetic.learn: {unreached} get no gradient from this objective; it trains {sorted(trains)}")


def table_recipe(
    path: str, *, text: str | None = None, text_pair: str | None = None, label: str | None = None
) -> dict[str, Any]:
    """Settings for a user's own table: real-data initialisation, any start, sizes that suit most texts."""
    data = {"name": path, "text": text, "text_pair": text_pair, "label": label}
    return {
        "title": f"Distilled {Path(path).name}",
        "paper": "sucholutsky2021",
        "data": {key: value for key, value in data.items() if value is not None},
        "representation": {"length": 100},
        "synthetic": {"per_class": 10, "steps": 10, "epochs": 2, "init": "real", "lr": 0.1},
        "learner": {"name": "text_conv"},
        "objective": {"name": "unrolled", "batch": 256},
        "starts": {"name": "fresh"},
        "outer": {"steps": 300, "lr": 0.01, "validate_every": 50, "keep": "best"},
        "evaluate": {"nets": 10, "full_nets": 1},
    }
