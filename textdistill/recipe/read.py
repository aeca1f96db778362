"""Recipes: YAML files of settings, checked as a whole and turned into frozen dataclasses."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import torch
import yaml

from textdistill.core.bounds import Count, Doc, faults_of, settings_in
from textdistill.core.errors import RecipeError, UserError, did_you_mean
from textdistill.core.outer import Outer
from textdistill.core.paths import recipes_dir
from textdistill.core.precision import product_type
from textdistill.core.yaml_text import parse_yaml
from textdistill.data import DataSettings, is_image_data
from textdistill.evaluation.settings import Evaluate, Train
from textdistill.recipe.checks import check
from textdistill.recipe.parts import Part, choose, fill
from textdistill.recipe.text_settings import TextLevel, without_generator
from textdistill.recipe.told import TOLD, faults_of_told
from textdistill.synthetic.generator.settings import GeneratorSettings
from textdistill.synthetic.settings import SyntheticSettings


@dataclass(frozen=True)
class CheckpointSettings:
    """How often the state is saved."""

    every: Annotated[Count, Doc("outer steps between two checkpoints")] = 50


@dataclass(frozen=True)
class Recipe:
    """One experiment, resolved: every setting has its value.

    `raw` is the mapping it came from, the variant and the overrides laid over it. `text` is what readable sets are
    chosen by; `synthetic`, `train` and `evaluate` then say nothing, nor, without a generator, do `OF_GENERATOR`.
    """

    name: str
    title: str
    paper: str
    data: DataSettings
    representation: Any
    synthetic: SyntheticSettings
    learner: Part
    objective: Part
    starts: Part
    outer: Outer
    checkpoint: CheckpointSettings
    train: Train
    evaluate: Evaluate
    raw: dict[str, Any]
    variant: str | None = None
    source: Path | None = None
    results: dict[str, Any] = field(default_factory=dict)
    text: TextLevel | None = None

    @property
    def silent(self) -> tuple[str, ...]:
        """The sections that say nothing in a recipe of this kind."""
        if self.text is None:
            return tuple(TEXT_SECTIONS)
        return NOT_OF_TEXT if self.text.generator is not None else (*NOT_OF_TEXT, *OF_GENERATOR)


# Keys of older versions, which stored sets and users' files may still have: section, old name, today's.
RENAMED = (("objective", "real_dtype", "precision"), ("starts", "dtype", "precision"), ("pool", "dtype", "precision"))

SECTIONS: dict[str, type] = {
    "data": DataSettings,
    "synthetic": SyntheticSettings,
    "outer": Outer,
    "checkpoint": CheckpointSettings,
    "train": Train,
    "evaluate": Evaluate,
}
PART_SECTIONS = {"representation": "words", "learner": "text_conv", "objective": "unrolled", "starts": "fixed"}
IMAGE_SECTIONS = {"representation": "pixels", "learner": "lenet"}
# For readable sets (`choose`), sections of their own take the place of those about samples held in tensors.
TEXT_SECTIONS: dict[str, type] = {
    **{name: section.type for name, section in settings_in(TextLevel).items()},
    "generator": GeneratorSettings,
}
TEXT_PARTS = {
    "representation": "texts",
    "learner": "pretrained",
    "objective": {"name": "gradient_matching", "distance": "whole", "layers": ["last"], "batch": 200},
    "starts": "on_real",
}
NOT_OF_TEXT = ("synthetic", "train", "evaluate")
# What a generator that writes the samples wants to know, and nobody without one.
OF_GENERATOR = (
    *("generator", "language_model", "sampling", "pool", "teacher"),
    *("learner", "objective", "starts", "outer", "checkpoint"),
)
PAPER = "sucholutsky2021"
OTHER_KEYS = ("title", "paper", "variants", "results", "not_run", *TOLD)
KEYS = ("title", "paper", *SECTIONS, *PART_SECTIONS, *TEXT_SECTIONS, *OTHER_KEYS[2:])


def find_recipe(name: str) -> Path:
    """The file of a recipe given by path or by bare name (`quickstart`, `text/…`)."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml") and path.exists():
        return path
    root = recipes_dir()
    known = {str(file.relative_to(root).with_suffix("")): file for file in sorted(root.rglob("*.yaml"))}
    by_last = {Path(key).name: file for key, file in known.items()}
    recipe = known.get(name) or by_last.get(name)
    if recipe is None:
        near = did_you_mean(name, [*known, *by_last])
        raise UserError(f"recipe {name!r}: neither a file nor a known recipe{near}; `textdistill ls` lists them")
    return recipe


def list_recipes() -> dict[str, Path]:
    """All recipes that come with the package, by name."""
    root = recipes_dir()
    return {str(file.relative_to(root).with_suffix("")): file for file in sorted(root.rglob("*.yaml"))}


