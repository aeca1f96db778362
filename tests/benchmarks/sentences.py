"""Sentences of film reviews' lengths, from a few hundred made-up words: they need no package, and mean nothing."""

from __future__ import annotations

import random


def sentences(count: int, seed: int = 0) -> list[str]:
    """So many sentences of 3 to 45 words, most of them of 10 to 30, of words that are as unequally frequent as ours."""
    rng = random.Random(seed)
    syllables = [a + b for a in "bcdfghklmnprstvw" for b in ("a", "e", "i", "o", "u", "an", "er", "in", "ou", "st")]
    words = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(3000)]
    often = [1 / (place + 2) for place in range(len(words))]
    sizes = [min(45, max(3, round(rng.gauss(21, 9)))) for _ in range(count)]
    return [" ".join(rng.choices(words, often, k=size)) for size in sizes]
