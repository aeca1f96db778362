"""Names and values as a line of a message shows them: long ones cut, of many the first."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

LONGEST_NAME = 40  # characters
LONGEST_LIST = 300  # characters, beyond which no further name is listed
MOST = 20  # names
PLACES = 5  # of rows


def short(name: str, longest: int = LONGEST_NAME) -> str:
    """A name on one line, its end cut off where it is long."""
    name = " ".join(name[: 4 * longest].split())
    return name if len(name) <= longest else name[: longest - 1] + "…"


def listed(names: Iterable[str], behind: Iterable[str] | None = None, most: int = MOST) -> str:
    """Names, each with what stands `behind` it, as one line: all, or as many as a reader takes in and how many more."""
    names = list(names)
    entries = [short(name) for name in names]
    if behind is not None:
        entries = [entry + more for entry, more in zip(entries, behind, strict=True)]
    shown: list[str] = []
    for entry in entries[:most]:
        if shown and len(", ".join(shown)) + len(entry) > LONGEST_LIST:
            break
        shown.append(entry)
    rest = len(entries) - len(shown)
    return ", ".join(shown) + (f", … and {rest:,} more" if rest else "")


def placed(unit: str, shown: Iterable[object], count: int) -> str:
    """`line 3`, or `lines 3, 7, 9, 12, 15, ... (12 in all)` by the first `PLACES` of `count`."""
    told = ", ".join(str(place) for place in islice(shown, PLACES))
    return f"{unit}{'s' if count > 1 else ''} {told}" + (f", ... ({count} in all)" if count > PLACES else "")
