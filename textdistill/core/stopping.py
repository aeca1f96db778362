"""Asked to stop from outside (Ctrl-C, a scheduler's SIGTERM): at once, or where work has steps after the one at hand.

`heed` is for whoever owns the process, the command line. Work that keeps its state is `@between_steps()`; where `asked`
it keeps it, and calls `end_if_asked` after each step. All other work is left at once, which loses what is not yet on
the disk and nothing else, as every file is written whole.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Ctrl-C reaches a process from the terminal and once more from its launcher: that is one wish, not two.
SAME_WISH = 0.5


class Stopped(KeyboardInterrupt):
    """The process was asked to stop, and whatever had to be kept is on the disk."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number


@dataclass
class _Wish:
    """Which signal asked, and when; and how many blocks want it to wait."""

    number: int | None = None
    when: float = 0.0
    waiting: int = 0

    def forget(self) -> None:
        """Nobody has asked."""
        self.number, self.waiting = None, 0


_wish = _Wish()


@contextmanager
def heed() -> Iterator[None]:
    """Within the block SIGINT and SIGTERM end it by `Stopped`; a second SIGINT ends the process at once.

    Signals that whoever started this process had it ignore stay ignored. Outside the main thread nothing happens.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    _wish.forget()
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _asked)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _wish.forget()


@contextmanager
def between_steps() -> Iterator[None]:
    """Within the block (or function) a wish to stop waits until `end_if_asked` is called.

    Where the last step was already under way, the block ends as ever, what it made can be stored, and the next call of
    `end_if_asked` ends the run.
    """
    _wish.waiting += 1
    try:
        yield
    finally:
        _wish.waiting -= 1


def asked() -> bool:
    """Whether somebody wants this process to stop: now is the time to keep what is not kept."""
    return _wish.number is not None


def end_if_asked() -> None:
    """`Stopped` where somebody wants this process to stop."""
    if _wish.number is not None:
        raise Stopped(_wish.number)


def end() -> NoReturn:
    """`Stopped`, for this process or for another of its group, which was asked first."""
    raise Stopped(_wish.number or signal.SIGTERM)


def _asked(number: int, frame: FrameType | None) -> None:
    if _wish.number is None:
        _wish.number, _wish.when = number, time.monotonic()
        if not _wish.waiting:
            raise Stopped(number)
    elif number == signal.SIGINT and time.monotonic() - _wish.when > SAME_WISH:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
