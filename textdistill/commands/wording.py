"""How samples are worded, as the command line is told: templates, label words, a model that picks an order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textdistill.commands.options import OptionGroup
from textdistill.core.errors import UserError

if TYPE_CHECKING:
    from textdistill.data.sets.text_set import TextSet
    from textdistill.export import Scorer

CALIBRATE_HELP = (
    "Take off what a prompt prefers whatever the row says: content-free, as it shows without content (Zhao et al. "
    "2021), or rows, as it shows on the training rows that choices are made by."
)
TEMPLATE_HELP = "Jinja of one sample, {{ text }} … {{ label }} at its end; \\n is a new line, @FILE reads a file."


@dataclass(frozen=True)
class PromptWords(OptionGroup):
    """All of a prompt's wording but the template, of which a command takes one or several."""

    panel = "Wording"
    label_word: Annotated[
        list[str] | None, typer.Option("--label-word", metavar="CLASS=WORD", help="The word for a class; repeat it.")
    ] = None
    instruction: Annotated[str | None, typer.Option("--instruction", help="What to do, before the samples.")] = None
    separator: Annotated[str | None, typer.Option("--separator", help="Between samples; \\n is a new line.")] = None

    def chosen(self) -> dict[str, Any]:
        """What was chosen, by the names of `Shots`."""
        words, separator = self._label_words(), unescaped(self.separator)
        choices = {"label_words": words, "instruction": self.instruction, "separator": separator}
        return {name: choice for name, choice in choices.items() if choice is not None}

    def _label_words(self) -> dict[str, str] | None:
        """The label words by class."""
        words = {}
        for given in self.label_word or ():
            name, sign, word = given.partition("=")
            if not sign:
                raise UserError(f"--label-word: {given!r}; write CLASS=WORD")
            words[name] = word
        return words or None


Calibrate = Annotated[str, typer.Option("--calibrate", help=CALIBRATE_HELP)]

Templates = Annotated[
    list[str] | None,
    typer.Option(
        "--template", help=f"{TEMPLATE_HELP} Of several the best is taken.", rich_help_panel=PromptWords.panel
    ),
]


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


def left_out(shots: TextSet, pool: TextSet) -> str | None:
    """A line about the classes of which no sample of the `pool` is shown; `None` where each has one."""
    absent, gone = _lacking(shots), _lacking(pool)
    if not absent:
        return None
    remedy = "a larger k has one of each class"
    if set(absent) & set(gone):
        of_one = len(pool.classes) - len(gone) == 1
        remedy = f"the set has none{' but of one class' if of_one else ''}: take another, or add samples"
    return f"warning: {len(shots)} samples show no example of {', '.join(absent)}; {remedy}"


def _lacking(samples: TextSet) -> list[str]:
    import numpy as np

    counts = np.bincount(samples.labels, minlength=len(samples.classes)).tolist()
    return [name for name, count in zip(samples.classes, counts, strict=True) if not count]


def order_scorer(model: str, rows: TextSet) -> Scorer:
    """What judges a prompt by this language model on these labelled rows, for `--order best`."""
    from textdistill.in_context import Likelihood, load_scorer, validation_scorer

    return validation_scorer(Likelihood(load_scorer(model)), rows)
