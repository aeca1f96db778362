"""Texts and labels that are at hand in Python (lists, columns or tables of pandas or `datasets`) as one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from textdistill.core.errors import UserError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd


def table_of(
    texts: Any,
    labels: Iterable[Any] | None = None,
    pairs: Iterable[str] | None = None,
    text: str = "text",
    label: str = "label",
    text_pair: str | None = None,
) -> pd.DataFrame:
    """Columns `text`, `label` and, where there are pairs, `text_pair`: a row for each text.

    Without `labels`, `texts` is a whole table (a `DataFrame`, a `datasets.Dataset`, a mapping of columns) whose columns
    the names give; integers of a `ClassLabel` become the names of the classes.

    Errors: `UserError` for a missing column, columns of unlike lengths, something that is no text, a missing label.
    """
    import pandas as pd

    if labels is None:
        columns = _columns(texts)
        wanted = {"text": text, "label": label, **({} if text_pair is None else {"text_pair": text_pair})}
        for option, name in wanted.items():
            if name not in columns:
                raise UserError(f"{option}: {name!r}; allowed: {', '.join(columns)}{did_you_mean(name, columns)}")
        given = {key: list(columns[name]) for key, name in wanted.items()}
        names = _class_names(texts, label)
        if names is not None:
            given["label"] = [names[value] if 0 <= value < len(names) else None for value in given["label"]]
    else:
        if isinstance(texts, str) or isinstance(labels, str):
            raise UserError("texts and labels: a single string; give a list with a text (a label) for each row")
        given = {"text": list(texts), "label": list(labels)}
        if pairs is not None:
            given["text_pair"] = list(pairs)
    lengths = {key: len(values) for key, values in given.items()}
    if len(set(lengths.values())) > 1 or not lengths["text"]:
        counts = ", ".join(f"{length} of {key}" for key, length in lengths.items())
        raise UserError(f"{counts}; give as many of each, at least a few for every class")
    for key in ("text", "text_pair"):
        for row, value in enumerate(given.get(key, ())):
            if not isinstance(value, str):
                raise UserError(f"{key} of row {row}: {value!r:.60} ({type(value).__name__}); a string is needed")
    missing = [row for row, value in enumerate(given["label"]) if value is None or value != value]
    if missing:
        raise UserError(
            f"label of row {missing[0]}: missing ({len(missing)} in all); label these rows or leave them out"
        )
    given["label"] = [str(value) for value in given["label"]]
    return pd.DataFrame(given)


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
