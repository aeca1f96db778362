"""Real data: packaged, hub and local files; columns, splits, class-balanced draws, words and word vectors."""

from textdistill.data.draw import balanced_rows, spread
from textdistill.data.files import read_file
from textdistill.data.known import ALIASES, KNOWN, KnownData, find_known
from textdistill.data.settings import DataSettings
from textdistill.data.splits import SplitReport, Splits, load
from textdistill.data.table import TextTable, normalise
from textdistill.data.text import EmbeddedText, Trimmed
from textdistill.data.words import count_words, table_tokens, tokenise

__all__ = [
    "ALIASES",
    "KNOWN",
    "DataSettings",
    "EmbeddedText",
    "KnownData",
    "SplitReport",
    "Splits",
    "TextTable",
    "Trimmed",
    "balanced_rows",
    "count_words",
    "find_known",
    "load",
    "normalise",
    "read_file",
    "spread",
    "table_tokens",
    "tokenise",
]
