"""Long computations deep below a pipeline tell how far they are, and whoever shows progress hears it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

Told = Callable[[int, int], None]  # how many of how many are done
Show = Callable[[str, str], AbstractContextManager[Told]]  # for a name, and what is counted

_shows: list[Show] = []


def show_by(show: Show) -> None:
    """From now on `show` is asked for each computation's name; one that was set before is not."""
    _shows[:] = [show]


def counting(name: str, unit: str) -> AbstractContextManager[Told]:
    """A block in which something is counted; what it gives is told how far that is."""
    return _shows[0](name, unit) if _shows else nullcontext(_unheard)


def _unheard(done: int, total: int) -> None:
    """Nobody shows it."""
