"""What a run says of its table before work begins, and keeps for its report: the summary that `check` prints."""

from __future__ import annotations

from textdistill.core.errors import OfflineError
from textdistill.data.summary import Reader, summary_of
from textdistill.recipe.read import Recipe
from textdistill.representations.task import Task
from textdistill.representations.words import Words
from textdistill.runs.progress import Reporter
from textdistill.runs.readers import encoder_reader, word_reader

SUMMARY = "summary"  # among what a manifest tells of the data


def tell_table(task: Task, recipe: Recipe, reporter: Reporter) -> None:
    """Say what the task's texts are like, once, and keep the lines among its `data`; of images nothing is said."""
    texts = task.plain_texts()
    if texts is None or SUMMARY in task.data:
        return
    asked = recipe.synthetic.per_class if recipe.text is None else max(recipe.text.choose.sizes)
    lines = summary_of(texts, asked, _reader(recipe)).lines()
    task.data[SUMMARY] = lines
    for line in lines:
        reporter.tell(line)


def _reader(recipe: Recipe) -> Reader | None:
    """Who reads the texts: the encoder by which sets are chosen, or a representation that cuts at a length."""
    if isinstance(recipe.representation, Words):
        return word_reader(recipe.representation.length)
    name = getattr(recipe.representation, "encoder", None) if recipe.text is None else recipe.text.choose.views[0]
    try:
        return None if name is None else encoder_reader(name)
    except OfflineError:  # whoever needs it will say so
        return None
