"""What a readable set is chosen from: labelled samples as encoders see them, and the training rows behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from textdistill.core.errors import DataError
from textdistill.learners.linear_head import LinearHead, fit_head
from textdistill.selection.word_view import WordSpace

# The ridge of the head on all training rows that says whether a sample looks like its class.
CONSISTENCY_PENALTY = 1e-4


@dataclass
class Candidates:
    """Samples with `labels` (n,), which index `classes`, and every encoder's features of them, `encode()`.

    `training` are the training rows that stand behind them; `None` where the candidates are those rows themselves.
    `written`: they are no training rows. `read()` gives their texts, where searches shall see words beside features.
    Features are asked for when a method first looks at them.
    """

    labels: Int[np.ndarray, " n"]
    classes: tuple[str, ...]
    encode: Callable[[], Sequence[Float[Tensor, "n f"]]]
    training: Candidates | None = None
    written: bool = True
    read: Callable[[], Sequence[str]] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def views(self) -> list[Float[Tensor, "n f"]]:
        """The samples under every encoder; methods that need one alone take the first."""
        return list(self.encode())

    @cached_property
    def words(self) -> Float[Tensor, "n d"]:
        """The samples by their words, in the space of the training rows' texts; zeros where these share no words."""
        if self.read is None:
            raise ValueError("a view of words was asked for, and no texts were given")
        space = self.real._space
        return torch.zeros(len(self), 1) if space is None else space.features(self.read())

    @cached_property
    def _space(self) -> WordSpace | None:
        return None if self.read is None else WordSpace.of(self.read())

    def see(self) -> None:
        """Look at the training rows and at these now, before several methods do side by side."""
        for seen in (self.real, self):
            _ = seen.views
            if seen.read is not None:
                _ = seen.words

    def only(self, rows: Int[np.ndarray, " m"]) -> Candidates:
        """Some of these training rows, with all of them behind."""
        chosen, read = torch.from_numpy(rows), self.read
        return Candidates(
            *(self.labels[rows], self.classes, lambda: [view[chosen] for view in self.views], self, False),
            read=None if read is None else lambda: np.array(read(), dtype=object)[rows].tolist(),
        )

    @property
    def real(self) -> Candidates:
        """The training rows, under the same encoders."""
        return self if self.training is None else self.training

    @cached_property
    def head(self) -> LinearHead:
        """A linear head on all training rows, in the first view."""
        targets = torch.eye(len(self.classes))[torch.from_numpy(self.real.labels)]
        return fit_head(self.real.views[0], targets, CONSISTENCY_PENALTY)

    @cached_property
    def consistent(self) -> Bool[np.ndarray, " n"]:
        """Which samples the head on all training rows gives their own class."""
        found: np.ndarray = self.head.predict(self.views[0]).numpy() == self.labels
        return found

    def drawn(
        self,
        counts: Sequence[int],
        over: int | None,
        rng: np.random.Generator,
        eligible: Bool[np.ndarray, " n"] | None = None,
        most: int | None = None,
    ) -> Int[np.ndarray, " m"]:
        """`over` samples for each that is wanted (`counts[c]` of class c), or all there are, class by class.

        `most` bounds how many there are in all: where there are more, each class gives its share, in random order.
        Training rows give what they have. Raises `DataError` for a class of which a generator wrote fewer than wanted.
        """
        found = []
        for label, count in enumerate(counts):
            own = self.labels == label
            rows = np.flatnonzero(own if eligible is None else own & eligible)
            if len(rows) < (count if self.training is not None and self.written else 1):
                raise DataError(
                    f"class {self.classes[label]!r}: {len(rows)} samples to choose {count} from; "
                    "raise choose.pool, or set choose.consistent to false"
                )
            share = len(rows) if most is None else max(count, most * len(rows) // len(self))
            found.append(rng.permutation(rows)[: share if over is None else min(share, over * count)])
        return np.concatenate(found)
