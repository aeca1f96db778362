"""What is trained on a readable set and scored on test rows: a frozen encoder, a fine-tuned one, networks on GloVe."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import embeddings
from textdistill.core.batch import Batch
from textdistill.core.errors import UserError, did_you_mean
from textdistill.core.precision import Precision, products_in
from textdistill.core.streams import Streams
from textdistill.data import TextTable, table_tokens
from textdistill.data.sets.text_set import TextSet
from textdistill.evaluation.scores import score
from textdistill.evaluation.settings import Ordinary
from textdistill.evaluation.traditional import logistic
from textdistill.evaluation.training import predict, train_by_adam
from textdistill.learners import LEARNERS, make_learner
from textdistill.learners.linear_head import PENALTY, fit_head
from textdistill.learners.pooling import pooled
from textdistill.learners.pretrained.encoder_files import PACKAGED, load_model, longest_of, model_folder
from textdistill.learners.pretrained.frozen_encoder import Encoder
from textdistill.learners.word_counts import one_text, word_counts
from textdistill.representations.embedded_text import EmbeddedText

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

QUICK_STEPS, QUICK_LR = 60, 1e-4
WORD_NETWORKS = ("text_conv", "bi_lstm", "bi_rnn", "mlp")
VECTORS = "glove-6b-50d"
LabelledTexts = TextSet | TextTable


class TextLearner(Protocol):
    """Whatever learns from a set and is scored on test rows.

    `name` is what tables call it; `determined` says that a set has one score, whatever the seed. `prepare` is told of
    all sets before the first is scored.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def determined(self) -> bool: ...  # noqa: D102

    def prepare(self, sets: Iterable[TextSet]) -> None:
        """Do at once what would otherwise be done set by set."""
        ...

    def score(self, distilled: TextSet, test: TextTable, seed: int, metrics: Sequence[str]) -> dict[str, float]:
        """The metrics on all test rows, in percent, after learning from the set."""
        ...


@dataclass(frozen=True)
class Frozen:
    """A linear head on the features of an encoder that never changes: one convex minimum, so one score for a set.

    min_W,b Σ_i 1/n Σ_c y_ic (−log softmax(Wφ(x_i) + b)_c) + ½ λ‖W‖² with λ = `penalty` and φ of unit length (`Encoder`,
    `fit_head`). Features are kept for as long as this object is.
    """

    encoder: str = PACKAGED
    penalty: float = PENALTY
    device: str = "cpu"
    determined: bool = field(default=True, init=False)
    _known: dict[tuple[str, str | None], Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)
    _tests: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """`frozen:ENCODER`."""
        return f"frozen:{self.encoder}"

    def prepare(self, sets: Iterable[TextSet]) -> None:
        """Encode the texts of all sets in one call."""
        wanted = dict.fromkeys(key for one in sets for key in one.parts if key not in self._known)
        for paired in (False, True):
            keys = [key for key in wanted if (key[1] is not None) == paired]
            if keys:
                seconds = [str(second) for _, second in keys] if paired else None
                found = _encoder(self.encoder, self.device).features([first for first, _ in keys], seconds)
                self._known.update(zip(keys, found, strict=True))

    def features(self, distilled: TextSet) -> Tensor:
        """φ of every sample, (n, f)."""
        self.prepare([distilled])
        return torch.stack([self._known[key] for key in distilled.parts])

    def score(self, distilled: TextSet, test: TextTable, seed: int, metrics: Sequence[str]) -> dict[str, float]:
        """The head's metrics on the test rows, in percent; `seed` changes nothing."""
        return score(metrics, self.predict(distilled, test), test.labels)

    def predict(self, distilled: TextSet, test: TextTable) -> Tensor:
        """The class that the head gives to each test row, (n,)."""
        return self.logits(distilled, test).argmax(1)

    def logits(self, distilled: TextSet, rows: TextTable) -> Tensor:
        """The scores of the head that the set teaches on each row, (n, c)."""
        if rows.fingerprint not in self._tests:
            self._tests[rows.fingerprint] = _encoder(self.encoder, self.device).features(rows.texts, rows.pairs)
        head = fit_head(self.features(distilled), torch.from_numpy(distilled.targets), self.penalty)
        return head.logits(self._tests[rows.fingerprint])


