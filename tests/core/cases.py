"""One small case, or several, of every part; the contract suites run over all of them.

`test_cases.py` fails when a part of a visible dict is in no case here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from tests.learners import models
from textdistill.core.batch import Batch
from textdistill.core.chain import Chain
from textdistill.core.distill import Objective
from textdistill.core.inner import SGD, Adam, InnerOptimizer
from textdistill.core.learner import Learner
from textdistill.core.on_real import OnReal
from textdistill.core.plateau import Plateau
from textdistill.core.pool import Pool
from textdistill.core.starts import Fixed, Fresh, Starts, Trained
from textdistill.core.streams import Streams
from textdistill.core.unroll import Graph, MetaGradient, Sweep
from textdistill.learners import LEARNERS, make_learner
from textdistill.objectives import Unrolled
from textdistill.objectives.cafe import CAFE
from textdistill.objectives.distribution_matching import DistributionMatching
from textdistill.objectives.gradient_matching import GradientMatching
from textdistill.objectives.kernels import NNGP, NTK, RBF, ConvNTK, Feature, Kernel, TextConvNTK
from textdistill.objectives.kip import KIP
from textdistill.objectives.label_solve import LabelSolve
from textdistill.objectives.ridge_labels import RidgeLabels
from textdistill.objectives.weighted_sum import Weighted, WeightedSum
from textdistill.representations.scaling import PixelSettings
from textdistill.representations.texts import Texts
from textdistill.representations.wordpieces import Wordpieces
from textdistill.representations.words import Words
from textdistill.synthetic.tensors import TensorData

LENGTH, DIMENSION, CLASSES = 5, 3, 3
IMAGE = (2, 8, 8)  # channels, height, width
SHAPES: dict[str, tuple[int, ...]] = {"words": (LENGTH, DIMENSION), "pixels": IMAGE}
MODEL = {"hidden": DIMENSION, "layers": 1, "heads": 1}  # of the pre-trained network that the word vectors fit

LEARNER_CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "text_conv": ("text_conv", {"filters": 4, "widths": (2, 3)}),
    "text_conv one width": ("text_conv", {"filters": 3, "widths": (3,)}),
    "bi_rnn last": ("bi_rnn", {"hidden": 3, "dropout": 0.5}),
    "bi_rnn mean": ("bi_rnn", {"hidden": 3, "pool": "mean", "dropout": 0.5}),
    "bi_rnn max": ("bi_rnn", {"hidden": 3, "pool": "max", "dropout": 0.5}),
    "bi_lstm last": ("bi_lstm", {"hidden": 2, "dropout": 0.5}),
    "bi_lstm mean": ("bi_lstm", {"hidden": 2, "pool": "mean", "dropout": 0.5}),
    "bi_lstm max": ("bi_lstm", {"hidden": 2, "pool": "max", "dropout": 0.5}),
    "mlp": ("mlp", {"hidden": (4,)}),
    "mlp linear": ("mlp", {"hidden": ()}),
    "mlp deep": ("mlp", {"hidden": (5, 4)}),
    "lenet": ("lenet", {"filters": (2, 3), "hidden": (5, 4)}),
    "convnet": ("convnet", {"width": 3, "depth": 2}),
    "convnet layer, max": ("convnet", {"width": 3, "depth": 2, "norm": "layer", "pooling": "max", "padding": 3}),
    "convnet group": ("convnet", {"width": 4, "depth": 1, "norm": "group", "pooling": "none"}),
    "convnet batch": ("convnet", {"width": 3, "depth": 2, "norm": "batch-statistics"}),
    "alex_cifar": ("alex_cifar", {"filters": 3, "hidden": (5, 4)}),
    "resnet18": ("resnet18", {"width": 4, "norm": "group"}),
    "dense": ("dense", {"hidden": (4,)}),
    "dense linear": ("dense", {"hidden": ()}),
    "convnet prepended": ("convnet", {"width": 3, "depth": 2, "norm": "none", "prepend": True}),
    "transformer": ("transformer", {"pool": "mean", "dropout": 0.5}),
    "transformer one layer": ("transformer", {"train": 1, "dropout": 0.5}),
}
# What takes texts alone has inputs that no gradient moves: its own suite is tests/learners/test_pretrained.py.
TEXT_LEARNERS = ("pretrained",)

REPRESENTATION_CASES: dict[str, Any] = {
    "words": Words(),
    "wordpieces": Wordpieces(),
    "texts": Texts(),
    "pixels": PixelSettings(),
}

# ε is large where Adam is differentiated: its first step is g/√(g² + ε²), which bends on the scale of ε.
OPTIMIZER_CASES: dict[str, InnerOptimizer] = {
    "sgd": SGD(),
    "momentum": SGD(momentum=0.9),
    "decay": SGD(momentum=0.5, weight_decay=0.1),
    "adam": Adam(eps=0.05),
    "adamw": Adam(eps=0.05, weight_decay=0.3),
}

GRADIENT_CASES: dict[str, MetaGradient] = {
    "graph": Graph(),
    "graph window": Graph(window=99),
    "sweep": Sweep(),
    "sweep window": Sweep(window=99),
}


def on_real(learner: Learner, streams: Streams) -> OnReal:
    """A chain of networks that trains on the small real data."""
    starts = OnReal(learner, streams, matches=3, steps=2, batch=8, lr=0.03)
    starts.see(real_rows(dtype=learner.dtype))
    return starts


STARTS_CASES: dict[str, Callable[[Learner, Streams], Starts]] = {
    "fixed": Fixed,
    "fixed three": lambda learner, streams: Fixed(learner, streams, nets=3),
    "fresh": Fresh,
    "fresh three": lambda learner, streams: Fresh(learner, streams, nets=3),
    "trained": lambda learner, streams: Trained(learner, streams, most=3),
    "pool": lambda learner, streams: Pool(learner, streams, size=2, most=4),
    "plateau": lambda learner, streams: Plateau(learner, streams, window=3, patience=2),
    "chain": lambda learner, streams: Chain(learner, streams, matches=3, steps=2),
    "on_real": on_real,
}

OBJECTIVE_CASES: dict[str, Objective] = {
    "unrolled": Unrolled(batch=8),
    "unrolled sweep": Unrolled(batch=8, gradient=Sweep(), optimizer=SGD(momentum=0.5)),
    "unrolled window": Unrolled(batch=8, gradient=Graph(window=2), optimizer=SGD(weight_decay=0.01)),
    "unrolled dropout": Unrolled(batch=8, inner_dropout=True, outer_dropout=True, gradient=Sweep()),
    "unrolled one step, balanced": Unrolled(batch=9, steps=1, balanced=True),
    "distribution matching": DistributionMatching(batch=8),
    "distribution matching, covariances": DistributionMatching(batch=8, covariance=0.5, normalise=True),
    "distribution matching, bfloat16": DistributionMatching(batch=8, precision="bfloat16"),
    "cafe": CAFE(batch=8),
    "cafe, bfloat16": CAFE(batch=8, precision="bfloat16"),
    "weighted sum": WeightedSum((Weighted(Unrolled(batch=30)), Weighted(DistributionMatching(batch=8), 0.1))),
    "gradient matching": GradientMatching(batch=8),
    "gradient matching, augmented": GradientMatching(batch=8, distance="cosine", augment=("shift", "noise")),
    "gradient matching, last layer": GradientMatching(batch=8, distance="euclidean", layers=("last",)),
    "kip": KIP(batch=30),
    "kip of features": KIP(kernel=Feature(), batch=30, memory_mib=0.01),
    "kip of convolved words": KIP(kernel=TextConvNTK(width=2), batch=30),
    "label solve": LabelSolve(batch=30),
    "ridge labels": RidgeLabels(batch=8, rate=0.9, penalty=0.1),
}

KERNEL_CASES: dict[str, Kernel] = {
    "ntk": NTK(),
    "ntk deep": NTK(depth=3, bias_variance=0.1),
    "ntk linear": NTK(depth=0),
    "nngp": NNGP(depth=2),
    "conv_ntk": ConvNTK(depth=1),
    "conv_ntk deep": ConvNTK(depth=1, prepend=True, head="flatten"),
    "conv_nngp": ConvNTK(depth=2, pool=False, kind="nngp"),
    "conv_ntk by places": ConvNTK(depth=2, pool=False, head="flatten"),
    "text_conv_ntk": TextConvNTK(),
    "text_conv_ntk deep": TextConvNTK(width=2, depth=2),
    "text_conv_nngp": TextConvNTK(width=4, kind="nngp"),
    "rbf": RBF(),
    "feature": Feature(),
}


def kinds_of(case: str) -> list[str]:
    """What the network of a case can take, the first of it what `learner_of` gives it."""
    takes = LEARNERS[LEARNER_CASES[case][0]].takes
    return [kind for kind in SHAPES if kind in takes]


def kind_of(learner: Learner) -> str:
    """The kind of inputs that a learner of `learner_of` is for, where nothing else was asked."""
    return next(kind for kind in SHAPES if kind in learner.module.takes)  # type: ignore[operator]


def learner_of(case: str, dtype: torch.dtype = torch.float64, kind: str | None = None) -> Learner:
    """The learner of a case, for words of LENGTH × DIMENSION or for pixels of the shape IMAGE, whichever it takes."""
    name, settings = LEARNER_CASES[case]
    network: Any = LEARNERS[name]
    if name == "transformer":
        settings = {**settings, "model": models.bert(**MODEL)}
    shape = SHAPES[kind or kinds_of(case)[0]]
    return make_learner(network, network.Settings(**settings), shape, CLASSES).to("cpu", dtype)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64).to(dtype)


@dataclass
class Rows:
    """Real data in memory, a cloud for each class: sentences of several lengths, or pixels."""

    inputs: Tensor
    labels: Tensor
    lengths: Tensor | None
    classes: tuple[str, ...] = ("a", "b", "c")
    shape: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.shape = tuple(self.inputs.shape[1:])

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Tensor) -> Batch:
        targets = torch.eye(len(self.classes), dtype=self.inputs.dtype)[self.labels[rows]]
        mask = None if self.lengths is None else torch.arange(LENGTH) < self.lengths[rows, None]
        return Batch(self.inputs[rows], targets, mask=mask)


def real_rows(count: int = 60, dtype: torch.dtype = torch.float64, kind: str = "words") -> Rows:
    labels = torch.arange(count) % CLASSES
    if kind == "pixels":
        centres = 1.5 * randn(CLASSES, *IMAGE, seed=8, dtype=dtype)
        return Rows(centres[labels] + 0.5 * randn(count, *IMAGE, seed=7, dtype=dtype), labels, None)
    lengths = 2 + torch.arange(count) % (LENGTH - 1)
    centres = 1.5 * torch.eye(CLASSES, DIMENSION, dtype=dtype)
    inputs = centres[labels][:, None] + 0.5 * randn(count, LENGTH, DIMENSION, seed=7, dtype=dtype)
    mask = torch.arange(LENGTH) < lengths[:, None]
    return Rows(inputs * mask[:, :, None], labels, lengths)


def tensors(
    steps: int = 2,
    each: int = 3,
    epochs: int = 2,
    lr: float = 0.3,
    labels: str = "unrestricted",
    learned: tuple[str, ...] = ("inputs", "targets", "lr"),
    dtype: torch.dtype = torch.float64,
    seed: int = 1,
    kind: str = "words",
) -> TensorData:
    """A small distilled set of noise, with a rate of its own for every step of every epoch."""
    rates = lr * (1 + 0.1 * torch.arange(epochs * steps, dtype=dtype)).view(epochs, steps)
    targets = torch.eye(CLASSES, dtype=dtype)[torch.arange(steps * each) % CLASSES].view(steps, each, CLASSES)
    if labels == "unrestricted":
        targets = targets + 0.3 * randn(steps, each, CLASSES, seed=seed + 1, dtype=dtype)
    inputs = randn(steps, each, *SHAPES[kind], seed=seed, dtype=dtype)
    return TensorData(inputs, targets, rates, learned=frozenset(learned), labels=labels)


def taught(objective: Objective, **more: Any) -> TensorData:
    """A small distilled set that learns all that the objective can teach tensors."""
    return tensors(learned=tuple(sorted(objective.trains & {"inputs", "targets", "lr"})), **more)
