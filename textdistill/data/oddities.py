"""What a table holds that is hardly meant: missing values as words, lists as labels, text that lost its encoding."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

# How pandas, spreadsheets and databases write that there is nothing.
MISSING = frozenset({"nan", "null", "none", "n/a", "na", "#n/a", "<na>", "nil", "undefined", "#value!", "#ref!"})
# UTF-8 read as cp1252 or latin-1: the first byte of two or three, and a continuation.
_MOJIBAKE = re.compile("[ÂÃ][\u0080-\u00bf]|â[\u0080\u20ac][\u0080-\u00bf\u2018-\u203a\u2122]")
_LIST = re.compile(r"[\[({].*[\])}]", re.DOTALL)


def odd_labels(classes: Mapping[str, int]) -> list[str]:
    """A line for labels (with their rows) that look like missing values, and one for those that look like lists."""
    missing = [name for name in classes if name.strip().casefold() in MISSING]
    lists = [name for name in classes if _LIST.fullmatch(name.strip())]
    lines = []
    if missing:
        named = ", ".join(f"{name!r} ({classes[name]:,} rows)" for name in missing)
        lines.append(f"labels that look like missing values: {named}; leave these rows out, or give them their label")
    if lists:
        named = ", ".join(map(repr, lists[:3])) + (", ..." if len(lists) > 3 else "")
        lines.append(
            f"labels that look like lists: {named}; a row has one label: choose one, or make a class of each set"
        )
    return lines


def odd_texts(texts: Iterable[str]) -> list[str]:
    """A line for texts that are nothing but a missing value, and one for those whose encoding was lost."""
    missing = damaged = 0
    example = ""
    for text in texts:
        if len(text) < 12 and text.strip().casefold() in MISSING:
            missing += 1
        if not text.isascii() and (found := "\ufffd" if "\ufffd" in text else _first(text)):
            damaged += 1
            example = example or found
    lines = []
    if missing:
        lines.append(f"{missing:,} texts are nothing but a missing value (nan, null, N/A, ...); leave these rows out")
    if damaged:
        lines.append(
            f"{damaged:,} texts have lost letters ({example!r}): read once by another encoding than they were written "
            "in; write the table again as UTF-8 (--encoding names another)"
        )
    return lines


def _first(text: str) -> str:
    found = _MOJIBAKE.search(text)
    return found[0] if found else ""
