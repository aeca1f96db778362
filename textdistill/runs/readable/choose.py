"""Sets of a few samples for each class, chosen by a method from training rows or from what generators wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial

import torch
from jaxtyping import Float
from torch import Tensor

from textdistill.core import watch
from textdistill.core.spread import over_cores
from textdistill.core.streams import Streams
from textdistill.data import TextTable
from textdistill.data.sets.text_set import TextSet
from textdistill.learners.word_counts import one_text
from textdistill.recipe.text_settings import Choose
from textdistill.runs.readable.soft import FeatureRows, distilled_labels
from textdistill.selection.candidates import Candidates
from textdistill.selection.methods import METHODS, configured
from textdistill.selection.sharpness import sharpened

Encode = Callable[[str, list[str], list[str] | None], Float[Tensor, "n f"]]  # by the encoder of that name
Features = Callable[[TextSet], list[Float[Tensor, "n f"]]]  # of texts, by each encoder of `choose.views`
Tick = Callable[[str], None]


def seen(texts: TextSet, features: Features, settings: Choose, real: Candidates | None = None) -> Candidates:
    """What methods see of these texts; `real` are the training rows behind them, if they are not those themselves."""
    read = partial(one_text, texts.texts, texts.pairs) if settings.search.words else None
    return Candidates(texts.labels, texts.classes, partial(features, texts), real, read=read)


@dataclass
class Chooser:
    """Everything that sets are chosen from: training rows, pools of written samples, and the encoders' views of both.

    `pools` are the written samples by their source (`vanilla`, `matched`); `encode` gives features, once of each text.
    """

    train: TextTable
    pools: Mapping[str, TextSet]
    settings: Choose
    encode: Encode
    streams: Streams
    tick: Tick = field(default=lambda what: None)
    # of searches for which it was tried, by stream and size
    sharpness: dict[tuple[str, int], float] = field(default_factory=dict)

    def sets(self, name: str, per_class: int) -> list[TextSet]:
        """`settings.sets` sets of `per_class` samples of each class by the method `name`; `tick` is told of each."""
        method = configured(METHODS[name], self.settings)
        texts, candidates = self._sources[method.source]
        if (method.stream, per_class) not in self._chosen:
            counts, streams = [per_class] * len(self.train.classes), self.streams.child(method.stream, per_class)
            candidates.see()  # encoded here, by all cores
            decided, sharpness = sharpened(method, candidates, counts, streams)
            if sharpness is not None:
                self.sharpness[method.stream, per_class] = sharpness

            def chosen(number: int) -> TextSet:
                told(number, self.settings.sets)
                made = texts.take(decided.choose(candidates, counts, streams, number))
                self.tick(f"{method.stream} {per_class}")
                return made

            with watch.counting(f"{method.stream} {per_class}, set", "sets") as told:
                self._chosen[method.stream, per_class] = over_cores(chosen, range(self.settings.sets), alone=True)
        sets = self._chosen[method.stream, per_class]
        return [self._softened(hard, number, per_class) for number, hard in enumerate(sets)] if method.soft else sets

    @cached_property
    def _chosen(self) -> dict[tuple[str, int], list[TextSet]]:
        """Sets by their stream and size: under soft labels, too, they are chosen once."""
        return {}

    @cached_property
    def _sources(self) -> dict[str, tuple[TextSet, Candidates]]:
        """By source, the texts that sets are chosen from, and what methods see of them."""
        train = self.train
        rows = TextSet(train.texts, train.labels, train.classes, train.pairs)
        real = seen(rows, self._views, self.settings)
        once = train.distinct()
        written = {source: (pool, seen(pool, self._views, self.settings, real)) for source, pool in self.pools.items()}
        # A set says nothing twice; what judges it are all rows, those that repeat too.
        own = (rows, real) if len(once) == len(rows) else (rows.take(once), real.only(once))
        return {"real": own, **written}

    def _views(self, texts: TextSet) -> list[Float[Tensor, "n f"]]:
        return [self.encode(name, texts.texts, texts.pairs) for name in self.settings.views]

    def _softened(self, hard: TextSet, number: int, per_class: int) -> TextSet:
        self.tick(f"soft labels {per_class}")
        features = self.encode(self.settings.views[0], hard.texts, hard.pairs)
        real = self._sources["real"][1].real
        rows = FeatureRows(real.views[0], torch.from_numpy(real.labels), real.classes)
        seed = self.streams.integer("soft", per_class, number)
        soft = distilled_labels(features, torch.from_numpy(hard.labels), rows, seed, self.settings.labels).numpy()
        return TextSet(hard.texts, soft.argmax(1), hard.classes, hard.pairs, soft, hard.meta)
