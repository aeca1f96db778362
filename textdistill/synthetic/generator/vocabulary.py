"""Texts to tokens and back: a tokenizer with a token for each class, one between two sentences and one at the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import repeat
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

from textdistill.core.errors import DataError, UserError
from textdistill.synthetic.generator.sentences import Sentences, Texts

USUAL = 99  # percent of the rows that are no longer than `usual`
CHUNK = 1000  # texts at a time


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """A tokenizer, and behind its tokens `<bos_0>` … `<bos_c−1>`, `<sep>` and, where it has none of its own, `<eos>`.

    The tokenizer knows nothing of these, so a text that says `<sep>` is plain text. `base` is the number of the
    tokenizer's own tokens (and of the rows of a model's embedding), `classes` that of classes; `pairs` is whether rows
    have two sentences. Rows are cut to `longest` tokens; 99 % of the training rows have at most `usual` after their
    class token.
    """

    tokenizer: Tokenizer
    base: int
    classes: int
    pairs: bool
    longest: int
    usual: int
    own_eos: int | None = None

    @staticmethod
    def learn(table: Texts, size: int, longest: int) -> Vocabulary:
        """A byte-level vocabulary (BPE) of `size` tokens from the texts of a table: any text has its tokens."""
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        trainer = trainers.BpeTrainer(
            vocab_size=size, min_frequency=2, initial_alphabet=alphabet, special_tokens=[], show_progress=False
        )
        tokenizer.train_from_iterator([*table.texts, *(table.pairs or [])], trainer)
        plain = Vocabulary(
            tokenizer, tokenizer.get_vocab_size(), len(table.classes), table.pairs is not None, longest, longest
        )
        return plain._measured(table)

    @staticmethod
    def extend(name: str, pretrained: Any, rows: int, table: Texts, longest: int) -> Vocabulary:
        """The vocabulary of a pre-trained model whose embedding has `rows`; `pretrained` is its tokenizer.

        Raises `UserError` for a tokenizer of the slow kind.
        """
        backend = getattr(pretrained, "backend_tokenizer", None)
        if not isinstance(backend, Tokenizer):
            raise UserError(f"model {name!r}: its tokenizer has no tokenizer.json; give a model that has")
        tokenizer = plain_tokenizer(backend.to_str())
        base = max(rows, tokenizer.get_vocab_size(with_added_tokens=True))
        eos = pretrained.eos_token_id
        plain = Vocabulary(tokenizer, base, len(table.classes), table.pairs is not None, longest, longest, eos)
        return plain._measured(table)

    @property
    def sep(self) -> int:
        """The token between two sentences."""
        return self.base + self.classes

    @property
    def eos(self) -> int:
        """The token at the end."""
        return self.base + self.classes + 1 if self.own_eos is None else self.own_eos

    @property
    def size(self) -> int:
        """Tokens in all: the rows of the model's embedding."""
        return self.base + self.classes + (2 if self.own_eos is None else 1)

    def bos(self, label: int) -> int:
        """The first token of a sentence of class `label`."""
        if not 0 <= label < self.classes:
            raise DataError(f"label {label}; allowed: 0 to {self.classes - 1}, the classes of this vocabulary")
        return self.base + label

    @cached_property
    def sayable(self) -> Bool[Tensor, " size"]:
        """Which tokens can stand for a part of a text."""
        known = torch.zeros(self.size, dtype=torch.bool)
        known[list(self.tokenizer.get_vocab(with_added_tokens=True).values())] = True
        special = self.tokenizer.get_added_tokens_decoder()
        known[[number for number, token in special.items() if token.special]] = False
        return known

    def encode_table(self, table: Texts) -> Sentences:
        """Every row of a table."""
        return self.encode(table.texts, table.pairs, table.labels)

    def encode(
        self, texts: Sequence[str], pairs: Sequence[str] | None, labels: Sequence[int] | np.ndarray
    ) -> Sentences:
        """Rows `<bos_c> sentence [<sep> sentence2] <eos>`; of a row that is too long the longer sentence is cut first.

        Raises `DataError` where the columns differ in length, a label is no class, or pairs are there and should not
        be, or the other way round.
        """
        numbers = [int(label) for label in labels]
        if len(texts) != len(numbers) or (pairs is not None and len(pairs) != len(texts)):
            raise DataError(f"{len(texts)} texts with {len(numbers)} labels; every text needs its own")
        if (pairs is not None) != self.pairs:
            sentences = "two sentences" if self.pairs else "one sentence"
            raise DataError(
                f"this vocabulary is of rows with {sentences}; {'none' if pairs is None else 'a'} second was given"
            )
        seconds: Iterable[list[int]] = repeat([]) if pairs is None else self._tokens(pairs)
        room = self.longest - (3 if self.pairs else 2)
        rows = []
        for label, first, second in zip(numbers, self._tokens(texts), seconds, strict=pairs is not None):
            keep = min(len(first), max(room - len(second), room - room // 2))
            tail = [self.sep, *second[: room - keep]] if self.pairs else []
            rows.append([self.bos(label), *first[:keep], *tail, self.eos])
        return Sentences.of(rows, numbers)

    def decode(self, sentences: Sentences) -> tuple[list[str], list[str] | None]:
        """The texts of each row, and the second ones where the task has pairs (empty where a row has no `<sep>`)."""
        firsts, seconds = [], []
        for ids, mask in zip(sentences.ids.numpy(), sentences.mask.numpy(), strict=True):
            row = ids[mask][1:]
            cut = int(np.argmax(row == self.sep)) if (row == self.sep).any() else len(row)
            firsts.append(self._said(row[:cut]))
            seconds.append(self._said(row[cut:]))
        texts = self.tokenizer.decode_batch(firsts, skip_special_tokens=False)
        return texts, self.tokenizer.decode_batch(seconds, skip_special_tokens=False) if self.pairs else None

    def _said(self, row: np.ndarray) -> list[int]:
        return list(row[self.sayable.numpy()[row]].tolist())

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        out: list[list[int]] = []
        for at in range(0, len(texts), CHUNK):  # what the library gives for a text is much larger than its numbers
            encoded = self.tokenizer.encode_batch_fast(list(texts[at : at + CHUNK]), add_special_tokens=False)
            out.extend(one.ids for one in encoded)
        return out

    def _measured(self, table: Texts) -> Vocabulary:
        lengths = self.encode_table(table).lengths
        return replace(self, usual=int(np.percentile(lengths.numpy(), USUAL, method="higher")))


def plain_tokenizer(content: str) -> Tokenizer:
    """A tokenizer from its JSON that cuts and fills up nothing, and for which no text holds a special token."""
    tokenizer = Tokenizer.from_str(content)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    return tokenizer
