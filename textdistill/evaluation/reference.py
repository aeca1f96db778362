"""What a ratio is taken against, in words: which training on all rows, how it was tuned, and what above 100 means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textdistill.evaluation.settings import Evaluate

KERNEL = "regression by the same kernel, with the set's λ; not tuned"
TFIDF = "logistic regression on TF-IDF; not tuned"


def of_networks(evaluate: Evaluate, learner: str) -> str:
    """The full-data training of a recipe whose samples are tensors."""
    if evaluate.by == "objective":
        return KERNEL
    full = evaluate.full
    epochs = f"up to {full.epochs} epoch{'s' if full.epochs > 1 else ''}"
    nets = f"{evaluate.full_nets} networks" if evaluate.full_nets > 1 else "1 network, its spread unknown"
    return f"{learner}, Adam at {full.lr:g}, {epochs}, stopped by validation rows; {nets}"


def of_head(encoder: str, penalty: float) -> str:
    """The linear head whose penalty validation rows chose."""
    return f"linear head on frozen {encoder}, λ = {penalty:g} by validation rows"


def why_above(reference: str | None) -> str:
    """Why a ratio is above 100: what it says of the reference, in a line that stands wherever such a ratio does."""
    if reference == KERNEL:
        return (
            "above 100: regression on all rows with so small a λ fits their noise, so the reference is weak: "
            "no success of the set"
        )
    return (
        "above 100: training on all rows, as it was tuned, falls short of training on the set, so the reference is "
        "weak: no success of the set"
    )


def ratio_told(ratio: float, protocol: Mapping[str, Any]) -> str:
    """A line beside a ratio in percent: what it was taken against and, above 100, why; empty where nothing is known."""
    reference = protocol.get("reference")
    known = reference if isinstance(reference, str) and reference else None
    return "; ".join(filter(None, (known, why_above(known) if ratio > 100 else None)))
