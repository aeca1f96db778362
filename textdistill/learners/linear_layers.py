"""Linear layers with ReLU between them: what every multilayer perceptron here ends in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LinearLayers(nn.Module):
    """Layers of these `sizes`, inputs first and classes last, called `weight0`, `bias0`, `weight1`, …"""

    def __init__(self, sizes: Sequence[int]):
        super().__init__()
        self.depth = len(sizes) - 1
        for layer in range(self.depth):
            self.register_parameter(f"weight{layer}", nn.Parameter(torch.empty(sizes[layer + 1], sizes[layer])))
            self.register_parameter(f"bias{layer}", nn.Parameter(torch.empty(sizes[layer + 1])))

    def fans(self, name: str, shape: Sequence[int]) -> tuple[int, int]:
        """Fan-in and fan-out of a linear layer."""
        return shape[1], shape[0]

    def through(self, values: Tensor, drop: Callable[[Tensor], Tensor] | None = None) -> list[Tensor]:
        """`values` (n, f), every hidden layer, what `drop` makes of the last of these, and the logits."""
        out = [values]
        for layer in range(self.depth):
            if layer == self.depth - 1 and drop is not None:
                out.append(drop(out[-1]))
            values = F.linear(out[-1], getattr(self, f"weight{layer}"), getattr(self, f"bias{layer}"))
            out.append(F.relu(values) if layer < self.depth - 1 else values)
        return out
