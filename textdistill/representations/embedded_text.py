"""Texts as word vectors: rows of word ids, gathered into padded batches when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from textdistill.core.batch import Batch
from textdistill.core.errors import DataError


class EmbeddedText:
    """Labelled texts, each the vectors of its first `length` words (`RealData` of the core).

    `ids` (n, length) index `table` (V + 1, d), whose last row V is zero and pads; `lengths` (n,) is the number of real
    positions of each row. Words that are not in `words` are left out (`unknown="skip"`), or take a zero position that
    counts as a word (`"zero"`). A text without any known word keeps one zero position. Texts are padded at the end.

    A pair is one row, its second text's words after the first's (`words.table_tokens`).

    Counted over whole texts: `tokens`, `unknown_tokens`; rows: `cut_rows` (had more than `length` words), `empty_rows`.
    """

    classes: tuple[str, ...]
    shape: tuple[int, ...]
    labels: Int[Tensor, " n"]

    def __init__(
        self,
        token_lists: Sequence[Sequence[str]],
        labels: Sequence[int] | np.ndarray | Tensor,
        classes: Sequence[str],
        words: Sequence[str],
        matrix: Float[Tensor, "v d"],
        length: int,
        *,
        pad: Literal["end"] = "end",
        unknown: Literal["skip", "zero"] = "skip",
    ):
        if length < 1:
            raise DataError(f"length: {length}; allowed: 1 or more words")
        if pad != "end":
            raise DataError(f"pad: {pad!r}; allowed: 'end'")
        if unknown not in ("skip", "zero"):
            raise DataError(f"unknown: {unknown!r}; allowed: 'skip', 'zero'")
        if len(words) != len(matrix):
            raise DataError(f"{len(words)} words for {len(matrix)} vectors: one word a vector is needed")
        if len(token_lists) != len(labels):
            raise DataError(f"{len(token_lists)} texts for {len(labels)} labels: one label a text is needed")
        self.classes = tuple(classes)
        self.labels = torch.as_tensor(np.asarray(labels), dtype=torch.long)
        if len(self.labels) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.classes):
            raise DataError(f"labels run to {int(self.labels.max())}; there are {len(self.classes)} classes")
        self.words = words
        self.table = torch.cat([matrix.detach(), matrix.new_zeros(1, matrix.shape[1])])
        self.shape = (length, int(matrix.shape[1]))
        self._fill(token_lists, unknown == "skip")

    def _fill(self, token_lists: Sequence[Sequence[str]], skip: bool) -> None:
        padding, length = len(self.words), self.shape[0]
        index = {word: place for place, word in enumerate(self.words)}
        sizes = np.fromiter(map(len, token_lists), np.int64, len(token_lists))
        self.tokens = int(sizes.sum())
        lookup = (index.get(token, -1) for token in chain.from_iterable(token_lists))
        flat = np.fromiter(lookup, np.int32, self.tokens)
        rows = np.repeat(np.arange(len(token_lists)), sizes)
        known = flat >= 0
        self.unknown_tokens = int((~known).sum())
        if skip:
            flat, rows = flat[known], rows[known]
        else:
            flat = np.where(known, flat, padding)
        sizes = np.bincount(rows, minlength=len(token_lists))
        position = np.arange(len(flat)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        fits = position < length
        ids = np.full((len(token_lists), length), padding, dtype=np.int32)
        ids[rows[fits], position[fits]] = flat[fits]
        self.cut_rows = int((sizes > length).sum())
        self.empty_rows = int((sizes == 0).sum())
        self.ids: Int[Tensor, "n length"] = torch.from_numpy(ids)
        self.lengths: Int[Tensor, " n"] = torch.from_numpy(np.clip(sizes, 1, length).astype(np.int64))

    @property
    def matrix(self) -> Float[Tensor, "v d"]:
        """The vectors of `words`, without the padding row."""
        return self.table[:-1]

    @property
    def coverage(self) -> float:
        """The share of tokens that have a vector, 0 to 1."""
        return 1 - self.unknown_tokens / max(1, self.tokens)

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Int[Tensor, " b"], trim: bool = False, trim_margin: int = 0) -> Batch:
        """The rows with these indices: inputs (b, length, d), one-hot targets (b, c), mask (b, length).

        With `trim` the batch is cut to its longest row and `trim_margin` positions of padding, never above `length`:
        a convolution of width k sees the same windows with a margin of k - 1.
        """
        rows = rows.to(self.ids.device)
        lengths, width = self.lengths[rows], self.shape[0]
        if trim and len(rows):
            width = min(width, int(lengths.max()) + trim_margin)
        inputs = self._read(self.ids[rows, :width])
        targets = torch.nn.functional.one_hot(self.labels[rows], len(self.classes)).to(self.table.dtype)
        mask = torch.arange(width, device=rows.device) < lengths[:, None]
        return Batch(inputs, targets, mask=mask)

    def _read(self, ids: Int[Tensor, "b length"]) -> Tensor:
        return torch.nn.functional.embedding(ids, self.table)

    def batches(
        self, size: int, rows: Int[Tensor, " b"] | None = None, by_length: bool = True, trim_margin: int = 0
    ) -> Iterator[tuple[Int[Tensor, " part"], Batch]]:
        """All rows (or these) once, in trimmed batches of `size`, each with its row indices.

        Sorted by length unless told otherwise, so that little of a batch is padding.
        """
        if size < 1:
            raise DataError(f"batch size: {size}; allowed: 1 or more")
        rows = torch.arange(len(self), device=self.ids.device) if rows is None else rows.to(self.ids.device)
        if by_length:
            rows = rows[torch.argsort(self.lengths[rows], stable=True)]
        for part in torch.split(rows, size):
            if len(part):
                yield part, self.batch(part, trim=True, trim_margin=trim_margin)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> EmbeddedText:
        """The same texts on another device, the vectors as `dtype`."""
        moved = object.__new__(type(self))
        moved.__dict__.update(self.__dict__)
        moved.table = self.table.to(device, dtype)
        moved.ids, moved.lengths = self.ids.to(device), self.lengths.to(device)
        moved.labels = self.labels.to(device)
        return moved

    def spelled(self) -> WordIds:
        """The same texts for learners that look the words up themselves."""
        other = object.__new__(WordIds)
        other.__dict__.update(self.__dict__)
        other.shape = self.shape[:1]
        return other


class WordIds(EmbeddedText):
    """`EmbeddedText` whose inputs are the words: int32 (b, length), rows of `table`, in place of their vectors.

    Made by `EmbeddedText.spelled`. A row is then `d` times smaller, and a split goes through a network in one batch.
    """

    def _read(self, ids: Int[Tensor, "b length"]) -> Tensor:
        return ids


class Trimmed:
    """`EmbeddedText` whose batches are cut behind their longest sentence and sorted by length.

    For losses, which do not care about order: a learner then computes on little padding.
    """

    def __init__(self, text: EmbeddedText, margin: int):
        self.text, self.margin = text, margin
        self.classes, self.shape, self.labels = text.classes, text.shape, text.labels

    def __len__(self) -> int:
        return len(self.text)

    def batch(self, rows: Int[Tensor, " b"]) -> Batch:
        """The rows with these indices, shortest first."""
        order = torch.argsort(self.text.lengths[rows], stable=True)
        return self.text.batch(rows[order], trim=True, trim_margin=self.margin)
