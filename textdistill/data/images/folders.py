"""Folders of images: which kind of files they hold, told without reading an image, and the splits they make."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from textdistill.core.errors import DataError
from textdistill.data.images.decode import SUFFIXES, collect, decode
from textdistill.data.images.formats import Decoded, read_cifar, read_idx_pair, read_svhn
from textdistill.data.images.known import KnownImages
from textdistill.data.images.labelled import IMAGE_COLUMNS
from textdistill.data.images.parquet import SPLITS, picture_splits, read_pictures

# where the usual archives put their files, below the folder they are unpacked in
_NESTED = ("", "raw", "MNIST/raw", "cifar-10-batches-bin", "cifar-100-binary")
_SPLITS_NAMES = frozenset(name for names in SPLITS.values() for name in names)
_IDX = re.compile(r"(?P<prefix>.*?)(?P<split>train|t10k|test)-(?P<what>images|labels)[-.]idx[13]-ubyte(\.gz)?")
_LOOKED_AT = 50  # entries of a class's folder that are looked at to tell its kind
_MOST = 1000  # entries of the folder itself
_BYTES = tuple(str(value) for value in range(256))  # what labels without names are called


def kind_of(folder: Path) -> str | None:
    """`idx`, `cifar10`, `cifar100`, `svhn`, `classes` (a folder of images for each class), `parquet` or `None`.

    Names tell it; of Parquet the schema of one file does.
    """
    names = {entry.name for entry in _entries(folder)}
    if any(_IDX.fullmatch(name) for name in names):
        return "idx"
    if any(re.fullmatch(r"data_batch_\d\.bin", name) for name in names) or "test_batch.bin" in names:
        return "cifar10"
    if names & {"train.bin", "test.bin"} and (names & {"fine_label_names.txt"} or "cifar" in folder.name.lower()):
        return "cifar100"
    if names & {"train_32x32.mat", "test_32x32.mat"}:
        return "svhn"
    if _has_images(folder):
        return "classes"
    try:
        return "parquet" if picture_splits(folder) else None
    except OSError:  # a folder that may not be looked into
        return None


def located(folder: Path) -> tuple[Path, str] | None:
    """The folder itself, or one that the usual archives make in it, with its kind."""
    for nested in _NESTED:
        inside = folder / nested if nested else folder
        if inside.is_dir() and (kind := kind_of(inside)) is not None:
            return inside, kind
    return None


def read_folder(
    folder: Path, known: KnownImages | None, size: int | None, label: str | None = None
) -> tuple[dict[str, Decoded], list[str]]:
    """The splits (`train`, `validation`, `test`) that a folder has, and notes; `DataError` if it has none.

    `label` names a column of Parquet files where it has no usual name; other kinds of files have none.
    """
    place = located(folder)
    if place is None:
        has = ", ".join(sorted(entry.name for entry in _entries(folder))[:20]) or "nothing"
        if _pickled(folder):
            raise DataError(
                f"{folder}: this is CIFAR's version for Python, pickles that could run anything and are not read; "
                "get the binary version (cifar-10-binary.tar.gz, cifar-100-binary.tar.gz)"
            )
        raise DataError(
            f"{folder}: no images; allowed: a folder of images for each class (also in train/ and test/), Parquet "
            f"files with a column {' or '.join(IMAGE_COLUMNS)} of encoded pictures, idx files, CIFAR's .bin files or "
            f"SVHN's .mat files; it has {has!r}"
        )
    inside, kind = place
    if label is not None and kind != "parquet":
        raise DataError(f"label: {label!r} names a column of a table; {inside} has its own labels; leave it out")
    try:
        if kind == "parquet":
            return read_pictures(picture_splits(inside), str(inside), known, label, size)
        if kind == "classes":
            return _classes(inside, size)
        notes = ["rows and columns exchanged, so that they stand upright"] if known and known.transposed else []
        return _READERS[kind](inside, known), notes
    except OSError as error:
        raise DataError(f"{inside}: cannot be read ({error})") from None


def _idx(folder: Path, known: KnownImages | None) -> dict[str, Decoded]:
    files: dict[str, dict[str, Path]] = {}
    prefixes = set()
    matches = [match for name in sorted(os.listdir(folder)) if (match := _IDX.fullmatch(name))]  # noqa: PTH208
    wanted = known.prefix if known else ""
    some = any(match["prefix"] == wanted for match in matches)
    for match in matches:
        if some and match["prefix"] != wanted:
            continue
        prefixes.add(match["prefix"])
        split = "train" if match["split"] == "train" else "test"
        files.setdefault(split, {}).setdefault(match["what"], folder / match.string)  # a plain file before its .gz
    if len(prefixes) > 1:
        raise DataError(
            f"{folder}: idx files of several data sets ({', '.join(sorted(prefixes))}); keep those of one, or name a "
            "known data set"
        )
    splits = {}
    for split, pair in files.items():
        if len(pair) != 2:
            missing = ({"images", "labels"} - set(pair)).pop()
            raise DataError(f"{folder}: {next(iter(pair.values())).name} is there, the {missing} of {split} are not")
        first, transposed = (known.first_label, known.transposed) if known else (0, False)
        pixels, labels = read_idx_pair(pair["images"], pair["labels"], first, transposed)
        splits[split] = replace(_numbered(pair["labels"], pixels, labels, known), source=str(pair["images"]))
    return splits


def _cifar10(folder: Path, known: KnownImages | None) -> dict[str, Decoded]:
    splits = {}
    for split, pattern in (("train", "data_batch_*.bin"), ("test", "test_batch.bin")):
        if paths := sorted(folder.glob(pattern)):
            splits[split] = _numbered(paths[0], *read_cifar(paths, 1, 0), known, _listed(folder, "batches.meta.txt"))
    return splits


def _cifar100(folder: Path, known: KnownImages | None) -> dict[str, Decoded]:
    coarse = known is not None and known.label == "coarse_label"
    names = _listed(folder, "coarse_label_names.txt" if coarse else "fine_label_names.txt")
    splits = {}
    for split in ("train", "test"):
        if (path := folder / f"{split}.bin").is_file():
            splits[split] = _numbered(path, *read_cifar([path], 2, 0 if coarse else 1), known, names)
    return splits


def _svhn(folder: Path, known: KnownImages | None) -> dict[str, Decoded]:
    splits = {}
    for split in ("train", "test"):
        if (path := folder / f"{split}_32x32.mat").is_file():
            splits[split] = _numbered(path, *read_svhn(path), known)
    return splits


_READERS: dict[str, Callable[[Path, KnownImages | None], dict[str, Decoded]]] = {
    "idx": _idx,
    "cifar10": _cifar10,
    "cifar100": _cifar100,
    "svhn": _svhn,
}


def _listed(folder: Path, name: str) -> tuple[str, ...]:
    """The class names in a text file that lies beside the data, none if there is no such file."""
    path = folder / name
    if not path.is_file():
        return ()
    with path.open(encoding="utf-8", errors="replace") as stream:
        return tuple(dict.fromkeys(line.strip() for line in islice(stream, 1000) if line.strip()))


def _numbered(
    path: Path, pixels: np.ndarray, labels: np.ndarray, known: KnownImages | None, beside: tuple[str, ...] = ()
) -> Decoded:
    names = known.classes if known else beside or _BYTES
    strange = np.flatnonzero((labels < 0) | (labels >= len(names)))
    if len(strange):
        first = known.first_label if known else 0
        raise DataError(
            f"{path}: label {int(labels[strange[0]]) + first} at image {int(strange[0]) + 1}; "
            f"allowed: {first} to {first + len(names) - 1}"
        )
    return Decoded(str(path), pixels, labels, names, listed=names is not _BYTES)


def _classes(folder: Path, size: int | None) -> tuple[dict[str, Decoded], list[str]]:
    """A folder of images for each class, or one of these for each split."""
    notes: list[str] = []
    below = {path.name for path in _folders(folder)}
    if not below <= _SPLITS_NAMES or not any(_folders(folder / name) for name in below):
        return {"train": _class_folders(folder, size, notes)}, notes
    splits = {}
    for split, names in SPLITS.items():
        name = next((name for name in names if name in below), None)
        if name is not None:
            splits[split] = _class_folders(folder / name, size, notes)
    return splits, notes


def _class_folders(folder: Path, size: int | None, notes: list[str]) -> Decoded:
    classes = _folders(folder)
    for path in classes:
        if not path.name.isprintable():
            raise DataError(f"{folder}: the name of the folder {path.name!r} cannot be printed; rename it")
    if all(re.fullmatch(r"\d{1,18}", path.name, re.ASCII) for path in classes):
        classes.sort(key=lambda path: (int(path.name), path.name))
    files: list[Path] = []
    labels: list[int] = []
    others = 0
    for label, path in enumerate(classes):
        entries = [entry for entry in sorted(path.iterdir()) if not entry.name.startswith(".")]
        images = [entry for entry in entries if entry.suffix.lower() in SUFFIXES and entry.is_file()]
        if not images:
            raise DataError(
                f"{path}: no images ({', '.join(SUFFIXES)}); a class needs one or more, or remove the folder"
            )
        others += len(entries) - len(images)
        files += images
        labels += [label] * len(images)
    if others:
        notes.append(f"{folder}: {others} entries of the classes' folders are no images, and are left out")
    decoded = ((str(path), decode(path, str(path))) for path in files)
    pixels = collect(decoded, len(files), str(folder), size)
    names = tuple(path.name for path in classes)
    return Decoded(str(folder), pixels, np.array(labels, dtype=np.int64), names, listed=False)


def _folders(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]


def _has_images(folder: Path, splits: bool = True) -> bool:
    """Whether a folder below, or below one that is called like a split, holds an image file."""
    for entry in _entries(folder):
        if entry.name.startswith(".") or not entry.is_dir():
            continue
        inside = Path(entry.path)
        if any(Path(inner.name).suffix.lower() in SUFFIXES for inner in islice(_entries(inside), _LOOKED_AT)):
            return True
        if splits and entry.name in _SPLITS_NAMES and _has_images(inside, splits=False):
            return True
    return False


def _pickled(folder: Path) -> bool:
    places = (folder, folder / "cifar-10-batches-py", folder / "cifar-100-python")
    return any((place / name).is_file() for place in places for name in ("data_batch_1", "meta", "batches.meta"))


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """The first entries of a folder; none where it may not be looked into."""
    try:
        with os.scandir(folder) as entries:
            yield from islice(entries, _MOST)
    except OSError:
        return
