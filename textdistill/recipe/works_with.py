"""What works with what, asked of the parts themselves: one table, and why a combination is refused.

A part says what it can do in class attributes: `takes` (kinds of representation; networks and objectives), `trains`
(fields that an objective teaches) and `starts` (names of the sources of inner weights that make sense with it). One
that says nothing can do all. Nothing here knows any part by name.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any

from textdistill.core.errors import UserError
from textdistill.core.schedule import FIELDS
from textdistill.recipe.parts import PARTS

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
    objective: Any
    starts: type | None
    learner: type | None
    learn: frozenset[str]


def says(part: Any, name: str) -> frozenset[str] | None:
    """What a class or an instance says under `name`; `None` where it says nothing, which means all.

    Of a class that computes it from its settings, the defaults are asked, where there are such.
    """
    value = getattr(part, name, None)
    if isinstance(part, type) and isinstance(value, property):
        value = getattr(_as_it_comes(part), name, None)
    return frozenset(value) if isinstance(value, Collection) and not isinstance(value, str) else None


def _as_it_comes(part: type) -> Any:
    """The part with its defaults; `None` where it cannot be made without settings."""
    try:
        return part()
    except (TypeError, ValueError, UserError):
        return None


def _by_settings(objective: type) -> bool:
    """Whether it needs settings before it can say what it can do."""
    told = (getattr(objective, name, None) for name in ("takes", "trains", "starts"))
    return any(isinstance(one, property) for one in told) and _as_it_comes(objective) is None


def refusal(
    representation: str | None,
    objective: Any,
    starts: type | None = None,
    learner: type | None = None,
    learn: Collection[str] = (),
    *,
    parts: Parts = PARTS,
) -> str | None:
    """Why these do not work together, and the nearest combination that does; `None` when they do.

    `representation` is a kind (of `KINDS`), `objective` a class or an instance (one whose abilities follow from
    its settings should be given as an instance), `learn` the fields to be learned. What is `None` is not judged.
    """
    asked = _Choice(representation, objective, starts, learner, frozenset(learn))
    reasons = list(_reasons(asked, parts))
    if not reasons:
        return None
    near = min(_possible(asked, parts), key=lambda choice: _distance(asked, choice, parts), default=None)
    told = (
        "nothing known here works with it" if near is None else f"nearest possible: {_difference(asked, near, parts)}"
    )
    return f"{'; '.join(reasons)}; {told}"


def table(parts: Parts = PARTS) -> list[Row]:
    """Every pair of representation × objective, with the starts, learned fields and learners that go with it."""
    return [_row(kind, objective, parts) for kind in kinds(parts) for objective in parts["objective"].values()]


def kinds(parts: Parts = PARTS) -> tuple[str, ...]:
    """The kinds of representation: those known here, and whatever else a part says that it takes."""
    told = {
        kind
        for group in ("learner", "objective")
        for part in parts[group].values()
        for kind in says(part, "takes") or ()
    }
    return (*KINDS, *sorted(told - set(KINDS)))


def learnable(kind: str | None) -> frozenset[str]:
    """The fields of a set that can be learned in this kind of representation."""
    return KINDS.get(kind or "", frozenset(FIELDS))


def _row(kind: str, objective: type, parts: Parts) -> Row:
    learners = tuple(name for name, part in parts["learner"].items() if _allows(part, "takes", kind))
    learned = _trained(objective) & learnable(kind)
    refused = refusal(kind, objective, parts=parts)
    if refused is None and not learned:
        refused = f"synthetic.learn: {_cannot(_trained(objective), kind)}"
    if refused is None and not learners:
        refused = f"learner: none of {', '.join(parts['learner'])} takes {kind}"
    return Row(
        representation=kind,
        objective=_name("objective", objective, parts),
        starts=tuple(name for name in parts["starts"] if _allows(objective, "starts", name)),
        learned=_ordered(learned),
        learners=learners,
        closed_form=callable(getattr(objective, "solve", None)),
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
                yield f"{group}: {_name(group, part, parts)} takes {able or 'nothing'}, not {choice.kind}"
    if choice.starts is not None:
        name = _name("starts", choice.starts, parts)
        if name in parts["starts"] and not _allows(choice.objective, "starts", name):
            able = ", ".join(one for one in parts["starts"] if _allows(choice.objective, "starts", one))
            yield f"starts: {name} makes no sense with {_name('objective', choice.objective, parts)}; allowed: {able}"
    fixed = choice.learn - learnable(choice.kind)
    if fixed:
        yield f"synthetic.learn: {_cannot(fixed, choice.kind)}"
    unreached = choice.learn - _trained(choice.objective)
    if unreached:
        yield (
            f"synthetic.learn: {sorted(unreached)} get no gradient from {_name('objective', choice.objective, parts)}; "
            f"it trains {list(_ordered(_trained(choice.objective)))}"
        )


def _cannot(fields: Collection[str], kind: str | None) -> str:
    return f"{sorted(fields)} cannot be learned of {kind}, only {', '.join(_ordered(learnable(kind)))}"


def _possible(asked: _Choice, parts: Parts) -> Iterator[_Choice]:
    """Combinations that work; each part stays as it was asked for wherever it can."""

    def candidates(group: str, part: Any, allowed: Any) -> list[Any]:
        if part is None or allowed(part):
            return [part]
        return [one for one in parts[group].values() if allowed(one)]

    for kind in [None] if asked.kind is None else kinds(parts):
        for objective in [asked.objective, *filter(_complete, parts["objective"].values())]:
            here = replace(asked, kind=kind, objective=objective)
            trained = _trained(objective) & learnable(kind)
            learn = asked.learn if asked.learn <= trained else (asked.learn & trained) or trained
            starts = candidates(
                "starts", asked.starts, lambda one, here=here: not [*_reasons(_only(here, starts=one), parts)]
            )
            learners = candidates(
                "learner", asked.learner, lambda one, kind=kind: kind is None or _allows(one, "takes", kind)
            )
            for start in starts:
                for learner in learners:
                    choice = replace(here, starts=start, learner=learner, learn=learn)
                    if not [*_reasons(choice, parts)]:
                        yield choice


def _complete(part: type) -> bool:
    """Whether a part can be named alone: one that needs settings is no suggestion."""
    return all(one.default is not one.empty for one in inspect.signature(part).parameters.values())


def _only(choice: _Choice, starts: type) -> _Choice:
    """The choice with nothing but its objective and these starts to be judged."""
    return replace(choice, kind=None, learner=None, learn=frozenset(), starts=starts)


def _distance(asked: _Choice, other: _Choice, parts: Parts) -> tuple[int, float]:
    """How far a combination is from the one asked for; of equally far ones, names that look alike come first."""
    changed = _OTHER_KIND * (asked.kind != other.kind)
    changed += _OTHER_OBJECTIVE * (asked.objective is not other.objective)
    changed += _OTHER_LEARNER * (asked.learner is not other.learner)
    changed += _OTHER_STARTS * (asked.starts is not other.starts)
    dropped = asked.learn - other.learn
    changed += _OTHER_FIELDS if dropped and not asked.learn & other.learn else _FEWER_FIELDS * len(dropped)
    alike = 0.0
    for group in ("objective", "learner"):
        first, second = (_name(group, getattr(choice, group), parts) for choice in (asked, other))
        alike += SequenceMatcher(None, first, second).ratio()
    shared = _trained(asked.objective) & _trained(other.objective)
    return changed, -alike - len(shared)


def _difference(asked: _Choice, near: _Choice, parts: Parts) -> str:
    """A combination as told: its pair, and whatever else differs from what was asked for."""
    pair = _name("objective", near.objective, parts)
    told = [pair if near.kind is None else f"{near.kind} with {pair}"]
    if near.learner is not asked.learner:
        told.append(f"learner {_name('learner', near.learner, parts)}")
    if near.starts is not asked.starts:
        told.append(f"starts {_name('starts', near.starts, parts)}")
    if near.learn != asked.learn:
        told.append(f"learning {', '.join(_ordered(near.learn))}")
    return ", ".join(told)


def _allows(part: Any, name: str, value: str) -> bool:
    able = says(part, name)
    return able is None or value in able


def _trained(objective: Any) -> frozenset[str]:
    able = says(objective, "trains")
    return frozenset(FIELDS) if able is None else able


def _ordered(fields: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted(fields, key=lambda name: (FIELDS.index(name) if name in FIELDS else len(FIELDS), name)))


def _name(group: str, part: Any, parts: Parts) -> str:
    """What recipes call a class, or that of an instance."""
    kind = part if inspect.isclass(part) else type(part)
    known = (name for name, one in parts[group].items() if one is kind)
    return "" if part is None else next(known, f"{kind.__module__}:{kind.__qualname__}")
