"""A pre-trained transformer as part of a network here: padding, pooling, dropout by a stream, what of it trains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from textdistill.core.bounds import Count
from textdistill.core.errors import RecipeError
from textdistill.core.learner import dropout
from textdistill.learners.pooling import pooled
from textdistill.learners.pretrained.encoder_files import load_model, model_folder, read_json

Trainable = Literal["head", "all"] | Count
_FIRST_TOKEN = ("albert", "bert", "camembert", "deberta", "distilbert", "electra", "ernie", "mpnet", "roberta")


class Body(nn.Module):
    """A transformer of Hugging Face without its head: token ids or their vectors in, one vector for each text out.

    Attention is computed by plain products and so differentiates twice. `train` says which weights train: `all`, those
    of the last so many layers and whatever follows them, or none (`head`). The others, and such as have no say in the
    features, ask for no gradient.
    """

    def __init__(self, name: str, train: Trainable, pool: str | None, rate: float):
        super().__init__()
        self.name, self.rate, self.folder = name, rate, model_folder(name)
        self.tokenizer, self.model = load_model(name, self.folder, eager=True, dropout=rate)
        self.pool = pool or usual_pool(self.folder)
        self.segmented = "token_type_ids" in self.tokenizer.model_input_names
        # Of a tokenizer without padding any id will do: nothing looks there.
        self.padding = self.tokenizer.pad_token_id or 0
        self._choose(train)

    @property
    def width(self) -> int:
        """f, the length of the vector of a text."""
        return int(self.model.config.hidden_size)

    def embed(self, ids: Int[Tensor, "*n"]) -> Float[Tensor, "*n d"]:
        """The model's own vectors of tokens, as it adds its positions to them."""
        vectors: Tensor = self.model.get_input_embeddings()(ids)
        return vectors

    def features(
        self,
        inside: Bool[Tensor, "n l"],
        segments: Int[Tensor, "n l"],
        drop: torch.Generator | None,
        *,
        ids: Int[Tensor, "n l"] | None = None,
        vectors: Float[Tensor, "n l d"] | None = None,
    ) -> Float[Tensor, "n f"]:
        """The pooled last states of texts given as token `ids` or as `vectors`, padded wherever `inside` is false."""
        inside, order = compacted(inside)
        rows = torch.arange(len(order), device=order.device)[:, None]
        columns: dict[str, Tensor] = {"attention_mask": inside.long()}
        if ids is not None:
            own = ids[rows, order]
            columns["input_ids"] = torch.where(
                inside & (own >= 0), own, self.padding
            )  # a text of no token has one of these
        if vectors is not None:
            columns["inputs_embeds"] = vectors[rows, order]
        if self.segmented:
            columns["token_type_ids"] = torch.where(inside, segments[rows, order], 0).clamp_min(0)
        self.model.train(drop is not None)
        with _drawn_from(drop, inside.device):
            states = self.model(**columns).last_hidden_state
        return dropout(pooled(states, inside, self.pool), self.rate, drop)

    def _choose(self, train: Trainable) -> None:
        self.model.requires_grad_(False)
        if train == "head":
            return
        named = dict(self.model.named_parameters())
        begin = 0 if train == "all" else self._first_of_last(int(train), list(named))
        chosen = list(named.values())[begin:]
        for value in chosen:
            value.requires_grad_()
        inside = torch.ones(1, 2, dtype=torch.bool)
        features = self.features(
            inside, torch.zeros(1, 2, dtype=torch.long), None, ids=torch.zeros(1, 2, dtype=torch.long)
        )
        slopes = torch.autograd.grad(features.sum(), chosen, allow_unused=True)
        for value, slope in zip(chosen, slopes, strict=True):
            value.requires_grad_(slope is not None)

    def _first_of_last(self, count: int, names: list[str]) -> int:
        """Where, among the weights in their order, those of the last `count` layers begin."""
        depth = int(self.model.config.num_hidden_layers)
        lists = (
            name for name, one in self.model.named_modules() if isinstance(one, nn.ModuleList) and len(one) == depth
        )
        layers = next(lists, None)
        if layers is None or not 1 <= count <= depth:
            able = "'head' or 'all'" + ("" if layers is None else f", or 1 to {depth} layers")
            raise RecipeError([f"learner.train: {count}; of {self.name!r} allowed: {able}"])
        return next(at for at, name in enumerate(names) if name.startswith(f"{layers}.{depth - count}."))


def usual_pool(folder: Path) -> str:
    """What a model's makers take as the vector of a text.

    As its own files say (those of sentence encoders do), else the first token of BERT and its kin, and the last of
    models that read from left to right, or have their classification token at the end (XLNet).
    """
    pooling: Mapping[str, Any] = read_json(folder / "1_Pooling" / "config.json")
    ways = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token", "last": "pooling_mode_lasttoken"}
    for pool, key in ways.items():
        if pooling.get(key):
            return pool
    kind = str(read_json(folder / "config.json").get("model_type", ""))
    return "cls" if any(one in kind for one in _FIRST_TOKEN) else "last"


def compacted(inside: Bool[Tensor, "n l"]) -> tuple[Bool[Tensor, "n k"], Int[Tensor, "n k"]]:
    """Real positions first, wherever the padding was: the new mask, and the old place of every new position.

    k is the length of the longest row. A row without any real position keeps its first one.
    """
    counts = inside.sum(1).clamp_min(1)
    width = int(counts.max())
    order = torch.argsort((~inside).int(), dim=1, stable=True)[:, :width]
    return torch.arange(width, device=inside.device) < counts[:, None], order


@contextmanager
def _drawn_from(drop: torch.Generator | None, device: torch.device) -> Iterator[None]:
    """Within it, the global random numbers follow from the stream `drop`; outside they are as they were."""
    if drop is None:
        yield
        return
    seed = int(torch.randint(2**62, (), generator=drop))
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
