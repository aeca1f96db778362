"""What no file may make a reader do: raise anything but a user's error of few lines, fill memory, write elsewhere."""

from __future__ import annotations

import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from embeddings import EmbeddingsError
from textdistill.core.errors import RecipeError, UserError

LINES = 3
CHARACTERS = 2000  # of a message
MEMORY = 600  # MiB that reading a file of a few kB may take at its most
SECONDS = 10  # of computing for one case: a pattern that hangs takes for ever
FORBIDDEN = frozenset(
    {"pickle.find_class", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "socket.connect"}
)
_root: list[str] = []  # where files may be written while a case is tried
_caught: list[str] = []


class Broken(AssertionError):
    """A reader did what it may not."""


def _hear(event: str, args: tuple[Any, ...]) -> None:
    if not _root:
        return
    if event in FORBIDDEN:
        _caught.append(f"{event} {args[:1]!r:.200}")
    elif event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        path = os.path.abspath(os.fsdecode(args[0])) if isinstance(args[0], str | bytes) else ""  # noqa: PTH100
        if not path.startswith((*_root, os.devnull)) and "__pycache__" not in path and path:
            _caught.append(f"writes {path}")


sys.addaudithook(_hear)


def tried(read: Callable[[Path], object], files: Mapping[str, bytes], place: Path) -> str | None:
    """Read a folder of these files; the message where they are refused. Errors: `Broken`."""
    shutil.rmtree(place, ignore_errors=True)
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    before, began = _peak(), time.process_time()
    _root[:], _caught[:] = [str(place.parent)], []
    told = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(place)
    except (UserError, EmbeddingsError) as error:
        told = str(error)
        lines = len(told.splitlines()) - (len(error.faults) if isinstance(error, RecipeError) else 0)
        if lines > LINES or max(map(len, told.splitlines() or [""])) > CHARACTERS or not told.strip():
            raise Broken(f"a message of {lines} lines, {len(told)} characters: {told[:300]!r}") from None
    except Exception as error:
        raise Broken(f"{type(error).__name__}: {error!s:.300}") from error
    finally:
        _root.clear()
    if _caught:
        raise Broken(f"does what it may not: {'; '.join(_caught)}")
    if _peak() - before > MEMORY:
        raise Broken(f"takes {_peak() - before} MiB")
    if time.process_time() - began > SECONDS:
        raise Broken(f"takes {time.process_time() - began:.0f} s")
    return told


def _peak() -> int:
    """The most memory that this process has had, MiB."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) // 1024
    return 0
