"""Finite but very wide networks in the NTK's parametrisation, and their empirical kernels: the kernels' oracle."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.core.cases import generator

W, B = 1.7, 0.3  # variances of weights and biases, unlike the defaults
Net = Callable[[list[Tensor], Tensor], tuple[Tensor, Tensor]]  # weights, rows -> outputs (n,), features (n, f)


def weights(shapes: Sequence[tuple[int, ...]], seed: int) -> list[Tensor]:
    """Standard normal numbers: scales are in the networks."""
    rng = generator(seed)
    return [torch.randn(shape, generator=rng, dtype=torch.float32) for shape in shapes]


def dense(h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return math.sqrt(W / h.shape[-1]) * h @ weight.T + math.sqrt(B) * bias


def fully_connected(params: list[Tensor], rows: Tensor) -> tuple[Tensor, Tensor]:
    h = rows
    for layer in range(0, len(params) - 2, 2):
        h = F.relu(dense(h, *params[layer : layer + 2]))
    return dense(h, *params[-2:])[:, 0], h / math.sqrt(h.shape[1])


def fully_connected_shapes(inputs: int, width: int, depth: int) -> list[tuple[int, ...]]:
    sizes = [inputs, *[width] * depth, 1]
    return [shape for a, b in itertools.pairwise(sizes) for shape in ((b, a), (b,))]


def convolutional(pools: Sequence[bool], head: str) -> Net:
    def net(params: list[Tensor], rows: Tensor) -> tuple[Tensor, Tensor]:
        h = rows
        for layer, pool in enumerate(pools):
            scale = math.sqrt(W / (9 * h.shape[1]))
            h = F.conv2d(h, scale * params[2 * layer], math.sqrt(B) * params[2 * layer + 1], padding=1)
            h = F.avg_pool2d(F.relu(h), 2) if pool else F.relu(h)
        h = h.mean((2, 3)) if head == "average" else h.flatten(1)
        return dense(h, *params[-2:])[:, 0], h / math.sqrt(h.shape[1])

    return net


def convolutional_shapes(channels: int, width: int, layers: int, features: int) -> list[tuple[int, ...]]:
    sizes = [channels, *[width] * layers]
    inner = [shape for a, b in itertools.pairwise(sizes) for shape in ((b, a, 3, 3), (b,))]
    return [*inner, (1, features), (1,)]


def text_convolutional(reach: int, lengths: Sequence[int]) -> Net:
    """The mask is in `lengths`: beyond them every layer is zero, and the average does not count them."""

    def net(params: list[Tensor], rows: Tensor) -> tuple[Tensor, Tensor]:
        inside = (torch.arange(rows.shape[1]) < torch.tensor(lengths[: len(rows)])[:, None]).float()[:, None]
        h = rows.transpose(1, 2) * inside
        for layer in range(0, len(params) - 2, 2):
            padded = F.pad(h, ((reach - 1) // 2, reach // 2))
            scale = math.sqrt(W / (reach * h.shape[1]))
            h = F.relu(F.conv1d(padded, scale * params[layer], math.sqrt(B) * params[layer + 1])) * inside
        h = h.sum(2) / inside.sum(2)
        return dense(h, *params[-2:])[:, 0], h / math.sqrt(h.shape[1])

    return net


def text_convolutional_shapes(dimension: int, width: int, depth: int, reach: int) -> list[tuple[int, ...]]:
    sizes = [dimension, *[width] * depth]
    inner = [shape for a, b in itertools.pairwise(sizes) for shape in ((b, a, reach), (b,))]
    return [*inner, (1, width), (1,)]


def empirical(net: Net, shapes: Sequence[tuple[int, ...]], rows: Tensor, nets: int = 2) -> tuple[Tensor, Tensor]:
    """The NTK, inner products of Jacobians, and the NNGP, of features; means over `nets` networks."""
    tangent, covariance = torch.zeros(2, len(rows), len(rows), dtype=torch.float64)
    for seed in range(nets):
        params = weights(shapes, seed)
        jacobian = torch.func.jacrev(lambda given: net(given, rows.float())[0])(params)
        for part in jacobian:
            flat = part.flatten(1).double()
            tangent += flat @ flat.T / nets
        features = net(params, rows.float())[1].double()
        covariance += (W * features @ features.T + B) / nets
    return tangent, covariance
