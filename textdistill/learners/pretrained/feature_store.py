"""Feature vectors on disk, one for each text, by the text's SHA-256: what was encoded once is never encoded again.

An encoder has a folder of shards. A shard is one safetensors file with sorted keys and their vectors, is named after
its content and never changes: processes that write at once write files of their own, and none waits for another. Small
shards are joined now and then; a reader that meets a joined one just after it went looks again.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from textdistill.core.checkpoint import write_atomic

NAMES = "*.safetensors"
KEY = "S16"  # half a SHA-256: among 10⁹ texts two meet with a chance of 10⁻²¹
WHOLE = 32_768  # rows from which a shard is left alone, about 50 MB
MANY = 8  # smaller shards than these are joined
# Bytes that a folder may take: 2.8 million vectors of 384 numbers. What was not read longest goes first.
LIMIT = 4 << 30


def key_of(*texts: str) -> bytes:
    """The key of a text, or of a pair of texts."""
    total = hashlib.sha256()
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        total.update(f"{len(encoded)}:".encode() + encoded)  # with the length, so that a pair is no other text
    return total.digest()[:16]


@dataclass(frozen=True)
class FeatureStore:
    """The vectors that one encoder has made, in one folder, which need not exist."""

    folder: Path

    def get(self, keys: list[bytes]) -> tuple[dict[bytes, int], Float[Tensor, "k f"]]:
        """The vectors of those keys that are known, and at which row each stands. Damaged shards are removed."""
        wanted, missing = np.array(keys, dtype=KEY), np.arange(len(keys))
        order, parts = list[int](), list[Tensor]()
        seen = set[Path]()
        # what another process joins while this one reads stands under a new name before the old ones go
        while len(missing) and (fresh := set(self.folder.glob(NAMES)) - seen):
            seen |= fresh
            for path in sorted(fresh):
                shard = _open(path)
                if shard is None or not len(missing):
                    continue
                at = np.searchsorted(shard.keys, wanted[missing]).clip(max=len(shard.keys) - 1)
                hit = shard.keys[at] == wanted[missing]
                vectors = shard.vectors() if hit.any() else None
                if vectors is not None:
                    order += missing[hit].tolist()
                    parts.append(vectors[torch.from_numpy(at[hit])])
                    missing = missing[~hit]
                    _touch(path)
                elif hit.any():
                    _remove(path)
        rows = {keys[place]: row for row, place in enumerate(order)}
        return rows, torch.cat(parts) if parts else torch.empty(0, 0)

    def put(self, keys: list[bytes], vectors: Float[Tensor, "n f"]) -> None:
        """Keep some vectors.

        Errors: `OSError` where the folder cannot be written.
        """
        self._write(np.array(keys, dtype=KEY), vectors)
        self._join()
        self._bound()

    def _write(self, keys: np.ndarray, vectors: Tensor) -> Path:
        keys, first = np.unique(keys, return_index=True)
        vectors = vectors[torch.from_numpy(first)].contiguous()
        rows = torch.from_numpy(keys.view(np.uint8).reshape(len(keys), -1).copy())
        digests = {"keys": _digest(rows), "features": _digest(vectors)}
        name = hashlib.sha256("".join(digests.values()).encode()).hexdigest()
        path = self.folder / f"{name}.safetensors"
        write_atomic(path, save({"keys": rows, "features": vectors}, digests))
        return path

    def _join(self) -> None:
        """One shard in place of the small ones, where these are many."""
        small = {
            path: shard
            for path in sorted(self.folder.glob(NAMES))
            if (shard := _open(path)) and len(shard.keys) < WHOLE
        }
        if len(small) < MANY:
            return
        read = {path: (shard.keys, shard.vectors()) for path, shard in small.items()}
        sound = [(keys, vectors) for keys, vectors in read.values() if vectors is not None]
        if sound:
            joined = self._write(np.concatenate([keys for keys, _ in sound]), torch.cat([one for _, one in sound]))
            read.pop(joined, None)
        for path in read:
            _remove(path)

    def _bound(self) -> None:
        sizes = {}
        for path in sorted(self.folder.glob(NAMES)):
            try:
                status = path.stat()
            except OSError:
                continue
            sizes[path] = (status.st_mtime, status.st_size)
        total = sum(size for _, size in sizes.values())
        for path, (_, size) in sorted(sizes.items(), key=lambda item: item[1]):
            if total <= LIMIT:
                return
            _remove(path)
            total -= size


@dataclass(frozen=True)
class _Shard:
    path: Path
    keys: np.ndarray

    def vectors(self) -> Tensor | None:
        """(n, f); `None` where they are gone or not what was written."""
        try:
            with safe_open(self.path, framework="pt") as file:
                features, digest = file.get_tensor("features"), (file.metadata() or {}).get("features")
        except (SafetensorError, OSError, RuntimeError):  # the last from torch, where the file went meanwhile
            return None
        sound = features.dim() == 2 and len(features) == len(self.keys) and digest == _digest(features)
        return features if sound else None


def _open(path: Path) -> _Shard | None:
    """A shard's keys; `None` where it is gone, or was no shard and is removed."""
    try:
        with safe_open(path, framework="pt") as file:
            keys, kept = file.get_tensor("keys"), (file.metadata() or {}).get("keys")
    except (FileNotFoundError, RuntimeError):  # the latter from torch, where the file went meanwhile
        return None
    except (SafetensorError, OSError):
        keys, kept = torch.empty(0), None
    if kept is None or kept != _digest(keys) or keys.dtype != torch.uint8 or keys.shape[1:] != (16,) or not len(keys):
        _remove(path)
        return None
    return _Shard(path, keys.numpy().reshape(-1).view(KEY))


def _digest(values: Tensor) -> str:
    return hashlib.sha256(values.contiguous().numpy().data).hexdigest()


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:  # somebody else's folder: it is read around
        return


def _touch(path: Path) -> None:
    try:
        os.utime(path)
    except OSError:  # gone, or not ours: only the order of removal suffers
        return
