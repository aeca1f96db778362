"""Named random streams from one seed: the same seed and name give the same numbers, whatever ran before.

Nothing random carries a hidden state from step to step, so a resumed run draws exactly what an
uninterrupted one would have drawn, and no generator state has to be saved.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Streams:
    """A family of independent random streams.

    `seed` is the user's; `path` the names walked so far. `streams.child("starts")` is a sub-family,
    `streams.torch("noise", 12)` the torch generator called "noise" at step 12.
    """

    seed: int
    path: tuple[str | int, ...] = ()

    def child(self, *names: str | int) -> Streams:
        """The sub-family under `names`."""
        return Streams(self.seed, (*self.path, *names))

    def integer(self, *names: str | int) -> int:
        """A 63-bit seed for the stream called `names`, from SHA-256 of the seed and the path."""
        text = "/".join(str(part) for part in (self.seed, *self.path, *names))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1

    def torch(self, *names: str | int) -> torch.Generator:
        """A CPU torch generator for the stream; the caller moves what it draws to its own device."""
        return torch.Generator().manual_seed(self.integer(*names))

    def numpy(self, *names: str | int) -> np.random.Generator:
        """A NumPy generator for the stream."""
        return np.random.default_rng(self.integer(*names))
