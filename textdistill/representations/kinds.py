"""The kinds of representation a recipe can name, and how each prepares its data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textdistill.core.bounds import by_name
from textdistill.data import DataSettings
from textdistill.representations.pixels import prepare_pixels
from textdistill.representations.scaling import PixelSettings
from textdistill.representations.task import Task
from textdistill.representations.texts import Texts, prepare_texts
from textdistill.representations.wordpieces import Wordpieces, prepare_pieces
from textdistill.representations.words import Words, prepare_words

PREPARE: dict[type, Callable[..., Task]] = {
    Words: prepare_words,
    Wordpieces: prepare_pieces,
    Texts: prepare_texts,
    PixelSettings: prepare_pixels,
}
REPRESENTATIONS: dict[str, type] = by_name(*PREPARE)


def prepare(data: DataSettings, representation: Any, seed: int = 0) -> Task:
    """The splits of `data`, represented."""
    return PREPARE[type(representation)](data, representation, seed)
