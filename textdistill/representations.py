"""The kinds of representation a recipe can name, and how each prepares its data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textdistill.data import DataSettings, PixelSettings
from textdistill.pixels_task import prepare_pixels
from textdistill.task import Task
from textdistill.words_task import Words, prepare_words

REPRESENTATIONS: dict[str, type] = {"words": Words, "pixels": PixelSettings}
PREPARE: dict[str, Callable[..., Task]] = {"words": prepare_words, "pixels": prepare_pixels}


def prepare(data: DataSettings, representation: Any, seed: int = 0) -> Task:
    """The splits of `data`, represented."""
    return PREPARE[representation.kind](data, representation, seed)
