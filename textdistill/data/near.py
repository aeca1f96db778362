"""Rows that say the same but for a number, a name or punctuation: what a template writes again and again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from textdistill.data.table import TextTable, normalise

MOST_LETTERS = 10_000_000  # that are looked at: some seconds
LEAST_WORDS = 3  # that stay when numbers and names are gone; of fewer nothing can be said
_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_NAME = re.compile(r"(?<=[^\W\d_] )(?:[A-Z][\w'’-]*[^\W_](?: (?=[A-Z]))?)+")  # capitals behind another word
_BETWEEN_TEXTS = "\x1f"  # of a pair
_SIGNS = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Templates:
    """`rows` in `groups` of different texts that are equal but for numbers, names and punctuation, of `looked_at` rows;
    duplicates, which are told elsewhere, count once. `example`: the first two texts of the largest group."""

    groups: int
    rows: int
    looked_at: int
    example: tuple[str, ...]

    def told(self, every: int) -> str:
        """What was found, of how many rows, on one line."""
        seen = f" (of {self.looked_at:,} rows looked at)" if self.looked_at < every else ""
        shown = " and ".join(repr(_short(text)) for text in self.example)
        return (
            f"{self.rows:,} rows{seen} are equal to others but for numbers, names or punctuation, in {self.groups:,} "
            f"group{'s' if self.groups > 1 else ''}: {shown}; they may stand in train and test alike"
        )


def templates(tables: Sequence[TextTable]) -> Templates:
    """The templates among the rows of some tables: all of them, or as many as have `MOST_LETTERS`, evenly drawn."""
    texts = [text for table in tables for text in _joined(table)]
    letters = sum(map(len, texts))
    rows = range(len(texts))
    if letters > MOST_LETTERS:
        count = max(1, len(texts) * MOST_LETTERS // letters)
        rows = np.unique(np.linspace(0, len(texts) - 1, count).astype(int)).tolist()
    groups: dict[str, dict[str, str]] = {}  # by what is equal in a group its texts, duplicates as one
    for row in rows:
        key = masked(texts[row])
        if key is not None:
            groups.setdefault(key, {}).setdefault(_plain(texts[row]), texts[row])
    several = [list(group.values()) for group in groups.values() if len(group) > 1]
    largest = max(several, key=len, default=[])
    return Templates(len(several), sum(map(len, several)), len(rows), tuple(largest[:2]))


def masked(text: str) -> str | None:
    """A text without its numbers, names (capitals that are not at the begin of a sentence) and signs; `None` where
    fewer than three words stay."""
    plain = _NAME.sub("\x01", _NUMBER.sub("\x00", text))
    words = _SIGNS.sub(" ", plain.replace("\x00", " 0 ").replace("\x01", " 1 ")).casefold().split()
    kept = [word for word in words if word not in ("0", "1")]
    return " ".join(words) if len(kept) >= LEAST_WORDS else None


def _plain(text: str) -> str:
    """Equal for texts that duplicates are counted by: case and white space apart."""
    return _BETWEEN_TEXTS.join(normalise(part) for part in text.split(_BETWEEN_TEXTS))


def _joined(table: TextTable) -> Sequence[str]:
    if table.pairs is None:
        return table.texts
    return [f"{first} {_BETWEEN_TEXTS} {second}" for first, second in zip(table.texts, table.pairs, strict=True)]


def _short(text: str) -> str:
    flat = " ".join(text.replace(_BETWEEN_TEXTS, "|")[:240].split())
    return flat if len(flat) <= 60 else flat[:57] + "..."
