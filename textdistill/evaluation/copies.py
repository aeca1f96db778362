"""Whether synthetic texts are copies of training rows: word for word, nearly, or by what lies next to them."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from textdistill.core.errors import DataError, UserError
from textdistill.data.sets.text_set import TextSet
from textdistill.data.table import TextTable, normalise

NEAR = 0.8
_WORD = re.compile(r"\w+|\x1f")  # and what stands between the texts of a pair
_END = "\x1e"  # stands before the first and behind the last word of a text


class CopyIndex:
    """The rows of a table, to look copies up in.

    An exact copy has the text (or pair of texts) of a row by `data.table.normalise`. A near copy has a row whose word
    bigrams are its own by a Jaccard index |A ∩ B| / |A ∪ B| of `near` or more; the ends of a text count as words, case
    and all that is no word do not. At 0.8 that is other punctuation, one word more beside twelve, or one of
    seventeen replaced. An exact copy is a near one too.

    Rows are found by their rarest bigrams: sets A and B that are so alike share one of the |A| − ⌈near·|A|⌉ + 1 of A
    that come first in a common order, and of as many of B, so looking at these alone misses none.
    """

    def __init__(self, table: TextTable, near: float = NEAR):
        if not 0 < near <= 1:
            raise UserError(f"near copies: {near}; allowed: above 0, at most 1")
        self.near, self.paired = near, table.pairs is not None
        self._exact = set(table.keys())
        rows = [list(set(_bigrams(key))) for key in self._exact]
        frequency = Counter(gram for row in rows for gram in row)
        # rarest first; what no row has comes before all, and matches nothing
        self._rank = {
            gram: place for place, gram in enumerate(sorted(frequency, key=lambda gram: (frequency[gram], gram)))
        }
        ids = [np.sort(np.fromiter((self._rank[gram] for gram in row), np.int32, len(row))) for row in rows]
        self._rows = ids
        self._by_gram: dict[int, list[int]] = defaultdict(list)
        for number, row in enumerate(ids):
            for gram in row[: self._prefix(len(row))].tolist():
                self._by_gram[gram].append(number)

    def masks(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Which texts are exact copies, and which are near ones: two masks (n,)."""
        if (pairs is not None) != self.paired:
            held, given = ("pairs", "texts") if self.paired else ("texts", "pairs")
            raise DataError(f"copies: the rows are {held}, the samples {given}; compare like with like")
        keys = [normalise(text) for text in texts]
        if pairs is not None:
            keys = [f"{first}\x1f{normalise(second)}" for first, second in zip(keys, pairs, strict=True)]
        exact = np.array([key in self._exact for key in keys], dtype=bool)
        near = np.array(
            [copy or self._has_near(key) for key, copy in zip(keys, exact.tolist(), strict=True)], dtype=bool
        )
        return exact, near

    def _has_near(self, key: str) -> bool:
        grams = set(_bigrams(key))
        own = {self._rank[gram] for gram in grams if gram in self._rank}
        unknown = len(grams) - len(own)
        size, seen = len(grams), set()
        for gram in sorted(own)[: max(0, self._prefix(size) - unknown)]:
            for number in self._by_gram.get(gram, ()):
                if number in seen:
                    continue
                seen.add(number)
                row = self._rows[number]
                if self.near * size <= len(row) <= size / self.near:
                    shared = len(own.intersection(row.tolist()))
                    if shared >= self.near * (size + len(row) - shared) - 1e-9:
                        return True
        return False

    def _prefix(self, size: int) -> int:
        return size - math.ceil(self.near * size - 1e-9) + 1 if size else 0


def copies(
    texts: Sequence[str], pairs: Sequence[str] | None, table: TextTable, near: float = NEAR
) -> tuple[np.ndarray, np.ndarray]:
    """Which texts are exact copies of a row of the table, and which near ones: two masks (n,), by `CopyIndex`."""
    return CopyIndex(table, near).masks(texts, pairs)


def copies_of_test_rows(sets: Sequence[TextSet], test: TextTable) -> tuple[dict[str, Any], list[TextSet]]:
    """How many samples of all `sets` are copies of test rows, `exact` and `near` (which counts the exact ones), of `n`;
    and the sets without any of them, those of which nothing is left apart.

    A set that holds test rows has seen what it is judged on.
    """
    index = CopyIndex(test)
    exact, near = zip(*(index.masks(distilled.texts, distilled.pairs) for distilled in sets), strict=True)
    counts = {
        "exact": int(np.concatenate(exact).sum()),
        "near": int(np.concatenate(near).sum()),
        "n": sum(map(len, sets)),
    }
    others = [distilled.take(np.flatnonzero(~mask)) for distilled, mask in zip(sets, near, strict=True)]
    return counts, [distilled for distilled in others if len(distilled)]


def membership(
    points: Float[Tensor, "m f"], train: Float[Tensor, "n f"], held_out: Float[Tensor, "h f"]
) -> dict[str, Any]:
    """Whether samples lie nearer to the rows they were made from than to others of the same kind.

    `nearer_train` is the percentage of points whose nearest row is a training row and not a held-out one. Points that
    know nothing of the training rows would have `expected` = n / (n + h), 50 where there are as many of both; a tie
    counts as that. `p` is the two-sided binomial test of it, for points as if independent. `train_distance` and
    `held_out_distance` are the median distances to the nearest row of each, and `usual_distance` that of a held-out row
    to the nearest training row: samples far below it are copies.
    """
    from scipy import stats
    from sklearn.metrics import pairwise_distances_argmin_min

    if not min(len(points), len(train), len(held_out)):
        raise DataError(f"membership: {len(points)} points, {len(train)} and {len(held_out)} rows; none may be empty")
    to_train, to_held, usual = (
        pairwise_distances_argmin_min(a.numpy(), b.numpy())[1]
        for a, b in ((points, train), (points, held_out), (held_out, train))
    )
    share = len(train) / (len(train) + len(held_out))
    ties = to_train == to_held
    nearer = float(np.where(ties, share, to_train < to_held).mean())
    decided = int((~ties).sum())
    p = stats.binomtest(int((to_train < to_held).sum()), decided, share).pvalue if decided else 1.0
    return {
        "nearer_train": round(100 * nearer, 4),
        "expected": round(100 * share, 4),
        "p": float(f"{p:.4g}"),
        "n": len(points),
        "train_distance": round(float(np.median(to_train)), 4),
        "held_out_distance": round(float(np.median(to_held)), 4),
        "usual_distance": round(float(np.median(usual)), 4),
    }


def _bigrams(key: str) -> Iterator[str]:
    words = _WORD.findall(key)
    if words and words != ["\x1f"]:
        yield from (f"{first} {second}" for first, second in pairwise((_END, *words, _END)))
