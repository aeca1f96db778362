"""What a recipe can name, for people to read: each part in a line, and the settings of those that are asked for."""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from rich import box
from rich.table import Table
from rich.text import Text

from textdistill.core.bounds import OneOf, bounds, name_of, settings_in
from textdistill.core.errors import UserError, did_you_mean
from textdistill.recipe.parts import PARTS, Part, names_part
from textdistill.recipe.read import SECTIONS, TEXT_SECTIONS

SECTION = "section"
_TYPES = {int: "integer", float: "number", str: "text", bool: "true, false"}


def _all() -> dict[str, list[Part]]:
    """Parts by kind, and the sections of a recipe that name none."""
    sections = {SECTION: {**SECTIONS, **TEXT_SECTIONS}}
    return {kind: [Part(kind, *known) for known in parts.items()] for kind, parts in (PARTS | sections).items()}


def overview() -> Table:
    """Every part with the first line of what it is, by kind."""
    table = Table(title="Parts (settings: textdistill ls --parts KIND, or NAME)", title_justify="left", pad_edge=False)
    for column in ("kind", "name", "what it is"):
        table.add_column(column, overflow="fold")
    for kind, parts in _all().items():
        for number, part in enumerate(parts):
            table.add_row("" if number else kind, part.name, Text(_purpose(part)), end_section=part is parts[-1])
    return table


def settings_tables(name: str) -> list[Table]:
    """The settings of all parts of the kind `name`, or of those that are called so, each with what it may be.

    Errors: `UserError` for a name that nothing has.
    """
    known = _all()
    asked = known.get(name) or [part for parts in known.values() for part in parts if part.name == name]
    if not asked:
        names = [*known, *(part.name for parts in known.values() for part in parts)]
        raise UserError(
            f"ls --parts {name}: no such kind or part{did_you_mean(name, names)}; kinds: {', '.join(known)}"
        )
    return [_table(part) for part in asked]


def _purpose(part: Part) -> str:
    return (inspect.getdoc(part.type) or "").partition("\n")[0]


def _table(part: Part) -> Table:
    title = Text.assemble((f"{part.kind} {part.name}", "bold"), f": {_purpose(part)}")
    rows = list(_rows(part.takes_settings))
    table = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("setting", "default", "allowed", "what it means"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    if not rows:
        table.add_row("none")
    return table


def _rows(taking: type, path: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Name, default, what is allowed and meaning of each setting; of settings within settings, by dotted names."""
    for name, setting in settings_in(taking).items():
        inner = next((kind for kind in (setting.type, *get_args(setting.type)) if dataclasses.is_dataclass(kind)), None)
        many = get_origin(setting.type) is tuple
        if isinstance(inner, type):
            yield f"{path}{name}", "", "list of settings" if many else "settings", setting.meaning
            yield from _rows(inner, f"{path}{name}.{'N.' * many}")
        else:
            default = "needed" if setting.required else _short(name, setting.default)
            is_part = names_part(name, setting.type)
            allowed = ", ".join(PARTS[name]) if is_part else _words(setting.annotation)
            # The parts of a list are written by their own names, beside the list's settings.
            yield f"{path}{'name' if is_part and '.N.' in path else name}", default, allowed, setting.meaning


def _short(key: str, value: Any) -> str:
    """A default as a recipe would write it, a part by its name."""
    if value is None:
        return "null"
    if key in PARTS and not isinstance(value, str):
        return name_of(type(value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | Mapping):
        return ", ".join(map(str, value)) or ("[]" if isinstance(value, tuple) else "{}")
    return f"{value:g}" if isinstance(value, float) else str(value)


def _words(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        names = [name for note in annotation.__metadata__ if isinstance(note, OneOf) for name in note.names]
        return ", ".join(names or [_words(annotation.__origin__), *bounds(Annotated[Any, *annotation.__metadata__])])
    if origin is Literal:
        return ", ".join(map(str, inner))
    if origin in (Union, types.UnionType):
        kinds = [_words(kind) for kind in inner if kind is not type(None)]
        return " or ".join(kinds) + ", or null" * (type(None) in inner)
    if origin is tuple:
        return f"list of {_words(inner[0])}" if inner[-1] is ... else f"{len(inner)} × {_words(inner[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"{_words(inner[0])}: {_words(inner[1])}"
    return _TYPES.get(annotation, getattr(annotation, "__name__", str(annotation)))
