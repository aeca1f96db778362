"""How small a set is beside the data it stands for: in samples, in words and in bytes, labels and rates included."""

from __future__ import annotations

from textdistill.data.sets.text_set import TextSet
from textdistill.data.table import TextTable
from textdistill.data.words import tokenise

FLOAT = 4  # bytes of a soft label's value, and of a learning rate


def compression(distilled: TextSet, train: TextTable, rates: int = 0) -> dict[str, dict[str, float | int]]:
    """`samples`, `tokens` (words and signs) and `bytes`: of the `set`, of all `train` rows, and train / set as `ratio`.

    Bytes are those of the texts in UTF-8 and of the labels: a hard one takes 1 (2 beyond 256 classes), a soft one 4 for
    each class; and 4 for each of `rates` learning rates that come with the set.
    """
    hard = 1 if len(train.classes) <= 256 else 2
    label = hard if distilled.soft is None else FLOAT * len(distilled.classes)
    sides = {
        "set": _size(distilled.texts, distilled.pairs, label, FLOAT * rates),
        "train": _size(train.texts, train.pairs, hard, 0),
    }
    out: dict[str, dict[str, float | int]] = {}
    for name in ("samples", "tokens", "bytes"):
        small, large = sides["set"][name], sides["train"][name]
        out[name] = {"set": small, "train": large, "ratio": round(large / max(1, small), 2)}
    return out


def _size(texts: list[str], pairs: list[str] | None, label: int, further: int) -> dict[str, int]:
    every = [*texts, *(pairs or ())]
    return {
        "samples": len(texts),
        "tokens": sum(len(tokenise(text)) for text in every),
        "bytes": sum(len(text.encode("utf-8", "replace")) for text in every) + label * len(texts) + further,
    }