def read_yaml(path: Path) -> dict[str, Any]:
    """A recipe's mapping as it stands in the file."""
    try:
        values = parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError([f"cannot be read ({error})"], str(path)) from None
    except RecursionError:
        raise RecipeError(["nested too deeply to be settings"], str(path)) from None
    except (yaml.YAMLError, ValueError) as error:
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
    settings: Mapping[str, Any],
    overrides: Sequence[str] = (),
    variant: str | None = None,
    *,
    name: str = "recipe",
    data_dir: str | None = None,
    custom: bool = True,
) -> Recipe:
    """A mapping as a recipe. Without `custom`, parts outside this package are refused (stored sets are strangers')."""
    faults: list[str] = []
    try:
        values = copy.deepcopy(dict(settings))
    except RecursionError:
        raise RecipeError(["nested too deeply to be settings"], name) from None
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
    if isinstance(values.get("data"), str):
        values["data"] = {"name": values["data"]}
    if data_dir is not None and isinstance(values.get("data"), dict):
        values["data"]["data_dir"] = data_dir
    for section, old, new in RENAMED:
        if isinstance(values.get(section), dict) and old in values[section]:
            values[section].setdefault(new, values[section].pop(old))
    written, textual = "generator" in values, is_readable(values)
    left_out = (*NOT_OF_TEXT, *(() if written else OF_GENERATOR)) if textual else tuple(TEXT_SECTIONS)
    allowed_keys = tuple(key for key in KEYS if key not in left_out)
    for key in values:
        if key not in allowed_keys:
            why = "unknown"
            if key in NOT_OF_TEXT:
                why = "not beside a generator" if written else "not beside choose"
            elif key in KEYS:
                why = {"choose": "not beside synthetic", "judge": "only beside choose"}.get(
                    key, "only beside a generator"
                )
            faults.append(f"{key}: {why}; allowed: {', '.join(allowed_keys)}{did_you_mean(key, allowed_keys)}")

    made: dict[str, Any] = {}
    if not isinstance(values.get("results") or {}, Mapping):
        faults.append(f"results: {values['results']!r:.60}; allowed: `published` and `ours`, by variant")
    faults += faults_of_told(values)
    text: dict[str, Any] = {}
    for key, kind in TEXT_SECTIONS.items() if textual else ():
        given = values.get(key) or {}
        filled = fill(kind, without_generator(given) if key == "choose" and not written else given, key, faults, custom)
        text[key] = kind(**filled)
        faults.extend(f"{key}.{fault}" for fault in faults_of(text[key]))
    if textual and not written:
        text["generator"] = None
        faults.extend(f"choose.{fault}" for fault in text["choose"].faults_without_generator())
    for key, kind in SECTIONS.items():
        if textual and key in NOT_OF_TEXT:
            made[key] = SyntheticSettings(per_class=1, init="real") if key == "synthetic" else kind()
            continue
        filled = fill(kind, values.get(key) or {}, key, faults, custom)
        if all(name in filled for name, setting in settings_in(kind).items() if setting.required):
            made[key] = kind(**filled)  # beside faults, too: what could be read is checked all the same
    defaults: Mapping[str, Any] = PART_SECTIONS
    if textual:
        defaults = TEXT_PARTS
    elif _of_images(values.get("data")):
        defaults = {**PART_SECTIONS, **IMAGE_SECTIONS}
    for key, default in defaults.items():
        value = values.get(key, default)
        if isinstance(value, Mapping) and "name" not in value:
            value = {**(default if isinstance(default, Mapping) else {"name": default}), **value}
        part = choose(key, value, key, faults, custom)
        if part is not None:
            made[key] = part if key != "representation" else part.make()
    paper = values.get("paper", PAPER)
    told = {**made, **text}
    check({key: told[key] for key in told if written or not textual or key not in left_out}, str(paper), faults)
    if faults:
        raise RecipeError(faults, name)
    results = values.get("results") or {}
    raw = {key: value for key, value in values.items() if key not in ("variants", "results")}
    return Recipe(
        name=name,
        title=str(values.get("title", name)),
        paper=str(paper),
        raw=raw,
        variant=variant,
        results=dict(results),
        text=TextLevel(**text) if textual else None,
        **made,
    )


def is_readable(values: Mapping[str, Any]) -> bool:
    """Whether a recipe's mapping asks for readable sets, with a generator or without one."""
    return "generator" in values or ("choose" in values and "synthetic" not in values)


def precisions(recipe: Recipe, device: torch.device) -> dict[str, str]:
    """The sections of a recipe that have a `precision`, and the type it stands for on `device`.

    Empty where everything is computed in the one type that the method asks for.
    """
    asked = {
        part.kind: part.settings.get("precision", "auto")
        for part in (recipe.objective, recipe.starts)
        if part.kind not in recipe.silent and "precision" in settings_in(part.type)
    }
    for name in TEXT_SECTIONS if recipe.text is not None else ():
        section: Any = None if name in recipe.silent else getattr(recipe.text, name)
        if hasattr(section, "precision"):
            asked[name] = section.precision
    return {name: product_type(precision, device) for name, precision in asked.items()}


def _of_images(data: Any) -> bool:
    """Whether a recipe's data are images: then other representation and network are usual."""
    name = data.get("name") if isinstance(data, Mapping) else None
    return isinstance(name, str) and is_image_data(name, data.get("data_dir"), data.get("text"))


def _lay_over(values: dict[str, Any], other: Any, path: str, faults: list[str]) -> None:
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
        value = parse_yaml(text)
    except (yaml.YAMLError, ValueError, RecursionError):
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
