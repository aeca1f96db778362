"""A run that is lost after a certain step, for the tests of what goes on from there."""

from __future__ import annotations

from collections.abc import Callable


class Stopped(Exception):
    """What stands for a lost machine."""


def stop_after(step: int | None) -> Callable[[int, dict[str, float]], None]:
    """What a run is to call after every step; with `None` it is never lost."""

    def stop(now: int, record: dict[str, float]) -> None:
        if now == step:
            raise Stopped

    return stop
