"""Which samples become demonstrations, in which order and how many: one dataclass of choices, one function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import Literal, get_args

import numpy as np

from textdistill.core.errors import UserError, did_you_mean
from textdistill.core.streams import Streams
from textdistill.data.sets.text_set import TextSet
from textdistill.export.soft import LABELS, Labels
from textdistill.export.wording import SEPARATOR, Wording, label_words

Order = Literal["as_selected", "interleaved", "shuffled", "best"]
ORDERS: tuple[str, ...] = get_args(Order)
# How good a prompt with these samples in this order is, on validation rows: the higher, the better.
Scorer = Callable[[TextSet, Wording], float]
Counter = Callable[[str], int]


@dataclass(frozen=True)
class Shots:
    """The choices for a few-shot prompt; the defaults take all samples as they stand.

    `k` counts demonstrations in total, balanced by class as far as the samples go. `order`: `as_selected`,
    `interleaved` (the classes in turn), `shuffled` (by `seed`) or `best`: of the first two and `candidates` shuffles
    the one that a language model does best with on validation rows. `token_budget`, counted by
    `tokenizer`, is for instruction and demonstrations (not for the question asked); as many samples are taken as fit.
    Wording: see `Wording`; `label_words` by class, missing ones are class names. `labels`: what becomes of soft labels
    (`soft.py`); `None` is the format's own choice.
    """

    k: int | None = None
    order: Order = "as_selected"
    seed: int = 0
    candidates: int = 8
    template: str | None = None
    label_words: Mapping[str, str] = field(default_factory=dict)
    instruction: str | None = None
    separator: str = SEPARATOR
    token_budget: int | None = None
    tokenizer: str | None = None
    labels: Labels | None = None

    def __post_init__(self) -> None:
        for name, value, allowed in (("order", self.order, ORDERS), ("labels", self.labels, (None, *LABELS))):
            if value not in allowed:
                known = ", ".join(filter(None, allowed))
                raise UserError(f"{name}: {value!r}; allowed: {known}{did_you_mean(str(value), filter(None, allowed))}")
        for name, number in (("k", self.k), ("token budget", self.token_budget), ("candidates", self.candidates)):
            if number is not None and number < 1:
                raise UserError(f"{name}: {number}; allowed: 1 or more")
        if (self.token_budget is None) != (self.tokenizer is None):
            raise UserError("a token budget is counted by the model's tokenizer: give both")

    def wording(self, samples: TextSet) -> Wording:
        """How the samples are worded."""
        return Wording(
            samples.classes,
            samples.pairs is not None,
            self.template,
            label_words(samples.classes, self.label_words),
            self.instruction,
            self.separator,
        )


def arrange(samples: TextSet, shots: Shots, count: Counter | None = None, scorer: Scorer | None = None) -> TextSet:
    """The samples that become demonstrations, in their order.

    `count` tells the tokens of a text, for `token_budget`; `scorer` judges a prompt, for the order `best` (of
    equals the first is taken). Errors: `UserError` for more shots than samples, a budget that not one sample fits in,
    or a choice whose function is missing.
    """
    if not len(samples):
        raise UserError("the set has no samples; there is nothing to export")
    if shots.k is not None and shots.k > len(samples):
        raise UserError(f"k: {shots.k} shots asked, but the set has {len(samples)} samples; ask for that many at most")
    if shots.order == "best" and scorer is None:
        raise UserError("order: best needs a language model to judge by; choose another order, or name a model")
    wording, most = shots.wording(samples), shots.k or len(samples)
    fitting = most
    if shots.token_budget is not None:
        if count is None:
            raise UserError("a token budget needs the model's tokenizer; name it")
        fitting = _fitting(samples, shots, wording, count, most)
    candidates = [samples.take(rows) for rows in _orders(samples, shots, fitting)]
    if len(candidates) == 1 or scorer is None:
        return candidates[0]
    return candidates[int(np.argmax([scorer(shown, wording) for shown in candidates]))]


def balanced(samples: TextSet, k: int) -> list[int]:
    """k rows, each class in turn giving its next sample while it has one; in the set's order.

    A larger k keeps the rows of a smaller one.
    """
    return sorted(_interleaved(samples.labels, np.arange(len(samples)))[:k])


def _interleaved(labels: np.ndarray, rows: np.ndarray) -> list[int]:
    """The rows with classes taking turns, each class's in the order given."""
    by_class = [[int(row) for row in rows if labels[row] == label] for label in np.unique(labels[rows])]
    return [row for row in chain.from_iterable(zip_longest(*by_class)) if row is not None]


def _orders(samples: TextSet, shots: Shots, k: int) -> list[list[int]]:
    """The one order asked for, or all that compete to be the best; each order once."""
    rows = balanced(samples, k)
    streams = Streams(shots.seed, ("export", "order"))
    if shots.order == "as_selected":
        return [rows]
    if shots.order == "interleaved":
        return [_interleaved(samples.labels, np.array(rows))]
    if shots.order == "shuffled":
        return [streams.numpy(0).permutation(rows).tolist()]
    shuffles = [streams.numpy(number).permutation(rows).tolist() for number in range(shots.candidates)]
    every = [rows, _interleaved(samples.labels, np.array(rows)), *shuffles]
    return [order for place, order in enumerate(every) if order not in every[:place]]


def _fitting(samples: TextSet, shots: Shots, wording: Wording, count: Counter, most: int) -> int:
    """The largest number of shots, at most `most`, that fits the budget in every order that may be taken."""
    budget = shots.token_budget or 0

    def needed(k: int) -> int:
        return max(count(wording.prefix(samples.take(rows))) for rows in _orders(samples, shots, k))

    if (least := needed(1)) > budget:
        raise UserError(f"token budget: {budget}; the instruction and one shot take {least} tokens: allow more")
    low, high = 1, most  # halving: a larger k adds to the rows of a smaller one
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if needed(middle) <= budget else (low, middle - 1)
    return low
