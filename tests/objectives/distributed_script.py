"""Run by torchrun: KIP and label solve on whatever processes there are; the first writes what came of it to a file."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from tests.core.cases import generator, learner_of, real_rows, tensors
from textdistill.core.processes import count, end_processes, own_share, rank, start_processes
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.objectives.kernels import NTK, TextConvNTK
from textdistill.objectives.kip import KIP
from textdistill.objectives.label_solve import LabelSolve


def main() -> None:
    """The loss, its gradients, solved labels, and which rows this process had."""
    start_processes()
    learner = learner_of("mlp")
    real, start, found = real_rows(31), Start(learner.init(generator())), {}
    for name, kernel in (("flat", NTK(2)), ("conv", TextConvNTK())):
        for batch in (None, 1):  # of a single row one process has none
            synthetic = tensors(learned=("inputs", "targets"))
            objective = KIP(kernel, batch=batch, memory_mib=0.01)
            (outcome,) = objective.evaluate(synthetic, real, learner, [start], Streams(0))
            synthetic.pullback(outcome.gradients)
            found[f"{name}.{batch}.loss"] = torch.tensor(outcome.loss, dtype=torch.float64)
            found |= {f"{name}.{batch}.{key}": value.grad for key, value in synthetic.parameters().items()}
        labels = tensors(learned=("targets",))
        found[f"{name}.solved"] = LabelSolve(kernel).solve(labels, real, learner, Streams(0))["targets"]
    found["processes"] = torch.tensor(count())
    found["rows"] = torch.tensor(list(own_share(31)))
    save_file(found, Path(sys.argv[1]) / f"{rank()}.safetensors")
    end_processes()


if __name__ == "__main__":
    main()
