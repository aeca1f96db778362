"""Names of classes as people write them: whole numbers without a point, and names that look alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

_WHOLE = re.compile(r"([+-]?\d{1,15})\.0*")
_PLAIN = re.compile(r"[+-]?\d{1,15}")
_BETWEEN = re.compile(r"(?<=[^\W_])[\s_-]+(?=[^\W_])")  # white space, _ and - between two letters or digits
INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"  # take no place in what is shown
_AROUND = " \t\r\n.,;:!?\"'`()[]{}<>_"


def whole_names(names: Iterable[str], known: Collection[str] = ()) -> dict[str, str]:
    """What each name becomes: `1.0` is `1` where all names are whole numbers and none of them is in `known`.

    Whole numbers are written as `1.0` by whatever keeps them beside an empty cell (pandas does).
    """
    distinct = list(dict.fromkeys(names))
    same = {name: name for name in distinct}
    pointed = {name: found[1] for name in distinct if (found := _WHOLE.fullmatch(name))}
    others = [name for name in distinct if name not in pointed]
    if not pointed or any(name in known for name in pointed) or not all(map(_PLAIN.fullmatch, others)):
        return same
    return {**same, **{name: str(int(number)) for name, number in pointed.items()}}


def trimmed(name: str) -> str:
    """A name without white space and invisible signs at its ends."""
    before = ""
    while name != before:
        before, name = name, name.strip().strip(INVISIBLE)
    return name


def look(name: str) -> str:
    """The same for names that look alike: letters of either case, punctuation around, one space or `_` or `-` between,
    whole numbers of one value.

    What is nothing but signs, and the signs of `C++` or `A-`, stay.
    """
    if _PLAIN.fullmatch(name):
        return str(int(name))
    text = unicodedata.normalize("NFKC", name).casefold()
    text = "".join(sign for sign in text if sign not in INVISIBLE)
    text = _BETWEEN.sub(" ", text.strip(_AROUND))
    return text or name


def alike(names: Sequence[str]) -> list[tuple[str, ...]]:
    """The groups of names that look alike, two or more in each."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(look(name), []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def as_known(names: Iterable[str], known: Sequence[str]) -> dict[str, str]:
    """What each name becomes: the known one that looks like it, where it is none itself."""
    by_look = {look(name): name for name in reversed(known)}
    return {name: name if name in known else by_look.get(look(name), name) for name in names}


def merged(labels: np.ndarray, classes: tuple[str, ...]) -> tuple[np.ndarray, tuple[str, ...], Mapping[str, str]]:
    """Labels (n,) and classes with those that look alike as one, called as most of its rows are; who became whom."""
    counts = np.bincount(labels, minlength=len(classes))
    becomes = {
        name: max(group, key=lambda other: (counts[classes.index(other)], -classes.index(other)))
        for group in alike(classes)
        for name in group
    }
    kept = tuple(name for name in classes if becomes.get(name, name) == name)
    places = np.array([kept.index(becomes.get(name, name)) for name in classes], dtype=np.int64)
    return places[labels], kept, {name: other for name, other in becomes.items() if name != other}
