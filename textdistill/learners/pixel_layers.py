"""What image networks are made of: weights that have names, norms and pooling; all of it differentiates twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from textdistill.core.errors import RecipeError

Norm = Literal["instance", "none", "batch-statistics", "layer", "group"]
GROUPS = 4  # of the group norm, as in DC's code


class PixelNetwork(nn.Module):
    """Weights by name: NAME_weight (out, in, k, k) or (out, in), NAME_bias, and a norm's NAME_gain, at first one.

    Fans are those of torch's own layers: channels times the kernel's area.
    """

    takes: ClassVar[frozenset[str]] = frozenset({"pixels"})

    def __init__(self, shape: Sequence[int]):
        super().__init__()
        if len(shape) != 3:
            raise RecipeError([f"learner: inputs of shape {list(shape)}; this network takes channels × height × width"])

    def layer(self, name: str, *shape: int) -> None:
        """A weight of this shape, with a bias for each of its outputs."""
        self.register_parameter(f"{name}_weight", nn.Parameter(torch.empty(shape)))
        self.register_parameter(f"{name}_bias", nn.Parameter(torch.empty(shape[0])))

    def norm(self, name: str, kind: str, *shape: int) -> None:
        """Gain and bias of a norm, of this shape; none where there is no norm."""
        if kind != "none":
            self.register_parameter(f"{name}_gain", nn.Parameter(torch.empty(shape)))
            self.register_parameter(f"{name}_bias", nn.Parameter(torch.empty(shape)))

    def of(self, name: str) -> tuple[Tensor, Tensor]:
        """Weight and bias of a layer."""
        return getattr(self, f"{name}_weight"), getattr(self, f"{name}_bias")

    def fans(self, name: str, shape: Sequence[int]) -> tuple[int, int]:
        """Fan-in and fan-out, a kernel's area times its channels."""
        area = 1
        for side in shape[2:]:
            area *= side
        return shape[1] * area, shape[0] * area

    def constant(self, name: str) -> float | None:
        """Where a norm's gain and bias start."""
        if name.endswith("_gain"):
            return 1.0
        return 0.0 if name.endswith("_bias") else None

    def normalised(self, name: str, kind: str, values: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The values after the norm called `name`."""
        if kind == "none":
            return values
        return normalise(kind, values, getattr(self, f"{name}_gain"), getattr(self, f"{name}_bias"))


def normalise(kind: str, values: Float[Tensor, "n c h w"], gain: Tensor, bias: Tensor) -> Float[Tensor, "n c h w"]:
    """(x − mean)/√(variance + 10⁻⁵)·gain + bias over what the `kind` says; all differentiate twice.

    instance: each image and channel; group: GROUPS groups of channels of each image; layer: each image;
    batch-statistics: each channel over the batch at hand, in training and in evaluation.
    """
    if kind == "instance":
        return F.group_norm(values, values.shape[1], gain, bias)
    if kind == "group":
        return F.group_norm(values, GROUPS, gain, bias)
    if kind == "layer":
        return F.layer_norm(values, list(values.shape[1:]), gain, bias)
    return F.batch_norm(values, None, None, gain, bias, training=True)


def pool(kind: str, values: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h2 w2"]:
    """Pooling over 2 × 2 pixels; an odd last row or column is left out."""
    if kind == "none":
        return values
    return average_pool(values) if kind == "avg" else F.max_pool2d(values, 2)


def average_pool(values: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h2 w2"]:
    """The mean over 2 × 2 pixels, rows first and then columns: a fifth of the time of torch's own (28 × 28, float32).

    In bfloat16, where nothing is differentiated, oneDNN's own kernel is faster still.
    """
    if values.dtype == torch.bfloat16 and values.device.type == "cpu" and not torch.is_grad_enabled():
        pooled: Tensor = F.avg_pool2d(values.to_mkldnn(), 2).to_dense()
        return pooled
    height, width = (side // 2 * 2 for side in values.shape[2:])
    rows = values[:, :, 0:height:2, :width] + values[:, :, 1:height:2, :width]
    return 0.25 * (rows[..., ::2] + rows[..., 1::2])
