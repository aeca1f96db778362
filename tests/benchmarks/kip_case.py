"""One step of KIP with the NTK of a fully-connected net: ours, and the formula in one graph by autograd."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tests.core.cases import Rows, generator, learner_of, randn
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.objectives.kernels import NTK
from textdistill.objectives.kip import KIP
from textdistill.synthetic.tensors import TensorData

CLASSES, SHAPE = 10, (1, 28, 28)
WEIGHT, BIAS, REGULARISATION = 2.0, 0.01, 1e-6


def images(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """So many images of noise around a centre for each class, in float64, and their classes."""
    labels = torch.arange(count) % CLASSES
    return randn(CLASSES, *SHAPE, seed=1)[labels] + 0.5 * randn(count, *SHAPE, seed=seed), labels


class Problem:
    """So many samples and real images, and the kernel of a net with `depth` hidden layers."""

    def __init__(self, samples: int, real: int, depth: int = 1):
        self.samples, self.real, self.depth = images(samples, 2), images(real, 3), depth

    def ours(self) -> tuple[float, Tensor]:
        """The loss, and its gradient for the samples, by the objective that recipes use."""
        inputs, labels = self.samples
        targets = torch.eye(CLASSES, dtype=torch.float64)[labels]
        synthetic = TensorData(inputs[None], targets[None], torch.full((1, 1), 0.01), learned=frozenset({"inputs"}))
        real = Rows(*self.real, None, tuple("0123456789"))
        learner = learner_of("mlp")  # asked for nothing
        objective = KIP(NTK(depth=self.depth), REGULARISATION, batch=None)
        (found,) = objective.evaluate(synthetic, real, learner, [Start(learner.init(generator()))], Streams(0))
        return found.loss, found.gradients[0][1]["inputs"]

    def oracle(self) -> tuple[float, Tensor]:
        """The same by the plain way."""
        (inputs, mine), (real, theirs) = self.samples, self.real
        inputs = inputs.clone().requires_grad_()
        eye = torch.eye(CLASSES, dtype=torch.float64) - 1 / CLASSES
        within, cross = self.kernel(inputs, inputs), self.kernel(real, inputs)
        penalty = REGULARISATION * within.trace() / len(inputs)
        dual = torch.linalg.solve(within + penalty * torch.eye(len(inputs)), eye[mine])
        loss = 0.5 * (cross @ dual - eye[theirs]).square().sum(1).mean()
        (found,) = torch.autograd.grad(loss, inputs)
        return float(loss.detach()), found

    def kernel(self, x: Tensor, y: Tensor) -> Tensor:
        """The tangent kernel, from the angles between rows (Cho & Saul 2009; Jacot et al. 2018)."""
        x, y = x.flatten(1), y.flatten(1)
        scale = WEIGHT / x.shape[1]
        cov = scale * x @ y.T + BIAS
        left, right = (scale * side.square().sum(1) + BIAS for side in (x, y))
        tangent = cov
        for _ in range(self.depth):
            norms = (left[:, None] * right).sqrt()
            # of a row with itself the angle has no derivative
            angle = (cov / norms).clamp(-1 + 1e-12, 1 - 1e-12).acos()
            active = (math.pi - angle) / (2 * math.pi)
            cov = WEIGHT * (norms * angle.sin() / (2 * math.pi) + active * cov) + BIAS
            tangent = cov + WEIGHT * tangent * active
            left, right = (0.5 * WEIGHT * side + BIAS for side in (left, right))
        return tangent
