"""Label solve: the labels that descent would find, at once."""

from __future__ import annotations

import os
import signal
from contextlib import nullcontext
from typing import Any

import pytest
import torch

from tests.core.cases import generator, learner_of, real_rows, tensors
from textdistill.core import stopping, watch
from textdistill.core.errors import RecipeError
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.objectives import label_solve
from textdistill.objectives.kernels import NTK, Feature, TextConvNTK
from textdistill.objectives.kip import KIP
from textdistill.objectives.label_solve import LabelSolve
from textdistill.synthetic.tensors import TensorData

LEARNER = learner_of("mlp")
START = Start(LEARNER.init(generator()))
STREAMS = Streams(0)


def solved(objective: LabelSolve, synthetic: TensorData, **more: Any) -> torch.Tensor:
    return objective.solve(synthetic, more.pop("real", real_rows()), LEARNER, STREAMS)["targets"]


def with_labels(synthetic: TensorData, labels: torch.Tensor) -> TensorData:
    with torch.no_grad():
        synthetic.parameters()["targets"].copy_(labels)
    return synthetic


@pytest.mark.parametrize("memory", [512.0, 0.05])
@pytest.mark.parametrize("kernel", [NTK(2), TextConvNTK()])
def test_its_labels_are_the_minimum_of_kips_loss(kernel: Any, memory: float) -> None:
    objective = LabelSolve(kernel, memory_mib=memory)
    synthetic = tensors(learned=("targets",))
    best = solved(objective, synthetic)
    (outcome,) = objective.evaluate(with_labels(synthetic, best), real_rows(), LEARNER, [START], STREAMS)
    assert all(found["targets"].abs().max() < 1e-9 for _, found in outcome.gradients)
    for seed in range(5):
        moved = best + 0.01 * torch.randn(best.shape, generator=generator(seed), dtype=best.dtype)
        (other,) = objective.evaluate(with_labels(synthetic, moved), real_rows(), LEARNER, [START], STREAMS)
        assert other.loss > outcome.loss


def test_descent_finds_the_same_labels() -> None:
    objective = LabelSolve(NTK(), regularisation=0.1)
    synthetic = tensors(steps=1, each=3, learned=("targets",))
    wanted = solved(objective, synthetic)
    labels = synthetic.parameters()["targets"]
    optimizer = torch.optim.LBFGS([labels], lr=1.0, max_iter=100, tolerance_grad=1e-12, tolerance_change=0.0)

    def loss() -> float:
        optimizer.zero_grad(set_to_none=True)
        (outcome,) = KIP(NTK(), regularisation=0.1).evaluate(synthetic, real_rows(), LEARNER, [START], STREAMS)
        synthetic.pullback(outcome.gradients)
        return outcome.loss

    optimizer.step(loss)  # type: ignore[arg-type]
    torch.testing.assert_close(labels.detach(), wanted, rtol=1e-6, atol=1e-6)


def test_equal_rows_share_the_shortest_labels() -> None:
    synthetic = tensors(steps=1, each=4, learned=("targets",))
    inputs = synthetic.draw(0).batch.inputs.detach().clone()
    inputs[1] = inputs[0]
    double = TensorData(inputs[None], torch.zeros(1, 4, 3).double(), torch.ones(1, 1), learned=frozenset({"targets"}))
    found = solved(LabelSolve(regularisation=1e-3), double)
    torch.testing.assert_close(found[0, 0], found[0, 1], rtol=1e-6, atol=1e-8)


def test_fewer_real_rows_than_labels_have_an_answer_too() -> None:
    found = solved(LabelSolve(regularisation=1e-2), tensors(learned=("targets",)), real=real_rows(3))
    assert found.shape == (2, 3, 3)
    assert found.isfinite().all()


def test_every_real_row_counts_unless_told() -> None:
    real = real_rows(20)
    assert len(LabelSolve().real_rows(real, STREAMS)) == 20
    assert len(LabelSolve(batch=7).real_rows(real, STREAMS)) == 7


def test_labels_behind_a_softmax_are_refused() -> None:
    with pytest.raises(RecipeError, match="synthetic.labels: a closed form is for the labels themselves"):
        solved(LabelSolve(), tensors(labels="softmax", learned=("targets",)))


def test_features_of_no_network_are_refused() -> None:
    with pytest.raises(RecipeError, match="`feature` needs a network's weights"):
        solved(LabelSolve(Feature()), tensors(learned=("targets",)))


def test_real_rows_read_a_few_at_a_time_give_the_same_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    objective = LabelSolve(NTK(), memory_mib=0.001)  # blocks of a few rows
    synthetic = tensors(learned=("targets",))
    whole = solved(objective, synthetic)
    monkeypatch.setattr(label_solve, "HELD_ROWS", 1)
    assert torch.equal(solved(objective, synthetic), whole)


def test_it_tells_how_many_rows_it_has_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(watch, "_shows", [lambda *_: nullcontext(lambda *seen: told.append(seen))])
    rows = len(real_rows())
    solved(LabelSolve(NTK(), memory_mib=0.001), tensors(learned=("targets",)))
    assert told[0] == (0, rows)
    assert told[-1] == (rows, rows)
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_asked_to_stop_it_ends_before_the_next_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def ask(done: int, total: int) -> None:
        seen.append(done)
        if len(seen) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(watch, "_shows", [lambda *_: nullcontext(ask)])
    solve = stopping.between_steps()(lambda: solved(LabelSolve(NTK(), memory_mib=0.001), tensors(learned=("targets",))))
    with stopping.heed(), pytest.raises(stopping.Stopped):
        solve()
    assert len(seen) == 2
