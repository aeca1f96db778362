"""The error types: what a user can mend is a `UserError`, and the command line prints it without a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST = 1000  # characters of a line of a message


class TextdistillError(Exception):
    """Base of every error that this package raises on purpose."""


class UserError(TextdistillError):
    """The user's mistake: the message says what was found, what is allowed and what to do (exit code 2).

    What was found may be a column's name of a million characters: of a long line the middle is left out.
    """

    def __init__(self, message: str = ""):
        super().__init__("\n".join(map(_shortened, str(message).split("\n"))))


def _shortened(line: str) -> str:
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 300]} … {line[-250:]}"


class DataError(UserError):
    """A table, column, label or split that cannot be used as asked."""


class RecipeError(UserError):
    """One or more faults of a recipe, all shown at once.

    `faults` holds one line each: the key path, the value found, what is allowed, the nearest valid name.
    """

    def __init__(self, faults: Iterable[str], source: str = "recipe"):
        self.faults = list(faults)
        head = f"{source}: {len(self.faults)} fault{'s' if len(self.faults) != 1 else ''}"
        super().__init__("\n".join([head, *(f"  {fault}" for fault in self.faults)]))


class ArtifactError(UserError):
    """A distilled set on disk that is missing, malformed, unsafe or from an unknown version."""


class DivergenceError(UserError):
    """The distillation produced NaN, infinity or a runaway loss; the message names the step and what to lower."""


class OfflineError(UserError):
    """Something that only a hub or a network has was asked for, and it cannot be reached."""


def did_you_mean(word: object, allowed: Iterable[str]) -> str:
    """`" (did you mean 'x'?)"` for the nearest allowed name, or an empty string when none is near.

    `word` is whatever a person wrote where a name was asked: YAML's keys may be numbers, dates or nothing.
    """
    near = difflib.get_close_matches(str(word), [str(name) for name in allowed], n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""
