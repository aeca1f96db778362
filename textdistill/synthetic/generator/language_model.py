"""The generator's first training: to write sentences like the training rows of each class (the paper's 3.2)."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from textdistill.core import stopping
from textdistill.core.bounds import faults_of
from textdistill.core.checkpoint import is_there, load_checkpoint, save_checkpoint
from textdistill.core.errors import ArtifactError, DataError, DivergenceError, UserError
from textdistill.core.outer import Outer, learning_rate
from textdistill.core.precision import product_type, products_in
from textdistill.core.streams import Streams
from textdistill.synthetic.generator.generator import Generator
from textdistill.synthetic.generator.sentences import Sentences, Texts
from textdistill.synthetic.generator.settings import FRESH_LR, PRETRAINED_LR, SMALL, LanguageModelStage

POOL = 32  # batches among which sentences of similar length are put together
OnStep = Callable[[int, dict[str, float]], None]


@dataclass
class _Memory:
    """What is carried from step to step beside the weights and the optimiser."""

    step: int = 0
    best: float = math.inf
    best_step: int = 0
    looks_since: int = 0
    tokens: int = 0
    seconds: float = 0.0
    finished: bool = False
    history: list[dict[str, float | int]] = field(default_factory=list)


@stopping.between_steps()
def train_language_model(
    generator: Generator,
    train: Texts,
    validation: Texts,
    settings: LanguageModelStage,
    streams: Streams,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    on_step: OnStep | None = None,
) -> dict[str, Any]:
    """Minimise the mean of l_φ(x_i) (Eq. 1) over batches of training rows; the weights end as the best ones seen.

    `checkpoint` is the file that holds all that changes; `resume` goes on from it, where it is there, to the same bits.
    `on_step` is told the step (from 0) and its `loss`, `lr` and, where it was taken, `perplexity`.

    Returns `perplexity` (of the validation rows, by token: exp of −Σ log p / Σ|x|), `best_step`, `steps`, `of_steps`,
    `stopped_early`, `tokens`, `seconds`, `tokens_per_second`, `cut` (training rows that were too long) and `history`
    (step, loss and perplexity of each look).

    Errors: `UserError` for settings out of range, `DataError` for empty tables, `ArtifactError` for a checkpoint of
    another training, `DivergenceError` for a loss that is no number.
    """
    faults = faults_of(settings)
    if faults:
        raise UserError("language model: " + "; ".join(faults))
    if not len(train.texts) or not len(validation.texts):
        raise DataError("the language model needs training and validation rows; one of the tables is empty")
    rows = generator.vocabulary.encode_table(train)
    if settings.balance:
        rows = rows.take(_repeated(rows.labels, settings.balance, streams))
    held = _some(generator.vocabulary.encode_table(validation), settings.validation_rows, streams)
    per_epoch = -(-len(rows) // settings.batch)
    total = settings.steps or settings.epochs * per_epoch
    lr = settings.lr or (FRESH_LR if generator.name == SMALL else PRETRAINED_LR)
    plan = Outer(steps=total, lr=lr, schedule="cosine", warmup=round(settings.warmup * total))
    parameters = generator.parameters()
    optimizer = _optimizer(parameters, settings, lr)
    memory, best = _Memory(), _copy(parameters)
    identity = _identity(generator, rows, held, settings, streams)
    if checkpoint is not None and resume and is_there(checkpoint):
        memory = _restore(checkpoint, identity, parameters, best, optimizer)
    started, batches = time.perf_counter() - memory.seconds, _Batches(rows.lengths, settings.batch, streams)
    generator.model.train()
    try:
        while not memory.finished:
            step = memory.step
            batch = rows.take(batches.at(step))
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(plan, step)
            loss = _step(generator, batch, optimizer, settings, streams.integer("dropout", step))
            if not math.isfinite(loss):
                raise DivergenceError(f"language model: the loss is {loss} at step {step}; lower lr ({lr:g})")
            memory.step, memory.tokens = step + 1, memory.tokens + int(batch.lengths.sum())
            record = {"loss": loss, "lr": learning_rate(plan, step)}
            if memory.step % settings.validate_every == 0 or memory.step == total:
                record["perplexity"] = perplexity(generator, held)
                _look(memory, record, parameters, best)
            memory.finished = memory.step == total or memory.looks_since >= settings.patience
            memory.seconds = time.perf_counter() - started
            asked = stopping.asked()  # a wish that comes later waits for the next step, which will then be kept
            due = memory.finished or memory.step % settings.checkpoint_every == 0 or asked
            if checkpoint is not None and due:
                _store(checkpoint, identity, memory, parameters, best, optimizer)
            if on_step is not None:
                on_step(step, record)
            if asked:
                stopping.end_if_asked()
        _put(parameters, best)
    finally:
        generator.model.eval()
    return {
        "perplexity": memory.best,
        "best_step": memory.best_step,
        "steps": memory.step,
        "of_steps": total,
        "stopped_early": memory.step < total,
        "tokens": memory.tokens,
        "seconds": memory.seconds,
        "tokens_per_second": memory.tokens / max(memory.seconds, 1e-9),
        "precision": product_type(settings.precision, generator.device),
        "cut": int((rows.mask.sum(1) >= generator.vocabulary.longest).sum()),
        "history": memory.history,
    }


@torch.no_grad()
def perplexity(generator: Generator, sentences: Sentences, batch: int = 64) -> float:
    """exp(−Σ_i log p_φ(x_i) / Σ_i |x_i|): by token, without dropout."""
    training = generator.model.training
    generator.model.eval()
    total = 0.0
    for rows in sentences.lengths.argsort(stable=True).split(batch):
        part = sentences.take(rows)
        total += float((generator.nll(part).double().cpu() * part.lengths).sum())
    generator.model.train(training)
    return math.exp(min(total / int(sentences.lengths.sum()), 700.0))  # the largest that a float holds


class _Batches:
    """Which rows each step sees: every row once an epoch, rows of similar length together, in random order."""

    def __init__(self, lengths: Int[Tensor, " n"], size: int, streams: Streams):
        self.lengths, self.size, self.streams = lengths, size, streams
        self.per_epoch = -(-len(lengths) // size)
        self._epoch, self._rows = -1, list[Tensor]()

    def at(self, step: int) -> Int[Tensor, " b"]:
        """The rows of a step, by its number alone."""
        epoch, place = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._rows = epoch, self._deal(epoch)
        return self._rows[place]

    def _deal(self, epoch: int) -> list[Tensor]:
        order = torch.randperm(len(self.lengths), generator=self.streams.torch("order", epoch))
        dealt = [
            rows
            for pool in order.split(POOL * self.size)
            for rows in pool[self.lengths[pool].argsort(stable=True)].split(self.size)
        ]
        places = torch.randperm(len(dealt), generator=self.streams.torch("batches", epoch))
        return [dealt[place] for place in places.tolist()]


def _step(
    generator: Generator, batch: Sentences, optimizer: torch.optim.Optimizer, settings: LanguageModelStage, seed: int
) -> float:
    device = generator.device
    # Dropout draws from global random state: it begins where the step says, and stays as it was outside.
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        with products_in(device, settings.precision):
            loss = generator.nll(batch).mean()
        loss.backward()
    torch.nn.utils.clip_grad_norm_(generator.parameters().values(), settings.clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return float(loss.detach())


def _optimizer(parameters: dict[str, torch.nn.Parameter], settings: LanguageModelStage, lr: float) -> torch.optim.AdamW:
    """AdamW; norms and biases do not decay, as is usual for transformers."""
    groups = [
        {"params": [value for value in parameters.values() if value.dim() > 1], "weight_decay": settings.weight_decay},
        {"params": [value for value in parameters.values() if value.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr, fused=True)


def _look(
    memory: _Memory, record: dict[str, float], parameters: dict[str, torch.nn.Parameter], best: dict[str, Tensor]
) -> None:
    memory.history.append({"step": memory.step, "loss": record["loss"], "perplexity": record["perplexity"]})
    memory.looks_since += 1
    if record["perplexity"] < memory.best:
        memory.best, memory.best_step, memory.looks_since = record["perplexity"], memory.step, 0
        best.update(_copy(parameters))


def _repeated(labels: Int[Tensor, " n"], balance: float, streams: Streams) -> Int[Tensor, " m"]:
    """The rows of an epoch, those of a class with n of the largest's m rows (m/n)^balance times.

    What is left of whole times goes to random rows of the class; all rows come at least once.
    """
    counts = labels.bincount()
    rng, rows = streams.torch("balance"), []
    for label, count in enumerate(counts.tolist()):
        if not count:
            continue
        members = torch.nonzero(labels == label)[:, 0]
        wanted = round(count * (int(counts.max()) / count) ** balance)
        more = torch.randperm(count, generator=rng)[: wanted % count]
        rows += [members] * (wanted // count) + [members[more]]
    return torch.cat(rows).sort().values


def _some(sentences: Sentences, rows: int, streams: Streams) -> Sentences:
    """At most `rows` of the sentences."""
    return sentences.take(torch.randperm(len(sentences), generator=streams.torch("validation"))[:rows])


def _copy(parameters: dict[str, torch.nn.Parameter]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in parameters.items()}


@torch.no_grad()
def _put(parameters: dict[str, torch.nn.Parameter], values: dict[str, Tensor]) -> None:
    for name, value in parameters.items():
        value.copy_(values[name])


def _identity(
    generator: Generator, rows: Sentences, held: Sentences, settings: LanguageModelStage, streams: Streams
) -> str:
    """SHA-256 (hex) of what makes a training this one and no other."""
    shapes = {name: list(value.shape) for name, value in generator.parameters().items()}
    facts = json.dumps([asdict(settings), generator.name, shapes, streams.seed, list(streams.path)])
    digest = hashlib.sha256(facts.encode())
    for part in (rows, held):
        digest.update(part.ids.numpy().tobytes() + part.mask.numpy().tobytes())
    return digest.hexdigest()


MOMENTS = ("exp_avg", "exp_avg_sq")


def _store(
    path: Path,
    identity: str,
    memory: _Memory,
    parameters: dict[str, torch.nn.Parameter],
    best: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
) -> None:
    tensors = {f"weights/{name}": value.detach() for name, value in parameters.items()}
    tensors |= {f"best/{name}": value for name, value in best.items()}
    for name, value in parameters.items():
        tensors |= {f"{moment}/{name}": optimizer.state[value][moment] for moment in MOMENTS}
    save_checkpoint(path, tensors, {"identity": identity, "memory": asdict(memory)})


def _restore(
    path: Path,
    identity: str,
    parameters: dict[str, torch.nn.Parameter],
    best: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
) -> _Memory:
    tensors, meta = load_checkpoint(path)
    if meta.get("identity") != identity:
        raise ArtifactError(f"{path}: the checkpoint of another training (data, settings or seed); begin anew")
    memory = _Memory(**meta["memory"])
    _put(parameters, {name: tensors[f"weights/{name}"] for name in parameters})
    for name, value in parameters.items():
        best[name] = tensors[f"best/{name}"].to(value)
        state = {moment: tensors[f"{moment}/{name}"].to(value) for moment in MOMENTS}
        optimizer.state[value] = {"step": torch.tensor(float(memory.step), device=value.device), **state}
    return memory