@dataclass(frozen=True)
class FineTuned:
    """A pre-trained encoder with a fresh linear head, all of whose weights train (DiLM's evaluation, section 4).

    h is the mean over the last states of a text's tokens (the first token's with `pool="cls"`), z = Wh + b; soft
    cross-entropy, AdamW, the rate rising over the first `warmup` of the steps and falling to zero as a cosine,
    gradients clipped to the norm `clip`, dropout in every layer and before the head. A set smaller than `batch` is one
    batch. Texts are cut to `length` tokens.

    Matrices are multiplied as `precision` says, by which scores move a little. The
    defaults are the paper's, for BERT-base by another pooling; `quick` is fewer steps.
    """

    model: str = PACKAGED
    steps: int = 200
    batch: int = 64
    lr: float = 1e-4
    warmup: float = 0.5
    weight_decay: float = 0.01
    clip: float = 1.0
    dropout: float = 0.1
    length: int = 128
    pool: str = "mean"
    precision: Precision = "auto"
    device: str = "cpu"
    determined: bool = field(default=False, init=False)
    _tests: dict[str, list[tuple[list[int], dict[str, Tensor]]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def quick(cls, model: str = PACKAGED) -> FineTuned:
        """As many steps as two cores have patience for."""
        return cls(model, steps=QUICK_STEPS, lr=QUICK_LR)

    @property
    def name(self) -> str:
        """`finetuned:MODEL`."""
        return f"finetuned:{self.model}"

    def prepare(self, sets: Iterable[TextSet]) -> None:
        """Nothing can be shared."""

    def score(self, distilled: TextSet, test: TextTable, seed: int, metrics: Sequence[str]) -> dict[str, float]:
        """The metrics of one fine-tuned network on the test rows, in percent; head, order and dropout follow `seed`."""
        with torch.random.fork_rng(devices=[]):  # a library's own layers draw from the process's stream
            torch.manual_seed(seed)
            network = self.train(distilled)
        return score(metrics, self._predict(network, test), test.labels)

    def train(self, distilled: TextSet) -> nn.Module:
        """The network after its steps on the set, by the process's random stream."""
        tokenizer, body = _pretrained(self.model, self.dropout)
        network = _Classifier(copy.deepcopy(body), len(distilled.classes), self)
        network.requires_grad_(True).to(self.device).train()
        decayed = [value for value in network.parameters() if value.dim() > 1]
        plain = [value for value in network.parameters() if value.dim() < 2]  # biases and norms, as is usual
        groups = [{"params": decayed, "weight_decay": self.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=self.lr, fused=True)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)
        targets = torch.from_numpy(distilled.targets).float().to(self.device)
        for rows in self._orders(len(distilled)):
            tokens = self._tokens(tokenizer, distilled, rows)
            with products_in(torch.device(self.device), self.precision):
                logits = network(tokens).float()
            loss = -(targets[rows] * F.log_softmax(logits, dim=1)).sum(1).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), self.clip)
            optimizer.step()
            schedule.step()
        return network.eval()

    def _rate(self, step: int) -> float:
        """The share of `lr` at a step: a line up, half a cosine down."""
        rise = self.warmup * self.steps
        if step < rise:
            return (step + 1) / max(1.0, rise)
        return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1.0, self.steps - rise)))

    def _orders(self, n: int) -> Iterator[list[int]]:
        """Batches of rows, every row once in each pass, until the steps are done."""
        waiting: list[list[int]] = []
        for _ in range(self.steps):
            if not waiting:
                order = torch.randperm(n).tolist()
                waiting = [order[at : at + self.batch] for at in range(0, n, self.batch)]
            yield waiting.pop(0)

    def _tokens(self, tokenizer: Any, rows: LabelledTexts, places: Sequence[int]) -> dict[str, Tensor]:
        second = None if rows.pairs is None else [rows.pairs[place] for place in places]
        longest = min(self.length, _longest(self.model))
        told = {"padding": True, "truncation": True, "max_length": longest, "return_tensors": "pt"}
        found: dict[str, Tensor] = dict(tokenizer([rows.texts[place] for place in places], second, **told))
        return {name: value.to(self.device) for name, value in found.items()}

    @torch.no_grad()
    def _predict(self, network: nn.Module, test: TextTable) -> Tensor:
        if test.fingerprint not in self._tests:
            tokenizer, _ = _pretrained(self.model, self.dropout)
            order = sorted(range(len(test)), key=lambda row: len(test.texts[row]))  # little of a batch is padding
            parts = [order[at : at + self.batch] for at in range(0, len(order), self.batch)]
            self._tests[test.fingerprint] = [(part, self._tokens(tokenizer, test, part)) for part in parts]
        out = torch.empty(len(test), dtype=torch.long)
        for part, tokens in self._tests[test.fingerprint]:
            with products_in(torch.device(self.device), self.precision):
                out[part] = network(tokens).argmax(1).cpu()
        return out


@cache
def _longest(model: str) -> int:
    """Tokens after which the model's texts are cut; its files are looked at once."""
    return longest_of(model_folder(model))


