"""A pre-trained transformer fed with vectors in place of tokens: TDD through a model's own input embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from textdistill.core.bounds import Doc, OneOf, Share
from textdistill.core.errors import RecipeError
from textdistill.learners.pooling import POOLS
from textdistill.learners.pretrained.encoder_files import PACKAGED, longest_of
from textdistill.learners.pretrained.network import LAST
from textdistill.learners.pretrained.transformer_body import Body, Trainable


@dataclass(frozen=True)
class TransformerSettings:
    """Which model, and what of it trains beside the head."""

    model: Annotated[str, Doc("a hub id, a folder, minilm")] = PACKAGED
    train: Annotated[Trainable, Doc("the head alone, all of it, or so many of the last layers under the head")] = "all"
    pool: Annotated[
        Annotated[str, OneOf(tuple(POOLS))] | None, Doc("of the tokens' states; none: what suits the model")
    ] = None
    dropout: Annotated[Share, Doc("where a stage turns it on")] = 0.1


class Transformer(nn.Module):
    """h = pool(states of [CLS] x_1 … x_l [SEP]), z = Wh + b, for vectors x in the place of the model's own embeddings.

    What stands before and behind a text is added here, with the model's own vectors, positions and segments by the
    model: of the vectors of a real text's tokens the logits are those of its token ids (of a pair, all in the first
    segment). Without a mask, vectors that are all zero are padding. The table of embeddings is the representation's
    (`wordpieces`) and never trains.
    """

    name: ClassVar[str] = "transformer"
    Settings = TransformerSettings
    takes: ClassVar[frozenset[str]] = frozenset({"words"})
    last_layer: ClassVar[tuple[str, ...]] = LAST

    def __init__(self, settings: TransformerSettings, shape: Sequence[int], classes: int):
        super().__init__()
        self.settings = settings
        self.body = Body(settings.model, settings.train, settings.pool, settings.dropout)
        self.body.model.get_input_embeddings().requires_grad_(False)
        for name, (ids, segments) in zip(("before", "behind"), around(self.body.tokenizer), strict=True):
            self.register_buffer(f"ids_{name}", torch.tensor(ids, dtype=torch.long), persistent=False)
            self.register_buffer(f"segments_{name}", torch.tensor(segments, dtype=torch.long), persistent=False)
        self._check(shape)
        self.head = nn.utils.skip_init(nn.Linear, self.body.width, classes)

    def _check(self, shape: Sequence[int]) -> None:
        width = self.body.embed(torch.zeros(1, dtype=torch.long)).shape[1]
        if len(shape) != 2 or shape[1] != width:
            given = f"inputs of shape {list(shape)}"
            raise RecipeError(
                [
                    f"learner: {given}, and {self.settings.model!r} has vectors of {width} numbers; use it with "
                    f"representation: {{name: wordpieces, model: {self.settings.model}}}"
                ]
            )
        most = longest_of(self.body.folder) - len(self.ids_before) - len(self.ids_behind)  # type: ignore[arg-type]
        if shape[0] > most:
            raise RecipeError([f"representation.length: {shape[0]}; of {self.settings.model!r} allowed: 1 to {most}"])

    def stored(self, name: str) -> Tensor | None:
        """The value that a weight begins with; the head's begin fresh."""
        return None if name in LAST else self.get_parameter(name)

    def fans(self, name: str, shape: Sequence[int]) -> tuple[int, int]:
        """Fan-in and fan-out of the head."""
        return shape[1], shape[0]

    def forward(self, inputs: Tensor, mask: Tensor | None, drop: torch.Generator | None) -> list[Tensor]:
        """The features, after dropout, and the logits."""
        inside = (inputs != 0).any(2) if mask is None else mask
        count = len(inputs)
        ids = [getattr(self, f"ids_{name}") for name in ("before", "behind")]
        vectors = [self.body.embed(one).to(inputs).expand(count, -1, -1) for one in ids]
        segments = [getattr(self, f"segments_{name}").expand(count, -1) for name in ("before", "behind")]
        full = [inside.new_ones(count, len(one)) for one in ids]
        features = self.body.features(
            torch.cat([full[0], inside, full[1]], 1),
            torch.cat([segments[0], segments[0].new_zeros(inside.shape), segments[1]], 1),
            drop,
            vectors=torch.cat([vectors[0], inputs, vectors[1]], 1),
        )
        return [features, self.head(features)]


Tokens = tuple[list[int], list[int]]


def around(tokenizer: object) -> tuple[Tokens, Tokens]:
    """Ids and segments of what a tokenizer puts before and behind a text."""
    assert callable(tokenizer)
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")
    ids = whole["input_ids"]
    segments = whole.get("token_type_ids", [0] * len(ids))
    first = next(at for at in range(len(ids)) if ids[at : at + len(bare)] == bare)
    end = first + len(bare)
    return (ids[:first], segments[:first]), (ids[end:], segments[end:])
