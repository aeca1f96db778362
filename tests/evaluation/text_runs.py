"""The folder of a text-level run as it is left, with small made-up numbers and real-looking samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from textdistill.data.sets.text_set import TextSet
from textdistill.data.sets.text_sets import write_text_set
from textdistill.reports.pictures import embedding_picture, shown_rows

TEXTS = ["a moving , funny film", "dull and far too long", "the plot makes no sense", "warm , witty and wise"]
LABELS = [1, 0, 0, 1]


def scored(mean: float, sd: float = 2.0, n: int = 20, **further: Any) -> dict[str, Any]:
    return {"accuracy": {"mean": mean, "sd": sd, "n": n, "nets": 1, **further}}


def variant(size: int, classes: int = 2, learner: str = "frozen:minilm", lift: float = 0.0) -> dict[str, Any]:
    """The block of one judge and size."""
    return {
        "learner": learner,
        "headline": "ours",
        "distilled": scored(80.0 + lift),
        "baselines": {"random_real": scored(70.0), "k_centers": scored(78.9), "dilm": scored(79.8)},
        "samples": size * classes,
        "full": scored(86.0, 0.0, 1),
        "ratio": {"mean": 93.0, "sd": 2.3, "n": 20},
        "comparisons": {
            "ours - k_centers": {"difference": 1.1, "t": 1.74, "df": 38, "p": 0.09, "low": -0.1, "high": 2.3},
            "ours - dilm": {"difference": 0.2, "t": 0.3, "df": 38, "p": 0.75, "low": -1.0, "high": 1.4},
            "dilm - k_centers": {"difference": 0.9, "t": 1.4, "df": 38, "p": 0.16, "low": -0.3, "high": 2.1},
        },
        "protocol": {"nets": 1, "distillations": 20, "draws": 20},
    }


def finished(folder: Path, classes: tuple[str, ...] = ("negative", "positive"), texts: list[str] = TEXTS) -> Path:
    """Write the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    labels = np.array((LABELS * len(texts))[: len(texts)])
    write_text_set(folder, TextSet(list(texts), labels, classes))
    metrics = {
        "variants": {
            "frozen@2": variant(2),
            "frozen@5": variant(5, lift=1.5),
            "finetuned@2": variant(2, learner="finetuned:minilm"),
        },
        "cost": {"distill_seconds": 4000.0, "language_model_seconds": 3000.0, "outer_steps": 600, "peak_rss_mib": 1800},
        "protocol": {"test_rows": 872, "sets": 20, "seed": 0, "test_fingerprint": "ab" * 32},
        "language_model": {"perplexity": 31.5, "steps": 1200},
        "matching": {"seconds": 1000.0, "outer_steps": 600, "kept_step": 450},
        "generation": {
            "matched": {
                **{"sampled": 6000, "redrawn": {"unfinished": 12, "empty": 3}, "exact_copies": 220},
                **{"near_copies": 340, "near_copies_dropped": True, "repeated": 95, "kept": [2700, 2650]},
            }
        },
    }
    manifest = {
        "kind": "texts",
        "title": "DiLM in miniature",
        "recipe": {"title": "in miniature", "choose": {"sets": 20}},
        "seed": 0,
        "commit": "fa6a484",
        "versions": {"torch": "2.13.0"},
        "data": {"name": "sst2", "fingerprint": "cd" * 32, "classes": list(classes)},
        "headline": {"method": "ours", "size": 2},
    }
    real = rng.normal(size=(40, 6))
    kinds = np.arange(40) % len(classes)
    seen = {
        "encoder": "minilm",
        "near": [
            [{"text": f"a real row {row}", "label": classes[0], "distance": 0.4 + row / 10}]
            for row in range(len(texts))
        ],
        "picture": embedding_picture(real, kinds, rng.normal(size=(len(texts), 6)), labels, limit=20),
        "shown": [f"row {row}" for row in shown_rows(kinds, 20)],
        "confusion": [[30 if a == b else 4 for b in range(len(classes))] for a in range(len(classes))],
        "soft": np.full((len(texts), len(classes)), 1 / len(classes)).tolist(),
        "soft_of": "ours_soft",
        "texts": {
            "words": {"mean": 9.1, "sd": 0.5, "n": 20},
            "distinct_2": {"mean": 92.0, "sd": 1.0, "n": 20},
            "exact_copies": {"mean": 0.0, "sd": 0.0, "n": 20},
            "membership": {"nearer_train": 55.0, "expected": 52.0, "p": 0.4, "n": 80},
        },
    }
    files = {"metrics.json": metrics, "manifest.json": manifest, "headline.json": seen}
    for name, values in files.items():
        (folder / name).write_text(json.dumps(values), encoding="utf-8")
    steps = [{"step": k, "loss": 0.5 - k / 200, "gradient_norm": 1.0 + k % 3} for k in range(30)]
    history = [{"step": 100 * k, "loss": 5 - k / 3, "perplexity": 90 / (k + 1)} for k in range(8)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in steps), encoding="utf-8")
    (folder / "language-model.jsonl").write_text("".join(json.dumps(one) + "\n" for one in history), encoding="utf-8")
    (folder / "references.bib").write_text("@article{maekawa2024,\n  title = {DiLM},\n}\n", encoding="utf-8")
    return folder
