"""The parts a recipe can name, one visible dict per kind, and how a mapping of settings becomes a part."""

from __future__ import annotations

import importlib
import inspect
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from textdistill.core.inner import INNER_OPTIMIZERS
from textdistill.core.start_kinds import STARTS
from textdistill.core.unroll import META_GRADIENTS
from textdistill.errors import did_you_mean
from textdistill.learners import LEARNERS
from textdistill.objectives import OBJECTIVES
from textdistill.objectives.kernels import KERNELS
from textdistill.representations import REPRESENTATIONS

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
    hints = typing.get_type_hints(part.__init__)  # type: ignore[misc]
    if "return" in hints and len(hints) <= 1:
        hints = typing.get_type_hints(part)
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
        elif isinstance(known[key][0], type) and hasattr(known[key][0], "__dataclass_fields__"):
            kind: type = known[key][0]
            out[key] = kind(**fill(kind, value, where, faults, custom))
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
    return None if chosen is None or len(faults) > before else chosen[0](**chosen[1])
