"""Decoded sentences for a terminal."""

from __future__ import annotations

import math
import statistics

from rich.console import Group, RenderableType
from rich.text import Text

from textdistill.representations.decode import Decoded


def show(decoded: Decoded, limit: int = 3, words: int = 40) -> RenderableType:
    """The first `limit` sentences for a terminal: label with its top classes, the words, the mean distance.

    Words farther than the set's median are dim.
    """
    parts: list[RenderableType] = []
    for sentence in decoded.sentences[:limit]:
        ranked = sentence.ranked()[:3]
        head = Text(f"step {sentence.step + 1}, sample {sentence.sample + 1}  ", style="dim")
        head.append("  ".join(f"{name} {share:.2f}" for name, share in ranked), style="bold")
        body = Text()
        for word, gap in list(zip(sentence.words, sentence.distances, strict=True))[:words]:
            body.append(word, style="dim" if gap > decoded.summary.median else "").append(" ")
        if len(sentence.words) > words:
            body.append(f"… {len(sentence.words) - words} more")
        mean = statistics.fmean(sentence.distances) if sentence.distances else math.nan
        tail = Text(
            f"mean {decoded.summary.metric} distance {mean:.3f} (real words: {decoded.summary.real_word_distance:.3f})",
            style="dim",
        )
        parts += [head, body, tail, Text()]
    if len(decoded.sentences) > limit:
        parts.append(Text(f"{len(decoded.sentences) - limit} more sentences", style="dim"))
    return Group(*parts)
