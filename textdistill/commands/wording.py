"""How samples are worded, as the command line is told: templates, label words, a model that picks an order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from textdistill.core.errors import UserError

if TYPE_CHECKING:
    from textdistill.data.sets.text_set import TextSet
    from textdistill.export import Scorer

TEMPLATE_HELP = "Jinja of one sample, {{ text }} … {{ label }} at its end; \\n is a new line, @FILE reads a file."

LabelWord = Annotated[
    list[str] | None, typer.Option("--label-word", metavar="CLASS=WORD", help="The word for a class; repeat it.")
]
Instruction = Annotated[str | None, typer.Option("--instruction", help="What to do, before the samples.")]
Separator = Annotated[str | None, typer.Option("--separator", help="Between samples; \\n is a new line.")]


def template_of(text: str | None) -> str | None:
    """A template given in words or as @FILE."""
    if text is None or not text.startswith("@"):
        return unescaped(text)
    try:
        return Path(text[1:]).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"--template: {text[1:]}: no UTF-8 text; save it as such") from None


def unescaped(text: str | None) -> str | None:
    r"""New lines and tabs that a shell's user writes as `\n` and `\t`."""
    return None if text is None else text.replace("\\n", "\n").replace("\\t", "\t")


def words_of(given: Sequence[str] | None) -> dict[str, str] | None:
    """The label words by class."""
    found = {}
    for one in given or ():
        name, sign, word = one.partition("=")
        if not sign:
            raise UserError(f"--label-word: {one!r}; write CLASS=WORD")
        found[name] = word
    return found or None


def order_scorer(model: str, rows: TextSet) -> Scorer:
    """What judges a prompt by this language model on these labelled rows, for `--order best`."""
    from textdistill.in_context import Likelihood, load_scorer, validation_scorer

    return validation_scorer(Likelihood(load_scorer(model)), rows)
