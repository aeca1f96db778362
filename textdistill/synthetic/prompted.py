"""Texts by a pre-trained language model that learns nothing: shown a few of a class, it writes more."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from textdistill.core.errors import UserError
from textdistill.learners.pretrained.language_models import LanguageModel, start_of
from textdistill.synthetic.generator.sampling import REPLACEMENT, nucleus
from textdistill.synthetic.generator.settings import Sampling

BETWEEN = "\t"  # the texts of a pair: no text shown has one
BATCH = 64  # samples that are written behind one prompt
KEYS_AT_ONCE = 2**29  # bytes of keys and values that the samples of a prompt may hold
USUAL = 99.0  # percent of the training rows that a sample's length does not exceed
LONGEST = 96  # tokens of a sample all the same: of longer texts their first sentences are shown and written
_ENDS = re.compile(r"[.!?。！？…]+[\"'”»)]*(?=\s|$)")


@dataclass(frozen=True)
class Line:
    """A text of the task as a prompt shows it, and back: on one line, the second of a pair behind a tab."""

    paired: bool

    def shown(self, text: str, pair: str | None) -> str:
        """White space is single spaces, so that the line ends where the text does."""
        return BETWEEN.join(" ".join(part.split()) for part in ([text, pair or ""] if self.paired else [text]))

    def read(self, line: str) -> tuple[str, str | None] | str:
        """The text and its second one, or why the line is none: `empty`, `separator`, `broken`."""
        if REPLACEMENT in line:
            return "broken"
        parts = [part.strip() for part in line.split(BETWEEN)]
        if not any(parts):
            return "empty"
        if len(parts) != 1 + self.paired:
            return "separator"
        if not all(parts):
            return "empty"
        return parts[0], parts[1] if self.paired else None


class Prompted:
    """p(x | lines of a class) by a causal language model as it is.

    The model reads each prompt once; its keys serve all samples behind it. A line ends at the first token with a line
    break, or where the model ends its text. `length` is in tokens.
    """

    def __init__(self, causal: LanguageModel, paired: bool, sampling: Sampling, length: int):
        self.causal, self.line, self.sampling, self.length = causal, Line(paired), sampling, length
        self._device = causal.model.device
        self._ends = _endings(causal)

    @classmethod
    def of(
        cls, causal: LanguageModel, texts: Sequence[str], pairs: Sequence[str] | None, sampling: Sampling
    ) -> Prompted:
        """One whose samples are no longer than `sampling.length`, or than nearly all of these texts and `LONGEST`.

        Errors: `UserError` where texts are so long that the model could not read a prompt of two.
        """
        counted = _counted(causal, texts, pairs)
        length = sampling.length or min(1 + int(np.percentile(counted, USUAL, method="lower")), LONGEST)
        made = cls(causal, pairs is not None, sampling, length)
        if made.room < 1:
            raise UserError(
                f"choose.prompted.model: {causal.name} reads {made._longest} tokens, and a text has up to {length}; "
                "give a model that reads more, or choose.prompted.length"
            )
        return made

    def usual(self, texts: Sequence[str], pairs: Sequence[str] | None) -> float:
        """How many tokens such texts have on average, with the one that ends them, but not more than are written."""
        return float(np.minimum(_counted(self.causal, texts, pairs), self.length - 1).mean()) + 1

    @property
    def room(self) -> int:
        """Tokens that the lines of a prompt may have beside a sample's own; at least one line is wanted."""
        return self._longest - self.length - 1

    @property
    def _longest(self) -> int:
        return int(getattr(self.causal.model.config, "max_position_embeddings", None) or 2048)

    @torch.no_grad()
    def like(
        self, texts: Sequence[str], pairs: Sequence[str] | None, numbers: Float[Tensor, "n length"]
    ) -> tuple[list[str], list[str], dict[str, int]]:
        """A sample for each row of uniform numbers, one for a token, behind a prompt of these texts.

        Of a text that is longer than samples may be, its first sentences are shown. Texts that the model has no room
        for are left out, from the last. What is no text of the task is left out and counted: `unfinished`, `empty`,
        `separator` (not two texts in one of pairs), `broken`.
        """
        prompt = self._prompt(texts, pairs)
        out = self.causal.model(input_ids=torch.tensor([prompt], device=self._device), use_cache=True)
        first: list[str] = []
        second: list[str] = []
        redrawn: Counter[str] = Counter()
        for part in numbers.split(self._at_once(out.past_key_values, len(prompt))):
            for ended, written in self._written(copy.deepcopy(out.past_key_values), out.logits[:, -1], part):
                said = self.line.read(written) if ended else "unfinished"
                if isinstance(said, str):
                    redrawn[said] += 1
                    continue
                first.append(said[0])
                second += [] if said[1] is None else [said[1]]
        return first, second, dict(redrawn)

    def _prompt(self, texts: Sequence[str], pairs: Sequence[str] | None) -> list[int]:
        ids = [start_of(self.causal.tokenizer)]
        for text, pair in _both(texts, pairs):
            line = self.line.shown(self._begun(text), None if pair is None else self._begun(pair)) + "\n"
            own = self.causal.tokenizer(line, add_special_tokens=False, verbose=False)["input_ids"]
            if len(ids) > 1 and len(ids) + len(own) > self.room:
                break
            ids += own[: self.room]
        return ids

    def _begun(self, text: str) -> str:
        """The text, or the sentences (else words) that its share of a sample's tokens holds."""
        most = max(1, (self.length - 1) // (1 + self.line.paired))
        tokenizer = self.causal.tokenizer
        ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        if len(ids) <= most:
            return text
        said = str(tokenizer.decode(ids[:most])).rstrip(REPLACEMENT)
        ends = [found.end() for found in _ENDS.finditer(said)]
        return said[: ends[-1]] if ends else said.rsplit(maxsplit=1)[0]

    def _at_once(self, cache: Any, read: int) -> int:
        """How many samples are written side by side: as many as have room for their keys and values."""
        each = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers) / read
        return max(1, int(KEYS_AT_ONCE / (each * (read + self.length))))

    def _written(
        self, cache: Any, logits: Float[Tensor, "1 v"], numbers: Float[Tensor, "n length"]
    ) -> Iterator[tuple[bool, str]]:
        """Whether each line behind a prompt came to its end, and what it says; what is finished leaves the batch."""
        n, model = len(numbers), self.causal.model
        logits = logits.expand(n, -1)
        cache.batch_repeat_interleave(n)
        alive = torch.arange(n)
        tokens: list[list[int]] = [[] for _ in range(n)]
        ends = [False] * n
        for step in range(numbers.shape[1]):
            chosen = nucleus(logits.float(), numbers[alive, step].to(self._device), self.sampling).cpu()
            going = ~self._ends[chosen]
            for row, token, goes in zip(alive.tolist(), chosen.tolist(), going.tolist(), strict=True):
                if goes:
                    tokens[row].append(token)
                else:
                    ends[row] = True
            if step + 1 == numbers.shape[1] or not bool(going.any()):
                break
            if not bool(going.all()):
                cache.batch_select_indices(going.nonzero()[:, 0].to(self._device))
                alive, chosen = alive[going], chosen[going]
            seen = model(input_ids=chosen[:, None].to(self._device), past_key_values=cache, use_cache=True)
            cache, logits = seen.past_key_values, seen.logits[:, -1]
        yield from zip(ends, self.causal.tokenizer.batch_decode(tokens, skip_special_tokens=True), strict=True)


def _counted(causal: LanguageModel, texts: Sequence[str], pairs: Sequence[str] | None) -> list[int]:
    """Tokens of each text's line, without its end."""
    line = Line(pairs is not None)
    lines = [line.shown(text, pair) for text, pair in _both(texts, pairs)]
    return [len(ids) for ids in causal.tokenizer(lines, add_special_tokens=False, verbose=False)["input_ids"]]


def _both(texts: Sequence[str], pairs: Sequence[str] | None) -> Iterator[tuple[str, str | None]]:
    """Each text with its second one, if the task is of pairs."""
    return zip(texts, [None] * len(texts) if pairs is None else pairs, strict=True)


def _endings(causal: LanguageModel) -> Tensor:
    """Which tokens end a line: those with a line break in them, and the special ones; (vocabulary of the model,)."""
    tokenizer, rows = causal.tokenizer, causal.model.get_output_embeddings().weight.shape[0]
    ends = torch.ones(rows, dtype=torch.bool)  # rows that no token has say nothing
    known = range(min(rows, len(tokenizer)))
    special = set(tokenizer.all_special_ids)
    for token, said in zip(known, tokenizer.batch_decode([[token] for token in known]), strict=True):
        ends[token] = "\n" in said or token in special
    return ends
