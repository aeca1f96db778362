"""The parts a recipe can name, one visible dict per kind, and how a mapping of settings becomes a part."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

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

# Arguments that the pipeline gives and a recipe cannot.
GIVEN = frozenset({"learner", "streams"})


def settings_type(kind: str, part: type) -> type:
    """What is filled in for a part: its `Settings` where it has them (learners), else itself."""
    return getattr(part, "Settings", part) if kind == "learner" else part


def find(kind: str, name: str, path: str, faults: list[str], custom: bool) -> type | None:
    """The part called `name`; a user's own is `package.module:Class`, only where `custom` code is allowed."""
    known = PARTS[kind]
    if name in known:
        return known[name]
    if ":" in name and custom:
        module, _, attribute = name.partition(":")
        try:
            part = getattr(importlib.import_module(module), attribute)
        except Exception as error:  # whatever the user's own module meets, it is theirs to mend
            reason = f"{type(error).__name__}: {error}"
            faults.append(f"{path}.name: {name!r} cannot be imported ({reason}); give a package.module:Class that can")
            return None
        if isinstance(part, type) and _takes_settings(settings_type(kind, part)):
            return part
        faults.append(f"{path}.name: {name!r} is not a class whose settings can be read")
        return None
    refused = ":" in name and not custom
    hint = " (a part of one's own, package.module:Class, is never loaded from a stored set)" if refused else ""
    faults.append(f"{path}.name: {name!r}; allowed: {', '.join(known)}{did_you_mean(name, known)}{hint}")
    return None


def _takes_settings(part: type) -> bool:
    try:
        fields(part)
    except (TypeError, ValueError, NameError):
        return False
    return True


def fields(part: type) -> dict[str, tuple[Any, bool]]:
    """The settings a class takes: name → (type, required)."""
    # Of a dataclass, each field's type is read where its class was written: one that inherits need not know its names.
    hints = typing.get_type_hints(part if dataclasses.is_dataclass(part) else part.__init__)  # type: ignore[misc]
    out = {}
    for name, parameter in list(inspect.signature(part).parameters.items()):
        if name not in GIVEN and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            out[name] = (hints.get(name, Any), parameter.default is parameter.empty)
    return out


def fill(part: type, values: Any, path: str, faults: list[str], custom: bool = True) -> dict[str, Any]:
    """The keyword arguments for `part` from a recipe's mapping, nested parts built; faults are added to `faults`."""
    if not isinstance(values, Mapping):
        faults.append(f"{path}: {values!r}; allowed: settings by name ({', '.join(fields(part))})")
        return {}
    known, out = fields(part), {}
    for key, value in values.items():
        where = f"{path}.{key}"
        if key not in known:
            faults.append(f"{where}: unknown; allowed: {', '.join(known)}{did_you_mean(str(key), known)}")
        elif key in PARTS and known[key][0] is not str:  # `outer.optimizer` is a name, and no part
            built = build(key, value, where, faults, custom)
            if built is not None:
                out[key] = built
        elif listed(known[key][0]) is not None:
            several = _built_list(known[key][0], value, where, faults, custom)
            if several is not None:
                out[key] = several
        elif isinstance(known[key][0], type) and hasattr(known[key][0], "__dataclass_fields__"):
            kind: type = known[key][0]
            out[key] = kind(**fill(kind, value, where, faults, custom))
        elif (item := _item(known[key][0])) is not None and isinstance(value, list | tuple):
            before = len(faults)
            rows = [fill(item, one, f"{where}.{number}", faults, custom) for number, one in enumerate(value)]
            out[key] = tuple(item(**row) for row in rows) if len(faults) == before else ()
        else:
            try:
                config = ConfigDict(arbitrary_types_allowed=True)
                wanted = known[key][0]
                # A single word where a list is wanted is a list of one.
                value = [value] if typing.get_origin(wanted) is tuple and isinstance(value, str) else value
                out[key] = TypeAdapter(wanted, config=config).validate_python(value)
            except ValidationError as error:
                first = error.errors()[0]
                faults.append(f"{where}: found {value!r}; {first['msg'][0].lower()}{first['msg'][1:]}")
    for key, (_, required) in known.items():
        if required and key not in values:
            faults.append(f"{path}.{key}: missing")
    return out


def listed(wanted: Any) -> str | None:
    """The kind of part that a list holds, each with settings of the list's own beside it (the weights of a sum)."""
    item = next(iter(typing.get_args(wanted)), None) if typing.get_origin(wanted) is tuple else wanted
    held = [name for name in getattr(item, "__dataclass_fields__", ()) if name in PARTS]
    return held[0] if wanted is not item and len(held) == 1 else None


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
    before, out = len(faults), []
    for number, value in enumerate(values):
        own = fields(item).keys() - {kind}
        given = {key: one for key, one in value.items() if key in own} if isinstance(value, Mapping) else {}
        rest = {key: one for key, one in value.items() if key not in own} if isinstance(value, Mapping) else value
        here, found = f"{path}.{number}", list[str]()
        filled = fill(item, {**given, kind: rest}, here, found, custom)
        more = f": unknown; allowed: {', '.join(own)}, "
        found = [fault.replace(f"{here}.{kind}", here, 1).replace(": unknown; allowed: ", more) for fault in found]
        faults.extend(found)
        if not found:
            out.append(item(**filled))
    return tuple(out) if len(faults) == before else None


def choose(
    kind: str, values: Any, path: str, faults: list[str], custom: bool = True
) -> tuple[type, dict[str, Any]] | None:
    """The class that a mapping `{name: …, setting: …}` (or a bare name) asks for, with its keyword arguments."""
    values = {"name": values} if isinstance(values, str) else values
    if not isinstance(values, Mapping) or not isinstance(values.get("name"), str):
        faults.append(f"{path}: {values!r}; allowed: a mapping with a name, one of {', '.join(PARTS[kind])}")
        return None
    part = find(kind, values["name"], path, faults, custom)
    if part is None:
        return None
    rest = {key: value for key, value in values.items() if key != "name"}
    return part, fill(settings_type(kind, part), rest, path, faults, custom)


def build(kind: str, values: Any, path: str, faults: list[str], custom: bool = True) -> Any:
    """The part itself, where it needs nothing but its settings."""
    before = len(faults)
    chosen = choose(kind, values, path, faults, custom)
    if chosen is None or len(faults) > before:
        return None
    try:
        return chosen[0](**chosen[1])
    except RecipeError as error:  # the part calls itself by its kind
        faults.extend(re.sub(rf"^{kind}\b", path, fault) for fault in error.faults)
        return None
