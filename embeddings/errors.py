"""The one error of this package: what its user can mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EmbeddingsError(ValueError):
    """The user's mistake; the message is complete in itself: what was found, what is allowed, what to do."""


def nearest_names(word: str, allowed: Iterable[str], count: int = 1) -> str:
    """`" (did you mean 'x' or 'y'?)"` for the nearest allowed names, or an empty string when none is near."""
    near = difflib.get_close_matches(word, list(allowed), n=count, cutoff=0.5)
    return f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""


def at_least(minimum: int, **settings: int | None) -> None:
    """Check that each given setting is an integer of at least `minimum`; `None` means not set.

    Raises:
        EmbeddingsError: it names the setting, the value found and the least value allowed.
    """
    for name, value in settings.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < minimum):
            raise EmbeddingsError(f"{name} must be an integer of at least {minimum}, found {value!r}")
