"""Bi-RNN and Bi-LSTM against `torch.nn.RNN` and `nn.LSTM`, and their hand-written derivatives against autograd."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tests.benchmarks.oracle import lstm_cell, rnn_cell
from tests.core.cases import generator, randn
from textdistill.core.batch import Batch
from textdistill.learners import LEARNERS, make_learner
from textdistill.learners.recurrent import POOLS, Reading, RecurrentSettings
from textdistill.learners.recurrent_kernels import LSTM, Cell, Steps, Tanh, sequence

TORCHS: dict[str, type[nn.RNN] | type[nn.LSTM]] = {"bi_rnn": nn.RNN, "bi_lstm": nn.LSTM}
LENGTHS = torch.tensor([6, 1, 4])


def torchs(name: str, dimension: int, hidden: int) -> nn.Module:
    return TORCHS[name](dimension, hidden, batch_first=True, bidirectional=True).double()


def weights_of(theirs: nn.Module, linear: nn.Linear) -> dict[str, Tensor]:
    """Weights of torch's layers under our names."""

    def both(name: str) -> list[Tensor]:
        return [getattr(theirs, f"{name}_l0"), getattr(theirs, f"{name}_l0_reverse")]

    return {
        "weight_ih": torch.stack(both("weight_ih")),
        "weight_hh": torch.stack(both("weight_hh")),
        "bias_ih": torch.cat(both("bias_ih")),
        "bias_hh": torch.cat(both("bias_hh")),
        "linear_weight": linear.weight,
        "linear_bias": linear.bias,
    }


def pooled(theirs: nn.Module, inputs: Tensor, pool: str, lengths: Tensor) -> Tensor:
    """What torch's layer gives on packed sequences, pooled one sentence at a time."""
    packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    out, last = theirs(packed)
    last = last[0] if isinstance(last, tuple) else last
    if pool == "last":
        return torch.cat([last[0], last[1]], 1)
    states, _ = pad_packed_sequence(out, batch_first=True)
    rows = [states[i, :end] for i, end in enumerate(lengths.tolist())]
    return torch.stack([row.amax(0) if pool == "max" else row.mean(0) for row in rows])


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("name", TORCHS)
def test_the_same_function_and_gradient_as_torchs_layers(name: str, pool: str, masked: bool) -> None:
    lengths = LENGTHS if masked else torch.full((3,), 6)
    theirs, linear = torchs(name, 4, 5), nn.Linear(10, 3).double()
    parameters = [*theirs.parameters(), *linear.parameters()]
    with torch.no_grad():
        for i, parameter in enumerate(parameters):
            parameter.copy_(0.5 * randn(*parameter.shape, seed=i))
    learner = make_learner(LEARNERS[name], RecurrentSettings(hidden=5, pool=pool), (6, 4), 3).to("cpu", torch.float64)
    mask = torch.arange(6) < lengths[:, None] if masked else None
    inputs, direction = randn(3, 6, 4, seed=30), randn(3, 3, seed=31)
    if masked:
        inputs = torch.where(torch.arange(6)[:, None] < lengths[:, None, None], inputs, 100.0)  # never to be read

    ours_in, theirs_in = inputs.clone().requires_grad_(), inputs.clone().requires_grad_()
    ours = learner.logits(weights_of(theirs, linear), Batch(ours_in, direction, mask=mask))
    wanted = linear(pooled(theirs, theirs_in, pool, lengths))
    torch.testing.assert_close(ours, wanted)
    first = torch.autograd.grad((ours * direction).sum(), [ours_in, *parameters])
    second = torch.autograd.grad((wanted * direction).sum(), [theirs_in, *parameters])
    for own, other in zip(first, second, strict=True):
        torch.testing.assert_close(own, other)


@pytest.mark.parametrize("classes", [5, 6])
@pytest.mark.parametrize("name", TORCHS)
def test_as_many_parameters_as_the_papers_network(name: str, classes: int) -> None:
    learner = make_learner(LEARNERS[name], RecurrentSettings(), (30, 100), classes)
    theirs = [*torchs(name, 100, 100).parameters(), *nn.Linear(200, classes).parameters()]
    assert learner.size == sum(parameter.numel() for parameter in theirs)


