"""One process at a time in a folder: a lock that goes with the process that holds it, however that ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from textdistill.core import watch
from textdistill.core.errors import UserError
from textdistill.core.file_names import LOCK
from textdistill.runs.run_files import remove_halves, told_of


@contextmanager
def held(folder: Path, wait: bool = False) -> Iterator[None]:
    """Hold the lock of `folder` for the length of the block; the file `.lock`, which is empty, stays there.

    The operating system gives it back when the process ends, by SIGKILL too, and what such an end left half-written is
    removed by whoever comes next. With `wait`, whoever comes second waits, and a line says so. A folder that was made
    for the block goes with it where a `UserError` leaves nothing in it: a run that is refused leaves no trace.
    Errors: `UserError` where another process holds it, or where the folder cannot be used.
    """
    from filelock import FileLock, Timeout

    with told_of(folder):
        new = not wait and not folder.exists()  # nobody waits in a folder that is taken away
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            if not wait:
                raise UserError(
                    f"{folder}: another process is at work there; wait for it, or choose another folder (--out)"
                ) from None
            watch.say(f"{folder}: another process is at work there; waiting for it")
            lock.acquire()
    try:
        remove_halves(folder)
        yield
    except UserError:
        with suppress(OSError):
            if new and [path.name for path in folder.iterdir()] == [LOCK]:
                (folder / LOCK).unlink()
                folder.rmdir()
        raise
    finally:
        lock.release()
