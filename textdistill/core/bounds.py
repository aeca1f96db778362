"""What a setting may be and what it means, written beside it: `steps: Annotated[Count, Doc("outer steps")] = 500`.

Recipes are read by it, settings made in Python are checked by it, and `ls --parts` prints it.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from operator import index
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ConfigDict, GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, ErrorDetails, core_schema
from typing_extensions import Doc as Doc

from textdistill.core.errors import UserError, did_you_mean

Count = Annotated[int, Ge(1)]
Natural = Annotated[int, Ge(0)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Lt(1)]

T = TypeVar("T")
# Arguments that a run gives and no recipe can.
GIVEN = frozenset({"learner", "streams"})
_WORDS = {"ge": (Ge, "{:g} or more"), "gt": (Gt, "above {:g}"), "le": (Le, "up to {:g}"), "lt": (Lt, "below {:g}")}


@dataclass(frozen=True)
class OneOf:
    """A word out of `names`: as `Literal`, of names that a table elsewhere has."""

    names: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Those words and no other."""
        return core_schema.literal_schema(list(self.names))


@dataclass(frozen=True)
class Setting:
    """One setting that a class takes: its annotation as written, and its default unless it is `required`."""

    annotation: Any
    required: bool
    default: Any

    @property
    def type(self) -> Any:
        """The annotation without what is said of it as a whole."""
        return self.annotation.__origin__ if get_origin(self.annotation) is Annotated else self.annotation

    @property
    def meaning(self) -> str:
        """The line that stands beside it."""
        said = self.annotation.__metadata__ if get_origin(self.annotation) is Annotated else ()
        return next((note.documentation for note in said if isinstance(note, Doc)), "")


def name_of(part: type) -> str:
    """What recipes call a part: as it says itself in `name`, or by its place, `package.module:Class`."""
    return str(vars(part).get("name", f"{part.__module__}:{part.__qualname__}"))


def by_name(*parts: type[T]) -> dict[str, type[T]]:
    """The parts of one kind, by what recipes call them."""
    return {name_of(part): part for part in parts}


@cache
def settings_in(part: type) -> Mapping[str, Setting]:
    """The settings that a class takes, by name. Errors: `TypeError`, `ValueError`, `NameError` if it cannot be read."""
    # Of a dataclass, each field's type is read where its class was written: one that inherits need not know its names.
    written = part if dataclasses.is_dataclass(part) else part.__init__  # type: ignore[misc]
    hints = typing.get_type_hints(written, include_extras=True)
    made = {field.name: field.default_factory for field in dataclasses.fields(part)} if written is part else {}
    out = {}
    for name, parameter in inspect.signature(part).parameters.items():
        if name not in GIVEN and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            factory, required = made.get(name, dataclasses.MISSING), parameter.default is parameter.empty
            default = parameter.default if factory is dataclasses.MISSING else factory()
            out[name] = Setting(hints.get(name, Any), required, None if required else default)
    return out


def read(annotation: Any, value: Any, path: str, faults: list[str]) -> Any:
    """`value` brought to the type of a setting; what it may not be is added to `faults`, one line each."""
    try:
        return _reader(annotation)(value)
    except ValidationError as error:
        ranked = [_told(annotation, value, path, each) for each in error.errors()]
        weight = min(weight for weight, _ in ranked)  # of the kinds in a union, the one that came nearest
        lines = list(dict.fromkeys(line for each, line in ranked if each == weight))
        faults.extend(lines if weight < _OTHER else lines[:1])
        return None


def faults_of(settings: object) -> list[str]:
    """What is wrong with settings that may have been made in Python, one line each: key, value found, what is allowed.

    Beside each field by itself, what the settings' own method `between`, where they have one, finds between them.
    """
    faults: list[str] = getattr(settings, "between", list)()
    made: type = type(settings)
    for name, setting in settings_in(made).items():
        if dataclasses.is_dataclass(setting.type):
            faults += [f"{name}.{fault}" for fault in faults_of(getattr(settings, name))]
        else:
            read(setting.annotation, getattr(settings, name), name, faults)
    return faults


def choices(annotation: Any) -> tuple[str, ...]:
    """The words that a setting may be, where it has such."""
    return tuple(str(name) for note in _notes(annotation) if isinstance(note, OneOf) for name in note.names)


def bounds(annotation: Any) -> list[str]:
    """The bounds of a setting in words: `1 or more`."""
    pairs = [(note, key) for note in _notes(annotation) for key, (kind, _) in _WORDS.items() if type(note) is kind]
    limits = {key: getattr(note, key) for note, key in pairs}
    if limits.keys() == {"ge", "le"}:
        return [f"{limits['ge']:g} to {limits['le']:g}"]
    return [_WORDS[key][1].format(bound) for key, bound in limits.items()]


def _notes(annotation: Any) -> Iterator[Any]:
    """What is said in an annotation and in those that it is made of, and these."""
    if get_origin(annotation) is Literal:
        yield OneOf(get_args(annotation))
    elif get_origin(annotation) is Annotated:
        yield from annotation.__metadata__
        yield from _notes(annotation.__origin__)
    else:
        yield annotation
        for inner in get_args(annotation):
            yield from _notes(inner)


@cache
def _reader(annotation: Any) -> Callable[[Any], Any]:
    config = ConfigDict(arbitrary_types_allowed=True, allow_inf_nan=False)
    return TypeAdapter(annotation, config=config).validate_python


_OTHER = 3  # errors of another kind than a bound, a number's size or a word


def _told(annotation: Any, value: Any, path: str, error: ErrorDetails) -> tuple[int, str]:
    """An error of pydantic's as told here, and how far its value was from a right one."""
    place, found, context = error["loc"], error["input"], error.get("ctx", {})
    if isinstance(value, Mapping) and place and place[0] in value and place[-1] != "[key]":
        path = f"{path}.{place[0]}"
    for key in context.keys() & _WORDS.keys():
        broken = _WORDS[key][1].format(context[key])
        allowed = sorted(bounds(annotation), key=lambda word: word != broken) or [broken]
        return 0, f"{path}: {_as(type(context[key]), found)}; allowed: {', '.join(allowed)}"
    if error["type"] == "finite_number":
        return 1, f"{path}: {found}; allowed: finite numbers"
    if error["type"] == "literal_error":
        names = choices(annotation)
        in_union = isinstance(next(iter(place[-1:]), None), str) and place[-1] != "[key]"
        numbers = ", a number" * (in_union and any(note in (int, float) for note in _notes(annotation)))
        return 2, f"{path}: {found!r}; allowed: {', '.join(names)}{numbers}{did_you_mean(found, names)}"
    return _OTHER, f"{path}: found {value!r}; {error['msg'][0].lower()}{error['msg'][1:]}"


def _as(kind: type, found: Any) -> Any:
    try:
        return kind(found)
    except (TypeError, ValueError):
        return found


def count_of(called: str, value: object) -> int:
    """A number of samples that a user asked for by the option or argument `called`. `UserError` for anything else."""
    try:
        count = int(value) if isinstance(value, str) else index(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        count = 0
    if count < 1:
        shown = repr(value) if isinstance(value, str) and not value.lstrip("+-").isdigit() else value
        raise UserError(f"{called}: {shown}; allowed: a whole number, 1 or more")
    return count
