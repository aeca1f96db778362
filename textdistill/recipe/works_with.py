"""What works with what, asked of the parts themselves: one table, and why a combination is refused.

A part says what it can do in class attributes: `takes` (kinds of representation; networks and objectives), `trains`
(fields that an objective teaches) and `starts` (names of the sources of inner weights that make sense with it). One
that says nothing can do all. Nothing here knows any part by name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import partial
from typing import Any

from textdistill.core.bounds import settings_in
from textdistill.core.errors import UserError
from textdistill.core.schedule import FIELDS
from textdistill.recipe.parts import PARTS, Part

# Kind of representation -> the fields of a set that can be learned in it: no gradient leads from one word to the next.
KINDS: dict[str, frozenset[str]] = {
    "words": frozenset(FIELDS),
    "pixels": frozenset(FIELDS),
    "texts": frozenset(FIELDS) - {"inputs"},
}
Parts = Mapping[str, Mapping[str, type]]

# What it costs to suggest something else than was asked for: data are given, rates and labels can easily stay fixed.
_OTHER_KIND, _OTHER_OBJECTIVE, _OTHER_LEARNER, _OTHER_STARTS, _OTHER_FIELDS, _FEWER_FIELDS = 16, 8, 4, 2, 12, 1


@dataclass(frozen=True)
class Row:
    """One pair of the table: what goes with it, or why it is impossible (`refused`).

    Where that follows from the objective's settings (`by_settings`), the table shows the most that it can be.
    """

    representation: str
    objective: str
    starts: tuple[str, ...]
    learned: tuple[str, ...]
    learners: tuple[str, ...]
    closed_form: bool
    refused: str | None = None
    by_settings: bool = False


@dataclass(frozen=True)
class _Choice:
    """One combination; `None` is not known, and nothing is said of it."""

    kind: str | None
    objective: Part
    starts: Part | None
    learner: Part | None
    learn: frozenset[str]


def says(part: Part, name: str) -> frozenset[str] | None:
    """What a part says under `name`; `None` where it says nothing, which means all.

    Of a class that computes it from its settings, those that it was given are asked, with its defaults.
    """
    value = getattr(part.type, name, None)
    if isinstance(value, property):
        value = getattr(_made(part), name, None)
    return frozenset(value) if isinstance(value, Collection) and not isinstance(value, str) else None


def _made(part: Part) -> Any:
    """The part by itself; `None` where it cannot be made of the settings it has."""
    try:
        return part.make()
    except (TypeError, ValueError, UserError):
        return None


def _by_settings(objective: Part) -> bool:
    """Whether it needs settings before it can say what it can do."""
    abilities = (getattr(objective.type, name, None) for name in ("takes", "trains", "starts"))
    return any(isinstance(ability, property) for ability in abilities) and _made(objective) is None


def refusal(
    representation: str | None,
    objective: Part,
    starts: Part | None = None,
    learner: Part | None = None,
    learn: Collection[str] = (),
    *,
    parts: Parts = PARTS,
) -> str | None:
    """Why these do not work together, and the nearest combination that does; `None` when they do.

    `representation` is a kind (of `KINDS`), `learn` the fields to be learned. What is `None` is not judged.
    """
    asked = _Choice(representation, objective, starts, learner, frozenset(learn))
    reasons = list(_reasons(asked, parts))
    if not reasons:
        return None
    near = min(_possible(asked, parts), key=lambda choice: _distance(asked, choice), default=None)
    instead = "nothing known here works with it" if near is None else f"nearest possible: {_difference(asked, near)}"
    return f"{'; '.join(reasons)}; {instead}"


def table(parts: Parts = PARTS) -> list[Row]:
    """Every pair of representation × objective, with the starts, learned fields and learners that go with it."""
    return [_row(kind, objective, parts) for kind in kinds(parts) for objective in _known("objective", parts)]


def kinds(parts: Parts = PARTS) -> tuple[str, ...]:
    """The kinds of representation: those known here, and whatever else a part says that it takes."""
    readers = [*_known("learner", parts), *_known("objective", parts)]
    taken = {kind for part in readers for kind in says(part, "takes") or ()}
    return (*KINDS, *sorted(taken - set(KINDS)))


def _known(kind: str, parts: Parts) -> list[Part]:
    """The parts of a kind as they come."""
    return [Part(kind, name, part) for name, part in parts[kind].items()]


def learnable(kind: str | None) -> frozenset[str]:
    """The fields of a set that can be learned in this kind of representation."""
    return KINDS.get(kind or "", frozenset(FIELDS))


def _row(kind: str, objective: Part, parts: Parts) -> Row:
    learners = tuple(part.name for part in _known("learner", parts) if _allows(part, "takes", kind))
    learned = _trained(objective) & learnable(kind)
    refused = refusal(kind, objective, parts=parts)
    if refused is None and not learned:
        refused = f"synthetic.learn: {_cannot(_trained(objective), kind)}"
    if refused is None and not learners:
        refused = f"learner: none of {', '.join(parts['learner'])} takes {kind}"
    return Row(
        representation=kind,
        objective=objective.name,
        starts=tuple(name for name in parts["starts"] if _allows(objective, "starts", name)),
        learned=_ordered(learned),
        learners=learners,
        closed_form=callable(getattr(objective.type, "solve", None)),
        refused=refused,
        by_settings=_by_settings(objective),
    )


def _reasons(choice: _Choice, parts: Parts) -> Iterator[str]:
    """What is wrong with a combination, each with the key of the recipe that says it."""
    if choice.kind is not None:
        for group in ("objective", "learner"):
            part = getattr(choice, group)
            if part is not None and not _allows(part, "takes", choice.kind):
                able = ", ".join(sorted(says(part, "takes") or ()))
                yield f"{group}: {part.name} takes {able or 'nothing'}, not {choice.kind}"
    if choice.starts is not None:
        name = choice.starts.name
        if name in parts["starts"] and not _allows(choice.objective, "starts", name):
            able = ", ".join(other for other in parts["starts"] if _allows(choice.objective, "starts", other))
            yield f"starts: {name} makes no sense with {choice.objective.name}; allowed: {able}"
    fixed = choice.learn - learnable(choice.kind)
    if fixed:
        yield f"synthetic.learn: {_cannot(fixed, choice.kind)}"
    unreached = choice.learn - _trained(choice.objective)
    if unreached:
        yield (
            f"synthetic.learn: {sorted(unreached)} get no gradient from {choice.objective.name}; "
            f"it trains {list(_ordered(_trained(choice.objective)))}"
        )


def _cannot(fields: Collection[str], kind: str | None) -> str:
    return f"{sorted(fields)} cannot be learned of {kind}, only {', '.join(_ordered(learnable(kind)))}"


def _possible(asked: _Choice, parts: Parts) -> Iterator[_Choice]:
    """Combinations that work; each part stays as it was asked for wherever it can."""

    for kind in [None] if asked.kind is None else kinds(parts):
        for objective in [asked.objective, *filter(_complete, _known("objective", parts))]:
            here = replace(asked, kind=kind, objective=objective)
            trained = _trained(objective) & learnable(kind)
            learn = asked.learn if asked.learn <= trained else (asked.learn & trained) or trained
            starts = _candidates(asked.starts, parts, partial(_begins, here, parts))
            learners = _candidates(asked.learner, parts, partial(_reads, kind))
            for start in starts:
                for learner in learners:
                    choice = replace(here, starts=start, learner=learner, learn=learn)
                    if not [*_reasons(choice, parts)]:
                        yield choice


def _candidates(part: Part | None, parts: Parts, fits: Callable[[Part], bool]) -> Sequence[Part | None]:
    """The part as it was asked for, if it fits, else all that do."""
    if part is None or fits(part):
        return [part]
    return [other for other in _known(part.kind, parts) if fits(other)]


def _begins(choice: _Choice, parts: Parts, starts: Part) -> bool:
    """Whether the choice's objective can begin at these starts."""
    return not [*_reasons(replace(choice, kind=None, learner=None, learn=frozenset(), starts=starts), parts)]


