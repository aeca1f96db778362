"""Real digits in bfloat16 give what they give in float32: gradients, features, a step's loss and what samples learn."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import Tensor

from tests.arithmetic import least_cosine, off
from tests.core.cases import generator
from textdistill.core.batch import Batch
from textdistill.core.inner import SGD
from textdistill.core.learner import Learner, Params
from textdistill.core.precision import Product
from textdistill.core.schedule import Draw
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.core.unroll import Inner
from textdistill.data import DataSettings, load_images
from textdistill.learners.convnet import ConvNet, ConvNetSettings
from textdistill.objectives import DistributionMatching, GradientMatching
from textdistill.objectives.moments import part_of
from textdistill.objectives.passes import Forward, real_gradient, sample_activations
from textdistill.representations.image_rows import ImageRows
from textdistill.representations.scaling import PixelSettings, Scaling
from textdistill.synthetic.tensors import TensorData

TYPES: tuple[Product, Product] = ("float32", "bfloat16")


@cache
def digits() -> ImageRows:
    table = load_images(DataSettings("mnist")).train
    return ImageRows(table, Scaling.fit(PixelSettings(), table))


def convnet(steps: int) -> tuple[Learner, Params]:
    """DC's network of width 32, and its weights after so many steps on digits."""
    learner = Learner(ConvNet(ConvNetSettings(width=32), (1, 28, 28), 10), 10)
    rows = torch.randperm(len(digits()), generator=generator(1))[: 64 * steps].view(steps, 64)
    draws = [Draw(step, digits().batch(chosen), torch.tensor(0.05)) for step, chosen in enumerate(rows)]
    params, _ = Inner(learner, SGD()).run(learner.init(generator()), None, draws)
    return learner, params


def alike(one: Tensor, other: Tensor) -> float:
    return float(torch.cosine_similarity(one.flatten().double(), other.flatten().double(), dim=0))


# Numbers that are stored on the way through three blocks: the convolution's and the pool's outputs forward; a slope for
# each of norm and pool, the convolution's 9 partial sums, and the linear layer's, back.
FORWARD, BACK = 3 * 2, 3 * 2 + 9 + 1


@pytest.mark.parametrize("steps", [0, 15])
def test_a_classs_gradient_and_mean_features_turn_no_more_than_rounding_turns_them(steps: int) -> None:
    learner, params = convnet(steps)
    names = [name for name, value in params.items() if value.dim() > 1 or name.startswith("norm")]
    for label in (1, 8):
        batch = digits().batch(torch.nonzero(digits().labels == label)[:64, 0])
        fine, coarse = (real_gradient(learner, params, batch, names, dtype) for dtype in TYPES)
        each = [real_gradient(learner, params, part_of(batch, slice(k, k + 1)), names, "float32") for k in range(64)]
        for at, name in enumerate(names):
            cancelling = float(sum(one[at].norm() for one in each) / 64 / fine[at].norm())
            turned = alike(fine[at], coarse[at])
            assert least_cosine(FORWARD + BACK, cancelling) < turned < 1 - 1e-10, name  # they are not the same numbers
        fine_mean, coarse_mean = (
            torch.cat([layers[-2] for layers in Forward(learner, params, dtype).activations(batch)]).float().mean(0)
            for dtype in TYPES
        )
        assert alike(fine_mean, coarse_mean) > least_cosine(FORWARD)  # of numbers above zero, which do not cancel


def test_samples_learn_in_pieces_what_they_learn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, params = convnet(0)
    inputs = torch.randn(7, 1, 28, 28, generator=generator(2)).requires_grad_()
    slopes = []
    for piece in (2**23, 3 * 32 * 28 * 28, 1):
        monkeypatch.setattr("textdistill.learners.first_order_blocks.PIECE", piece)
        shown = sample_activations(learner, params, Batch(inputs, torch.eye(10)[:7]))
        slopes.append(torch.autograd.grad(shown[-2].square().sum() + shown[0].sum(), inputs)[0])
    wanted = learner.activations(params, Batch(inputs, torch.eye(10)[:7]))
    slopes.append(torch.autograd.grad(wanted[-2].square().sum() + wanted[0].sum(), inputs)[0])
    for slope in slopes[:-1]:
        torch.testing.assert_close(slope, slopes[-1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("objective", [GradientMatching, DistributionMatching])
def test_a_steps_loss_and_the_samples_gradient_hardly_change(
    objective: type[GradientMatching] | type[DistributionMatching],
) -> None:
    learner, params = convnet(15)
    inputs = torch.randn(1, 10, 1, 28, 28, generator=generator(2))
    synthetic = TensorData(inputs, torch.eye(10)[None], torch.full((1, 1), 0.01), learned=frozenset({"inputs"}))
    fine, coarse = (
        objective(batch=32, precision=dtype).evaluate(synthetic, digits(), learner, [Start(params)], Streams(0))[0]
        for dtype in TYPES
    )
    # the loss is quadratic in what is off where gradients are alike, and linear where features are apart
    assert coarse.loss == pytest.approx(fine.loss, rel=2 * off(FORWARD))
    turned = alike(fine.gradients[0][1]["inputs"], coarse.gradients[0][1]["inputs"])
    assert turned > least_cosine(FORWARD + BACK)
