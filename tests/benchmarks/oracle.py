"""The obvious way to take one TDD outer step: `Conv2d` over a one-channel image, and one autograd graph for everything.

Nothing of textdistill is in it, so that it can judge textdistill's step, in value and in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Problem:
    """One outer step: distilled samples visited `len(rates)` times from `theta0`, then the loss on real rows."""

    inputs: Tensor  # (m, length, dimension)
    targets: Tensor  # (m, c)
    rates: Tensor  # (T,)
    real_inputs: Tensor  # (b, length, dimension)
    real_targets: Tensor  # (b, c)
    theta0: Weights  # textdistill's names and shapes


def text_conv(weights: Weights, inputs: Tensor, widths: Sequence[int] = (3, 4, 5)) -> Tensor:
    """The logits of Kim's network, from `Conv2d`, ReLU and the maximum over what it gives."""
    image = inputs[:, None]
    pooled = [
        F.relu(F.conv2d(image, weights[f"filter{k}"][:, None], weights[f"bias{k}"]))[..., 0].amax(2) for k in widths
    ]
    return F.linear(torch.cat(pooled, 1), weights["linear_weight"], weights["linear_bias"])


def rnn_cell(x: Tensor, h: Tensor, w: Tensor, u: Tensor, b: Tensor) -> Tensor:
    """h' = tanh(W x + U h + b)."""
    return torch.tanh(x @ w.t() + h @ u.t() + b)


def lstm_cell(x: Tensor, h: Tensor, c: Tensor, w: Tensor, u: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """c' = σ(f) c + σ(i) tanh(z), h' = σ(o) tanh(c'), with the gates i, f, z, o = W x + U h + b."""
    i, f, z, o = (x @ w.t() + h @ u.t() + b).chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(z)
    return torch.sigmoid(o) * torch.tanh(c), c


def bi_rnn(weights: Weights, inputs: Tensor) -> Tensor:
    """A bidirectional tanh network, a cell at a time."""
    ends = []
    for way in range(2):
        w, u = weights["weight_ih"][way], weights["weight_hh"][way]
        b = (weights["bias_ih"] + weights["bias_hh"]).view(2, -1)[way]
        h = inputs.new_zeros(inputs.shape[0], u.shape[1])
        for x in (inputs.flip(1) if way else inputs).unbind(1):
            h = rnn_cell(x, h, w, u, b)
        ends.append(h)
    return F.linear(torch.cat(ends, 1), weights["linear_weight"], weights["linear_bias"])


def bi_lstm(weights: Weights, inputs: Tensor) -> Tensor:
    """A bidirectional LSTM, a cell at a time; gates in the order input, forget, cell, output."""
    ends = []
    for way in range(2):
        w, u = weights["weight_ih"][way], weights["weight_hh"][way]
        b = (weights["bias_ih"] + weights["bias_hh"]).view(2, -1)[way]
        h = c = inputs.new_zeros(inputs.shape[0], u.shape[1])
        for x in (inputs.flip(1) if way else inputs).unbind(1):
            h, c = lstm_cell(x, h, c, w, u, b)
        ends.append(h)
    return F.linear(torch.cat(ends, 1), weights["linear_weight"], weights["linear_bias"])


NETWORKS = {"text_conv": text_conv, "bi_rnn": bi_rnn, "bi_lstm": bi_lstm}


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """mean_i Σ_c y_ic · (−log softmax(z_i))_c."""
    return -(targets * F.log_softmax(logits, 1)).sum(1).mean()


def outer_step(problem: Problem, network: str = "text_conv") -> tuple[float, list[Tensor]]:
    """The outer loss after plain gradient descent, and its gradient for inputs, targets and rates."""
    logits = NETWORKS[network]
    leaves = [value.detach().clone().requires_grad_() for value in (problem.inputs, problem.targets, problem.rates)]
    inputs, targets, rates = leaves
    weights = {name: value.detach().clone().requires_grad_() for name, value in problem.theta0.items()}
    for rate in rates.unbind():
        loss = soft_cross_entropy(logits(weights, inputs), targets)
        slopes = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
        weights = {name: w - rate * g for (name, w), g in zip(weights.items(), slopes, strict=True)}
    loss = soft_cross_entropy(logits(weights, problem.real_inputs), problem.real_targets)
    return float(loss.detach()), list(torch.autograd.grad(loss, leaves))
