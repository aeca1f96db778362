"""Which column of a table looks like its classes and which like its texts, and a label that is neither told."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from textdistill.core.errors import DataError
from textdistill.data.listed import short

if TYPE_CHECKING:
    from textdistill.data.columns import Records

HANDFUL = 20  # rows, of which each may be a class of its own
_LOOKED_AT = 2000  # rows by which columns are judged
_MOST_CLASSES = 50  # more different values, or more than one in four rows, are hardly classes
_LEAST_LETTERS = 10  # on average, in a column of texts
_LONGEST_NAME = 60  # characters; what is longer is a text
_MOST_COLUMNS = 200  # that are looked at
# Words by which people call a column of classes, in the order in which they count.
_LABEL_WORDS = ("label", "class", "target", "category", "sentiment", "intent", "topic", "stars", "rating", "kind")


def refuse_ids(rows: Records, label: str, classes: Collection[str], labelled: int, texts: Sequence[str]) -> None:
    """`DataError` where nearly every row has a label of its own: a text or an id was taken for the column of classes.

    `classes` are the different labels of `labelled` rows, `texts` the columns that are read as such.
    """
    if labelled <= HANDFUL or 2 * len(classes) <= labelled:
        return
    is_what = "the text, or an id"
    if all(value.removeprefix("-").isdigit() for value in classes):
        is_what = "an id, or a quantity (regression is not supported: bin it first)"
    swapped = [name for name in texts if _few_values(rows, name)]
    others = likely_labels(rows, (label, *texts))
    hint = ""
    if swapped:
        count = _few_values(rows, swapped[0])
        hint = f"; {_quoted(swapped[0])}, read as the text, has {count} different values: are the two swapped?"
    elif others:
        hint = "; " + ", ".join(f"{_quoted(name)} has {count} different values" for name, count in others[:3])
    raise DataError(
        f"{rows.source}: label column {_quoted(label)} has {len(classes):,} different values in {labelled:,} rows: is "
        f"it {is_what}? --label (data.label) names the column of classes{hint}"
    )


def likely_labels(rows: Records, but: Sequence[str] = ()) -> list[tuple[str, int]]:
    """Columns with few different values and how many they have, first those that are called as labels are."""
    found = [
        (name, count) for name in rows.names[:_MOST_COLUMNS] if name not in but and (count := _few_values(rows, name))
    ]
    return sorted(found, key=lambda one: (_called_as_label(one[0]), one[1]))


def likely_text(rows: Records, but: Sequence[str] = ()) -> str | None:
    """The column with the longest texts, of those in which most rows have one of their own."""
    letters: dict[str, float] = {}
    for name in rows.names[:_MOST_COLUMNS]:
        values = [value for value in islice(rows.values(name), _LOOKED_AT) if isinstance(value, str)]
        if name not in but and values and 2 * len(set(values)) > len(values):
            letters[name] = sum(map(len, values)) / len(values)
    longest = max(letters, key=lambda name: letters[name], default=None)
    return longest if longest is not None and letters[longest] >= _LEAST_LETTERS else None


def likely_options(rows: Records) -> str:
    """The options that name the likeliest columns of text and label; empty where either is in doubt."""
    label = next((name for name, _ in likely_labels(rows)), None)
    text = likely_text(rows, () if label is None else (label,))
    return "" if label is None or text is None else f"--text {shlex.quote(text)} --label {shlex.quote(label)}"


def header_is_data(rows: Records) -> bool:
    """Whether half of the columns' names look like a row: long, a number, or a value of their own column."""
    counted = [str(number) for number in range(len(rows.names))]  # as pandas calls columns without names
    if not rows.names or len(rows.names) > _MOST_COLUMNS or list(rows.names) == counted:
        return False
    data = sum(
        len(name) > _LONGEST_NAME or _is_number(name) or name.strip() in map(str, islice(rows.values(name), _LOOKED_AT))
        for name in rows.names
    )
    return 2 * data >= len(rows.names)


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _few_values(rows: Records, name: str) -> int:
    """How many different values a column has, 0 where these are no classes."""
    distinct: set[str] = set()
    looked_at = 0
    for value in islice(rows.values(name), _LOOKED_AT):
        looked_at += 1
        if value is not None and not isinstance(value, str | int | float):
            return 0  # a picture, a list
        distinct |= {str(value).strip()} if value not in (None, "") else set()
        if len(distinct) > _MOST_CLASSES:
            return 0
    return len(distinct) if 2 <= len(distinct) <= looked_at // 4 else 0


def _called_as_label(name: str) -> int:
    plain = name.casefold()
    return next((place for place, word in enumerate(_LABEL_WORDS) if word in plain), len(_LABEL_WORDS))


def _quoted(name: str) -> str:
    return repr(short(name))
