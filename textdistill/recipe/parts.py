"""The parts a recipe can name, one visible dict per kind, and how a mapping of settings becomes a part."""

from __future__ import annotations

import builtins
import dataclasses
import importlib
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from textdistill.core.bounds import read, settings_in
from textdistill.core.errors import RecipeError, did_you_mean
from textdistill.core.inner import INNER_OPTIMIZERS
from textdistill.core.start_kinds import STARTS
from textdistill.core.unroll import META_GRADIENTS
from textdistill.learners import LEARNERS
from textdistill.objectives import OBJECTIVES
from textdistill.objectives.kernels import KERNELS
from textdistill.representations.kinds import REPRESENTATIONS

PARTS: dict[str, dict[str, type]] = {
    "representation": REPRESENTATIONS,
    "learner": dict(LEARNERS),
    "objective": OBJECTIVES,
    "starts": STARTS,
    "optimizer": INNER_OPTIMIZERS,
    "gradient": META_GRADIENTS,
    "kernel": KERNELS,
}


@dataclass(frozen=True)
class Part:
    """A part that a recipe names: of which kind, by which name, its class, and the settings that it was given.

    The class's own defaults stand for the settings that it was not.
    """

    kind: str
    name: str
    type: builtins.type
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def takes_settings(self) -> builtins.type:
        """What the settings are for: a class's `Settings` where it has them (learners), else itself."""
        return getattr(self.type, "Settings", self.type) if self.kind == "learner" else self.type

    def make(self, *given: Any) -> Any:
        """The part, of what a run gives it: starts want a learner and streams, a network wants a shape and classes."""
        if self.takes_settings is self.type:
            return self.type(*given, **self.settings)
        return self.type(self.takes_settings(**self.settings), *given)


def find(kind: str, name: str, path: str, faults: list[str], custom: bool) -> Part | None:
    """The part called `name`; a user's own is `package.module:Class`, only where `custom` code is allowed."""
    known = PARTS[kind]
    if name in known:
        return Part(kind, name, known[name])
    if ":" in name and custom:
        module, _, attribute = name.partition(":")
        try:
            own = getattr(importlib.import_module(module), attribute)
        except Exception as error:  # whatever the user's own module meets, it is theirs to mend
            reason = f"{type(error).__name__}: {error}"
            faults.append(f"{path}.name: {name!r} cannot be imported ({reason}); give a package.module:Class that can")
            return None
        if isinstance(own, type) and _readable(part := Part(kind, name, own)):
            return part
        faults.append(f"{path}.name: {name!r} is not a class whose settings can be read")
        return None
    refused = ":" in name and not custom
    hint = " (a part of one's own, package.module:Class, is never loaded from a stored set)" if refused else ""
    faults.append(f"{path}.name: {name!r}; allowed: {', '.join(known)}{did_you_mean(name, known)}{hint}")
    return None


def _readable(part: Part) -> bool:
    try:
        settings_in(part.takes_settings)
    except (TypeError, ValueError, NameError):
        return False
    return True


def fill(taking: type, values: Any, path: str, faults: list[str], custom: bool = True) -> dict[str, Any]:
    """The keyword arguments for a class from a recipe's mapping, nested parts built; faults are added to `faults`."""
    known, filled = settings_in(taking), dict[str, Any]()
    if not isinstance(values, Mapping):
        faults.append(f"{path}: {values!r}; allowed: settings by name ({', '.join(known)})")
        return {}
    for key, value in values.items():
        where, before = f"{path}.{key}", len(faults)
        if key not in known:
            faults.append(f"{where}: unknown; allowed: {', '.join(known)}{did_you_mean(str(key), known)}")
            continue
        wanted = known[key].type
        if names_part(key, wanted):
            made = build(key, value, where, faults, custom)
        elif listed(wanted) is not None:
            made = _built_list(wanted, value, where, faults, custom)
        elif isinstance(wanted, type) and dataclasses.is_dataclass(wanted):
            filled[key] = wanted(**fill(wanted, value, where, faults, custom))
            continue  # beside faults, too: what could be read is looked at all the same
        elif (item := _item(wanted)) is not None and isinstance(value, list | tuple):
            rows = [fill(item, row, f"{where}.{number}", faults, custom) for number, row in enumerate(value)]
            made = tuple(item(**row) for row in rows) if len(faults) == before else None
        else:
            # A single word where a list is wanted is a list of one.
            value = [value] if typing.get_origin(wanted) is tuple and isinstance(value, str) else value
            made = read(known[key].annotation, value, where, faults)
        if len(faults) == before:
            filled[key] = made
    for key, setting in known.items():
        if setting.required and key not in values:
            faults.append(f"{path}.{key}: missing")
    return filled


