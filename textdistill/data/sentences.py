"""The first sentences of long texts: what a generator can write and a prompt has room for."""

from __future__ import annotations

import re
from dataclasses import replace

from textdistill.data.table import TextTable

# A sentence ends at . ! or ? (and closing quotes or brackets) before white space and a capital, a digit or a quote.
_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9])")
# What ends in a full stop and ends no sentence.
_ABBREVIATED = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|St|Jr|Sr|vs|etc|No|Prof|Gen|Lt|Col|Capt|[A-Z])\.)[\"')\]]*$")
_MARKUP = re.compile(r"<br\s*/?>", re.IGNORECASE)


def first_sentences(text: str, count: int) -> str:
    """The first `count` sentences of a text, line breaks of HTML taken out; the whole text where it has fewer.

    Boundaries are found by punctuation: `Mr.`, initials and the like end none.
    """
    text = " ".join(_MARKUP.sub(" ", text).split())
    ends = 0
    for end in _END.finditer(text):
        head = text[: end.start()] + end.group().rstrip()
        if _ABBREVIATED.search(head):
            continue
        ends += 1
        if ends == count:
            return head
    return text


def shortened(table: TextTable, count: int) -> TextTable:
    """A table whose texts (and second texts) are their first `count` sentences."""
    cut = [first_sentences(text, count) for text in table.texts]
    pairs = None if table.pairs is None else [first_sentences(text, count) for text in table.pairs]
    return replace(table, texts=cut, pairs=pairs)
