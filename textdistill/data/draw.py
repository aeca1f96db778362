"""Seeded class-balanced draws, and how a total is spread over classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from textdistill.core.errors import DataError


def spread(total: int, classes: int) -> list[int]:
    """`total` samples over `classes`, as evenly as it goes, the first classes getting the rest.

    With fewer samples than classes the first `total` classes get one each.
    """
    if total < 1 or classes < 1:
        raise DataError(f"{total} samples over {classes} classes: both must be 1 or more")
    share, rest = divmod(total, classes)
    return [share + (label < rest) for label in range(classes)]


def balanced_rows(
    labels: np.ndarray,
    per_class: int | Sequence[int],
    generator: np.random.Generator,
    classes: int,
    names: Sequence[str] | None = None,
) -> tuple[np.ndarray, list[str]]:
    """Rows of a class-balanced draw without replacement, class by class, and one note for each class that is short.

    `per_class` is one number, or one for each class (0 draws nothing). A class with fewer rows than asked gives all
    it has. Every class uses the generator alike whatever is asked of it, so a larger draw begins with the smaller
    one. Raises `DataError` for a class that is asked for and has no row at all.
    """
    asked = [per_class] * classes if isinstance(per_class, int) else [int(number) for number in per_class]
    if len(asked) != classes or min(asked, default=0) < 0 or not any(asked):
        raise DataError(
            f"per class: {asked}; allowed: one number of 0 or more for each of {classes} classes, not all 0"
        )
    drawn, notes = [], []
    for label, number in enumerate(asked):
        rows = generator.permutation(np.flatnonzero(labels == label))
        called = f"class {label}" if names is None else f"class {names[label]!r}"
        if number and not len(rows):
            raise DataError(f"{called} has no rows to draw {number} from; leave it out of the classes, or add rows")
        if len(rows) < number:
            notes.append(f"{called} has {len(rows)} rows, {number} were asked for: all were taken")
        drawn.append(rows[:number])
    return np.concatenate(drawn).astype(np.int64), notes