def names_part(key: str, wanted: Any) -> bool:
    """Whether a setting is a part of its own kind; a name (`outer.optimizer`) or a number is none."""
    return key in PARTS and wanted not in (str, int, float, bool)


def listed(wanted: Any) -> str | None:
    """The kind of part that a list holds, each with settings of the list's own beside it (the weights of a sum)."""
    held = [name for name in getattr(_item(wanted), "__dataclass_fields__", ()) if name in PARTS]
    return held[0] if len(held) == 1 else None


def _item(wanted: Any) -> type | None:
    """The settings that a list holds, where it holds such."""
    item = next(iter(typing.get_args(wanted)), None) if typing.get_origin(wanted) is tuple else None
    return item if isinstance(item, type) and dataclasses.is_dataclass(item) else None


def _built_list(wanted: Any, values: Any, path: str, faults: list[str], custom: bool) -> tuple[Any, ...] | None:
    """Parts that are written with the list's own settings among theirs: `[{name: …, setting: …, weight: 0.1}]`."""
    item, kind = typing.get_args(wanted)[0], str(listed(wanted))
    if not isinstance(values, list | tuple):
        faults.append(f"{path}: {values!r}; allowed: a list of mappings with a name, one of {', '.join(PARTS[kind])}")
        return None
    before, items = len(faults), []
    for number, value in enumerate(values):
        own = settings_in(item).keys() - {kind}
        here, told, given = f"{path}.{number}", list[str](), {kind: value}
        if isinstance(value, Mapping):
            given = {key: setting for key, setting in value.items() if key in own}
            given[kind] = {key: setting for key, setting in value.items() if key not in own}
        filled = fill(item, given, here, told, custom)
        more = f": unknown; allowed: {', '.join(own)}, "
        faults += [fault.replace(f"{here}.{kind}", here, 1).replace(": unknown; allowed: ", more) for fault in told]
        if not told:
            items.append(item(**filled))
    return tuple(items) if len(faults) == before else None


def choose(kind: str, values: Any, path: str, faults: list[str], custom: bool = True) -> Part | None:
    """The part that a mapping `{name: …, setting: …}` (or a bare name) asks for, with its settings."""
    values = {"name": values} if isinstance(values, str) else values
    if not isinstance(values, Mapping) or not isinstance(values.get("name"), str):
        faults.append(f"{path}: {values!r}; allowed: a mapping with a name, one of {', '.join(PARTS[kind])}")
        return None
    part = find(kind, values["name"], path, faults, custom)
    if part is None:
        return None
    rest = {key: value for key, value in values.items() if key != "name"}
    return dataclasses.replace(part, settings=fill(part.takes_settings, rest, path, faults, custom))


def build(kind: str, values: Any, path: str, faults: list[str], custom: bool = True) -> Any:
    """The part itself, where it needs nothing but its settings."""
    before = len(faults)
    part = choose(kind, values, path, faults, custom)
    if part is None or len(faults) > before:
        return None
    try:
        return part.make()
    except RecipeError as error:  # the part calls itself by its kind
        faults.extend(re.sub(rf"^{kind}\b", path, fault) for fault in error.faults)
        return None
