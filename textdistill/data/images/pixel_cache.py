"""Pictures decoded before: those of a large table are decoded once, kept on disk, and checked when they are read."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch

from embeddings.cache import cache_key, default_cache_dir, file_digest
from textdistill.core.checkpoint import write_atomic

CACHED_FROM = 10_000  # pictures: fewer are decoded in a second or two, and need no room on disk
DECODER = 1  # one more where the same bytes give other pixels


def cached_pixels(
    files: Sequence[Path], settings: Mapping[str, Any], count: int, build: Callable[[], np.ndarray]
) -> np.ndarray:
    """What `build` returns, the bytes (count, channels, height, width), or what it returned for these files before.

    The key is the content of the files, with `settings` and the versions of what decodes; an entry that is damaged is
    made anew. A folder that cannot be written is warned about and does no other harm.
    """
    if count < CACHED_FROM:
        return build()
    versions = {"decoder": DECODER, "pillow": PIL.__version__, "torch": torch.__version__}
    key = cache_key(" ".join(map(file_digest, files)), {**settings, **versions})
    path = default_cache_dir() / "pictures" / f"{key}.npy"
    found = _read(path, count)
    if found is not None:
        return found
    pixels = build()
    try:
        _write(path, pixels)
    except OSError as error:
        warnings.warn(
            f"{files[0]}: the pictures were not cached in {path.parent}: {error}", RuntimeWarning, stacklevel=3
        )
    return pixels


def _read(path: Path, count: int) -> np.ndarray | None:
    try:
        seal = json.loads(path.with_suffix(".json").read_bytes())["blake2b"]
        pixels: np.ndarray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None
    sound = pixels.dtype == np.uint8 and pixels.ndim == 4 and len(pixels) == count and _seal(pixels) == seal
    return pixels if sound else None


def _write(path: Path, pixels: np.ndarray) -> None:
    """The pixels, and then their seal: one without the other is no entry."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            np.save(stream, pixels, allow_pickle=False)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
    write_atomic(path.with_suffix(".json"), json.dumps({"blake2b": _seal(pixels)}) + "\n")


def _seal(pixels: np.ndarray) -> str:
    return hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=32).hexdigest()
