"""Sets that other authors published, to be judged beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from textdistill.core.streams import Streams
from textdistill.selection.candidates import Candidates
from textdistill.selection.methods.method import Source


@dataclass(frozen=True)
class Released:
    """Sets as they were published: they are read where they are judged (`judge.released`), and never made."""

    title: ClassVar[str] = "Released by the authors"
    source: ClassVar[Source] = "released"
    stream: ClassVar[str] = "released"
    soft: ClassVar[bool] = False

    def choose(self, candidates: Candidates, counts: Sequence[int], streams: Streams, number: int) -> np.ndarray:
        """All of a set's samples."""
        return np.arange(len(candidates))
