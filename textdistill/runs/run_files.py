"""Which files of a folder are a run's own, and who may begin a run there: nobody's other files are ever touched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from textdistill.core.errors import UserError
from textdistill.core.file_names import ERROR_LOG, LOCK, METRICS, OWN, SIGNS


def is_own(path: Path) -> bool:
    """Whether a run writes files of this name."""
    return path.is_file() and (path.name in OWN or _temporary(path))


def _temporary(path: Path) -> bool:
    """Whether a kill may have left the file before a run had anything to keep."""
    return path.name.endswith(".tmp") and (path.name.startswith(".") or path.name in OWN)


def remove_halves(folder: Path) -> None:
    """Remove what kills left half-written. Only where nobody else is at work."""
    for place in ("", "repeats/*/", "sets/*/*/", "generator/", "analysis/"):
        for path in folder.glob(f"{place}.*.tmp"):
            path.unlink(missing_ok=True)


@contextmanager
def told_of(folder: Path) -> Iterator[None]:
    """What the operating system refuses within the block as a `UserError` that names the folder."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"--out: {folder} cannot be used as a folder ({error.strerror or error}); choose another"
        ) from None


def check_claim(folder: Path, resume: bool = False, force: bool = False) -> bool:
    """Say why a run may not begin in `folder` (`UserError`), and else whether it holds one."""
    with told_of(folder):
        inside = sorted(path for path in folder.iterdir() if path.name != LOCK) if folder.exists() else []
    if all(path.name == ERROR_LOG or _temporary(path) for path in inside):
        return False
    if not any((folder / name).is_file() for name in SIGNS):
        raise UserError(f"--out: {folder} holds other files, such as {inside[0].name}; choose a new or empty folder")
    if not (resume or force):
        state = "a finished run" if (folder / METRICS).is_file() else "a run that is not finished"
        raise UserError(
            f"--out: {folder} holds {state}; go on with --resume, start anew with --force, or choose another"
        )
    return True


def claim(folder: Path, resume: bool = False, force: bool = False) -> None:
    """Make `folder` ready for a run, or say why not (`UserError`).

    A folder that holds a run is left alone unless `resume` (go on) or `force` (the run's own files are removed, and
    no others). A folder with files but without a run is never written to.
    """
    holds_run = check_claim(folder, resume, force)
    with told_of(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if not holds_run:
        return
    if resume:
        remove_halves(folder)
        return
    repeats = folder / "repeats"
    for place in (folder, *(sorted(repeats.iterdir()) if repeats.is_dir() else ())):
        for path in place.iterdir() if place.is_dir() else ():
            if is_own(path):
                path.unlink()
    for path in (*(folder / "generator").glob("*"), *(folder / "sets").glob("*/*/*")):  # a text-level run's
        if path.is_file() and path.suffix in (".json", ".jsonl", ".safetensors"):
            path.unlink()
    for path in (folder / "analysis").glob("*"):  # what was found out about a set that is no more
        if path.is_file() and path.suffix in (".json", ".png"):
            path.unlink()
