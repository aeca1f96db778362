"""The network of label distillation: it trains along with the labels, and begins anew when it no longer learns."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from tests.core.cases import generator, learner_of, tensors
from textdistill.core.batch import Batch
from textdistill.core.inner import SGD
from textdistill.core.learner import Params
from textdistill.core.plateau import Plateau
from textdistill.core.schedule import Outcome
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.core.unroll import Inner
from textdistill.synthetic.tensors import TensorData

LEARNER = learner_of("mlp")
INNER = Inner(LEARNER, SGD(momentum=0.9))
STREAMS = Streams(0)


def plateau(window: int = 4, patience: int | None = None, lr: float = 0.001) -> Plateau:
    return Plateau(LEARNER, STREAMS, lr=lr, window=window, patience=patience)


def step_of(starts: Plateau, step: int, loss: float, synthetic: TensorData | None = None) -> Start:
    """One outer step with this target loss; the weights that its virtual step ended at are thrown away."""
    (start,) = starts.next(step, synthetic or tensors(), INNER)
    ended = {name: value + 1 for name, value in start.params.items()}
    starts.after_step(step, start, Outcome(loss, [], ended, []))
    return start


def ages(starts: Plateau, losses: Sequence[float]) -> list[int]:
    return [step_of(starts, step, loss).age for step, loss in enumerate(losses)]


def torch_adam(params: Params, batches: Sequence[Batch], lr: float) -> Params:
    """What `torch.optim.Adam` makes of these batches."""
    weights = {name: value.clone().requires_grad_() for name, value in params.items()}
    optimizer = torch.optim.Adam(weights.values(), lr=lr)
    for batch in batches:
        optimizer.zero_grad()
        LEARNER.loss(weights, batch).backward()
        optimizer.step()
    return {name: value.detach() for name, value in weights.items()}


def moved(synthetic: TensorData) -> Batch:
    """The base batch of step 0 after its labels were changed in place."""
    with torch.no_grad():
        synthetic.parameters()["targets"].mul_(1.5).add_(0.1)
    return synthetic.draw(0, grad=False).batch


def test_it_takes_one_adam_step_an_outer_step_on_the_base_batches_in_turn() -> None:
    synthetic, starts = tensors(steps=2, epochs=1), plateau()
    begun = [step_of(starts, step, 1.0 / (step + 1), synthetic) for step in range(6)]
    assert [start.age for start in begun] == list(range(6))
    assert [start.age % synthetic.length for start in begun] == [0, 1, 0, 1, 0, 1]
    first = LEARNER.init(STREAMS.torch("theta0", 0))
    for start in begun:
        batches = [synthetic.draw(t % 2, grad=False).batch for t in range(start.age)]
        for name, value in torch_adam(first, batches, lr=0.001).items():
            torch.testing.assert_close(start.params[name], value, rtol=1e-5, atol=1e-6)


def test_the_step_is_on_the_batch_of_the_outer_step_with_the_labels_as_it_left_them() -> None:
    synthetic, starts = tensors(steps=2), plateau(lr=0.01)
    first = step_of(starts, 0, 1.0, synthetic)
    before = synthetic.draw(0, grad=False).batch.targets.clone()
    after = moved(synthetic)
    assert not torch.equal(before, after.targets)
    (second,) = starts.next(1, synthetic, INNER)
    for name, value in torch_adam(first.params, [after], lr=0.01).items():
        torch.testing.assert_close(second.params[name], value, rtol=1e-5, atol=1e-6)
    assert starts.next(1, synthetic, INNER)[0].params is second.params  # asked again it takes no second step


def test_the_objectives_inner_memory_is_not_the_networks() -> None:
    starts = plateau()
    assert all(step_of(starts, step, 1.0).state is None for step in range(3))


def test_a_new_network_when_the_moving_average_has_had_no_new_low_for_as_long_as_the_patience() -> None:
    # averages over 2 steps: 7.5, 6, 5.5, 6.5, 6.5 - the lowest after the fourth step, and then two without a lower one
    losses = [8.0, 7.0, 5.0, 6.0, 7.0, 6.0]
    starts = plateau(window=2, patience=2)
    assert ages(starts, losses) == [0, 1, 2, 3, 4, 5]
    assert starts.records == [6]
    (anew,) = starts.next(6, tensors(), INNER)
    assert anew.age == 0
    assert all(
        torch.equal(anew.params[name], value) for name, value in LEARNER.init(STREAMS.torch("theta0", 6)).items()
    )


def test_a_network_that_goes_on_learning_is_kept() -> None:
    starts = plateau(window=2, patience=2)
    assert ages(starts, [1.0 / (step + 1) for step in range(40)]) == list(range(40))
    assert starts.records == []


def test_a_single_low_loss_is_no_new_low() -> None:
    starts = plateau(window=4, patience=3)
    ages(starts, [2.0, 2.0, 2.0, 2.0, 3.0, 1.5, 2.0])  # averages 2, 2.25, 2.125, 2.125
    assert starts.records == [7]


def test_the_optimizer_begins_anew_with_the_network() -> None:
    synthetic, starts = tensors(steps=1), plateau(window=1, patience=1, lr=0.01)
    begun = [step_of(starts, step, 1.0, synthetic) for step in range(4)]
    assert [start.age for start in begun] == [0, 1, 0, 1]
    for name, value in torch_adam(begun[2].params, [synthetic.draw(0, grad=False).batch], lr=0.01).items():
        torch.testing.assert_close(begun[3].params[name], value, rtol=1e-5, atol=1e-6)


def test_patience_is_the_windows_length_unless_told() -> None:
    starts = plateau(window=3)
    assert ages(starts, [1.0] * 8) == [0, 1, 2, 3, 4, 5, 0, 1]  # three to fill the window, three in vain
    assert starts.records == [6]


def test_the_steps_to_train_for_are_the_mean_of_the_last_three_records() -> None:
    starts = plateau(window=1, patience=1)
    # a network lasts as long as its losses fall, and then one step more
    falling = [[3.0, 3.0], [3.0, 2.0, 2.0], [3.0, 2.0, 1.0, 1.0], [4.0, 3.0, 2.0, 1.0, 0.5, 0.4, 0.4]]
    found, step = [starts.train_steps()], 0
    for losses in falling:
        for loss in losses:
            step_of(starts, step, loss)
            step += 1
        found.append(starts.train_steps())
    assert found == [1, 2, round((2 + 3) / 2), 3, round((3 + 4 + 7) / 3)]


def test_before_the_first_record_they_are_the_steps_so_far() -> None:
    starts = plateau()
    assert starts.train_steps() == 1
    ages(starts, [3.0, 2.0, 1.0])
    assert starts.train_steps() == 3


@pytest.mark.parametrize("stop", range(1, 12))
def test_it_goes_on_from_its_state_at_any_step(stop: int) -> None:
    losses: Tensor = torch.rand(16, generator=generator(5))
    whole = plateau(window=3, patience=2)
    wanted = [step_of(whole, step, float(loss)) for step, loss in enumerate(losses)]
    first, second = plateau(window=3, patience=2), plateau(window=3, patience=2)
    for step in range(stop):
        step_of(first, step, float(losses[step]))
    second.load_state_dict(first.state_dict())
    for step in range(stop, 16):
        start = step_of(second, step, float(losses[step]))
        assert start.age == wanted[step].age
        assert all(torch.equal(start.params[name], value) for name, value in wanted[step].params.items())
    assert second.records == whole.records
    assert len(whole.records) >= 2
