"""The meta-gradient: finite differences, whole graph, window and sweep agree, for every learner and update rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.core.cases import (
    GRADIENT_CASES,
    LEARNER_CASES,
    OPTIMIZER_CASES,
    SHAPES,
    generator,
    kind_of,
    learner_of,
    randn,
    real_rows,
    tensors,
)
from textdistill.core.batch import Batch
from textdistill.core.inner import SGD, Adam, InnerOptimizer
from textdistill.core.learner import Learner, Params
from textdistill.core.schedule import Draw, Outcome
from textdistill.core.unroll import Graph, Inner, MetaGradient, Sweep
from textdistill.synthetic.tensors import TensorData

FIELDS = ("inputs", "targets", "lr")
REAL = {kind: real_rows(kind=kind).batch(torch.arange(12)) for kind in SHAPES}


def outer_of(learner: Learner) -> Callable[[Params], Tensor]:
    return lambda params: learner.loss(params, REAL[kind_of(learner)])


def start_of(learner: Learner) -> Params:
    return learner.init(generator(3))


def take(gradient: MetaGradient, inner: Inner, synthetic: TensorData, steps: int | None = None) -> Outcome:
    """The outcome of unrolling the whole schedule, or `steps` of it, from one start."""
    draws = [synthetic.draw(t) for t in range(steps or synthetic.length)]
    return gradient(inner, start_of(inner.learner), None, draws, outer_of(inner.learner))


def pulled_back(outcome: Outcome, synthetic: TensorData) -> dict[str, Tensor]:
    """The gradient at the set's own numbers."""
    parameters = synthetic.parameters()
    for value in parameters.values():
        value.grad = None
    synthetic.pullback(outcome.gradients)
    return {name: value.grad.clone() for name, value in parameters.items() if value.grad is not None}


def trained_loss(inner: Inner, synthetic: TensorData) -> float:
    """The outer loss after plain training, nothing differentiated."""
    draws = [synthetic.draw(t, grad=False) for t in range(synthetic.length)]
    params, _ = inner.run(start_of(inner.learner), None, draws)
    return float(outer_of(inner.learner)(params))


def slope_along(inner: Inner, synthetic: TensorData, name: str, direction: Tensor, step: float = 1e-6) -> float:
    """The central difference of the outer loss, with the set's `name` moved along `direction`."""
    value = synthetic.parameters()[name]
    losses = []
    for way in (step, -step):
        with torch.no_grad():
            value.add_(way * direction)
            losses.append(trained_loss(inner, synthetic))
            value.sub_(way * direction)
    return (losses[0] - losses[1]) / (2 * step)


# each network, each pool, with each update rule; the networks' other sizes with plain descent alone
PAIRS = [
    (case, optimizer)
    for case in LEARNER_CASES
    for optimizer in OPTIMIZER_CASES
    if optimizer == "sgd" or ((case in {"text_conv", "mlp"} or case.startswith("bi_")) and optimizer != "decay")
] + [("mlp", "decay")]