@pytest.mark.parametrize("weight", ["weight_ih", "weight_hh"])
@pytest.mark.parametrize("name", TORCHS)
def test_xaviers_fans_are_those_of_one_directions_matrix(name: str, weight: str) -> None:
    learner = make_learner(LEARNERS[name], RecurrentSettings(), (30, 80), 6)
    drawn = learner.init(generator())[weight]
    fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(getattr(torchs(name, 80, 100), f"{weight}_l0"))
    assert drawn.std().item() == pytest.approx((2 / (fan_in + fan_out)) ** 0.5, rel=0.02)


def by_cells(cell: type[Cell], p: Tensor, u: Tensor, steps: Steps) -> Tensor:
    """The states, one cell and one direction at a time, for autograd to differentiate."""
    size, eye = u.shape[2], torch.eye(p.shape[2], dtype=p.dtype)
    zero = p.new_zeros(p.shape[2])
    ways = []
    for way in range(2):
        h = c = p.new_zeros(steps.counts[0], size)
        states, start = [], 0
        for count in steps.counts:
            x = p[way, start : start + count]
            if cell is Tanh:
                h = rnn_cell(x, h[:count], eye, u[way], zero)
            else:
                h, c = lstm_cell(x, h[:count], c[:count], eye, u[way], zero)
            states.append(h)
            start += count
        ways.append(torch.cat(states))
    return torch.stack(ways)


CELLS: dict[str, tuple[Any, int]] = {"tanh": (Tanh, 1), "lstm": (LSTM, 4)}
COUNTS = [(3,), (3, 3), (2, 1), (3, 3, 3, 3, 3), (4, 3, 3, 1, 1)]


def problem(name: str, counts: tuple[int, ...], size: int = 2) -> tuple[type[Cell], Tensor, Tensor, Steps]:
    cell, gates = CELLS[name]
    p = randn(2, sum(counts), gates * size, seed=1)
    return cell, p.requires_grad_(), randn(2, gates * size, size, seed=2).requires_grad_(), Steps(counts)


@pytest.mark.parametrize("name", CELLS)
def test_first_and_second_derivatives_of_a_sequence(name: str) -> None:
    cell, p, u, steps = problem(name, (2, 2, 1))

    def run(p: Tensor, u: Tensor) -> Tensor:
        return sequence(cell, p, u, steps)

    assert torch.autograd.gradcheck(run, (p, u))
    assert torch.autograd.gradgradcheck(run, (p, u))


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("name", CELLS)
def test_value_gradient_and_second_derivative_are_autograds(name: str, counts: tuple[int, ...]) -> None:
    cell, p, u, steps = problem(name, counts)
    weights = randn(2, sum(counts), 2, seed=3)
    answers = []
    for run in (sequence, by_cells):
        states = run(cell, p, u, steps)
        loss = (weights * states**2).sum()  # curved, so that the cotangent of the second pass moves with the states
        first = torch.autograd.grad(loss, [p, u], create_graph=True)
        second = torch.autograd.grad((first[0] ** 2).sum() + (first[1] ** 3).sum(), [p, u], allow_unused=True)
        answers.append((states, *first, second[0]))
        answers[-1] += () if len(counts) == 1 else (second[1],)
    for own, other in zip(*answers, strict=True):
        torch.testing.assert_close(own, other)


def test_steps_follow_each_other() -> None:
    assert Steps((4, 4, 3, 1)).spans == [(0, 4), (4, 8), (8, 11), (11, 12)]


def test_words_are_read_longest_sentence_first_each_from_both_of_its_ends() -> None:
    reading = Reading.of(torch.tensor([1, 3, 2]), 4)
    assert reading.steps.counts == (3, 2, 1)
    first_words, then, last = [4, 8, 0], [5, 9], [6]
    assert reading.rows[0].tolist() == first_words + then + last
    assert reading.rows[1].tolist() == [6, 9, 0, 5, 8, 4]
    # where sentence i's step t is among them; its last step stands for those it has not got
    assert reading.place.tolist() == [[2, 2, 2], [0, 3, 5], [1, 4, 4]]
