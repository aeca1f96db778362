"""Options that several commands share, and how words on the command line become a recipe."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textdistill.core.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from textdistill.recipe.read import Recipe

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="TEXTDISTILL_DATA_DIR",
        help="A folder with one folder of CSV or Parquet files per data set, tried before the hub.",
    ),
]
Device = Annotated[str | None, typer.Option("--device", help="cpu, cuda, cuda:1, mps or auto (the default).")]
Variant = Annotated[str | None, typer.Option("--variant", help="One of the recipe's variants, such as fresh.")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Threads to compute with.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, and nothing else there.")]


def split_words(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """The recipe's name, which comes first where there is one, and the key=value overrides."""
    rest = list(words)
    name = rest.pop(0) if rest and ("=" not in rest[0] or Path(rest[0]).is_file()) else None
    for word in rest:
        if "=" not in word:
            raise UserError(f"{word!r} is neither the recipe (it comes first, one a run) nor an override key=value")
    return name, rest


def table_overrides(
    text: str | None, text_pair: str | None, label: str | None, per_class: int | None, samples: int | None
) -> list[str]:
    """The options for columns and sizes as overrides."""
    if per_class is not None and samples is not None:
        raise UserError("--per-class and --samples exclude each other: give M for each class, or M in total")
    found: dict[str, Any] = {"data.text": text, "data.text_pair": text_pair, "data.label": label}
    if per_class is not None or samples is not None:
        out = [f"synthetic.per_class={_plain(per_class)}", f"synthetic.samples={_plain(samples)}"]
    else:
        out = []
    # A column called `yes` or `1` is a name, not a value of YAML's: its quotes say so.
    columns = [f"{key}={quoted(value)}" for key, value in found.items() if value is not None]
    return [*columns, *out]


def quoted(value: str) -> str:
    """A word as a value of YAML that is a word whatever it says: a string of JSON is one of YAML."""
    return json.dumps(value, ensure_ascii=False)


def _plain(value: int | None) -> str:
    return "null" if value is None else str(value)


def is_run(name: str) -> bool:
    """Whether a word names a folder rather than a recipe."""
    return Path(name).is_dir()


def stored_or_recipe(name: str, overrides: Sequence[str] = (), variant: str | None = None) -> Recipe:
    """The recipe of a finished run's folder, or the recipe of this name or path."""
    from textdistill.api import load_recipe
    from textdistill.runs.artifact import load
    from textdistill.runs.stored import stored_recipe

    if is_run(name):
        return stored_recipe(load(name), overrides)
    return load_recipe(name, overrides=overrides, variant=variant)


def one_of(option: str, value: str, allowed: Sequence[str]) -> str:
    """The value, if it is allowed."""
    if value not in allowed:
        raise UserError(f"{option}: {value!r}; allowed: {', '.join(allowed)}{did_you_mean(value, allowed)}")
    return value


def set_threads(threads: int | None) -> None:
    """Compute with this many threads."""
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
