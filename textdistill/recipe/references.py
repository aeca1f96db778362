"""Which papers stand behind a recipe or a finished run, as BibTeX."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from textdistill.core.json_files import facts_in
from textdistill.recipe.cite import PARTS, cite, keys_for
from textdistill.recipe.read import Recipe
from textdistill.recipe.show import settings_of


def references(recipe: Recipe, folder: Path | None = None) -> str:
    """BibTeX of a recipe's paper and of every part that it uses, each entry once.

    With the `folder` of a finished run, of the sentence encoder that its transfer analysis used, too.
    """
    keys = [key for kind, name in (*_named(recipe), *_encoders(folder)) for key in keys_for({kind: name})]
    return cite(list(dict.fromkeys(keys)))


def _named(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Kind and name of all that may have a paper."""
    settings = settings_of(recipe)
    yield "paper", recipe.paper
    for kind in ("learner", "objective", "starts"):
        if kind in settings:
            yield from _parts_in(kind, settings[kind])
    for name in (recipe.data.name, recipe.synthetic.base):
        if name is not None:
            yield "data", name
    for name in getattr(recipe.representation, "vectors", ()):
        yield "vectors", name
    for part in (settings.get("learner", {}), settings["representation"]):
        yield from (("encoder", part[key]) for key in ("model", "encoder") if key in part)


def _parts_in(kind: str, part: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A part, and what its settings name: a kernel, a norm, transformations, the parts of a sum."""
    if kind in PARTS:
        yield kind, part["name"]
    for key, value in part.items():
        inside = kind if key == "parts" else key
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, Mapping) and "name" in one:
                yield from _parts_in(inside, one)
            elif inside in PARTS and isinstance(one, str):
                yield inside, one


def _encoders(folder: Path | None) -> Iterator[tuple[str, str]]:
    settings = {} if folder is None else facts_in(folder / "analysis", "transfer.json").get("settings")
    name = settings.get("encoder") if isinstance(settings, dict) else None
    if name:
        yield "encoder", str(name)
