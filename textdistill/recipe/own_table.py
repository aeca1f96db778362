"""Recipes for a table that nobody wrote a recipe for: a readable set, or samples as word vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textdistill.core.errors import UserError, did_you_mean
from textdistill.core.file_names import GENERATED
from textdistill.selection.methods import METHODS

KINDS = ("readable", "vectors")
PER_CLASS = 10
# Beside the search that the set comes from, what costs nothing (random rows) and the strongest simple choice.
BESIDE = ("random_real", "k_centers")
# Rows that are encoded: a million take an hour, and what the last nine tenths of them add was not seen.
MOST_ROWS = 100_000
SETS = 5  # of each method, for a spread; of the searched ones the best on training and validation rows is kept
# A small language model of the table's own and the matching of its gradients, as in textdistill_dilm_trec6.
WRITTEN: dict[str, Any] = {
    "generator": {"model": "small"},
    "language_model": {"epochs": 20, "lr": 0.002, "validate_every": 100, "patience": 4, "balance": 0.5},
    "sampling": {"top_p": 0.95},
    "pool": {"batch": 24, "factor": 20, "every": 100},
    "teacher": {"sets": 5, "rows": 60},
    "learner": {"name": "pretrained", "model": "minilm", "train": "head"},
    "objective": {"name": "gradient_matching", "distance": "whole", "layers": ["last"], "batch": 200},
    "starts": {"name": "on_real", "matches": 10, "steps": 20, "lr": 0.01},
    "outer": {
        **{"steps": 250, "optimizer": "adamw", "lr": 1.0e-5, "schedule": "constant", "clip": 1.0},
        "betas": [0.9, 0.999],
    },
}


def table_recipe(
    path: str,
    *,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
    kind: str = "readable",
    methods: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Settings for a user's own table of texts, by the names of its columns.

    `readable`: rows that a search chooses, `PER_CLASS` of each class, beside random rows and K-centres, judged by a
    frozen encoder and by TF-IDF. `methods` choose in place of the search, the last one for the set itself; where one
    writes, the recipe trains a language model. `vectors`: samples that are learned as word vectors.

    Errors: `UserError` for an unknown kind or method.
    """
    if kind not in KINDS:
        raise UserError(f"--as: {kind!r}; allowed: {', '.join(KINDS)}{did_you_mean(kind, KINDS)}")
    named = {"name": path, "text": text, "text_pair": text_pair, "label": label}
    data: dict[str, Any] = {key: value for key, value in named.items() if value is not None}
    title = f"{'Readable set of' if kind == 'readable' else 'Distilled'} {Path(path).name}"
    if kind == "vectors":
        if methods is not None:
            raise UserError("--methods: these choose readable sets; leave out --as vectors")
        return {"title": title, "paper": "sucholutsky2021", "data": data, **_vectors()}
    chosen = ["search_real"] if methods is None else list(methods)
    if not chosen:
        raise UserError(f"--methods: empty; allowed: {', '.join(METHODS)}")
    for method in chosen:
        if method not in METHODS:
            raise UserError(f"--methods: {method!r}; allowed: {', '.join(METHODS)}{did_you_mean(method, METHODS)}")
    trained = any(METHODS[method].source in GENERATED for method in chosen)
    return {
        "title": title,
        "paper": "maekawa2024",
        "data": {**data, "most_rows": MOST_ROWS},
        "representation": {"name": "texts"},
        **(WRITTEN if trained else {}),
        "choose": {
            **{"sizes": [PER_CLASS], "size": PER_CLASS, "sets": SETS, "keep": "best"},
            **{"methods": list(dict.fromkeys([*BESIDE, *chosen])), "headline": chosen[-1]},
            **({"pool": 2000} if trained else {}),
        },
        "judge": {"by": [{"kind": "frozen"}, {"kind": "tfidf"}]},
    }


def per_class_overrides(per_class: int) -> list[str]:
    """The overrides by which a recipe for readable sets has so many samples of each class, and is known by them."""
    return [f"choose.sizes=[{per_class}]", f"choose.size={per_class}"]


def _vectors() -> dict[str, Any]:
    """Real-data initialisation, any start, sizes that suit most texts."""
    return {
        "representation": {"length": 100},
        "synthetic": {"per_class": PER_CLASS, "steps": 1, "epochs": 10, "init": "real", "lr": 0.1},
        "learner": {"name": "text_conv"},
        "objective": {"name": "unrolled", "batch": 256},
        "starts": {"name": "fresh"},
        "outer": {"steps": 300, "lr": 0.01, "validate_every": 50, "keep": "best"},
        "evaluate": {"nets": 10, "full_nets": 1},
    }
