"""How synthetic texts read: their perplexity under a language model, their length, their variety; with their copies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from textdistill.core.errors import UserError
from textdistill.data.sets.text_set import TextSet
from textdistill.data.table import TextTable
from textdistill.data.words import tokenise
from textdistill.evaluation.copies import CopyIndex, membership
from textdistill.evaluation.statistics import summarise
from textdistill.learners.pretrained.language_models import start_of

LONGEST = 256  # tokens of a text that perplexity looks at
TOKENS_AT_ONCE = 2048  # what a pass holds: times the vocabulary this is 400 MB of logits for 50,000 tokens


class Causal(Protocol):
    """A causal language model with its tokeniser, as `language_models.load_causal` gives it."""

    @property
    def model(self) -> Any: ...  # noqa: D102

    @property
    def tokenizer(self) -> Any: ...  # noqa: D102

    @property
    def name(self) -> str: ...  # noqa: D102


class Encoding(Protocol):
    """Whatever gives a vector for each text: `learners.frozen_encoder.Encoder`."""

    def features(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> Tensor:
        """The vectors, (n, f)."""
        ...


def fluency(
    sets: Sequence[TextSet],
    train: TextTable,
    *,
    held_out: TextTable | None = None,
    model: Causal | None = None,
    encoder: Encoding | None = None,
    index: CopyIndex | None = None,
) -> dict[str, Any]:
    """What a list of sets is like as text; each figure is `{mean, sd, n}` over sets.

    `words` a text has on average; `distinct_1` and `distinct_2`, the share of a set's words and word bigrams that are
    different ones, in percent (a larger set has less: compare equal sizes); `exact_copies` and `near_copies` of
    training rows, percent of the samples (`CopyIndex`); with `model`, `tokens` a text has and `perplexity`. With
    `held_out`, `held_out_near_copies`: as many of its rows, which nobody copied, are near copies (a third of SST-2's
    phrases). With `encoder` too, `membership` (`copies.membership`), over all samples of all sets. `index` is that of
    the training rows, where there is one already.
    """
    if not sets or not all(map(len, sets)):
        raise UserError("fluency: no samples to look at; every set needs at least one")
    index = index or CopyIndex(train)
    figures: dict[str, list[float]] = {}

    def add(**values: float) -> None:
        for name, value in values.items():
            figures.setdefault(name, []).append(value)

    for distilled in sets:
        tokens = [tokenise(text) for text in _texts(distilled)]
        exact, near = index.masks(distilled.texts, distilled.pairs)
        add(words=float(np.mean([len(words) for words in tokens])))
        add(distinct_1=100 * distinct(tokens, 1), distinct_2=100 * distinct(tokens, 2))
        add(exact_copies=100 * float(exact.mean()), near_copies=100 * float(near.mean()))
    if model is not None:
        losses, counts = log_losses([text for distilled in sets for text in _texts(distilled)], model)
        ends = np.cumsum([len(distilled) for distilled in sets])[:-1]
        for loss, count in zip(np.split(losses, ends), np.split(counts, ends), strict=True):
            add(tokens=float(count.mean()), perplexity=float(np.exp(loss.sum() / max(1, count.sum()))))
    out: dict[str, Any] = {name: summarise(values).as_dict() for name, values in figures.items()}
    if model is not None:
        out["language_model"] = model.name
    if held_out is not None:
        near = index.masks(held_out.texts, held_out.pairs)[1]
        out["held_out_near_copies"] = round(100 * float(near.mean()), 4)
    if encoder is not None and held_out is not None:
        points = encoder.features([text for distilled in sets for text in distilled.texts], _all_pairs(sets))
        real = (encoder.features(table.texts, table.pairs) for table in (train, held_out))
        out["membership"] = membership(points, *real)
    return out


def distinct(tokens: Sequence[Sequence[str]], n: int) -> float:
    """distinct-n (Li et al. 2016): different n-grams / n-grams of all texts, 0 to 1; `n` is 1 or 2."""
    grams = [gram for words in tokens for gram in (words if n == 1 else pairwise(words))]
    return len(set(grams)) / max(1, len(grams))


def perplexity(texts: Sequence[str], model: Causal) -> float:
    """exp(Σ −log p(token | those before) / Σ tokens) over all texts."""
    losses, counts = log_losses(texts, model)
    return float(np.exp(losses.sum() / max(1, counts.sum())))


@torch.no_grad()
def log_losses(texts: Sequence[str], model: Causal) -> tuple[np.ndarray, np.ndarray]:
    """For every text Σ −log p(token | those before), (n,), and the number of its tokens, (n,).

    The first token is scored too, behind `<|endoftext|>` where the vocabulary has it, else behind the tokeniser's token
    of beginning (of end, where it has no other). Only real tokens count, of a text the first 256.
    """
    tokenizer, network = model.tokenizer, model.model
    start = start_of(tokenizer)
    tokenized = tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []
    ids = [row[:LONGEST] for row in tokenized]
    losses, counts = np.zeros(len(ids)), np.array([len(row) for row in ids], dtype=np.int64)
    for rows in _batches(counts):
        width = int(counts[rows].max())
        padded = torch.full((len(rows), width + 1), start)
        for place, row in enumerate(rows):
            padded[place, 1 : 1 + counts[row]] = torch.tensor(ids[row], dtype=torch.long)
        inside = torch.arange(width + 1) <= torch.from_numpy(counts[rows])[:, None]
        padded, inside = padded.to(network.device), inside.to(network.device)
        logits = network(input_ids=padded, attention_mask=inside.long()).logits[:, :-1].float()
        each = F.cross_entropy(logits.transpose(1, 2), padded[:, 1:], reduction="none")
        losses[rows] = (each * inside[:, 1:]).sum(1).double().cpu().numpy()
    return losses, counts


def _batches(counts: np.ndarray) -> Iterator[np.ndarray]:
    """Texts of like length together, so many that a pass stays in memory; without those that have no token."""
    order = np.argsort(counts, kind="stable")
    order = order[counts[order] > 0]
    while len(order):
        size = max(1, TOKENS_AT_ONCE // (1 + int(counts[order[-1]])))
        yield order[-size:]
        order = order[:-size]


def _texts(distilled: TextSet) -> list[str]:
    """Texts as one reads them; the second of a pair on a line of its own."""
    if distilled.pairs is None:
        return distilled.texts
    return [f"{first}\n{second}" for first, second in zip(distilled.texts, distilled.pairs, strict=True)]


def _all_pairs(sets: Sequence[TextSet]) -> list[str] | None:
    seconds = [distilled.pairs for distilled in sets if distilled.pairs is not None]
    return [text for pairs in seconds for text in pairs] if len(seconds) == len(sets) else None
