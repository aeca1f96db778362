"""Texts to words the way GloVe 6B was made: lower case, Penn Treebank habits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from textdistill.data.table import TextTable

# Web pages of the nineties were Windows-1252 under another name, and people type any mark as an apostrophe.
_MARKS = str.maketrans(
    {"\x91": "'", "\x92": "'", "\x93": '"', "\x94": '"', "\x84": '"', "\x96": "\u2013", "\x97": "\u2014", "\x85": "..."}
    | {"\u2018": "'", "\u2019": "'", "\u00b4": "'", "\u201c": '"', "\u201d": '"'}
)
_BRACKETS = {"-lrb-": "(", "-rrb-": ")", "-lsb-": "[", "-rsb-": "]", "-lcb-": "{", "-rcb-": "}"}
_BRACKET = re.compile(r"-[lr][rsc]b-", re.IGNORECASE)
_ESCAPED = re.compile(r"\\(?=[/*])")  # the treebank's own escapes: 1\/2, \*

_WORD = re.compile(
    r"""
    ([A-Za-z]++(?=[ ,]))                                                     # most words: nothing can be glued on
    | (?:<br\s*/?>)                                                          # markup: matched, not kept
    | (\.\.\. | -- | `` | ''                                                 # marks of two or three signs
      | (?:[^\W\d_]\.){2,}                                                   # u.s. i.e.
      | (?i:mrs?|ms|dr|st|jr|sr|vs|etc|lt|sgt|gen|prof)\.(?=\s)              # mr.
      | (?i:n't|'(?:s|m|d|re|ve|ll|em|n|til|cause))\b                        # the second half of do n't, he 's
      | '\d0s\b                                                              # '70s
      | (?i:ma'am|c'mon|[odl]'[^\W\d_]{2,})                                  # o'clock, d'artagnan
      | [^\W\d_]+?(?=[nN]'[tT]\b)                                            # the first half of don't, can't
      | \d+(?:[.,:/]\d+)+                                                    # 1,000 2.5 7/10 10:30
      | [^\W_]+(?:-[^\W_]+)*                                                 # words, numbers, well-known
      | \S)                                                                  # any other sign by itself
    """,
    re.VERBOSE,
)


def tokenise(text: str, *, lower: bool = True) -> list[str]:
    """The words and signs of a text, in lower case unless told otherwise.

    Punctuation is split off, `don't` is `do n't`, `it's` is `it 's`; numbers (`1,000`, `7/10`), hyphenated words and
    abbreviations stay whole; `<br />` is dropped. Texts that are split already (`does n't`, `-lrb-`) come out the same,
    but for `-lrb-` and its like, which GloVe 6B writes as the bracket, and the treebank's `\\/`, which is a slash.
    """
    if not text.isascii():
        text = text.translate(_MARKS)
    if "b-" in text or "B-" in text:
        text = _BRACKET.sub(lambda bracket: _BRACKETS[bracket.group().lower()], text)
    if "\\" in text:
        text = _ESCAPED.sub("", text)
    if lower:
        text = text.lower()
    return [plain or other for plain, other in _WORD.findall(text) if plain or other]


def table_tokens(table: TextTable, *, lower: bool = True) -> list[list[str]]:
    """One list of words a row; of a pair, the words of the second text follow those of the first."""
    firsts = [tokenise(text, lower=lower) for text in table.texts]
    if table.pairs is None:
        return firsts
    return [first + tokenise(second, lower=lower) for first, second in zip(firsts, table.pairs, strict=True)]


def count_words(token_lists: Iterable[list[str]]) -> Counter[str]:
    """How often each word occurs."""
    counts: Counter[str] = Counter()
    for tokens in token_lists:
        counts.update(tokens)
    return counts
