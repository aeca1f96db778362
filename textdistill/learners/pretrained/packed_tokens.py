"""Texts of unlike lengths through an encoder without padding: one row holds the tokens of a batch, text behind text.

Three quarters of what a network computes on padded batches of questions are real tokens, so a quarter is thrown away.
Here all linear layers and norms of the library's own forward run over real tokens alone; only attention has to know
where a text ends, and it is the library's too, once for every run of texts of equal length, which need no mask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from textdistill.learners.pooling import pooled
from textdistill.learners.pretrained.hub_models import quiet

ATTENTION = "textdistill_packed"
# The position that a text's first token has, by the type of the model: those whose tokens meet only in attention, which
# sees the whole text, and whose positions can be told. RoBERTa and its kin count from behind the number of padding.
FIRST: dict[str, Callable[[Any], int]] = {
    "bert": lambda config: 0,
    "roberta": lambda config: int(config.pad_token_id) + 1,
    "camembert": lambda config: int(config.pad_token_id) + 1,
    "xlm-roberta": lambda config: int(config.pad_token_id) + 1,
}
Runs = list[tuple[int, int]]  # how many texts of how many tokens each follow one another


def can_pack(model: Any) -> bool:
    """Whether a model's forward can be run over texts that stand one behind another."""
    config = model.config
    plain = getattr(config, "position_embedding_type", "absolute") == "absolute"
    return config.model_type in FIRST and not config.is_decoder and plain


def prepare(model: Any) -> None:
    """Give a model the attention that keeps to a text's own tokens; from then on it reads packed texts alone."""
    with quiet() as transformers:
        transformers.AttentionInterface.register(ATTENTION, _attention)
        model.set_attn_implementation(ATTENTION)


def packed_vectors(
    model: Any, ids: Sequence[Int[np.ndarray, " _"]], segments: Sequence[Int[np.ndarray, " _"]] | None, pool: str
) -> Float[Tensor, "n f"]:
    """The pooled states of some texts' tokens by a prepared model, (n, f), of any length.

    `ids` are the texts' tokens and `segments` says which of two texts they belong to. Texts of equal length should
    follow one another: each run of them is one call of the attention.
    """
    runs = [(len(list(same)), length) for length, same in groupby(map(len, ids))]
    first = FIRST[model.config.model_type](model.config)
    places = torch.cat([torch.arange(first, first + length).repeat(count) for count, length in runs])
    columns = {} if segments is None else {"token_type_ids": _row(segments)}
    states = model(input_ids=_row(ids), position_ids=places[None], packed_runs=runs, **columns).last_hidden_state[0]
    split = _by_run(states, runs)
    return torch.cat([pooled(one, torch.ones(one.shape[:2], dtype=torch.bool), pool) for one in split])


def _row(values: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.concatenate(values).astype(np.int64))[None]


def _by_run(states: Tensor, runs: Runs) -> list[Tensor]:
    """(t, …) as (texts, tokens, …) for each run."""
    parts = states.split([count * length for count, length in runs])
    return [part.unflatten(0, run) for part, run in zip(parts, runs, strict=True)]


def _attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **told: Any
) -> tuple[Tensor, None]:
    """Attention of each text to itself: (1, heads, t, d) three times to (1, t, heads, d), as the library asks for."""
    out = []
    parts = (_by_run(one[0].transpose(0, 1), told["packed_runs"]) for one in (query, key, value))
    for q, k, v in zip(*parts, strict=True):
        attended = F.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), scale=told["scaling"]
        )
        out.append(attended.transpose(1, 2).flatten(0, 1))
    return torch.cat(out)[None], None
