"""Train, validation and test images."""

from __future__ import annotations

from textdistill.core.bounds import faults_of
from textdistill.core.errors import DataError
from textdistill.data.cuts import Nouns, Splits, cut
from textdistill.data.images.sources import find_images
from textdistill.data.images.table import ImageTable, side_faults
from textdistill.data.settings import DataSettings

_NOUNS = Nouns("images", "images", "a folder {split}/")


def load_images(settings: DataSettings, size: int | None = None) -> Splits[ImageTable]:
    """The splits that `settings` ask for, by the rules of `cut`; images with equal pixels are duplicates.

    `size` is the representation's: every image becomes a square of that side. Raises `DataError` or `OfflineError`.
    """
    if faults := faults_of(settings):
        raise DataError("data: " + "; ".join(faults))
    if faults := side_faults(size):
        raise DataError("representation: " + "; ".join(faults))
    return cut(find_images(settings, size), settings, _NOUNS)
