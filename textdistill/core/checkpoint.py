"""Checkpoints: a safetensors file of everything that changes, sealed, written whole; the one before it is kept."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from textdistill.core import watch
from textdistill.core.errors import ArtifactError


def write_atomic(path: Path, content: bytes | str, keep: Path | None = None) -> None:
    """Write to a temporary name in the same folder, flush to disk, then rename over `path`.

    What was at `path` is moved to `keep` where that is given, once the new content is on the disk.
    Errors: `OSError` with the file's name, of a full disk too; what was there before is still there then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Several hosts may share a folder, and threads a process: its number alone is no name of one's own.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    data = content.encode() if isinstance(content, str) else content
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if keep is not None and path.is_file():
            path.replace(keep)  # a kill just now leaves `keep` alone
        temporary.replace(path)
    except OSError as error:  # of a write the system names no file
        raise type(error)(error.errno, error.strerror or str(error), str(path)) from None
    finally:
        temporary.unlink(missing_ok=True)


def previous(path: Path) -> Path:
    """Where the checkpoint before that at `path` is kept."""
    return path.with_name(f"{path.stem}-before{path.suffix}")


def is_there(path: Path) -> bool:
    """Whether there is something to go on from."""
    return path.is_file() or previous(path).is_file()


def remove_checkpoint(path: Path) -> None:
    """Remove the checkpoint and the one before it."""
    for file in (path, previous(path)):
        file.unlink(missing_ok=True)


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Store `tensors` and, as JSON in the file's header, `meta`, the version of torch and a SHA-256 of it all.

    The checkpoint that was there stays as `previous(path)`.
    """
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    # in the order that it has: what a resumed run writes of it later is to be the same to the byte
    told = json.dumps({**meta, "torch": str(torch.__version__)})
    content = save(plain, {"meta": told, "sha256": _digest(plain, told)})
    write_atomic(path, content, keep=previous(path))


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `save_checkpoint` stored, or, where that is damaged, what it stored before; then a line says so.

    A file that was cut short or changed by a bit is known by its SHA-256. Errors: `ArtifactError` where neither can be
    read. A checkpoint of another version of torch is read, and a line says that the last bits may differ.
    """
    try:
        tensors, meta = _read(path)
    except _DamagedError as error:
        try:
            tensors, meta = _read(previous(path))
        except _DamagedError:
            raise ArtifactError(
                f"{path}: not a readable checkpoint ({error}); start anew with --force instead of --resume"
            ) from None
        if path.exists():  # else a kill came between the two moves of `write_atomic`, and nothing is damaged
            watch.say(f"{path}: damaged ({error}); going on from the checkpoint before it, {previous(path).name}")
            path.unlink()  # else the next save would keep it in place of the good one
    made_with = meta.pop("torch", None)
    if made_with not in (None, str(torch.__version__)):
        watch.say(
            f"{path}: written with torch {made_with}, this is {torch.__version__}; going on, but the last bits may "
            "differ from those of one version throughout"
        )
    return tensors, meta


class _DamagedError(Exception):
    """A file that is none, or not what was written."""


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            header = file.metadata() or {}
        meta = json.loads(header.get("meta", "{}"))
    except (SafetensorError, OSError, ValueError, RecursionError, RuntimeError) as error:
        raise _DamagedError(" ".join(str(error).split())[:160]) from None
    # one without a checksum was written by an older version
    if not isinstance(meta, dict) or header.get("sha256") not in (None, _digest(tensors, header.get("meta", ""))):
        raise _DamagedError("its content does not fit its checksum")
    return tensors, meta


def _digest(tensors: Mapping[str, Tensor], told: str) -> str:
    """SHA-256 (hex) of names, types, shapes and bits, and of what is told beside them."""
    total = hashlib.sha256(told.encode())
    for name in sorted(tensors):
        value = tensors[name]
        total.update(json.dumps([name, str(value.dtype), list(value.shape)]).encode())
        total.update(value.reshape(-1).view(torch.uint8).numpy().data if value.numel() else b"")
    return total.hexdigest()
