"""The networks for images: torch's own layers give the same values and derivatives; sizes as published; they learn."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from tests.benchmarks.pixel_oracle import lenet
from tests.core.cases import generator, learner_of, randn
from textdistill.core.batch import Batch
from textdistill.core.errors import RecipeError
from textdistill.core.inner import SGD
from textdistill.core.learner import Learner
from textdistill.core.schedule import Draw
from textdistill.core.unroll import Inner
from textdistill.learners import LEARNERS, alexcifar, make_learner


def made(name: str, shape: tuple[int, ...], classes: int = 10, **settings: object) -> Learner:
    network: Any = LEARNERS[name]
    return make_learner(network, network.Settings(**settings), shape, classes)


def convnet(norm: str, pooling: str, prepend: bool) -> nn.Sequential:
    """Width 4, depth 2, on 2 × 8 × 8, three classes."""
    norms = {
        "instance": lambda side: [nn.InstanceNorm2d(4, affine=True)],
        "batch-statistics": lambda side: [nn.BatchNorm2d(4)],
        "layer": lambda side: [nn.LayerNorm([4, side, side])],
        "group": lambda side: [nn.GroupNorm(4, 4)],
        "none": lambda side: [],
    }
    pools = {"avg": [nn.AvgPool2d(2)], "max": [nn.MaxPool2d(2)], "none": []}[pooling]
    side, layers = 8, [nn.Conv2d(2, 4, 3, padding=1), nn.ReLU()] if prepend else []
    for block in range(2):
        layers += [nn.Conv2d(4 if prepend or block else 2, 4, 3, padding=1), *norms[norm](side), nn.ReLU(), *pools]
        side //= 2 if pools else 1
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * side * side, 3))


def alex_cifar() -> nn.Sequential:
    def response() -> nn.Module:
        return nn.LocalResponseNorm(4, alpha=0.001 / 9, beta=0.75, k=1)

    return nn.Sequential(
        *(nn.Conv2d(3, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2, 1), response()),
        *(nn.Conv2d(64, 64, 5, padding=2), nn.ReLU(), response(), nn.MaxPool2d(3, 2, 1), nn.Flatten()),
        *(nn.Linear(4096, 384), nn.ReLU(), nn.Linear(384, 192), nn.ReLU(), nn.Linear(192, 10)),
    )


NORMS = ("instance", "batch-statistics", "layer", "group", "none")
PAIRS: dict[str, tuple[Learner, nn.Sequential]] = {
    "lenet": (made("lenet", (1, 28, 28)), lenet()),
    "lenet, three channels": (made("lenet", (3, 28, 28)), lenet(3)),
    "alex_cifar": (made("alex_cifar", (3, 32, 32)), alex_cifar()),
    **{
        f"convnet {n}": (made("convnet", (2, 8, 8), 3, width=4, depth=2, norm=n), convnet(n, "avg", False))
        for n in NORMS
    },
    **{
        f"convnet {p}": (
            made("convnet", (2, 8, 8), 3, width=4, depth=2, norm="none", pooling=p, prepend=True),
            convnet("none", p, True),
        )
        for p in ("avg", "max", "none")
    },
}


@pytest.mark.parametrize("case", PAIRS)
def test_the_same_value_gradient_and_curvature_as_torchs_layers(case: str) -> None:
    learner, theirs = PAIRS[case]
    learner, theirs = learner.to("cpu", torch.float64), theirs.double()
    drawn = learner.init(generator(1))
    params = {n: (v + 0.05 * randn(*v.shape, seed=i)).requires_grad_() for i, (n, v) in enumerate(drawn.items())}
    assert learner.size == sum(p.numel() for p in theirs.parameters())
    names = [name for name, _ in theirs.named_parameters()]
    twins = dict(zip(names, params.values(), strict=True))
    inputs = randn(3, *([3, 32, 32] if case == "alex_cifar" else _shape(theirs)), seed=2).requires_grad_()
    targets = randn(3, learner.classes, seed=3)

    logits = torch.func.functional_call(theirs, twins, (inputs,))
    batch = Batch(inputs, targets)
    torch.testing.assert_close(learner.logits(params, batch), logits)
    points = [inputs, *params.values()]
    losses = learner.loss(params, batch), -(targets * logits.log_softmax(1)).sum(1).mean()
    firsts = [torch.autograd.grad(loss, points, create_graph=True) for loss in losses]
    along = [randn(*value.shape, seed=10 + i) for i, value in enumerate(points)]
    seconds = [torch.autograd.grad(list(first), points, along) for first in firsts]
    for own, other in zip([*firsts[0], *seconds[0]], [*firsts[1], *seconds[1]], strict=True):
        torch.testing.assert_close(own, other)


def _shape(module: nn.Sequential) -> list[int]:
    """The shape that the first convolution and the linear layer were built for."""
    first = module[0]
    assert isinstance(first, nn.Conv2d)
    return [first.in_channels, *((28, 28) if first.kernel_size == (5, 5) else (8, 8))]


@pytest.mark.parametrize(
    ("name", "shape", "settings", "size"),
    [
        ("lenet", (1, 28, 28), {}, 61_706),
        ("lenet", (1, 32, 32), {}, 61_706),
        ("convnet", (1, 28, 28), {"padding": 3}, 317_706),  # DC on MNIST
        ("convnet", (3, 32, 32), {}, 320_010),  # DC on CIFAR-10
        ("dense", (1, 28, 28), {"hidden": ()}, 7_850),
    ],
)
def test_as_many_parameters_as_published(
    name: str, shape: tuple[int, ...], settings: dict[str, object], size: int
) -> None:
    assert made(name, shape, **settings).size == size


def test_resnet18_is_as_large_as_torchs_own_but_for_the_biases_of_its_convolutions() -> None:
    learner = made("resnet18", (3, 32, 32))
    drawn = learner.init(generator())
    convolutions = [name for name, value in drawn.items() if value.ndim == 4]
    assert len(convolutions) == 17 + 3
    biases = sum(drawn[name.replace("weight", "bias")].numel() for name in convolutions)
    assert learner.size - biases == 11_173_962  # with 10 classes and the stem for CIFAR-10


@pytest.mark.parametrize("name", ["lenet", "convnet"])
def test_images_of_any_size_are_scored_in_chunks_as_in_one(name: str) -> None:
    for shape in ((1, 8, 8), (3, 32, 32), (1, 9, 11)):
        learner = made(name, shape, **({"width": 4} if name == "convnet" else {})).to("cpu", torch.float64)
        params, inputs = learner.init(generator()), randn(150, *shape)
        targets = torch.eye(10, dtype=torch.float64)[torch.arange(150) % 10]
        whole = learner.logits(params, Batch(inputs, targets))
        parts = [learner.logits(params, Batch(inputs[i : i + 50], targets[i : i + 50])) for i in (0, 50, 100)]
        torch.testing.assert_close(whole, torch.cat(parts))


@pytest.mark.parametrize(
    ("name", "shape", "settings", "told"),
    [
        ("convnet", (1, 8, 8), {"depth": 4}, "learner.depth: 4; allowed on images of 8 × 8: at most 3 poolings"),
        ("convnet", (1, 8, 8), {"norm": "group", "width": 6}, "learner.width: 6; allowed with norm group"),
        ("lenet", (1, 3, 9), {}, "images of 3 × 9; allowed: 4 × 4 or more"),
        ("resnet18", (1, 8, 8), {}, "learner.norm: instance on images of 8 × 8"),
        ("alex_cifar", (1, 2, 2), {}, "allowed: 3 × 3 or more"),
        ("lenet", (5, 3), {}, "channels × height × width"),
    ],
)
def test_what_makes_no_network_is_refused(
    name: str, shape: tuple[int, ...], settings: dict[str, object], told: str
) -> None:
    with pytest.raises(RecipeError, match=told):
        made(name, shape, **settings)


@pytest.mark.parametrize("case", ["lenet", "convnet", "convnet layer, max", "convnet batch", "alex_cifar", "resnet18"])
def test_the_gradient_of_a_small_network_differentiates_for_inputs_and_labels(case: str) -> None:
    learner = learner_of(case)
    params = {name: value.requires_grad_() for name, value in learner.init(generator(1)).items()}
    first = next(iter(params))

    def slope(inputs: Tensor, targets: Tensor) -> Tensor:
        return learner.gradient(params, Batch(inputs, targets), graph=True)[list(params).index(first)]

    points = (randn(2, 2, 8, 8, seed=4).requires_grad_(), randn(2, 3, seed=5).requires_grad_())
    assert torch.autograd.gradcheck(slope, points, fast_mode=True)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("lenet", {}),
        ("convnet", {"width": 32, "depth": 2}),
        ("convnet", {"width": 16, "depth": 2, "norm": "none", "prepend": True}),
        ("dense", {}),
    ],
)
def test_plain_descent_from_xaviers_start_learns_digits(name: str, settings: dict[str, object]) -> None:
    digits, labels = load_digits(return_X_y=True)
    images = torch.tensor(digits, dtype=torch.float32).view(-1, 1, 8, 8)
    images = (images - images.mean()) / images.std()
    truth = torch.tensor(labels)
    targets = torch.eye(10)[truth]
    learner, train, test = made(name, (1, 8, 8), **settings), slice(0, 1500), slice(1500, None)
    rng, rate = generator(3), torch.tensor(0.05)
    chosen = [torch.randint(1500, (64,), generator=rng) for _ in range(120)]
    draws = [Draw(t, Batch(images[train][rows], targets[train][rows]), rate) for t, rows in enumerate(chosen)]
    params, _ = Inner(learner, SGD(momentum=0.9)).run(learner.init(generator()), None, draws)
    found = learner.logits(params, Batch(images[test], targets[test])).argmax(1)
    assert (found == truth[test]).float().mean() > 0.8


@pytest.mark.parametrize("sides", [(32, 32), (16, 9), (3, 5), (7, 4)])
def test_alex_cifar_pools_rows_then_columns_as_torch_does_over_squares(sides: tuple[int, int]) -> None:
    values = randn(4, 6, *sides).relu()
    expected = nn.functional.max_pool2d(values, 3, 2, 1)
    assert torch.equal(alexcifar.pooled(values), expected)
    assert torch.equal(alexcifar.pooled(values.requires_grad_()), expected)


@pytest.mark.parametrize("channels", [1, 2, 3, 8])
def test_alex_cifar_s_response_norm_is_torch_s_own_and_so_are_its_derivatives(channels: int) -> None:
    def own(values: Tensor) -> Tensor:
        return nn.functional.local_response_norm(values, 4, alpha=0.001 / 9, beta=0.75, k=1.0)

    values = 50 * randn(3, channels, 4, 5)
    values.requires_grad_()
    weights, along = randn(3, channels, 4, 5, seed=1), randn(3, channels, 4, 5, seed=2)
    found = []
    for norm in (own, alexcifar.response_normed):
        out = norm(values)
        (slope,) = torch.autograd.grad((out * weights).sum(), values, create_graph=True)
        (second,) = torch.autograd.grad((slope * along).sum(), values)
        found.append((out, slope, second))
    for expected, got in zip(*found, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12)
