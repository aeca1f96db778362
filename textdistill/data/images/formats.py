"""Images in the binary files that public data sets come in: idx, CIFAR's records, and SVHN's MATLAB files."""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from textdistill.core.errors import DataError
from textdistill.data.images.decode import MAX_BYTES, check_bytes

_UNSIGNED_BYTE = 0x08  # of the idx format's types
_CHUNK = 2**24  # bytes read at once: what a header announces need not be there
_SIDE = 32  # of CIFAR's and SVHN's images


@dataclass(frozen=True)
class Decoded:
    """A split as its source has it: `labels` (n,) index `names`; `listed` names are all the classes there are."""

    source: str
    pixels: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    listed: bool = True


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The bytes of an idx file, plain or gzipped, with this many dimensions: 3 for images, 1 for labels.

    Raises `DataError` for another type or number of dimensions, and for a file shorter or longer than it says.
    """
    what = {1: "labels", 3: "images"}[dimensions]
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            magic = stream.read(4)
            if len(magic) < 4 or magic[:2] != b"\0\0":
                raise DataError(f"{path}: no idx file: it begins with {magic.hex() or 'nothing'}; get it again")
            if magic[2] != _UNSIGNED_BYTE or magic[3] != dimensions:
                raise DataError(
                    f"{path}: idx of type 0x{magic[2]:02x} with {magic[3]} dimensions; {what} are of type "
                    f"0x{_UNSIGNED_BYTE:02x} (bytes) with {dimensions}"
                )
            head = stream.read(4 * dimensions)
            shape = np.frombuffer(head[: len(head) // 4 * 4], ">u4").tolist()
            if len(shape) < dimensions or not all(shape):
                raise DataError(f"{path}: its header says {shape}; {dimensions} numbers of 1 or more are needed")
            needed = math.prod(shape)
            check_bytes(needed, str(path))
            data = bytearray()
            while len(data) <= needed and (part := stream.read(min(_CHUNK, needed + 1 - len(data)))):
                data += part
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}); get it again") from None
    if len(data) != needed:
        length = f"only {len(data):,}" if len(data) < needed else "more"
        raise DataError(f"{path}: its header says {needed:,} bytes ({what}), it has {length}; get it again")
    return np.frombuffer(data, np.uint8).reshape(shape)


def read_idx_pair(images: Path, labels: Path, first_label: int, transposed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 1, height, width) and their labels (n,), counted from 0."""
    pixels, codes = read_idx(images, 3), read_idx(labels, 1)
    if len(pixels) != len(codes):
        raise DataError(f"{images}: {len(pixels)} images, but {labels.name} has {len(codes)} labels; get both again")
    if transposed:
        pixels = pixels.transpose(0, 2, 1)
    return np.ascontiguousarray(pixels[:, None]), codes.astype(np.int64) - first_label


def read_cifar(paths: list[Path], labels: int, which: int) -> tuple[np.ndarray, np.ndarray]:
    """CIFAR's binary files: records of `labels` bytes, of which number `which` counts, and 3 x 32 x 32 of pixels."""
    check_bytes(sum(path.stat().st_size for path in paths), str(paths[0].parent))
    record = labels + 3 * _SIDE**2
    parts = []
    for path in paths:
        data = np.fromfile(path, np.uint8)
        if not len(data) or len(data) % record:
            raise DataError(f"{path}: {len(data):,} bytes are no whole number of records of {record}; get it again")
        parts.append(data.reshape(-1, record))
    rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
    pixels = np.ascontiguousarray(rows[:, labels:]).reshape(-1, 3, _SIDE, _SIDE)
    return pixels, rows[:, which].astype(np.int64)


def read_svhn(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """SVHN's cropped digits: `X` (32, 32, 3, n) and `y` (n, 1), in which 10 stands for the digit 0."""
    from scipy import io  # late: few data sets need it

    try:
        shapes = {name: shape for name, shape, _ in io.whosmat(str(path))}
        size = shapes.get("X", ())
        if len(size) != 4 or tuple(size[:3]) != (_SIDE, _SIDE, 3) or "y" not in shapes:
            raise DataError(f"{path}: it has {shapes}; cropped digits are X (32, 32, 3, n) and y (n, 1)")
        check_bytes(math.prod(size), str(path))
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path}: larger than its images can be; get it again")
        loaded = io.loadmat(str(path), variable_names=["X", "y"])
        images, codes = np.asarray(loaded["X"]), np.asarray(loaded["y"]).ravel()
    except DataError:
        raise
    except Exception as error:  # its reader meets damage with errors of every kind
        reason = (str(error).splitlines() or [repr(error)])[0]
        raise DataError(f"{path}: cannot be read as a MATLAB file ({reason[:120]}); get it again") from None
    if images.dtype != np.uint8 or codes.dtype.kind not in "iuf" or len(codes) != images.shape[3]:
        raise DataError(
            f"{path}: X is {images.dtype} of {images.shape[3]} images, y is {codes.dtype} of {len(codes)} labels; "
            "bytes and one number an image are needed"
        )
    return np.ascontiguousarray(images.transpose(3, 2, 0, 1)), codes.astype(np.int64) % 10
