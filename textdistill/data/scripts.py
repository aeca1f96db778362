"""In which scripts texts are written, by the names that Unicode gives their letters."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import cache

LOOKED_AT = 400  # letters of a text, from its begin
_WIDTHS = frozenset({"FULLWIDTH", "HALFWIDTH"})
_CALLED = {"CJK": "Han", "HANGUL": "Hangul"}


def main_script(text: str) -> str | None:
    """The script of most of a text's first letters; `None` where it has none."""
    begin = text[:LOOKED_AT]
    if begin.isascii():
        return "Latin" if any(map(str.isalpha, begin)) else None
    counts: Counter[str] = Counter()
    for sign, count in Counter(begin).items():
        if script := _script(sign):
            counts[script] += count
    return max(counts, key=lambda name: (counts[name], name)) if counts else None


def scripts_of(texts: Iterable[str]) -> dict[str, int]:
    """How many texts have each script as their main one, most first; texts without a letter are under `none`."""
    counts = Counter(main_script(text) or "none" for text in texts)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


@cache
def _script(sign: str) -> str | None:
    if not sign.isalpha():
        return None
    words = unicodedata.name(sign, "").split()
    words = words[1:] if words and words[0] in _WIDTHS else words
    return _CALLED.get(words[0], words[0].capitalize()) if words else None
