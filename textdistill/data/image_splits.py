"""Train, validation and test images: the data's own, or seeded stratified cuts with no image in two splits."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from textdistill.core.streams import Streams
from textdistill.data.draw import balanced_rows, spread
from textdistill.data.image_scaling import PixelSettings
from textdistill.data.image_sources import find_images
from textdistill.data.images import ImageTable
from textdistill.data.settings import DataSettings
from textdistill.data.splits import MIN_GROUPS, SplitReport, held_out
from textdistill.errors import DataError


@dataclass(frozen=True, eq=False)
class ImageSplits:
    """The three tables, how they came about, and the task's metrics. Test rows are for the end alone."""

    train: ImageTable
    validation: ImageTable
    test: ImageTable
    report: SplitReport
    metrics: tuple[str, ...]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 in hex over the three tables' fingerprints."""
        parts = (self.train.fingerprint, self.validation.fingerprint, self.test.fingerprint)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def load_images(settings: DataSettings, size: int | None = None) -> ImageSplits:
    """The splits that `settings` ask for, by the rules that `textdistill.data.load` has for texts.

    `size` is the representation's: every image becomes a square of that side. Rows with equal pixels stay together in
    a cut; train images equal to a test or validation image, and validation images equal to a test image, are dropped
    and counted. Raises `DataError` or `OfflineError`.
    """
    if faults := settings.faults():
        raise DataError("data: " + "; ".join(faults))
    if faults := PixelSettings(size=size).faults():
        raise DataError("representation: " + "; ".join(faults))
    source = find_images(settings, size)
    train, validation, test = source.train, source.validation, source.test
    notes = list(source.notes)
    groups = _duplicate_groups([part for part in (train, validation, test) if part is not None])
    streams = Streams(settings.split_seed).child("splits")
    if test is None and validation is not None and source.public:
        validation, test = None, validation
        notes.append("the validation split is the test, for want of a labelled one")
    if test is None:
        rows = settings.test_rows or source.test_rows
        wanted = _share(train, settings.test_fraction) if rows is None else rows
        train, test = _cut(train, wanted, streams.numpy("test"), "test")
        notes.append(f"test held out of train, split seed {settings.split_seed}")
    elif settings.test_rows is not None:
        notes.append("test_rows not used: the data have their own test split")
    before = len(train)
    train, dropped = _without(train, test)
    if dropped:
        notes.append(f"{dropped} train rows equal a test row")
    dropped_validation = 0
    if validation is None and len(train):
        wanted = _share(train, settings.validation_fraction)
        train, validation = _cut(train, wanted, streams.numpy("validation"), "validation")
        notes.append(f"validation cut from train, split seed {settings.split_seed}")
    elif validation is not None:
        validation, dropped_validation = _without(validation, test)
        train, also = _without(train, validation)
        if also:
            notes.append(f"{also} train rows equal a validation row")
        dropped += also
    if validation is None or not len(train) or not len(validation) or not len(test):
        raise DataError(
            f"{source.description}: all images of a split are duplicates of other splits' "
            f"({before} train rows before); give other files"
        )
    if settings.train_rows is not None:
        train, told = _fewer(train, settings.train_rows, streams.numpy("train rows"))
        notes += told
    absent = [name for name, number in zip(train.classes, train.counts(), strict=True) if not number]
    if absent:
        notes.append(f"classes without a train row: {', '.join(absent)}")
    rows_of = {"train": len(train), "validation": len(validation), "test": len(test)}
    report = SplitReport(source.description, rows_of, dropped, dropped_validation, groups, tuple(notes))
    return ImageSplits(train, validation, test, report, source.metrics)


def _cut(table: ImageTable, rows: int, generator: np.random.Generator, split: str) -> tuple[ImageTable, ImageTable]:
    """What is left, and what was held out."""
    if rows >= len(table):
        raise DataError(f"{table.name}: {split} asks for {rows} of {len(table)} images; ask for fewer")
    mask = held_out(table.labels, table.keys(), rows, generator)
    if not mask.any():
        raise DataError(
            f"{table.name}: {len(table)} images are too few to hold out a {split} split ({MIN_GROUPS} different "
            f"images of a class are needed); add images, or give a folder {split}/"
        )
    return table.take(~mask), table.take(mask)


def _share(table: ImageTable, fraction: float) -> int:
    return max(1, round(len(table) * fraction))


def _without(table: ImageTable, other: ImageTable) -> tuple[ImageTable, int]:
    """The images of `table` that are none of `other`, and how many were dropped."""
    forbidden = set(other.keys())
    keep = np.array([key not in forbidden for key in table.keys()], dtype=bool)  # noqa: SIM118 (no mapping)
    return (table, 0) if keep.all() else (table.take(keep), int((~keep).sum()))


def _duplicate_groups(tables: list[ImageTable]) -> int:
    keys = np.concatenate([np.array(table.keys()) for table in tables])
    return int((np.unique(keys, return_counts=True)[1] > 1).sum())


def _fewer(table: ImageTable, rows: int, generator: np.random.Generator) -> tuple[ImageTable, list[str]]:
    if rows >= len(table):
        return table, [f"train_rows {rows}: train has {len(table)}, all of them are kept"]
    present = np.flatnonzero(table.counts())
    asked = np.zeros(len(table.classes), dtype=np.int64)
    asked[present] = spread(rows, len(present))
    drawn, notes = balanced_rows(table.labels, asked.tolist(), generator, len(table.classes), table.classes)
    return table.take(np.sort(drawn)), [f"train cut to {len(drawn)} rows, class by class", *notes]
