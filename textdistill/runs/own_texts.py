"""Texts and labels at hand in Python become a readable set: what `textdistill.distill` does."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from textdistill.data import table_of
from textdistill.data.sets.text_set import TextSet
from textdistill.recipe.own_table import per_class_overrides, table_recipe
from textdistill.recipe.read import resolve
from textdistill.runs.readable.run import TextRun
from textdistill.runs.run import run


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
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    seed: int = 0,
    device: str | None = None,
    progress: bool = False,
) -> TextSet:
    """The `per_class` texts of each class that teach the most, chosen among `texts`: `.texts`, `.names`, `.scores`.

    `texts` and `labels` (and `pairs`, the second text of each row) are lists, columns of pandas or of `datasets`; or
    `texts` is a whole table of either, with the columns named by `text`, `label` and `text_pair`. A fifth of the rows
    is held out to judge the set (`overrides` such as `data.test_fraction=0.1` change that). With `out` the run's folder
    with its report stays; the table itself is not kept there. What the user can mend is a `UserError`.

    `.names` are the samples' labels as the data call them (1 is "1", True is "True"); `.labels` are their places in
    `.classes`.

        kept = textdistill.distill(reviews, stars, per_class=10)
        list(zip(kept.texts, kept.names)), kept.scores["frozen"]["set"]
    """
    frame = table_of(texts, labels, pairs, text, label, text_pair)
    named = {"text": "text", "label": "label", **({"text_pair": "text_pair"} if "text_pair" in frame else {})}
    with tempfile.TemporaryDirectory(prefix="textdistill-") as place:
        file = Path(place) / "texts.parquet"
        frame.to_parquet(file)
        recipe = resolve(
            table_recipe(str(file), methods=methods, **named), [*per_class_overrides(per_class), *overrides]
        )
        done = run(recipe, Path(place) / "run" if out is None else out, seed=seed, device=device, quiet=not progress)
    assert isinstance(done, TextRun)
    return done.headline
