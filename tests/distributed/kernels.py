"""Kernel regression and label solve on whatever processes there are."""

from __future__ import annotations

import torch

from tests.core.cases import generator, learner_of, real_rows, tensors
from textdistill.core.processes import count, own_share
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.objectives.kernels import NTK, TextConvNTK
from textdistill.objectives.kip import KIP
from textdistill.objectives.label_solve import LabelSolve


def found() -> dict[str, torch.Tensor]:
    """The loss, its gradients, solved labels, and which rows this process had."""
    learner = learner_of("mlp")
    real, start = real_rows(31), Start(learner.init(generator()))
    made: dict[str, torch.Tensor] = {}
    for name, kernel in (("flat", NTK(2)), ("conv", TextConvNTK())):
        for batch in (None, 1):  # of a single row one process has none
            synthetic = tensors(learned=("inputs", "targets"))
            objective = KIP(kernel, batch=batch, memory_mib=0.01)
            (outcome,) = objective.evaluate(synthetic, real, learner, [start], Streams(0))
            synthetic.pullback(outcome.gradients)
            made[f"{name}.{batch}.loss"] = torch.tensor(outcome.loss, dtype=torch.float64)
            made |= {f"{name}.{batch}.{key}": value.grad for key, value in synthetic.parameters().items()}
        labels = tensors(learned=("targets",))
        made[f"{name}.solved"] = LabelSolve(kernel).solve(labels, real, learner, Streams(0))["targets"]
    made["processes"] = torch.tensor(count())
    made["rows"] = torch.tensor(list(own_share(31)))
    return made
