"""Exports on disk: a file or a folder, whole or not at all, never over anything that is not an export itself."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from textdistill.core.checkpoint import write_atomic
from textdistill.core.errors import UserError

if TYPE_CHECKING:
    from textdistill.export.material import Format, Material

# str.splitlines() and readers built on it take these for ends of lines; in JSON they can only stand inside a string.
LINE_ENDS = {ord(sign): f"\\u{ord(sign):04x}" for sign in "\x7f\x85\u2028\u2029"}


def json_line(value: Any) -> str:
    """The value as JSON on one line, whatever a reader takes for the end of a line."""
    return json.dumps(value, ensure_ascii=False).translate(LINE_ENDS)


def json_lines(values: Collection[Any]) -> bytes:
    """One JSON value a line, as UTF-8."""
    return "".join(json_line(value) + "\n" for value in values).encode()


def json_text(value: Any) -> bytes:
    """The value as indented JSON, as UTF-8."""
    return (json.dumps(value, ensure_ascii=False, indent=2).translate(LINE_ENDS) + "\n").encode()


def write(target: Path, chosen: Format, material: Material, force: bool = False) -> None:
    """Write the material in a format to a file or folder, whole or not at all."""
    files = chosen.files(material)
    if chosen.folder:
        write_folder(target, files, chosen.names, force)
    else:
        write_file(target, files[chosen.names[0]], force)


def write_file(target: Path, content: bytes, force: bool = False) -> None:
    """Write one file. An existing one is a `UserError` unless `force`; what is not a file is always one."""
    if target.is_dir():
        raise UserError(f"{target}: a folder; this format is one file: give its name")
    if target.exists() and not force:
        raise UserError(f"{target}: there already; choose another name, or replace it with --force")
    write_atomic(target, content)


def write_folder(target: Path, files: Mapping[str, bytes], names: Collection[str], force: bool = False) -> None:
    """Write a folder: under a temporary name beside it, then renamed.

    `names` are all that an export of this format may hold. An existing folder is replaced if `force`, and only if it
    holds nothing else; `UserError` if not.
    """
    target = target.resolve()
    if target.exists():
        if not target.is_dir():
            raise UserError(f"{target}: a file; this format is a folder: choose another name")
        inside = sorted(path for path in target.rglob("*") if path.is_symlink() or not path.is_dir())
        other = [path for path in inside if path.relative_to(target).as_posix() not in names]
        if other:
            raise UserError(f"{target}: holds other files, such as {other[0].name}; choose a new or empty folder")
        if inside and not force:
            raise UserError(f"{target}: holds an export; choose another folder, or replace it with --force")
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh, old = (target.with_name(f".{target.name}.{os.getpid()}.{what}") for what in ("tmp", "old"))
    try:
        for name, content in files.items():
            write_atomic(fresh / PurePosixPath(name), content)
        if target.exists():
            target.rename(old)
        fresh.rename(target)
    except BaseException:
        if old.exists() and not target.exists():
            old.rename(target)
        raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
