"""What a person reads first in the folder of a text-level run: the page, the table of figures, the samples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textdistill.core.checkpoint import write_atomic
from textdistill.core.file_names import CARD, MODEL_STEPS
from textdistill.data import Splits, TextTable
from textdistill.evaluation.text_learners import Frozen
from textdistill.recipe.text_settings import TextLevel
from textdistill.reports.headline import look
from textdistill.reports.templates import markdown, score
from textdistill.reports.text_folder import TextFolder, read_folder
from textdistill.reports.text_report import write_text_page
from textdistill.reports.text_tables import bars_of
from textdistill.runs.progress import Reporter
from textdistill.runs.readable.judge import Sets
from textdistill.selection.methods import METHODS


def write_text_report(folder: Path) -> Path:
    """Write `report.html` and `README.md` from the files in `folder`; returns the page's path."""
    page = write_text_page(folder)
    write_atomic(folder / CARD, _readme(read_folder(folder)))
    return page


def look_at(sets: Sets, splits: Splits[TextTable], settings: TextLevel, reporter: Reporter) -> dict[str, Any]:
    """What one looks at of the headline's sets (`reports.headline.look`), for `headline.json`."""
    choose, judge = settings.choose, settings.judge
    own = METHODS[choose.headline].stream  # soft labels on the same samples
    soft_of = next((name for name in choose.made if METHODS[name].soft and METHODS[name].stream == own), None)
    soft = None if soft_of is None else sets[soft_of, choose.size][0]
    with reporter.stage("looking", None):
        return look(
            sets[choose.headline, choose.size],
            splits,
            Frozen(judge.encoder, judge.penalty),
            soft=soft,
            soft_of=soft_of,
        )


def write_history(folder: Path, history: Sequence[dict[str, Any]]) -> None:
    """Write the looks at the language model's training as `language-model.jsonl`."""
    write_atomic(folder / MODEL_STEPS, "".join(json.dumps(step) + "\n" for step in history))


def _readme(run: TextFolder) -> str:
    lines = [f"# {markdown(run.manifest.title)}", ""]
    for name, block in run.metrics.variants.items():
        lines += [f"## {markdown(name)}", "", "| method | accuracy | sets |", "|---|---|---|"]
        for bar in bars_of(block)[0]:
            lines.append(f"| {markdown(bar.name)} | {score(bar.score)} | {bar.score.n} |")
        if block.kept is not None and block.full is not None:
            share = 100 * block.kept / block.full.accuracy.mean
            lines += ["", f"The set that is listed gets {share:.1f} % of what all training data get right."]
        lines.append("")
    headline, samples = run.headline, run.samples
    if samples is not None:
        lines += [f"## A set of {markdown(headline.method)}, {headline.size} samples a class", ""]
        for row, text in enumerate(samples.texts):
            pair = "" if samples.pairs is None else f" / {samples.pairs[row]}"
            lines.append(f"- {markdown(samples.classes[int(samples.labels[row])])}: {markdown(text + pair)}")
    return "\n".join(lines) + "\n"
