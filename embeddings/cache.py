"""A cache on disk for vectors that are slow to read or train; its entries are checked before they are believed.

The key is the SHA-256 of the source's content, the settings and the version of this layout, so that a changed file or
setting never meets an old entry. An entry is three files: `KEY.npy`, `KEY.words.json` and, written last, the manifest
`KEY.json` with the SHA-256 of the two and of itself. Whatever does not fit is rebuilt. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np

from embeddings.vectors import ReadReport, WordVectors

FORMAT_VERSION = 1


def default_cache_dir() -> Path:
    """The folder named by the environment variable `TEXTDISTILL_CACHE`, else `~/.cache/textdistill`."""
    named = os.environ.get("TEXTDISTILL_CACHE")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "textdistill"


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def cache_key(content: str, settings: Mapping[str, Any]) -> str:
    """SHA-256 (hex) over the content's digest, the settings and the version of the layout."""
    return _digest({"content": content, "settings": dict(settings), "version": FORMAT_VERSION})


def cached(key: str, name: str, cache_dir: Path | None, build: Callable[[], WordVectors]) -> WordVectors:
    """The entry of `key` under `name` if it is there and sound, else what `build` returns, stored for the next time.

    Entries live in the subfolder `vectors` of `cache_dir` (`default_cache_dir()` when it is `None`). A folder that
    cannot be written is warned about and otherwise does no harm.
    """
    cache = VectorCache((default_cache_dir() if cache_dir is None else Path(cache_dir)) / "vectors")
    found = cache.get(key, name)
    if found is not None:
        return found
    vectors = build()
    try:
        cache.put(key, vectors)
    except OSError as error:
        warnings.warn(f"{name}: the vectors were not cached in {cache.folder}: {error}", RuntimeWarning, stacklevel=3)
    return vectors


class VectorCache:
    """Entries in one folder, each written atomically and checked when read."""

    def __init__(self, folder: Path) -> None:
        """Use a folder, which need not exist yet."""
        self.folder = folder

    def _paths(self, key: str) -> tuple[Path, Path, Path]:
        """Matrix, words and manifest of an entry."""
        return self.folder / f"{key}.npy", self.folder / f"{key}.words.json", self.folder / f"{key}.json"

    def get(self, key: str, name: str) -> WordVectors | None:
        """The entry under the given name; `None` when it is missing or fails any check."""
        matrix_path, words_path, manifest_path = self._paths(key)
        try:
            manifest = json.loads(manifest_path.read_bytes())
            seal = manifest.pop("seal")
            sound = (
                seal == _digest(manifest)
                and manifest["key"] == key
                and manifest["matrix"] == file_digest(matrix_path)
                and manifest["words"] == file_digest(words_path)
            )
            if not sound:
                return None
            report = ReadReport(**(manifest["report"] | {"examples": tuple(manifest["report"]["examples"])}))
            matrix = np.load(matrix_path, allow_pickle=False)
            return WordVectors(json.loads(words_path.read_bytes()), matrix, name, report)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None  # missing or damaged: the caller builds it anew

    def put(self, key: str, vectors: WordVectors) -> None:
        """Write an entry; a reader sees the old one, none, or the new one, never a half.

        Raises:
            OSError: the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        matrix_path, words_path, manifest_path = self._paths(key)
        _write(matrix_path, lambda stream: np.save(stream, vectors.matrix, allow_pickle=False))
        _write(words_path, lambda stream: stream.write(json.dumps(vectors.words).encode("ascii")))
        manifest = {
            "key": key,
            "matrix": file_digest(matrix_path),
            "words": file_digest(words_path),
            "report": asdict(vectors.report),
        }
        sealed = json.dumps(manifest | {"seal": _digest(manifest)}, indent=1).encode("ascii")
        _write(manifest_path, lambda stream: stream.write(sealed))


def _digest(record: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of a record's canonical JSON."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode("ascii")).hexdigest()


def _write(path: Path, write: Callable[[BufferedIOBase], object]) -> None:
    """Write a file beside its place and move it there in one step; nothing is left behind on failure."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            write(stream)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
