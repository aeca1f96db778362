"""What a language model may choose on training rows, before any test row: shots, their order, the wording."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from textdistill.core.errors import UserError
from textdistill.core.streams import Streams
from textdistill.data.sets.text_set import TextSet
from textdistill.export import Scorer, Wording
from textdistill.export.shots import balanced
from textdistill.in_context.calibration import Calibration
from textdistill.in_context.likelihood import Likelihood

Tick = Callable[[str], None]


def validation_scorer(
    likelihood: Likelihood,
    rows: TextSet,
    *,
    calibration: Calibration | None = None,
    tick: Tick = lambda what: None,
) -> Scorer:
    """How good a prompt is on held-out labelled rows: the mean of log p(right word), p among the label words.

    The higher, the better (at most 0). It tells prompts apart that classify equally many rows rightly, as few rows
    often do. This is what `arrange` wants for the order `best`.
    """
    from scipy.special import log_softmax

    if not len(rows):
        raise UserError("validation: no rows to judge prompts by; give some")

    def score(shots: TextSet, wording: Wording) -> float:
        tick("choosing")
        shares = log_softmax(likelihood.in_words(wording, shots, rows, calibration=calibration), axis=1)
        return float(shares[np.arange(len(rows)), rows.labels].mean())

    return score


def best_wording(scorer: Scorer, wordings: Sequence[Wording], several: Sequence[TextSet]) -> Wording:
    """Of several wordings the one by which the shots of these sets do best on average; of equals the first."""
    if not wordings or not several:
        raise UserError("template: there is none to choose, or no shots to choose it by; give one at least")
    if len(wordings) == 1:
        return wordings[0]
    means = [float(np.mean([scorer(shots, wording) for shots in several])) for wording in wordings]
    return wordings[int(np.argmax(means))]


def choose_shots(
    pool: TextSet,
    k: int,
    scorer: Scorer,
    wording: Wording,
    rng: np.random.Generator,
    *,
    starts: int = 4,
    budget: int = 32,
) -> TextSet:
    """k samples of the pool in an order that does well on the scorer's rows, which must not be in the pool.

    The best of `starts` random draws, balanced by class and interleaved, is bettered in turns by one random change: a
    sample is swapped for another of its class, or two samples change places. A change stays if the score rises.
    `budget` bounds the prompts that are scored, the starts included.
    """
    if starts < 1 or budget < starts:
        raise UserError(f"choosing shots: {starts} starts, {budget} prompts; needed: a start, and a prompt for each")
    if k > len(pool):
        raise UserError(f"k: {k} shots asked, but the pool has {len(pool)} samples; ask for that many at most")
    draws = [draw(pool, k, rng) for _ in range(starts)]
    scores = [scorer(pool.take(rows), wording) for rows in draws]
    rows, best = draws[int(np.argmax(scores))], max(scores)
    for _ in range(budget - starts):
        other = _changed(rows, pool.labels, rng)
        if other is None:
            break
        score = scorer(pool.take(other), wording)
        if score > best:
            rows, best = other, score
    return pool.take(rows)


def chosen_sets(
    pools: Mapping[str, Sequence[TextSet]],
    k: int,
    scorer: Scorer,
    wording: Wording,
    streams: Streams,
    budget: int,
    starts: int = 4,
) -> dict[str, list[TextSet]]:
    """What `choose_shots` finds in each pool by `budget` prompts, from `starts` draws or as many as that allows."""
    starts = min(starts, budget)

    def chosen(name: str, place: int, pool: TextSet) -> TextSet:
        rng = streams.numpy("choose", name, place)
        return choose_shots(pool, k, scorer, wording, rng, starts=starts, budget=budget)

    return {name: [chosen(name, place, pool) for place, pool in enumerate(pools[name])] for name in pools}


def best_draw(pool: TextSet, k: int, scorer: Scorer, wording: Wording, rng: np.random.Generator, tries: int) -> TextSet:
    """The best of `tries` random draws: what shots that were searched for by as many prompts have to beat."""
    return choose_shots(pool, k, scorer, wording, rng, starts=tries, budget=tries)


def draw(pool: TextSet, k: int, rng: np.random.Generator) -> np.ndarray:
    """k random rows with the classes in turn."""
    mixed: np.ndarray = rng.permutation(len(pool))
    drawn: np.ndarray = mixed[interleaved(pool.take(mixed), k)]
    return drawn


def interleaved(samples: TextSet, k: int) -> np.ndarray:
    """k rows balanced by class, each class in turn giving its next one."""
    rows = np.array(balanced(samples, k))
    labels = samples.labels[rows]
    turn = np.zeros(len(rows), np.int64)
    for label in np.unique(labels):
        turn[labels == label] = np.arange((labels == label).sum())
    turns: np.ndarray = rows[np.lexsort((labels, turn))]
    return turns


def _changed(rows: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """The rows with one random change, or `None` where nothing can change."""
    other, place = rows.copy(), int(rng.integers(len(rows)))
    free = np.setdiff1d(np.flatnonzero(labels == labels[rows[place]]), rows)
    apart = np.flatnonzero(np.arange(len(rows)) != place)
    if len(free) and (rng.random() < 0.75 or not len(apart)):  # other samples tell more than other orders
        other[place] = rng.choice(free)
    elif len(apart):
        second = int(rng.choice(apart))
        other[[place, second]] = other[[second, place]]
    else:
        return None
    return other
