"""The weighted, soft-labelled batch that every method emits, and the rows of real data it is compared with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Tensors that a learner can take.

    `inputs` is (n, *shape): word vectors (n, length, dimension), pixels, or token ids; `targets` (n, c) are soft
    labels (a hard label is one-hot); `weights` (n,) sum to one, `None` means uniform; `mask` (n, length) is true
    at real positions, `None` means all.
    """

    inputs: Tensor
    targets: Float[Tensor, "n c"]
    weights: Float[Tensor, " n"] | None = None
    mask: Bool[Tensor, "n length"] | None = None

    def __len__(self) -> int:
        return int(self.inputs.shape[0])

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Batch:
        """The same batch on another device, its floating tensors as `dtype`."""

        def move(tensor: Tensor | None) -> Tensor | None:
            if tensor is None:
                return None
            return tensor.to(device, dtype if tensor.is_floating_point() else None)

        inputs, targets = move(self.inputs), move(self.targets)
        assert inputs is not None
        assert targets is not None
        return replace(self, inputs=inputs, targets=targets, weights=move(self.weights), mask=move(self.mask))


@runtime_checkable
class RealData(Protocol):
    """Real labelled rows that can be turned into batches: embedded sentences, images, token ids."""

    classes: tuple[str, ...]
    shape: tuple[int, ...]  # of one input
    labels: Int[Tensor, " n"]

    def __len__(self) -> int: ...

    def batch(self, rows: Int[Tensor, " b"]) -> Batch:
        """The rows with these indices, in this order."""
        ...
