"""How likely a language model finds each label word after a prompt; what prompts share is read once."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from textdistill.core.errors import UserError
from textdistill.data.sets.text_set import TextSet
from textdistill.evaluation.fluency import Causal
from textdistill.export import Wording
from textdistill.in_context.calibration import Calibration

TOKENS_AT_ONCE = 1024  # of questions: more at once is no faster on a CPU
KEYS_AT_ONCE = 2**29  # bytes of keys and values that a batch may hold


@dataclass(frozen=True)
class _Asked:
    """One question as tokens: all that stands before the label, and for each class what its word adds."""

    before: list[int]
    words: list[list[int]]


class Likelihood:
    """log p(label word | prompt) for every class, by one causal language model.

    For class c with word tokens w_1 … w_m: Σ_j log p(w_j | prompt, w_1 … w_(j−1)), divided by m if `per_token`. The
    tokens that all prompts of a call begin with are read once, and their keys and values serve all rows; the same holds
    for a row and its label words. `reuse=False` reads every prompt as a whole, with the same values, and so does a
    model that keeps no keys, or whose window is shorter than the prompt. Logits are taken in float32 at least: labels
    differ by less than bfloat16 tells apart.

    Errors: `UserError` where a prompt is longer than the model can read.
    """

    def __init__(
        self, causal: Causal, *, per_token: bool = False, reuse: bool = True, tokens_at_once: int = TOKENS_AT_ONCE
    ):
        self.name, self.per_token, self.tokens_at_once = causal.name, per_token, tokens_at_once
        self._model, self._tokenizer = causal.model, causal.tokenizer
        self._takes = set(inspect.signature(self._model.forward).parameters)
        self._reuse = reuse and _keeps_keys(self._model, self._takes)
        # Keys that a window drops cannot be shared; before it is full, nothing is dropped.
        self._window = getattr(self._model.config, "sliding_window", None) or math.inf
        self._head: tuple[Tensor, Tensor | None] | None = None

    def in_words(
        self, wording: Wording, shots: TextSet, rows: TextSet, *, calibration: Calibration | None = None
    ) -> Float[np.ndarray, "n c"]:
        """The scores of `rows` behind `shots` (of no sample: zero-shot), in the order of the wording's classes.

        With a `calibration` they are log-probabilities among the label words, freed of what the prompt prefers whatever
        the row says.
        """
        if rows.classes != wording.classes or shots.classes != wording.classes:
            raise UserError(f"classes: {rows.classes} asked by words for {wording.classes}; they must be the same")
        reference = [] if calibration is None else calibration.questions(wording)
        # What is asked twice is read once: rows that choices are made by may be those of the calibration.
        questions = wording.questions(rows)
        asked = list(dict.fromkeys([*reference, *questions]))
        place = {question: number for number, question in enumerate(asked)}
        answers = [wording.gap + word for word in wording.label_words]
        every = self.scores(wording.prefix(shots), asked, answers)
        scores: np.ndarray = every[[place[question] for question in questions]]
        if calibration is None:
            return scores
        return calibration(scores, every[[place[question] for question in reference]])

    @torch.no_grad()
    def scores(self, prefix: str, questions: Sequence[str], answers: Sequence[str]) -> Float[np.ndarray, "n c"]:
        """The score of every answer after `prefix + question`, for every question, in float64."""
        asked = self._tokens(prefix, questions, answers)
        scores = np.zeros((len(questions), len(answers)))
        reuse = self._reuse and max(len(row.before) + max(map(len, row.words)) for row in asked) <= self._window
        shared = _shared([row.before[:-1] for row in asked]) if reuse else 0
        with self._wide_logits():
            keys = self._read(asked[0].before[:shared]) if shared else None
            for rows in self._batches(asked, shared, keys):
                batch = [asked[row] for row in rows]
                scores[rows] = self._with_keys(batch, shared, keys) if reuse else self._whole(batch)
        if self.per_token:
            scores /= np.array([[len(word) for word in row.words] for row in asked])
        return scores

    def _tokens(self, prefix: str, questions: Sequence[str], answers: Sequence[str]) -> list[_Asked]:
        """Whole prompts as tokens: those of a label word need not be the ones that it has on its own."""
        if not questions or not answers:
            raise UserError("a language model is asked about at least one row and one label word; give some")
        contexts = [prefix + question for question in questions]
        texts = [text + tail for text in contexts for tail in ("", *answers)]
        ids = self._tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        start = self._start()
        longest = getattr(self._model.config, "max_position_embeddings", None)
        asked = []
        for row in range(len(questions)):
            first, *whole = ids[row * (1 + len(answers)) : (row + 1) * (1 + len(answers))]
            common = min(_shared([first, *whole]), min(map(len, whole)) - 1)
            before = [*start, *whole[0][:common]]
            if not before:  # nothing to go on from: the token that texts begin with
                begins, ends = self._tokenizer.bos_token_id, self._tokenizer.eos_token_id
                before = [ends if begins is None else begins]
            asked.append(_Asked(before, [ids_of_word[common:] for ids_of_word in whole]))
            needed = len(before) + max(len(word) for word in asked[-1].words)
            if longest is not None and needed > longest:
                raise UserError(
                    f"{questions[row][:40]!r}: {needed} tokens with its prompt; {self.name} reads {longest} at most: "
                    "give fewer shots or shorter texts"
                )
        return asked

    def _start(self) -> list[int]:
        """The token of beginning, for models whose tokenizer puts it before every text."""
        first = self._tokenizer("a")["input_ids"][:1]
        return first if first and first[0] == self._tokenizer.bos_token_id else []

    def _batches(self, asked: Sequence[_Asked], shared: int, keys: Any) -> Iterator[np.ndarray]:
        """Rows of like length together, as many as fit."""
        lengths = np.array([len(row.before) for row in asked])
        order = np.argsort(lengths, kind="stable")
        each = 0 if keys is None else sum(layer.keys.nbytes + layer.values.nbytes for layer in keys.layers) // shared
        while len(order):
            longest = int(lengths[order[-1]])
            size = self.tokens_at_once // (longest - shared)
            if each:
                size = min(size, KEYS_AT_ONCE // (each * longest))
            size = max(1, size)
            yield order[-size:]
            order = order[:-size]

    def _read(self, ids: list[int]) -> Any:
        """Keys and values of the tokens that all prompts begin with, for a batch of one."""
        from transformers import DynamicCache

        tokens = torch.tensor([ids], device=self._model.device)
        keys = DynamicCache()
        self._model(input_ids=tokens, past_key_values=keys, use_cache=True, **self._only(torch.tensor([0])))
        return keys

    def _with_keys(self, batch: Sequence[_Asked], shared: int, keys: Any) -> Float[np.ndarray, "b c"]:
        """First the rows' own tokens behind the shared ones, then each label word's behind the rows'."""
        from transformers import DynamicCache

        own = [row.before[shared:] for row in batch]
        lengths = torch.tensor([len(ids) for ids in own])
        ids, real = self._padded(own)
        seen = torch.cat([torch.ones(len(batch), shared, dtype=torch.bool), real], 1)
        grown = DynamicCache() if keys is None else _copied(keys, len(batch))
        places = (shared + torch.arange(ids.shape[1])).expand(len(batch), -1)
        logits = self._logits(ids, seen, places, (lengths - 1)[:, None], grown)[:, 0]
        first = torch.log_softmax(logits, -1)
        scores = np.zeros((len(batch), len(batch[0].words)))
        for label in range(scores.shape[1]):
            words = [row.words[label] for row in batch]
            likely = first.gather(1, torch.tensor([[word[0]] for word in words], device=first.device))[:, 0]
            if max(map(len, words)) > 1:
                tails, inside = self._padded([word[:-1] for word in words])
                after = shared + lengths[:, None] + torch.arange(tails.shape[1])
                every = torch.arange(tails.shape[1]).expand(len(batch), -1)
                again = _copied(grown)
                logits = self._logits(tails, torch.cat([seen, inside], 1), after, every, again)
                wanted, counted = self._padded([word[1:] for word in words])
                each = -F.cross_entropy(logits.transpose(1, 2), wanted.to(logits.device), reduction="none")
                likely = likely + (each * counted.to(each.device)).sum(1)
            scores[:, label] = likely.double().cpu().numpy()
        return scores

    def _whole(self, batch: Sequence[_Asked]) -> Float[np.ndarray, "b c"]:
        """Every row with every label word as a text of its own."""
        scores = np.zeros((len(batch), len(batch[0].words)))
        for label in range(scores.shape[1]):
            texts = [row.before + row.words[label] for row in batch]
            ids, real = self._padded([text[:-1] for text in texts])
            most = max(len(row.words[label]) for row in batch)
            starts = torch.tensor([len(row.before) - 1 for row in batch])
            places = (starts[:, None] + torch.arange(most)).clamp(max=ids.shape[1] - 1)
            logits = self._logits(ids, real, None, places, None)
            wanted, counted = self._padded([row.words[label] for row in batch])
            each = -F.cross_entropy(logits.transpose(1, 2), wanted.to(logits.device), reduction="none")
            scores[:, label] = (each * counted.to(each.device)).sum(1).double().cpu().numpy()
        return scores

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[Int[Tensor, "b l"], Tensor]:
        """Rows padded on the right, and which of their tokens are real."""
        width = max(1, *map(len, rows))
        ids = torch.zeros(len(rows), width, dtype=torch.long)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = torch.tensor(row, dtype=torch.long)
        return ids, torch.arange(width) < torch.tensor([len(row) for row in rows])[:, None]

    def _logits(
        self, ids: Tensor, seen: Tensor, places: Tensor | None, wanted: Int[Tensor, "b m"], keys: Any
    ) -> Float[Tensor, "b m v"]:
        """The logits at the `wanted` positions of each row; rows see what `seen` marks, of the keys first."""
        device = self._model.device
        given: dict[str, Any] = {"input_ids": ids.to(device), "attention_mask": seen.long().to(device)}
        if places is not None:
            given["position_ids"] = places.to(device)
        if keys is not None:
            given |= {"past_key_values": keys, "use_cache": True}
        elif "use_cache" in self._takes:
            given["use_cache"] = False
        where = wanted.to(device)[:, :, None]
        with self._only_at(where) as narrowed:
            logits: Tensor = self._model(**given).logits
        if not narrowed:
            logits = logits.gather(1, where.expand(-1, -1, logits.shape[-1]))
        return logits if logits.dtype == torch.float64 else logits.float()

    def _only(self, places: Int[Tensor, " k"]) -> dict[str, Tensor]:
        """Logits at these positions alone, from models that can leave the others out."""
        return {"logits_to_keep": places.to(self._model.device)} if "logits_to_keep" in self._takes else {}

    @contextmanager
    def _only_at(self, where: Int[Tensor, "b m 1"]) -> Iterator[bool]:
        """Within the block the last layer is given these positions of each row alone, if the model has one such layer.

        A vocabulary is the widest of all layers: on every position it would cost more than what lies below it.
        """
        last = self._model.get_output_embeddings()
        if not isinstance(last, torch.nn.Linear):
            yield False
            return

        def narrowed(_: torch.nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return (inputs[0].gather(1, where.expand(-1, -1, inputs[0].shape[-1])), *inputs[1:])

        hook = last.register_forward_pre_hook(narrowed)
        try:
            yield True
        finally:
            hook.remove()

    @contextmanager
    def _wide_logits(self) -> Iterator[None]:
        """Within the block the last layer of a model in half precision multiplies in float32."""
        last = self._model.get_output_embeddings()
        if not isinstance(last, torch.nn.Linear) or last.weight.dtype not in (torch.bfloat16, torch.float16):
            yield
            return
        if self._head is None:
            self._head = (last.weight.float(), None if last.bias is None else last.bias.float())
        weight, bias = self._head

        def widened(_: torch.nn.Module, inputs: tuple[Tensor, ...], __: Tensor) -> Tensor:
            return F.linear(inputs[0].float(), weight, bias)

        hook = last.register_forward_hook(widened)
        try:
            yield
        finally:
            hook.remove()


def _keeps_keys(model: Any, takes: set[str]) -> bool:
    """Whether the past of the model is keys and values by position, which can be read on from and shared."""
    kinds = set(getattr(model.config, "layer_types", None) or ())
    plain = kinds <= {"full_attention", "sliding_attention"} and not getattr(model, "_is_stateful", False)
    return plain and {"past_key_values", "position_ids", "attention_mask"} <= takes


def _copied(keys: Any, rows: int | None = None) -> Any:
    """Keys that grow on their own; those of one row stand for all `rows`, without a copy of their values."""
    made = copy.copy(keys)
    made.layers = [copy.copy(layer) for layer in keys.layers]
    if rows is not None:
        for layer in made.layers:
            layer.keys = layer.keys.expand(rows, -1, -1, -1)
            layer.values = layer.values.expand(rows, -1, -1, -1)
    return made


def _shared(rows: Sequence[list[int]]) -> int:
    """How many first tokens all rows have in common."""
    least, most = min(rows), max(rows)  # in the order of lexica: what these two share, all share
    for place, tokens in enumerate(zip(least, most, strict=False)):
        if tokens[0] != tokens[1]:
            return place
    return min(len(least), len(most))
