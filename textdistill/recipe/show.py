"""Recipes and parts as text: every setting with its value, the list of recipes, the list of parts."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

import yaml
from rich.table import Table

from textdistill.core.errors import RecipeError
from textdistill.recipe.parts import PARTS, fields, listed, settings_type
from textdistill.recipe.read import PART_SECTIONS, SECTIONS, TEXT_SECTIONS, Recipe, list_recipes, read_yaml


def settings_of(recipe: Recipe) -> dict[str, Any]:
    """The recipe as a mapping with every default filled in; read as a recipe again, it is the same one."""
    out: dict[str, Any] = {"title": recipe.title, "paper": recipe.paper}
    sections = {name: getattr(recipe, name) for name in SECTIONS}
    if recipe.text is not None:
        sections |= {name: getattr(recipe.text, name) for name in TEXT_SECTIONS}
    for name in (name for name in sections if name not in recipe.silent):
        section = sections[name]
        values = {field.name: _plain(getattr(section, field.name)) for field in dataclasses.fields(section)}
        out[name] = _given(type(section), values)
    out["representation"] = _plain(recipe.representation)
    for name in PART_SECTIONS:
        if name not in out and name not in recipe.silent:
            part, settings = getattr(recipe, name)
            out[name] = _part(name, part, settings)
    return out


def _part(kind: str, part: type, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A part's name and settings, those that were left to their defaults too."""
    known = settings_type(kind, part)
    values = {name: _default(known, name) for name, (_, required) in fields(known).items() if not required}
    found = {key: _plain(value) for key, value in {**values, **settings}.items()}
    return {"name": _name(kind, part), **_given(known, found)}


def _given(part: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values without those that are nothing and would be nothing anyway."""
    return {key: value for key, value in values.items() if value is not None or _default(part, key) is not None}


def _name(kind: str, part: type) -> str:
    named = (name for name, known in PARTS[kind].items() if known is part)
    return next(named, f"{part.__module__}:{part.__qualname__}")


def _default(part: type, name: str) -> Any:
    if dataclasses.is_dataclass(part):
        for field in dataclasses.fields(part):
            if field.name == name and field.default_factory is not dataclasses.MISSING:
                return field.default_factory()
    return inspect.signature(part).parameters[name].default


def _plain(value: Any) -> Any:
    """Numbers, words, lists and mappings alone."""
    kind = next((kind for kind, known in PARTS.items() if type(value) in known.values()), None)
    if kind is not None:
        names = fields(settings_type(kind, type(value)))
        return _part(kind, type(value), {name: getattr(value, name) for name in names if hasattr(value, name)})
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_item(item) for item in value] if isinstance(value, tuple | list | set | frozenset) else value


def _item(value: Any) -> Any:
    """One of a list: where it is a part with settings of the list's own, those stand among the part's."""
    kind, plain = listed(tuple[type(value), ...]), _plain(value)  # type: ignore[misc]
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
        variants = [one for one in variants if one] or [""]
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
            sd = score.get("sd") if isinstance(score, dict) else None
            parts.append(f"{label}{mean:g}" + (f" ± {sd:g}" if isinstance(sd, int | float) and sd else ""))
    return ", ".join(parts)


def parts_text() -> str:
    """Each kind of part with the names a recipe may give, their settings and defaults."""
    lines = []
    for kind, known in PARTS.items():
        lines.append(f"{kind}:")
        for name, part in known.items():
            purpose = (inspect.getdoc(part) or "").splitlines()[:1]
            lines.append(f"  {name}: {purpose[0] if purpose else ''}")
            for setting, (kind_of, required) in fields(settings_type(kind, part)).items():
                default = "needed" if required else _plain(_default(settings_type(kind, part), setting))
                default = default["name"] if isinstance(default, dict) and "name" in default else default
                lines.append(f"    {setting} ({_type_name(kind_of)}): {default}")
    lines.append("sections:")
    for name, section in {**SECTIONS, **TEXT_SECTIONS}.items():
        lines.append(f"  {name}:")
        for setting, (kind_of, required) in fields(section).items():
            default = "needed" if required else _plain(_default(section, setting))
            lines.append(f"    {setting} ({_type_name(kind_of)}): {default}")
    return "\n".join(lines)


def _type_name(kind: Any) -> str:
    if isinstance(kind, type):
        return kind.__name__
    return str(kind).replace("typing.", "").replace("collections.abc.", "")
