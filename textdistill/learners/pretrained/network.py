"""Pre-trained encoders and decoders as learners of texts: stored weights, or frozen features, under a fresh head."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from textdistill.core.bounds import Count, Doc, OneOf, Share
from textdistill.core.errors import RecipeError
from textdistill.core.learner import Learner, dropout
from textdistill.learners.pooling import POOLS
from textdistill.learners.pretrained.encoder_files import PACKAGED, longest_of, model_folder, read_json
from textdistill.learners.pretrained.frozen_encoder import Encoder
from textdistill.learners.pretrained.transformer_body import Body, Trainable, usual_pool

NOTHING = -1  # the token id of padding: every model has its own, and some have none
LAST = ("head.weight", "head.bias")


@runtime_checkable
class Reader(Protocol):
    """A network that reads texts itself, with a tokeniser of its own."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input; of token ids, the longest."""
        ...

    @property
    def reading(self) -> tuple[object, ...]:
        """What the inputs depend on: networks that agree in it read alike."""
        ...

    def read(self, texts: list[str], pairs: list[str] | None = None) -> tuple[Tensor, Tensor | None]:
        """The inputs of these texts (or pairs of texts), and the mask of their real positions if they have such."""
        ...


def reader_of(learner: Learner) -> Reader:
    """The learner's network, if it reads texts; `RecipeError` if it does not."""
    if isinstance(learner.module, Reader):
        return learner.module
    raise RecipeError(
        [f"learner: {type(learner.module).__name__} reads no texts; use pretrained, or another that does"]
    )


@dataclass(frozen=True)
class PretrainedSettings:
    """Which model, what of it trains, and how it reads."""

    model: Annotated[str, Doc("a hub id, a folder, minilm")] = PACKAGED
    train: Annotated[
        Trainable, Doc("a head on frozen features, computed once; all of it; or so many of the last layers under it")
    ] = "head"
    pool: Annotated[
        Annotated[str, OneOf(tuple(POOLS))] | None, Doc("of the tokens' states; none: what suits the model")
    ] = None
    length: Annotated[Count, Doc("tokens that texts are cut to")] = 128
    dropout: Annotated[Share, Doc("where a stage turns it on")] = 0.1


class Pretrained(nn.Module):
    """h = pool(states of the text's tokens), z = Wh + b with a fresh W and b.

    Inputs are (n, length, 2) numbers: token ids, −1 where there is none, and segments (0, or 1 for the second text of a
    pair). With `train: head` they are the unit vectors (n, f) of `Encoder`, and h is √f times that, so that a feature
    is of size one as behind a layer norm.
    """

    name: ClassVar[str] = "pretrained"
    Settings = PretrainedSettings
    takes: ClassVar[frozenset[str]] = frozenset({"texts"})
    last_layer: ClassVar[tuple[str, ...]] = LAST

    def __init__(self, settings: PretrainedSettings, shape: Sequence[int], classes: int):
        super().__init__()
        self.settings = settings
        self.folder = model_folder(settings.model)
        self.pool = settings.pool or usual_pool(self.folder)
        self.length = min(settings.length, longest_of(self.folder))
        self.body: Body | None = None
        if settings.train == "head":
            width = width_of(settings.model)
        else:
            self.body = Body(settings.model, settings.train, self.pool, settings.dropout)
            width = self.body.width
        self.head = nn.utils.skip_init(nn.Linear, width, classes)  # after the body: the last layer is the last

    @property
    def shape(self) -> tuple[int, ...]:
        """(f,) of frozen features, else (length, 2)."""
        return (self.head.in_features,) if self.body is None else (self.length, 2)

    @property
    def reading(self) -> tuple[object, ...]:
        """The model, and how its features are pooled or where texts are cut."""
        return (str(self.folder), self.pool) if self.body is None else (str(self.folder), self.length)

    def read(self, texts: list[str], pairs: list[str] | None = None) -> tuple[Tensor, Tensor | None]:
        """Token ids with segments (n, longest, 2) and their mask; or frozen features (n, f) and no mask."""
        if self.body is None:
            return Encoder(self.settings.model, pool=self.pool).features(texts, pairs), None
        tokens = self.body.tokenizer(texts, pairs, truncation=True, max_length=self.length)
        ids = tokens["input_ids"]
        segments = tokens.get("token_type_ids", [[0] * len(row) for row in ids])
        width = max(1, *map(len, ids)) if ids else 1
        out = torch.full((len(ids), width, 2), NOTHING)
        for row, columns in enumerate(zip(ids, segments, strict=True)):
            out[row, : len(columns[0])] = torch.tensor(columns, dtype=torch.long).T
        return out, out[:, :, 0] != NOTHING

    def stored(self, name: str) -> Tensor | None:
        """The value that a weight begins with; the head's begin fresh."""
        return None if name in LAST else self.get_parameter(name)

    def fans(self, name: str, shape: Sequence[int]) -> tuple[int, int]:
        """Fan-in and fan-out of the head."""
        return shape[1], shape[0]

    def forward(self, inputs: Tensor, mask: Tensor | None, drop: torch.Generator | None) -> list[Tensor]:
        """The features, after dropout, and the logits."""
        if self.body is None:
            features = dropout(inputs * math.sqrt(inputs.shape[1]), self.settings.dropout, drop)
        else:
            ids, segments = inputs.long().unbind(2)
            inside = ids >= 0 if mask is None else mask & (ids >= 0)
            features = self.body.features(inside, segments, drop, ids=ids)
        return [features, self.head(features)]


def width_of(model: str) -> int:
    """f, by the model's configuration alone."""
    values = read_json(model_folder(model) / "config.json")
    width = next((values[key] for key in ("hidden_size", "d_model", "n_embd", "dim") if key in values), None)
    if not isinstance(width, int):
        raise RecipeError(
            [f"learner.model: the configuration of {model!r} does not say how wide it is; use train: all"]
        )
    return width
