"""Computations deep below a pipeline tell how far they are and what is odd; whoever shows progress hears it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

Told = Callable[[int, int], None]  # how many of how many are done
Show = Callable[[str, str], AbstractContextManager[Told]]  # for a name, and what is counted
Say = Callable[[str], None]

_shows: list[Show] = []
_says: list[Say] = []


def show_by(show: Show, say: Say | None = None) -> None:
    """From now on `show` is asked for each computation's name and `say` is told lines; earlier ones are not."""
    _shows[:] = [show]
    _says[:] = [] if say is None else [say]


def counting(name: str, unit: str) -> AbstractContextManager[Told]:
    """A block in which something is counted; what it gives is told how far that is."""
    return _shows[0](name, unit) if _shows else nullcontext(_unheard)


def say(line: str) -> None:
    """One line that whoever runs this ought to read; to stderr where nobody shows progress."""
    if _says:
        _says[0](line)
    else:
        print(line, file=sys.stderr)


def _unheard(done: int, total: int) -> None:
    """Nobody shows it."""