@pytest.mark.parametrize(("case", "optimizer"), PAIRS)
def test_the_gradient_is_that_of_finite_differences_however_it_is_taken(case: str, optimizer: str) -> None:
    inner = Inner(learner_of(case), OPTIMIZER_CASES[optimizer])
    synthetic = tensors(kind=kind_of(inner.learner))
    whole = pulled_back(take(Graph(), inner, synthetic), synthetic)
    assert whole.keys() == set(FIELDS)
    for seed, (name, gradient) in enumerate(whole.items()):
        assert gradient.abs().max() > 1e-4  # there is something to compare
        direction = randn(*gradient.shape, seed=seed)
        wanted = slope_along(inner, synthetic, name, direction)
        assert float((gradient * direction).sum()) == pytest.approx(wanted, rel=1e-5, abs=1e-7)
    swept = pulled_back(take(Sweep(), inner, synthetic), synthetic)
    for name, gradient in whole.items():
        torch.testing.assert_close(swept[name], gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("gradient", GRADIENT_CASES)
def test_a_window_as_long_as_the_schedule_is_no_window(gradient: str) -> None:
    synthetic, inner = tensors(), Inner(learner_of("text_conv"), OPTIMIZER_CASES["adam"])
    expected = pulled_back(take(Graph(), inner, synthetic), synthetic)
    for name, found in pulled_back(take(GRADIENT_CASES[gradient], inner, synthetic), synthetic).items():
        torch.testing.assert_close(found, expected[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("gradient", GRADIENT_CASES)
def test_loss_weights_and_memory_are_those_of_plain_training(gradient: str, optimizer: str) -> None:
    synthetic, inner = tensors(), Inner(learner_of("text_conv"), OPTIMIZER_CASES[optimizer])
    draws = [synthetic.draw(t, grad=False) for t in range(synthetic.length)]
    params, state = inner.run(start_of(inner.learner), None, draws)
    outcome = take(GRADIENT_CASES[gradient], inner, synthetic)
    assert outcome.loss == pytest.approx(float(outer_of(inner.learner)(params)), rel=1e-12)
    assert outcome.params is not None
    assert outcome.state is not None
    assert outcome.params.keys() == params.keys()
    assert len(outcome.state) == len(state)
    pairs = [*((outcome.params[name], params[name]) for name in params), *zip(outcome.state, state, strict=True)]
    for found, wanted in pairs:
        assert not found.requires_grad
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("optimizer", OPTIMIZER_CASES)
@pytest.mark.parametrize("kind", [Graph, Sweep])
def test_a_window_is_the_whole_graph_from_the_weights_it_begins_with(kind: type, optimizer: str) -> None:
    synthetic, inner = tensors(), Inner(learner_of("bi_rnn mean"), OPTIMIZER_CASES[optimizer])
    window, steps = 3, 7
    draws = [synthetic.draw(t) for t in range(steps)]
    params, state = inner.run(start_of(inner.learner), None, draws[: steps - window])
    wanted = Graph()(inner, params, state, draws[steps - window :], outer_of(inner.learner))
    found = take(kind(window=window), inner, synthetic, steps)
    assert sorted({at for at, _ in found.gradients}) == [4, 5, 6]
    assert found.loss == pytest.approx(wanted.loss, rel=1e-12)
    expected = pulled_back(wanted, synthetic)
    for name, gradient in pulled_back(found, synthetic).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-9, atol=1e-12)


def test_a_step_out_of_the_window_gets_no_gradient() -> None:
    synthetic = tensors(steps=4, epochs=1)
    found = pulled_back(take(Graph(window=1), Inner(learner_of("mlp"), SGD()), synthetic), synthetic)
    for gradient in (found["inputs"], found["targets"], found["lr"].t()):
        assert gradient[:3].abs().max() == 0
        assert gradient[3].abs().max() > 0


@pytest.mark.parametrize("case", ["text_conv", "bi_lstm last", "mlp"])
def test_a_sweep_drops_the_same_units_twice(case: str) -> None:
    synthetic, learner = tensors(), learner_of(case)
    inner = Inner(learner, SGD(momentum=0.9), drop=lambda step: generator(100 + step))
    whole = take(Graph(), inner, synthetic)
    swept = take(Sweep(), inner, synthetic)
    assert swept.loss == pytest.approx(whole.loss, rel=1e-12)
    assert whole.loss != pytest.approx(take(Graph(), replace(inner, drop=lambda step: None), synthetic).loss, rel=1e-3)
    expected = pulled_back(whole, synthetic)
    for name, gradient in pulled_back(swept, synthetic).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-9, atol=1e-12)


def test_dropout_asks_for_the_stream_of_the_steps_own_number() -> None:
    asked: list[int] = []
    inner = Inner(learner_of("mlp"), SGD(), drop=lambda step: asked.append(step))  # type: ignore[func-returns-value]
    draws = [tensors().draw(t) for t in (5, 6)]
    Sweep()(inner, start_of(inner.learner), None, draws, outer_of(inner.learner))
    assert asked == [5, 6, 6, 5]  # forth, and back


@pytest.mark.parametrize("learned", [("inputs",), ("targets",), ("lr",), ("inputs", "lr")])
@pytest.mark.parametrize("gradient", GRADIENT_CASES)
def test_only_what_is_learned_gets_a_gradient(gradient: str, learned: tuple[str, ...]) -> None:
    inner = Inner(learner_of("mlp"), SGD())
    outcome = take(GRADIENT_CASES[gradient], inner, tensors(learned=learned))
    assert {name for _, found in outcome.gradients for name in found} == set(learned)
    everything = tensors()
    expected = pulled_back(take(Graph(), inner, everything), everything)
    synthetic = tensors(learned=learned)
    for name, found in pulled_back(outcome, synthetic).items():
        torch.testing.assert_close(found, expected[name])


def test_weights_of_the_samples_get_a_gradient_too() -> None:
    learner = learner_of("mlp")
    inner, weights = Inner(learner, SGD()), torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    params, rate = start_of(learner), torch.tensor(0.3, dtype=torch.float64)
    plain = tensors().draw(0, grad=False).batch

    def outcome_for(values: Tensor, gradient: MetaGradient) -> Outcome:
        draw = Draw(0, Batch(plain.inputs, plain.targets, values), rate)
        return gradient(inner, params, None, [draw], outer_of(learner))

    step, found = 1e-5, {}
    for gradient in (Graph(), Sweep()):
        ((_, given),) = outcome_for(weights.clone().requires_grad_(), gradient).gradients
        found[type(gradient).__name__] = given["weights"]
    torch.testing.assert_close(found["Graph"], found["Sweep"])

    def loss(values: Tensor) -> float:
        ended, _ = inner.run(params, None, [Draw(0, Batch(plain.inputs, plain.targets, values), rate)])
        return float(learner.loss(ended, REAL["words"]))

    for place in range(3):
        direction = step * torch.eye(3, dtype=torch.float64)[place]
        wanted = (loss(weights + direction) - loss(weights - direction)) / (2 * step)
        assert float(found["Graph"][place]) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("gradient", GRADIENT_CASES)
def test_draws_that_share_a_leaf_get_the_sum_of_what_each_would_get_alone(gradient: str) -> None:
    inner = Inner(learner_of("mlp"), SGD(momentum=0.5))
    shown = tensors(steps=1).draw(0, grad=False).batch
    rate = torch.tensor(0.3, dtype=torch.float64)
    shared = Batch(shown.inputs.clone().requires_grad_(), shown.targets)
    outcomes = []
    for batches in ([shared] * 3, [Batch(shown.inputs.clone().requires_grad_(), shown.targets) for _ in range(3)]):
        draws = [Draw(t, batch, rate) for t, batch in enumerate(batches)]
        outcomes.append(GRADIENT_CASES[gradient](inner, start_of(inner.learner), None, draws, outer_of(inner.learner)))
    together, apart = ([found for _, found in sorted(o.gradients, key=lambda pair: pair[0])] for o in outcomes)
    assert [len(found) for found in together] == [1, 0, 0]
    assert [len(found) for found in apart] == [1, 1, 1]
    torch.testing.assert_close(together[0]["inputs"], sum(found["inputs"] for found in apart))


@pytest.mark.parametrize("optimizer", OPTIMIZER_CASES)
def test_plain_training_leaves_no_graph(optimizer: str) -> None:
    inner = Inner(learner_of("text_conv"), OPTIMIZER_CASES[optimizer])
    begun = {name: value.requires_grad_() for name, value in start_of(inner.learner).items()}
    params, state = inner.run(begun, None, [tensors().draw(t) for t in range(3)])
    assert all(not value.requires_grad and value.grad_fn is None for value in (*params.values(), *state))
    assert all(value.grad is None for value in begun.values())


def test_training_on_from_the_memory_is_training_in_one_go() -> None:
    inner = Inner(learner_of("mlp"), Adam())
    draws = [tensors().draw(t, grad=False) for t in range(6)]
    whole, _ = inner.run(start_of(inner.learner), None, draws)
    half, state = inner.run(start_of(inner.learner), None, draws[:3])
    rest, _ = inner.run(half, state, draws[3:])
    assert all(torch.equal(whole[name], rest[name]) for name in whole)


def test_a_start_is_not_touched() -> None:
    for gradient in GRADIENT_CASES.values():
        inner = Inner(learner_of("mlp"), SGD(momentum=0.5))
        params = start_of(inner.learner)
        before = {name: value.clone() for name, value in params.items()}
        draws = [tensors().draw(t) for t in range(2)]
        gradient(inner, params, None, draws, outer_of(inner.learner))
        assert all(torch.equal(params[name], before[name]) and not params[name].requires_grad for name in params)


def test_a_step_without_a_learning_rate_is_refused() -> None:
    inner = Inner(learner_of("mlp"), SGD())
    draw = Draw(0, tensors().draw(0, grad=False).batch)
    with pytest.raises(ValueError, match="learning rate"):
        inner.run(start_of(inner.learner), None, [draw])


class Halving:
    """A user's own update rule, with a memory that does not depend on the weights."""

    def init(self, params: list[Tensor]) -> list[Tensor]:
        return [params[0].new_ones(())]

    def update(
        self, params: list[Tensor], grads: list[Tensor], state: list[Tensor], lr: Tensor
    ) -> tuple[list[Tensor], list[Tensor]]:
        return [p - lr * state[0] * g for p, g in zip(params, grads, strict=True)], [state[0] / 2]


def test_an_update_rule_of_ones_own_is_differentiated_as_well() -> None:
    synthetic = tensors()
    rule: InnerOptimizer = Halving()  # type: ignore[assignment]
    inner = Inner(learner_of("mlp"), rule)
    expected = pulled_back(take(Graph(), inner, synthetic), synthetic)
    for name, gradient in pulled_back(take(Sweep(), inner, synthetic), synthetic).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-9, atol=1e-12)
        direction = randn(*gradient.shape)
        wanted = slope_along(inner, synthetic, name, direction)
        assert float((gradient * direction).sum()) == pytest.approx(wanted, rel=1e-5, abs=1e-7)
