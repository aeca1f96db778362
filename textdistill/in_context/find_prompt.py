"""The prompt that a language model does best with on training rows: its wording, its shots and their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from textdistill.core.errors import UserError
from textdistill.core.streams import Streams
from textdistill.data.sets.text_set import TextSet
from textdistill.data.sets.worded import PAIR, SINGLE
from textdistill.export import Scorer, Wording
from textdistill.in_context.calibration import Calibration
from textdistill.in_context.choose import best_wording, choose_shots, draw
from textdistill.in_context.likelihood import Likelihood

# One is the usual one, the others what few-shot papers write; of one text, and of pairs.
TEMPLATES = (
    SINGLE,
    "Input: {{ text }}\nOutput: {{ label }}",
    "{{ text }}\nThis is {{ label }}",
    "{{ text }} => {{ label }}",
)
PAIR_TEMPLATES = (
    PAIR,
    "{{ text }}\n{{ text_pair }}\nOutput: {{ label }}",
)
DRAWS = 2  # sets of shots by which the wording is chosen
STARTS = 4
DRAWN_AGAIN = 2000  # times that rows are drawn for an interval


@dataclass(frozen=True)
class FoundPrompt:
    """Shots in their order with their wording, the score of each pool's best, and the prompts that were scored: all of
    them, and those for the shots alone."""

    shots: TextSet
    wording: Wording
    scores: dict[str, float]
    prompts: int
    for_shots: int


@dataclass(frozen=True)
class Reached:
    """What a kind of prompt gets right: accuracy in percent with its 95% interval, and by prompt.

    The interval is of other test rows and, of several prompts, of other prompts drawn alike.
    """

    accuracy: float
    low: float
    high: float
    by_prompt: tuple[float, ...]
    right: Bool[np.ndarray, "p n"]


def wordings_of(rows: TextSet, templates: Sequence[str], words: Sequence[Wording]) -> list[Wording]:
    """Every template with every choice of label words that `words` bring; without `templates` the usual ones."""
    usual = TEMPLATES if rows.pairs is None else PAIR_TEMPLATES
    made = []
    for given in words:
        for template in templates or usual:
            made.append(
                Wording(rows.classes, rows.pairs is not None, template, given.words, given.instruction, given.separator)
            )
    return list(dict.fromkeys(made))


def find_prompt(
    pools: Mapping[str, TextSet], k: int, scorer: Scorer, wordings: Sequence[Wording], streams: Streams, budget: int
) -> FoundPrompt:
    """The best prompt of k shots by `budget` calls of the scorer, which must know training rows alone.

    The wording is chosen first, by `DRAWS` draws from the first pool; what is left of the budget goes to the shots and
    their order, to each pool alike (`choose_shots`). Raises `UserError` for a budget that does not reach.
    """
    spent = DRAWS * len(wordings) if len(wordings) > 1 else 0
    each = (budget - spent) // len(pools) - 1  # one more says how good the best of a pool is
    if each < STARTS:
        least = spent + (STARTS + 1) * len(pools)
        raise UserError(f"--budget: {budget} prompts; {len(wordings)} wordings and {len(pools)} pools need {least}")
    first = next(iter(pools.values()))
    draws = [first.take(draw(first, k, streams.numpy("wording", number))) for number in range(DRAWS)]
    wording = best_wording(scorer, wordings, draws)
    found = {
        name: choose_shots(
            pool, k, scorer, wording, streams.numpy("shots", name), starts=min(STARTS, each), budget=each
        )
        for name, pool in pools.items()
    }
    scores = {name: scorer(shots, wording) for name, shots in found.items()}
    best = max(scores, key=lambda name: scores[name])
    for_shots = (each + 1) * len(pools)
    return FoundPrompt(found[best], wording, scores, spent + for_shots, for_shots)


def reached(
    likelihood: Likelihood,
    several: Sequence[TextSet],
    wording: Wording,
    rows: TextSet,
    streams: Streams,
    calibration: Calibration | None = None,
) -> Reached:
    """How many test rows are classified rightly behind each of some sets of shots, shown as they stand."""
    right = np.array(
        [
            likelihood.in_words(wording, shots, rows, calibration=calibration).argmax(1) == rows.labels
            for shots in several
        ]
    )
    mean, low, high = _interval([right], streams)
    return Reached(mean, low, high, tuple((100 * right.mean(1)).round(4).tolist()), right)


def difference(ours: Reached, theirs: Reached, streams: Streams) -> tuple[float, float, float]:
    """Points by which `ours` is better, with the 95% interval of other rows, the same ones for both, and of other
    prompts of a side that has several."""
    return _interval([ours.right, theirs.right], streams)


def _interval(sides: Sequence[np.ndarray], streams: Streams) -> tuple[float, float, float]:
    """The first side's mean in percent, less the second's where there is one, and its bootstrap interval.

    A side is (prompts, rows). Rows are drawn anew for both together; the prompts of a side, which were drawn at random,
    too, and spread by sqrt(p / (p - 1)) since they are few. A single prompt was chosen, not drawn, and stays.
    """
    rows = sides[0].shape[1]
    rng = streams.numpy("rows")
    drawn = np.apply_along_axis(np.bincount, 1, rng.integers(rows, size=(DRAWN_AGAIN, rows)), minlength=rows) / rows
    means = np.zeros(DRAWN_AGAIN)
    mean = 0.0
    for sign, side in zip((1, -1), sides, strict=False):
        of_prompts = side.astype(np.float64)
        centre, count = of_prompts.mean(0), len(side)
        if count > 1:
            spread = centre + np.sqrt(count / (count - 1)) * (of_prompts - centre)
            picked = rng.integers(count, size=(DRAWN_AGAIN, count))
            by_prompt = drawn @ spread.T
            means += sign * np.take_along_axis(by_prompt, picked, axis=1).mean(1)
        else:
            means += sign * (drawn @ centre)
        mean += sign * float(centre.mean())
    low, high = np.percentile(100 * means, [2.5, 97.5])
    return 100 * mean, float(low), float(high)
