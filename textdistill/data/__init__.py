"""Real data: packaged, hub and local files of texts and images; columns, splits, class-balanced draws, scaling."""

from textdistill.data.cuts import SplitReport, Splits
from textdistill.data.draw import balanced_rows, spread
from textdistill.data.files import read_file
from textdistill.data.images.known import IMAGE_DATA, KnownImages, find_known_images
from textdistill.data.images.sources import is_image_data
from textdistill.data.images.splits import load_images
from textdistill.data.images.table import ImageTable
from textdistill.data.in_memory import table_of
from textdistill.data.known import ALIASES, KNOWN, KnownData, find_known
from textdistill.data.settings import DataSettings
from textdistill.data.splits import check, load
from textdistill.data.table import TextTable, normalise
from textdistill.data.words import count_words, table_tokens, tokenise

__all__ = [
    "ALIASES",
    "IMAGE_DATA",
    "KNOWN",
    "DataSettings",
    "ImageTable",
    "KnownData",
    "KnownImages",
    "SplitReport",
    "Splits",
    "TextTable",
    "balanced_rows",
    "check",
    "count_words",
    "find_known",
    "find_known_images",
    "is_image_data",
    "load",
    "load_images",
    "normalise",
    "read_file",
    "spread",
    "table_of",
    "table_tokens",
    "tokenise",
]
