"""Small generators and readers: a real GPT-2 of one layer that ends its sentences soon, and learners of characters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from tests.core.cases import CLASSES, DIMENSION, LENGTH, randn
from textdistill.core.batch import Batch
from textdistill.core.learner import Learner
from textdistill.core.streams import Streams
from textdistill.synthetic.generator import Generator, GeneratorSettings, Sampling, build_generator

WORDS = ("dull", "fine", "odd", "film", "plot", "actor", "and", "a", "the", "was")
SAMPLING = Sampling(top_p=1.0, length=8, retries=60)


@dataclass
class Table:
    """Short texts of three classes, each with its own first word."""

    pairs: list[str] | None = None
    classes: tuple[str, ...] = ("a", "b", "c")

    def __post_init__(self) -> None:
        self.labels = np.arange(30) % CLASSES
        self.texts = [f"{WORDS[label]} {WORDS[3 + k % 7]} {WORDS[3 + k // 7]}" for k, label in enumerate(self.labels)]


def generator_of(dtype: torch.dtype = torch.float64) -> Generator:
    """One layer of width 16 with random weights; it ends a sentence after about three tokens."""
    settings = GeneratorSettings(layers=1, width=16, heads=2, vocabulary=300, dropout=0.1, longest=12)
    found = build_generator(settings, Table(), Streams(1))
    with torch.no_grad():
        rows = found.model.get_input_embeddings().weight
        rows[:, 0] = 0
        rows[found.vocabulary.eos, 0] = 1
        found.model.transformer.ln_f.bias[0] = 4.5
    found.model.to(dtype)
    return found


def read(texts: list[str], pairs: list[str] | None) -> tuple[Tensor, Tensor | None]:
    """The mean of random vectors of the bytes, (n, LENGTH, DIMENSION), and no mask."""
    table = randn(256, LENGTH, DIMENSION, seed=5)
    return torch.stack([table[list(text.encode())].mean(0) for text in texts]), None


def read_ids(texts: list[str], pairs: list[str] | None) -> tuple[Tensor, Tensor | None]:
    """The bytes of each text as token ids, and which of them are real."""
    rows = [list(text.encode()) for text in texts]
    width = max(map(len, rows))
    lengths = torch.tensor([len(row) for row in rows])
    return torch.tensor([row + [0] * (width - len(row)) for row in rows]), torch.arange(width) < lengths[:, None]


class TokenNet(nn.Module):
    """Mean of the tokens' vectors, then two linear layers: a learner of token ids."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(256, 6))
        self.hidden = nn.Parameter(torch.empty(5, 6))
        self.last = nn.Parameter(torch.empty(CLASSES, 5))
        self.bias = nn.Parameter(torch.empty(CLASSES))

    def forward(self, inputs: Tensor, mask: Tensor | None, drop: torch.Generator | None) -> list[Tensor]:
        assert mask is not None
        inside = mask.to(self.table.dtype)[:, :, None]
        mean = (self.table[inputs] * inside).sum(1) / inside.sum(1)
        features = torch.tanh(mean @ self.hidden.t())
        return [mean, features, torch.nn.functional.linear(features, self.last, self.bias)]

    def fans(self, name: str, shape: Sequence[int]) -> tuple[int, int]:
        return shape[1], shape[0]


def token_learner(dtype: torch.dtype = torch.float64) -> Learner:
    return Learner(TokenNet(), CLASSES).to("cpu", dtype)


@dataclass
class TokenRows:
    """Real texts as a learner of token ids reads them."""

    shape: tuple[int, ...] = (20,)
    dtype: torch.dtype = torch.float64

    def __post_init__(self) -> None:
        table = Table()
        self.inputs, self.mask = read_ids(table.texts, None)
        self.labels, self.classes = torch.from_numpy(table.labels), table.classes

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Tensor) -> Batch:
        assert self.mask is not None
        targets = torch.eye(CLASSES, dtype=self.dtype)[self.labels[rows]]
        return Batch(self.inputs[rows], targets, mask=self.mask[rows])
