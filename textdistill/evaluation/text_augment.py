"""Augmentation of readable sets, the counterpart of crops and flips: copies with words left out and moved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from textdistill.core.streams import Streams
from textdistill.data.sets.text_set import TextSet

COPIES = 4  # beside the sample itself
DROP = 0.15  # the share of words that is left out
REACH = 3  # the most places that a word moves by


def augmented(distilled: TextSet, streams: Streams, copies: int = COPIES) -> TextSet:
    """The set with `copies` varied copies of each sample behind it, with the sample's own label.

    A copy leaves out each word with probability 0.15 (one stays at least), and then sorts the rest by their place plus
    a uniform number from 0 to 3: as `drop` and `shift` do with word vectors, but of texts that any learner can read.
    """
    texts, pairs = list(distilled.texts), None if distilled.pairs is None else list(distilled.pairs)
    rows = list(range(len(distilled)))
    for number in range(copies):
        rng = streams.numpy("augment", number)
        texts += [_varied(text, rng) for text in distilled.texts]
        if pairs is not None and distilled.pairs is not None:
            pairs += [_varied(text, rng) for text in distilled.pairs]
        rows += range(len(distilled))
    soft = None if distilled.soft is None else distilled.soft[rows]
    return replace(distilled, texts=texts, pairs=pairs, labels=distilled.labels[rows], soft=soft)


def _varied(text: str, rng: np.random.Generator) -> str:
    words = text.split()
    if len(words) < 2:
        return text
    kept = rng.random(len(words)) >= DROP
    kept[int(rng.integers(len(words)))] = True
    left = [word for word, stays in zip(words, kept.tolist(), strict=True) if stays]
    places = np.arange(len(left)) + rng.uniform(0, REACH, len(left))
    return " ".join(left[place] for place in np.argsort(places, kind="stable").tolist())
