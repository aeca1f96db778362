"""Texts and labels at hand in Python become a readable set: what `textdistill.distill` does."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from textdistill.core.bounds import count_of
from textdistill.core.errors import UserError
from textdistill.data import table_of
from textdistill.data.sets.text_set import TextSet
from textdistill.recipe.own_table import per_class_overrides, table_recipe
from textdistill.recipe.read import resolve
from textdistill.runs.readable.run import TextRun
from textdistill.runs.run import run

_ROWS = re.compile(r"\bat rows? (\d+(?:, \d+)*)")
_OPTION = re.compile(r" \(--[\w-]+\)")
_NO_FILE = (", or give a file (test: FILE)", ", or give a file (validation: FILE)")  # which no argument takes


def distill(
    texts: Iterable[str] | Any,
    labels: Iterable[Any] | None = None,
    *,
    per_class: int = 10,
    pairs: Iterable[str] | None = None,
    text: str = "text",
    label: str = "label",
    text_pair: str | None = None,
    methods: Sequence[str] | None = None,
    missing: str = "refuse",
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    seed: int = 0,
    device: str | None = None,
    progress: bool = False,
) -> TextSet:
    """The `per_class` texts of each class that teach the most, chosen among `texts`: `.texts`, `.names`, `.scores`.

    `texts` and `labels` (and `pairs`, the second text of each row) are lists, columns of pandas or of `datasets`; or
    `texts` is a whole table of either, with the columns named by `text`, `label` and `text_pair`. A fifth of the rows
    is held out to judge the set (`overrides` such as `data.test_fraction=0.1` change that). Rows without a text or a
    label are refused, or left out with `missing="drop"`. With `out` the run's folder with its report stays; the table
    itself is not kept there. What the user can mend is a `UserError` that speaks of these arguments.

    `.names` are the samples' labels as the data call them (1 is "1", True is "True"); `.labels` are their places in
    `.classes`.

        kept = textdistill.distill(reviews, stars, per_class=10)
        list(zip(kept.texts, kept.names)), kept.scores["frozen"]["set"]
    """
    frame = table_of(texts, labels, pairs, text, label, text_pair, missing)
    sizes = per_class_overrides(count_of("per_class", per_class))
    named = {"text": "text", "label": "label", **({"text_pair": "text_pair"} if "text_pair" in frame else {})}
    called = {"text": "texts", "label": "labels", "text_pair": "pairs"}
    if labels is None:
        called = {"text": f"column {text!r}", "label": f"column {label!r}", "text_pair": f"column {text_pair!r}"}
    with tempfile.TemporaryDirectory(prefix="textdistill-") as place:
        file = Path(place) / "texts.parquet"
        frame.to_parquet(file)
        try:
            settings = table_recipe(str(file), methods=methods, **named)
            recipe = resolve(settings, [*sizes, f"data.missing={missing}", *overrides])
            folder = Path(place) / "run" if out is None else out
            done = run(recipe, folder, seed=seed, device=device, quiet=not progress)
        except UserError as error:
            error.args = (in_arguments(str(error), file, called),)
            raise
    assert isinstance(done, TextRun)
    return done.headline


def in_arguments(message: str, file: Path, called: Mapping[str, str]) -> str:
    """A message about the table's `file`, and about options, in the words of the arguments, rows counted from 0.

    `called` is what the caller knows each column of the file by.
    """
    for words in _NO_FILE:
        message = message.replace(words, "")
    message = message.replace(f"{file}: ", "").replace(f"{file.name}: ", "").replace(str(file), "the table")
    message = message.replace("--label (data.label) names the column of classes", f"{called['label']} must be classes")
    message = _OPTION.sub("", message).replace("--methods", "methods")
    for column, name in called.items():
        message = re.sub(rf"\b(?:label )?column {column!r}", name, message)
    return _ROWS.sub(_positions, message)


def _positions(found: re.Match[str]) -> str:
    rows = [str(int(row) - 1) for row in found[1].split(", ")]
    return f"at position{'s' if len(rows) > 1 else ''} {', '.join(rows)}"
