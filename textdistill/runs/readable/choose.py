"""Sets of a few samples for each class, chosen from real rows and from what generators wrote, one function a method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from textdistill.core.errors import DataError
from textdistill.core.streams import Streams
from textdistill.data import TextTable
from textdistill.data.sets.text_set import TextSet
from textdistill.evaluation.text_baselines import baseline_sets
from textdistill.learners.linear_head import LinearHead, fit_head
from textdistill.recipe.text_settings import SEARCHED, SOFT, Choose
from textdistill.runs.readable.soft import FeatureRows, distilled_labels
from textdistill.selection import View, k_centers, random_rows, search_set

Encode = Callable[[str, list[str], list[str] | None], Float[Tensor, "n f"]]  # by the encoder of that name
Tick = Callable[[str], None]
AMONG_REAL_ROWS = {
    "random_real": "random",
    "herding": "herding",
    "k_centers": "k_centers",
    "best_k_centers": "best_k_centers",
}
POOLS = {
    **{"vanilla_lm": "vanilla", "vanilla_random": "vanilla"},
    **{"dilm": "matched", "dilm_random": "matched", "ours": "matched"},
}
# The ridge of the head on all real rows that says whether a sample looks like its class.
CONSISTENCY_PENALTY = 1e-4


@dataclass
class Chooser:
    """Everything that sets are chosen from: real rows, pools of generated samples, and the encoders' views of both.

    `pools` are the generated samples by name (`vanilla`, `matched`); `encode` gives features; `settings.views[0]` is
    the encoder by which all methods but `ours` choose.
    """

    train: TextTable
    pools: Mapping[str, TextSet]
    settings: Choose
    encode: Encode
    streams: Streams
    tick: Tick = field(default=lambda what: None)

    def sets(self, method: str, per_class: int) -> list[TextSet]:
        """`settings.sets` sets of `per_class` samples of each class."""
        counts = [per_class] * len(self.train.classes)
        if method in SOFT:
            return [
                self._softened(one, number, per_class) for number, one in enumerate(self.sets(SOFT[method], per_class))
            ]
        if method in AMONG_REAL_ROWS:
            self.tick(f"{method} {per_class}")
            name, streams = AMONG_REAL_ROWS[method], self.streams.child(method, per_class)
            return baseline_sets(name, self.train, self.real[0], per_class, self.settings.sets, streams)
        if (method, per_class) not in self._made:
            self._made[method, per_class] = [self._one(method, counts, number) for number in range(self.settings.sets)]
        return self._made[method, per_class]

    @cached_property
    def _made(self) -> dict[tuple[str, int], list[TextSet]]:
        return {}

    @cached_property
    def real(self) -> list[Float[Tensor, "r f"]]:
        """Every view's features of the training rows."""
        return [self.encode(name, self.train.texts, self.train.pairs) for name in self.settings.views]

    @cached_property
    def head(self) -> LinearHead:
        """A linear head on all training rows, in the first view."""
        targets = torch.eye(len(self.train.classes))[torch.from_numpy(self.train.labels)]
        return fit_head(self.real[0], targets, CONSISTENCY_PENALTY)

    def pool(self, name: str) -> tuple[TextSet, list[Float[Tensor, "n f"]]]:
        """A pool and every view's features of it."""
        if name not in self._views:
            pool = self.pools[name]
            self._views[name] = pool, [self.encode(view, pool.texts, pool.pairs) for view in self.settings.views]
        return self._views[name]

    @cached_property
    def _views(self) -> dict[str, tuple[TextSet, list[Tensor]]]:
        return {}

    def consistent(self, name: str) -> np.ndarray:
        """Which samples of a pool the head on all real rows gives their own class."""
        pool, views = self.pool(name)
        found: np.ndarray = self.head.predict(views[0]).numpy() == pool.labels
        return found

    def _one(self, method: str, counts: list[int], number: int) -> TextSet:
        """Set number `number`: its candidates are drawn anew, `over` for each sample that is kept."""
        self.tick(f"{method} {counts[0]}")
        rng = self.streams.numpy(method, counts[0], number)
        if method == "search_real":
            source, views = (
                TextSet(self.train.texts, self.train.labels, self.train.classes, self.train.pairs),
                self.real,
            )
            eligible = np.ones(len(source), dtype=bool)
        else:
            source, views = self.pool(POOLS[method])
            searched = method == "ours" and self.settings.consistent
            eligible = self.consistent(POOLS[method]) if searched else np.ones(len(source), dtype=bool)
        candidates = _candidates(source, eligible, counts, self.settings.over, rng)
        labels = source.labels[candidates]
        if method in SEARCHED:
            seen = [View(view[torch.from_numpy(candidates)], real) for view, real in zip(views, self.real, strict=True)]
            rows = search_set(seen, labels, self.train.labels, counts, rng, self.settings.search)
        elif method.endswith("_random"):
            rows = random_rows(views[0], labels, counts, rng)
        else:
            rows = k_centers(views[0][torch.from_numpy(candidates)].numpy(), labels, counts, rng)
        return source.take(candidates[rows])

    def _softened(self, one: TextSet, number: int, per_class: int) -> TextSet:
        self.tick(f"soft labels {per_class}")
        features = self.encode(self.settings.views[0], one.texts, one.pairs)
        real = FeatureRows(self.real[0], torch.from_numpy(self.train.labels), self.train.classes)
        seed = self.streams.integer("soft", per_class, number)
        soft = distilled_labels(features, torch.from_numpy(one.labels), real, seed).numpy()
        return TextSet(one.texts, soft.argmax(1), one.classes, one.pairs, soft, one.meta)


def _candidates(
    source: TextSet, eligible: np.ndarray, counts: list[int], over: int, rng: np.random.Generator
) -> np.ndarray:
    """`over` rows for each that is wanted, class by class, or all there are."""
    found = []
    for label, count in enumerate(counts):
        rows = np.flatnonzero(eligible & (source.labels == label))
        if len(rows) < count:
            raise DataError(
                f"class {source.classes[label]!r}: {len(rows)} samples to choose {count} from; "
                "raise choose.pool, or set choose.consistent to false"
            )
        found.append(rng.permutation(rows)[: over * count])
    return np.concatenate(found)
