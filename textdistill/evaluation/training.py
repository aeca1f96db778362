"""Training networks: by a distilled set's own schedule, by Adam on its samples, and on all real rows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from textdistill.core.batch import Batch
from textdistill.core.learner import Learner, Params
from textdistill.core.schedule import DistilledSet, Draw
from textdistill.core.streams import Streams
from textdistill.core.unroll import Inner
from textdistill.evaluation.settings import Ordinary, Train, Training
from textdistill.objectives.augment import augment_each
from textdistill.representations.embedded_text import EmbeddedText
from textdistill.representations.rows import Rows


def scheduled(distilled: DistilledSet, plan: Train) -> DistilledSet:
    """The set with the schedule that `plan` asks for in place of its own."""
    steps = distilled.inputs.shape[0]
    epochs = plan.epochs or distilled.rates.shape[0]
    rates = distilled.lasting(epochs * steps).rates.clone()
    if plan.lr is not None:
        rates.fill_(plan.lr)
    for share in plan.decay_at:
        rates[round(share * epochs) :] *= plan.decay
    return replace(distilled, rates=rates)


def draws_of(distilled: DistilledSet, learner: Learner, plan: Train, streams: Streams) -> Iterator[Draw]:
    """The set's steps in order, each sample of each step transformed at random by itself where the plan augments."""
    for step in range(distilled.length):
        draw = distilled.draw(step).to(learner.device, learner.dtype)
        if plan.augment:
            draw = replace(draw, batch=augment_each(draw.batch, plan.augment, streams.torch("augment", step)))
        yield draw


def train_by_schedule(
    distilled: DistilledSet, inner: Inner, params: Params, plan: Train | None = None, streams: Streams | None = None
) -> Params:
    """The distilled set's own schedule: its batches in order, each with its learning rate (Eq. 2), no dropout."""
    plan, streams = plan or Train(), streams or Streams(0)
    return inner.run(params, None, draws_of(distilled, inner.learner, plan, streams))[0]


def on_the_way(
    distilled: DistilledSet, inner: Inner, params: Params, plan: Train, streams: Streams, moments: Sequence[int]
) -> Iterator[Params]:
    """The weights after so many steps of the set's own schedule, at each of the rising `moments`."""
    draws, state, taken = draws_of(distilled, inner.learner, plan, streams), None, 0
    for moment in moments:
        params, state = inner.run(params, state, itertools.islice(draws, moment - taken))
        taken = moment
        yield params


def train_by_adam(batch: Batch, learner: Learner, params: Params, settings: Ordinary) -> Params:
    """Adam on all distilled samples at once, `settings.steps` steps at a constant rate."""
    batch = batch.to(learner.device, learner.dtype)
    weights = {name: value.detach().clone().requires_grad_() for name, value in params.items()}
    optimizer = torch.optim.Adam(weights.values(), lr=settings.lr)
    for _ in range(settings.steps):
        optimizer.zero_grad(set_to_none=True)
        learner.loss(weights, batch).backward()
        optimizer.step()
    return {name: value.detach() for name, value in weights.items()}


# Rows of words that go through a network at once where it reads words: its dictionary is multiplied once for all.
WORDS_AT_ONCE = 8192


def by_words(learner: Learner, split: Rows, batch: int) -> tuple[Learner, Rows, int]:
    """The learner, the split and rows at once as they compute fastest: words in place of vectors, where both can.

    The function is the same. An accelerator multiplies faster than it looks up and is left alone.
    """
    if learner.device.type == "cpu" and isinstance(split, EmbeddedText):
        reader = learner.reading(split.table)
        if reader is not None:
            return reader, split.spelled(), max(batch, WORDS_AT_ONCE)
    return learner, split, batch


@torch.no_grad()
def predict(
    learner: Learner, params: Params, split: Rows, batch: int = 256, rows: Int[Tensor, " r"] | None = None
) -> Int[Tensor, " r"]:
    """The class with the highest logit for each row, in the order of `rows` (all of them when none)."""
    learner, split, batch = by_words(learner, split, batch)
    rows = torch.arange(len(split)) if rows is None else rows
    place = torch.empty(len(split), dtype=torch.long)
    place[rows] = torch.arange(len(rows))
    out = torch.empty(len(rows), dtype=torch.long)
    for part, values in split.batches(batch, rows, trim_margin=learner.margin):
        out[place[part.cpu()]] = learner.logits(params, values.to(learner.device, learner.dtype)).argmax(1).cpu()
    return out


def accuracy(predictions: Tensor, labels: Tensor) -> float:
    """The share of equal entries, in percent."""
    return 100.0 * float((predictions == labels).double().mean())


def train_on_real(
    learner: Learner,
    params: Params,
    train: Rows,
    validation: Rows,
    settings: Training,
    streams: Streams,
    on_epoch: Callable[[int, float], None] | None = None,
    among: Tensor | None = None,
) -> tuple[Params, float]:
    """Adam on all real rows, or those `among` them: the weights of the epoch with the best validation accuracy, and
    that accuracy (%)."""
    among = torch.arange(len(train)) if among is None else among
    reader, train, _ = by_words(learner, train, settings.batch)
    weights = {name: value.detach().clone().requires_grad_() for name, value in params.items()}
    optimizer = torch.optim.AdamW(weights.values(), lr=settings.lr, weight_decay=settings.weight_decay)
    best, best_score, since = params, -1.0, 0
    for epoch in range(settings.epochs):
        order = among[torch.randperm(len(among), generator=streams.torch("order", epoch))]
        for number, rows in enumerate(_by_length(order, train.lengths, settings.batch, streams, epoch)):
            drop = streams.torch("dropout", epoch, number) if settings.dropout else None
            batch = train.batch(rows, trim=True, trim_margin=learner.margin).to(learner.device, learner.dtype)
            optimizer.zero_grad(set_to_none=True)
            reader.loss(weights, batch, drop).backward()
            torch.nn.utils.clip_grad_norm_(weights.values(), 5.0)
            optimizer.step()
        plain = {name: value.detach() for name, value in weights.items()}
        score = accuracy(predict(learner, plain, validation), validation.labels)
        if on_epoch is not None:
            on_epoch(epoch, score)
        since += 1
        if score > best_score:
            best, best_score, since = {name: value.clone() for name, value in plain.items()}, score, 0
        if since >= settings.patience:
            break
    return best, best_score


def _by_length(order: Tensor, lengths: Tensor, size: int, streams: Streams, epoch: int) -> list[Tensor]:
    """Batches of rows of similar length in random order: pools of 16 batches are sorted, cut, and the cuts shuffled."""
    batches: list[Tensor] = []
    for pool in torch.split(order, 16 * size):
        batches.extend(torch.split(pool[torch.argsort(lengths[pool], stable=True)], size))
    shuffled = torch.randperm(len(batches), generator=streams.torch("batches", epoch))
    return [batches[k] for k in shuffled.tolist()]
