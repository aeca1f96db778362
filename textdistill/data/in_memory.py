"""Texts and labels that are at hand in Python (lists, columns or tables of pandas or `datasets`) as one table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textdistill.core.errors import UserError, did_you_mean
from textdistill.data.columns import is_missing, kind_of
from textdistill.data.label_names import trimmed
from textdistill.data.listed import placed
from textdistill.data.settings import MISSING

if TYPE_CHECKING:
    import pandas as pd


def table_of(
    texts: Any,
    labels: Iterable[Any] | None = None,
    pairs: Iterable[str] | None = None,
    text: str = "text",
    label: str = "label",
    text_pair: str | None = None,
    missing: str = "refuse",
) -> pd.DataFrame:
    """Columns `text`, `label` and, where there are pairs, `text_pair`: a row for each text.

    Without `labels`, `texts` is a whole table (a `DataFrame`, a `datasets.Dataset`, a mapping of columns) whose columns
    the names give; integers of a `ClassLabel` become the names of the classes. Where `missing` rows are to be dropped,
    what they lack is `None`.

    Errors: `UserError`, in the words of the arguments and by positions from 0, for a missing column, columns of unlike
    lengths, something that is no text or no label, labels of several kinds, a missing text or label.
    """
    import pandas as pd

    if missing not in MISSING:
        raise UserError(f"missing: {missing!r}; allowed: {', '.join(MISSING)}{did_you_mean(missing, MISSING)}")
    called = {"text": "texts", "text_pair": "pairs", "label": "labels"}
    if labels is None:
        columns = _columns(texts)
        wanted = {"text": text, "label": label, **({} if text_pair is None else {"text_pair": text_pair})}
        for option, name in wanted.items():
            if name not in columns:
                raise UserError(f"{option}: {name!r}; allowed: {', '.join(columns)}{did_you_mean(name, columns)}")
        given = {key: _values(columns[name], f"column {name!r}") for key, name in wanted.items()}
        called = {key: f"column {name!r}" for key, name in wanted.items()}
        names = _class_names(texts, label)
        if names is not None:
            given["label"] = [
                names[value] if value is not None and 0 <= value < len(names) else None for value in given["label"]
            ]
    else:
        if isinstance(texts, str) or isinstance(labels, str):
            raise UserError("texts and labels: a single string; give a list with a text (a label) for each row")
        arguments = {"text": texts, "label": labels, **({} if pairs is None else {"text_pair": pairs})}
        given = {key: _values(values, called[key]) for key, values in arguments.items()}
    lengths = {called[key]: len(values) for key, values in given.items()}
    if len(set(lengths.values())) > 1 or not given["text"]:
        counts = ", ".join(f"{length} in {name}" for name, length in lengths.items())
        raise UserError(f"{counts}; give as many of each, at least a few for every class")
    for key in given.keys() & {"text", "text_pair"}:
        for row, value in enumerate(given[key]):
            if value is not None and not isinstance(value, str):
                raise UserError(
                    f"{called[key]} at position {row}: {value!r:.60} ({type(value).__name__}); a string is needed"
                )
        given[key] = [value if value is not None and trimmed(value) else None for value in given[key]]
    given["label"] = _one_kind(given["label"], called["label"])
    for key, values in given.items():
        _refuse_halves(values, called[key])
    _refuse_missing(given, called, missing)
    return pd.DataFrame(given, dtype=object)


def _values(column: Any, called: str) -> list[Any]:
    """A column's values as Python's own, `None` for whatever stands for a missing one."""
    shape = getattr(column, "shape", None)
    if isinstance(shape, tuple) and len(shape) != 1:
        one = ".iloc[:, 0]" if hasattr(column, "iloc") else "[:, 0]"
        raise UserError(
            f"{called}: of shape {tuple(shape)}; one value for each row is needed: give a single column, such as "
            f"{called if called.isidentifier() else ''}{one}"
        )
    return [_plain(value) for value in column]


def _plain(value: Any) -> Any:
    import pandas as pd

    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:  # a number of numpy or torch
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value


def _one_kind(labels: Sequence[Any], called: str) -> list[str | None]:
    """Labels as strings. `UserError` where one is no label, or they are of several kinds, as in files."""
    kinds: dict[str, int] = {}
    for row, value in enumerate(labels):
        if not is_missing(value, None):
            kinds.setdefault(kind_of(value), row)
    if "other" in kinds:
        row = kinds["other"]
        raise UserError(
            f"{called} at position {row}: {labels[row]!r:.60} ({type(labels[row]).__name__}); a label is a string, an "
            "integer or true/false"
        )
    if len(kinds) > 1:
        said = ", ".join(f"{labels[row]!r:.60} at position {row} is a {kind}" for kind, row in kinds.items())
        raise UserError(f"{called}: of several kinds ({said}); write all of them alike, such as with str(label)")
    return [None if is_missing(value, None) else str(value) for value in labels]


def _refuse_missing(given: Mapping[str, Sequence[Any]], called: Mapping[str, str], missing: str) -> None:
    """`UserError` for missing texts and labels, all at once, or where dropping them leaves nothing."""
    lacking = {key: [row for row, value in enumerate(values) if value is None] for key, values in given.items()}
    told = [f"{called[key]}: missing at {placed('position', rows, len(rows))}" for key, rows in lacking.items() if rows]
    if told and missing == "refuse":
        raise UserError(f"{'; '.join(told)}; fill them in, or leave these rows out with missing='drop'")
    if told and len(set().union(*lacking.values())) == len(given["text"]):
        raise UserError(f"{'; '.join(told)}; no row is whole, fill them in")


def _refuse_halves(values: Sequence[str | None], called: str) -> None:
    """`UserError` for half a character, which no file can hold."""
    for row, value in enumerate(values):
        try:
            (value or "").encode()
        except UnicodeEncodeError as error:
            sign = f"U+{ord(error.object[error.start]):04X}"
            raise UserError(
                f"{called} at position {row}: half a character (a lone surrogate, {sign}); leave it out, such as "
                "with text.encode(errors='ignore').decode()"
            ) from None


def _columns(table: Any) -> Mapping[str, Any]:
    """The columns of a table by name."""
    if isinstance(table, Mapping) or hasattr(table, "columns"):  # DataFrame
        return {str(name): table[name] for name in (table if isinstance(table, Mapping) else table.columns)}
    if hasattr(table, "column_names") and isinstance(table.column_names, list):  # datasets.Dataset
        return {name: table[name] for name in table.column_names}
    raise UserError(
        f"{type(table).__name__}: no labels, and no table with columns; give texts and labels, a DataFrame, or a "
        "split of datasets"
    )


def _class_names(table: Any, label: str) -> list[str] | None:
    """The names that a `ClassLabel` of `datasets` gives its integers."""
    names = getattr(getattr(table, "features", {}).get(label), "names", None)
    return list(names) if isinstance(names, list) else None
