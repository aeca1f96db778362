"""Who reads a table's texts, and how much of one it takes: what the summary of a table asks."""

from __future__ import annotations

from collections.abc import Sequence

from textdistill.data.summary import Reader
from textdistill.learners.pretrained.encoder_files import PACKAGED
from textdistill.learners.pretrained.frozen_encoder import Encoder

ENGLISH = (PACKAGED,)  # encoders that were trained on English alone


def encoder_reader(name: str) -> Reader:
    """A frozen encoder. Errors: those of `Encoder`."""
    encoder = Encoder(name)
    script = "Latin" if name in ENGLISH else None
    return Reader(f"the encoder {name}", encoder.longest, "tokens", encoder.token_counts, script)


def word_reader(length: int) -> Reader:
    """A representation by word vectors that cuts texts at `length` words."""

    def count(texts: Sequence[str], pairs: Sequence[str] | None) -> list[int]:
        seconds = pairs or [""] * len(texts)
        return [len(first.split()) + len(second.split()) for first, second in zip(texts, seconds, strict=True)]

    return Reader("the recipe (representation.length)", length, "words", count)
