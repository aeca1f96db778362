"""Recipes as text: every setting with its value, and the list of all recipes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import yaml
from rich.table import Table

from textdistill.core.bounds import name_of, settings_in
from textdistill.core.errors import RecipeError
from textdistill.recipe.parts import Part, listed, names_part
from textdistill.recipe.read import PART_SECTIONS, SECTIONS, TEXT_SECTIONS, Recipe, list_recipes, read_yaml


def settings_of(recipe: Recipe) -> dict[str, Any]:
    """The recipe as a mapping with every default filled in; read as a recipe again, it is the same one."""
    out: dict[str, Any] = {"title": recipe.title, "paper": recipe.paper}
    sections = {name: getattr(recipe, name) for name in SECTIONS}
    if recipe.text is not None:
        sections |= {name: getattr(recipe.text, name) for name in TEXT_SECTIONS}
    for name in (name for name in sections if name not in recipe.silent):
        out[name] = _given(type(sections[name]), _values(sections[name]))
    out["representation"] = _shown("representation", recipe.representation)
    for kind in PART_SECTIONS:
        if kind not in out and kind not in recipe.silent:
            out[kind] = _part(getattr(recipe, kind))
    return out


def _part(part: Part) -> dict[str, Any]:
    """A part's name and settings, those that were left to their defaults too."""
    known = settings_in(part.takes_settings)
    values = {name: setting.default for name, setting in known.items() if not setting.required} | part.settings
    plain = {name: _shown(name, value) for name, value in values.items()}
    return {"name": part.name, **_given(part.takes_settings, plain)}


def _given(taking: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values without those that are nothing and would be nothing anyway."""
    nothing = {key for key, setting in settings_in(taking).items() if setting.default is None and not setting.required}
    return {key: value for key, value in values.items() if value is not None or key not in nothing}


def _values(settings: Any) -> dict[str, Any]:
    return {field.name: _shown(field.name, getattr(settings, field.name)) for field in dataclasses.fields(settings)}


def _shown(key: str, value: Any) -> Any:
    """What stands under a key of a recipe: numbers, words, lists and mappings alone."""
    if value is not None and names_part(key, type(value)) and not isinstance(value, Mapping):
        made: type = type(value)
        given = {name: getattr(value, name) for name in settings_in(made) if hasattr(value, name)}
        return _part(Part(key, name_of(made), made, given))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _values(value)
    if isinstance(value, Mapping):
        return {str(name): _shown("", item) for name, item in value.items()}
    return [_item(item) for item in value] if isinstance(value, tuple | list | set | frozenset) else value


def _item(value: Any) -> Any:
    """One of a list: where it is a part with settings of the list's own, those stand among the part's."""
    kind, plain = listed(tuple[type(value), ...]), _shown("", value)  # type: ignore[misc]
    return plain if kind is None else {**plain.pop(kind), **plain}


def as_yaml(recipe: Recipe) -> str:
    """The resolved recipe as YAML, its name and variant in a comment."""
    head = f"# {recipe.name}" + (f", variant {recipe.variant}" if recipe.variant else "")
    text = yaml.safe_dump(settings_of(recipe), sort_keys=False, allow_unicode=True, default_flow_style=False, width=120)
    return f"{head}\n{text}"


def recipes_table() -> Table:
    """Name, variants, title, and accuracy (ratio) in percent, published and own."""
    table = Table(pad_edge=False)
    for name in ("recipe", "title", "variant", "published", "ours"):
        table.add_column(name, overflow="fold")
    for name, path in list_recipes().items():
        try:
            values = read_yaml(path)
        except RecipeError as error:
            table.add_row(name, f"faulty: {error.faults[0]}", "", "", "")
            continue
        results = values.get("results")
        results = results if isinstance(results, dict) else {}
        published, ours = (_mapping(results.get(key)) for key in ("published", "ours"))
        reported = {key for key, value in published.items() if isinstance(value, dict)}
        variants = [*_mapping(values.get("variants"))] or [""]
        variants = [*variants, *sorted(map(str, (reported | set(ours)) - set(variants)))]
        variants = [*filter(None, variants)] or [""]
        for number, variant in enumerate(variants):
            first = (name, str(values.get("title", ""))) if not number else ("", "")
            table.add_row(*first, variant, _headline(published.get(variant)), _headline(ours.get(variant)))
    return table


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _headline(result: Any) -> str:
    """Accuracy and ratio of one result, as far as it has them."""
    parts = []
    for key, label in (("accuracy", ""), ("ratio", "ratio ")):
        score = _mapping(result).get(key)
        mean = score.get("mean") if isinstance(score, dict) else score
        if isinstance(mean, int | float):
            sd = score.get("sd") if isinstance(score, dict) and score.get("n") != 1 else None
            parts.append(f"{label}{mean:g}" + (f" ± {sd:g}" if isinstance(sd, int | float) and sd else ""))
    return ", ".join(parts)