class _Classifier(nn.Module):
    """A transformer, its states pooled, dropout, a fresh linear layer."""

    def __init__(self, body: Any, classes: int, settings: FineTuned):
        super().__init__()
        self.body, self.pool = body, settings.pool
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(int(body.config.hidden_size), classes)
        nn.init.normal_(self.head.weight, std=0.02)  # as the encoder's own layers began
        nn.init.zeros_(self.head.bias)

    def forward(self, tokens: dict[str, Tensor]) -> Tensor:
        """The logits, (n, c)."""
        states = self.body(**tokens).last_hidden_state
        logits: Tensor = self.head(self.dropout(pooled(states, tokens["attention_mask"].bool(), self.pool)))
        return logits


@dataclass(frozen=True)
class WordNet:
    """A network of this package on word vectors, from fresh weights: what transfers to a model that knows no language.

    `kind` is `text_conv`, `bi_lstm`, `bi_rnn` or `mlp` with its own settings; `steps` steps of Adam at the rate `lr` on
    the whole set at once, as `train_by_adam`. Words without a vector are left out, texts cut to `length` words.
    """

    kind: str = "text_conv"
    vectors: str = VECTORS
    steps: int = 100
    lr: float = 0.001
    length: int = 100
    determined: bool = field(default=False, init=False)
    _tests: dict[str, EmbeddedText] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.kind not in WORD_NETWORKS:
            raise UserError(
                f"network {self.kind!r} is unknown{did_you_mean(self.kind, WORD_NETWORKS)}; "
                f"known: {', '.join(WORD_NETWORKS)}"
            )

    @property
    def name(self) -> str:
        """`KIND:VECTORS`."""
        return f"{self.kind}:{self.vectors}"

    def prepare(self, sets: Iterable[TextSet]) -> None:
        """Nothing can be shared."""

    def score(self, distilled: TextSet, test: TextTable, seed: int, metrics: Sequence[str]) -> dict[str, float]:
        """The metrics of one network on the test rows, in percent; its first weights follow `seed`."""
        text = self._embedded(distilled)
        network: Any = LEARNERS[self.kind]
        learner = make_learner(network, network.Settings(), text.shape, len(distilled.classes))
        batch = text.batch(torch.arange(len(text)), trim=True, trim_margin=learner.margin)
        batch = Batch(batch.inputs, torch.from_numpy(distilled.targets).to(batch.inputs), mask=batch.mask)
        start = learner.init(Streams(seed).torch("theta0"))
        params = train_by_adam(batch, learner, start, Ordinary(self.steps, self.lr))
        if test.fingerprint not in self._tests:
            self._tests[test.fingerprint] = self._embedded(test)
        return score(metrics, predict(learner, params, self._tests[test.fingerprint]), test.labels)

    def _embedded(self, rows: LabelledTexts) -> EmbeddedText:
        table = TextTable("", rows.classes, rows.texts, rows.pairs, rows.labels)
        tokens, vectors = table_tokens(table), _vectors(self.vectors)
        words = [word for word in dict.fromkeys(chain.from_iterable(tokens)) if word in vectors.index]
        matrix = torch.from_numpy(vectors.matrix[[vectors.index[word] for word in words]])
        return EmbeddedText(tokens, table.labels, table.classes, words, matrix, self.length)


@dataclass(frozen=True)
class BagOfWords:
    """TF-IDF with logistic regression: what a set teaches to a learner that knows no language at all.

    Words and pairs of neighbouring words (`evaluation.traditional`), the texts of a pair joined; hard labels. One
    convex minimum, so one score for a set.
    """

    determined: bool = field(default=True, init=False)
    _tests: dict[str, csr_matrix] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """`tfidf`."""
        return "tfidf"

    def prepare(self, sets: Iterable[TextSet]) -> None:
        """Nothing can be shared."""

    def score(self, distilled: LabelledTexts, test: TextTable, seed: int, metrics: Sequence[str]) -> dict[str, float]:
        """The metrics on the test rows, in percent, after learning from these texts; `seed` changes nothing."""
        if test.fingerprint not in self._tests:
            self._tests[test.fingerprint] = word_counts(one_text(test.texts, test.pairs))
        return logistic(
            word_counts(one_text(distilled.texts, distilled.pairs)),
            distilled.labels,
            self._tests[test.fingerprint],
            test.labels,
            seed=0,
            metrics=metrics,
        )


@cache
def _encoder(name: str, device: str) -> Encoder:
    return Encoder(name, device=device)


@cache
def _vectors(name: str) -> embeddings.WordVectors:
    return embeddings.load(name)


@lru_cache(maxsize=1)
def _pretrained(name: str, dropout: float) -> tuple[Any, Any]:
    return load_model(name, model_folder(name), dropout=dropout)