def _reads(kind: str | None, learner: Part) -> bool:
    return kind is None or _allows(learner, "takes", kind)


def _complete(part: Part) -> bool:
    """Whether a part can be named alone: one that needs settings is no suggestion."""
    return not any(setting.required for setting in settings_in(part.type).values())


def _distance(asked: _Choice, other: _Choice) -> tuple[int, float]:
    """How far a combination is from the one asked for; of equally far ones, names that look alike come first."""
    changed = _OTHER_KIND * (asked.kind != other.kind)
    changed += _OTHER_OBJECTIVE * (asked.objective != other.objective)
    changed += _OTHER_LEARNER * (asked.learner != other.learner)
    changed += _OTHER_STARTS * (asked.starts != other.starts)
    dropped = asked.learn - other.learn
    changed += _OTHER_FIELDS if dropped and not asked.learn & other.learn else _FEWER_FIELDS * len(dropped)
    alike = 0.0
    for group in ("objective", "learner"):
        first, second = (getattr(getattr(choice, group), "name", "") for choice in (asked, other))
        alike += SequenceMatcher(None, first, second).ratio()
    shared = _trained(asked.objective) & _trained(other.objective)
    return changed, -alike - len(shared)


def _difference(asked: _Choice, near: _Choice) -> str:
    """A combination as told: its pair, and whatever else differs from what was asked for."""
    differences = [near.objective.name if near.kind is None else f"{near.kind} with {near.objective.name}"]
    if near.learner is not None and near.learner != asked.learner:
        differences.append(f"learner {near.learner.name}")
    if near.starts is not None and near.starts != asked.starts:
        differences.append(f"starts {near.starts.name}")
    if near.learn != asked.learn:
        differences.append(f"learning {', '.join(_ordered(near.learn))}")
    return ", ".join(differences)


def _allows(part: Part, name: str, value: str) -> bool:
    able = says(part, name)
    return able is None or value in able


def _trained(objective: Part) -> frozenset[str]:
    able = says(objective, "trains")
    return frozenset(FIELDS) if able is None else able


def _ordered(fields: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted(fields, key=lambda name: (FIELDS.index(name) if name in FIELDS else len(FIELDS), name)))
