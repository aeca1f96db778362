"""Options that several commands share, alone or in groups, and how words on the command line become a recipe."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, fields
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, get_args, get_type_hints

import typer

from textdistill.core.errors import UserError, did_you_mean

if TYPE_CHECKING:
    import torch

    from textdistill.data import DataSettings
    from textdistill.recipe.read import Recipe

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="TEXTDISTILL_DATA_DIR",
        help="A folder with one folder of CSV or Parquet files per data set, tried before the hub.",
    ),
]
Variant = Annotated[str | None, typer.Option("--variant", help="One of the recipe's variants, such as fresh.")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Threads to compute with.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, and nothing else there.")]

MAIN = "Options"  # the panel of options that are in no other
REAL_DATA = "Real data"


@dataclass(frozen=True)
class OptionGroup:
    """Options that belong together, each a field; in the help they stand in the panel of this name (see `grouped`)."""

    panel: ClassVar[str] = MAIN


@dataclass(frozen=True)
class Machine(OptionGroup):
    """Where to compute, and with how much of it."""

    device: Annotated[str | None, typer.Option("--device", help="cpu, cuda, cuda:1, mps or auto (the default).")] = None
    threads: Threads = None

    def ready(self) -> torch.device:
        """Compute with these threads from now on, and on the device returned."""
        import torch

        from textdistill.core.device import pick_device

        if self.threads is not None:
            torch.set_num_threads(self.threads)
        return pick_device(self.device)


@dataclass(frozen=True)
class Columns(OptionGroup):
    """Where a table of real data lies, and which of its columns are read."""

    panel = REAL_DATA
    text: Annotated[str | None, typer.Option("--text", help="The column of the text.")] = None
    text_pair: Annotated[str | None, typer.Option("--text-pair", help="The column of a second text.")] = None
    label: Annotated[str | None, typer.Option("--label", help="The column of the label.")] = None
    delimiter: Annotated[
        str | None,
        typer.Option("--delimiter", metavar=", ; | tab", help="Between the fields of CSV; else as its header shows."),
    ] = None
    sheet: Annotated[str | None, typer.Option("--sheet", help="Of a spreadsheet; else its first.")] = None
    encoding: Annotated[str | None, typer.Option("--encoding", help="Of text files: utf-8 unless told.")] = None
    merge_labels: Annotated[
        bool, typer.Option("--merge-labels", help="Labels that look alike (neg, NEG, neg.) are one.")
    ] = False
    contradictions: Annotated[
        str | None,
        typer.Option("--contradictions", help="Equal texts under several labels: keep (the default), drop, majority."),
    ] = None
    drop_missing: Annotated[
        bool, typer.Option("--drop-missing", help="Rows without a text or a label are left out, not refused.")
    ] = False
    data_dir: DataDir = None

    @property
    def named(self) -> dict[str, str | bool]:
        """What was said of the table, by the key of the recipe's section `data`."""
        sign = "tab" if self.delimiter in ("\t", "\\t") else self.delimiter
        said = {"text": self.text, "text_pair": self.text_pair, "label": self.label}
        said |= {"sheet": self.sheet}
        said |= {"delimiter": sign, "encoding": self.encoding, "contradictions": self.contradictions}
        asked: dict[str, str | bool] = {"merge_labels": True} if self.merge_labels else {}
        if self.drop_missing:
            asked["missing"] = "drop"
        return {key: value for key, value in said.items() if value is not None} | asked

    def of(self, name: str) -> DataSettings:
        """The data called `name`, read by these columns."""
        from textdistill.data import DataSettings
        from textdistill.runs.stored import data_folder

        return DataSettings(name, data_dir=data_folder(self.data_dir), **self.named)  # type: ignore[arg-type]


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command as typer takes it: a group of options stands there as its fields; the command is given the group."""
    groups: dict[str, type[OptionGroup]] = {}
    spread: list[Parameter] = []
    for name, parameter in inspect.signature(command, eval_str=True).parameters.items():
        kind = parameter.annotation
        if not (isinstance(kind, type) and issubclass(kind, OptionGroup)):
            spread.append(parameter.replace(kind=Parameter.KEYWORD_ONLY))
            continue
        groups[name], hints = kind, get_type_hints(kind, include_extras=True)
        for field in fields(kind):
            base, option = get_args(hints[field.name])
            option = copy(option)
            option.rich_help_panel = kind.panel
            annotation = Annotated[base, option]  # type: ignore[valid-type]
            spread.append(Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=annotation))

    @functools.wraps(command)
    def spread_out(**given: Any) -> None:
        made = {
            name: kind(**{field.name: given.pop(field.name) for field in fields(kind)}) for name, kind in groups.items()
        }
        command(**given, **made)

    spread_out.__signature__ = inspect.Signature(spread)  # type: ignore[attr-defined]
    return spread_out


def split_words(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """The recipe's name, which comes first where there is one, and the key=value overrides."""
    rest = list(words)
    name = rest.pop(0) if rest and ("=" not in rest[0] or Path(rest[0]).is_file()) else None
    for word in rest:
        if "=" not in word:
            raise UserError(f"{word!r} is neither the recipe (it comes first, one a run) nor an override key=value")
    return name, rest


def table_overrides(
    settings: Mapping[str, Any], columns: Columns, per_class: int | None, samples: int | None
) -> list[str]:
    """The options for columns and sizes as overrides of a recipe's `settings`."""
    from textdistill.recipe.own_table import per_class_overrides
    from textdistill.recipe.read import is_readable

    if per_class is not None and samples is not None:
        raise UserError("--per-class and --samples exclude each other: give M for each class, or M in total")
    # A column called `yes` or `1` is a name, not a value of YAML's: its quotes say so.
    overrides = [f"data.{key}={quoted(said)}" for key, said in columns.named.items()]
    if is_readable(settings):
        if samples is not None:
            raise UserError("--samples: readable sets have as many of each class; give --per-class")
        return overrides if per_class is None else [*overrides, *per_class_overrides(per_class)]
    if per_class is not None or samples is not None:
        sizes = {"per_class": per_class, "samples": samples}
        overrides += [f"synthetic.{key}={'null' if size is None else size}" for key, size in sizes.items()]
    return overrides


def quoted(value: str | bool) -> str:
    """A word, or yes or no, as a value of YAML that is a word whatever it says: a string of JSON is one of YAML."""
    return json.dumps(value, ensure_ascii=False)


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


def per_class_option(text: str, panel: str | None = None) -> Any:
    """The option `--per-class`, whose help is `text`."""
    return typer.Option(
        "--per-class", parser=at_least_one("--per-class"), metavar="INTEGER", help=text, rich_help_panel=panel
    )


def at_least_one(option: str) -> Callable[[str], int]:
    """What reads the number of an option: 1 or more; another value is told in one line."""

    def read(text: str) -> int:
        from textdistill.core.bounds import count_of

        return count_of(option, text)

    return read
