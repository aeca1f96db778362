"""A text-level run in miniature: a generator of one narrow layer on real sentences, an encoder of random weights."""

from __future__ import annotations

from typing import Any

from tests import tiny
from tests.learners import models

SIZES = [1, 2]


def settings() -> dict[str, Any]:
    """Settings that take seconds: short sentences, so that a small model soon learns where one ends."""
    folder = tiny.home()
    table = folder / "short.csv"
    if not table.exists():
        rows = [(" ".join(text.split()[:4]), label) for text, label in tiny.sentences()]
        lines = [f'"{text.replace(chr(34), "")}",{"good" if label else "bad"}' for text, label in rows]
        table.write_text("\n".join(["review,stars", *lines]) + "\n", encoding="utf-8")
    encoder = models.bert()
    return {
        "title": "in miniature",
        "paper": "maekawa2024",
        "data": {"name": str(table), "text": "review", "label": "stars"},
        "representation": {"name": "texts", "encoder": encoder},
        "generator": {"model": "small", "layers": 1, "width": 32, "heads": 2, "vocabulary": 300, "dropout": 0.0},
        "language_model": {"steps": 60, "batch": 32, "lr": 0.01, "validate_every": 30, "checkpoint_every": 20},
        "sampling": {"length": 40, "retries": 200},
        "pool": {"batch": 4, "factor": 3, "every": 3, "micro_batch": 4},
        "teacher": {"sets": 2, "rows": 8},
        "learner": {"name": "pretrained", "model": encoder, "train": "head"},
        "objective": {"distance": "cosine", "layers": ["last"], "batch": 8},
        "starts": {"name": "on_real", "matches": 2, "steps": 2, "lr": 0.01, "batch": 8},
        "outer": {"steps": 5, "optimizer": "adamw", "lr": 0.001, "betas": [0.9, 0.999]},
        "checkpoint": {"every": 1},
        "choose": {
            **{"sizes": SIZES, "size": 2, "sets": 2, "over": 3, "pool": 12, "consistent": False, "views": [encoder]},
            "grow": {"rounds": 2, "sets": 2, "each": 3},
            "search": {"sweeps": 1, "rows": 50, "screen": 20, "compare": 4},
            "methods": ["random_real", "k_centers", "search_real", "vanilla_lm", "dilm", "ours", "grown", "ours_soft"],
        },
        "judge": {
            "encoder": encoder,
            "by": [{"kind": "frozen"}, {"kind": "finetuned", "sizes": [2], "sets": 1, "steps": 2}],
        },
    }
