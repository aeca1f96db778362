"""The page of a text-level run, or of the judgement of anybody's set: one HTML file that needs no network.

It is made from what lies in the folder (`text_folder`) and from nothing else, so the same folder gives the same bytes.
Every text of the data, the recipe and the samples passes Jinja2's autoescape; the page's one script is allowed by its
hash, so that no other could run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from textdistill.core.file_names import REPORT
from textdistill.reports import pictures
from textdistill.reports.grid import number
from textdistill.reports.heatmap import label_heatmap
from textdistill.reports.report import FEW_CLASSES
from textdistill.reports.templates import minus, render, script, write_page
from textdistill.reports.text_folder import TextFolder, read_folder
from textdistill.reports.text_map import hover_map, legend
from textdistill.reports.text_tables import judge_tables, named

SHOWN = 200  # shown; samples.jsonl has them all
LABELS_WITH_NUMBERS = 16


def write_text_page(folder: Path) -> Path:
    """Write `folder/report.html` from the folder's files and return its path; `ArtifactError` for malformed ones."""
    found = read_folder(folder)
    return write_page(found.folder / REPORT, render("text_report.html.j2", _view(found)))


def _view(found: TextFolder) -> dict[str, Any]:
    code, digest = script("text_page.js")
    tables = judge_tables(found.metrics.variants, found.manifest.headline.size)
    main = next((one for one in tables if one.bars), tables[0])
    return {
        "found": found,
        "metrics": found.metrics,
        "manifest": found.manifest,
        "script": code,
        "script_hash": digest,
        "over": "textdistill report" if found.manifest.kind == "texts" else "textdistill evaluation",
        "tables": tables,
        "main": main,
        "headline": named(main.headline),
        "curves": _curves(found),
        "samples": _samples(found),
        "total": 0 if found.samples is None else len(found.samples),
        "labels": _labels(found),
        "map": _map(found),
        "confusion": _confusion(found),
        "dropped": _dropped(found.metrics.generation),
        "reading": _reading(found),
        "membership": (found.look.texts.get("membership") if found.look is not None else None),
        "robust": _robust(found.metrics.robust),
        "recipe": yaml.safe_dump(found.manifest.recipe, sort_keys=False, allow_unicode=True, width=100)
        if found.manifest.recipe
        else None,
    }


def _curves(found: TextFolder) -> list[dict[str, Any]]:
    steps, model = [one.step for one in found.steps], found.model_steps
    places = [one.step for one in model]
    drawn = [
        (
            "Language model: training loss",
            pictures.curve("lm-loss", "language model's loss", places, [one.loss for one in model], "training step"),
        ),
        (
            "Language model: perplexity of validation rows",
            pictures.curve("lm-perplexity", "perplexity", places, [one.perplexity for one in model], "training step"),
        ),
        (
            "Matching: distance of gradients",
            pictures.curve("loss", "matching loss", steps, [one.loss for one in found.steps]),
        ),
        (
            "Matching: validation accuracy (%)",
            pictures.curve("validation", "validation accuracy", steps, [one.validation for one in found.steps]),
        ),
        (
            "Matching: gradient norm",
            pictures.curve("gradient", "gradient norm", steps, [one.gradient_norm for one in found.steps]),
        ),
    ]
    return [{"title": title, "svg": svg} for title, svg in drawn if svg is not None]


def _samples(found: TextFolder) -> list[dict[str, Any]]:
    """Each sample as the list shows it."""
    if found.samples is None:
        return []
    samples, look = found.samples, found.look
    out = []
    for row, text in enumerate(samples.texts[:SHOWN]):
        near = look.near[row] if look is not None and look.near else []
        values = samples.soft[row].tolist() if samples.soft is not None else None
        if values is None and look is not None and look.soft is not None:
            values = look.soft[row]
        ranked = sorted(zip(samples.classes, values, strict=True), key=lambda one: -one[1])[:3] if values else []
        out.append(
            {
                "number": row + 1,
                "text": text,
                "pair": None if samples.pairs is None else samples.pairs[row],
                "label": samples.classes[int(samples.labels[row])],
                "soft": [(name, minus(f"{value:.2f}")) for name, value in ranked],
                "near": near,
                "distance": near[0].distance if near else 0.0,
                "length": len(text),
            }
        )
    return out


def _labels(found: TextFolder) -> dict[str, Any] | None:
    """Soft labels, a row for each sample, and the mean of each class's samples."""
    if found.samples is None:
        return None
    soft = found.samples.soft.tolist() if found.samples.soft is not None else None
    if soft is None and found.look is not None:
        soft = found.look.soft
    if soft is None:
        return None
    classes, owners = found.samples.classes, found.samples.labels.tolist()
    heat = label_heatmap(torch.tensor(soft, dtype=torch.float64), classes, owners)
    reach = max((abs(value) for row in soft for value in row), default=0.0) or 1e-12
    return {
        "classes": classes,
        "of": None if found.samples.soft is not None or found.look is None else found.look.soft_of,
        "rows": [
            (place + 1, classes[owner], [(minus(number(value)), abs(value) / reach, value < 0) for value in row])
            for place, (owner, row) in enumerate(zip(owners[:SHOWN], soft[:SHOWN], strict=True))
        ],
        "means": [
            (row.name, row.samples, [(minus(number(v)), abs(v) / heat.reach, v < 0) for v in row.values])
            for row in heat.rows
        ],
        "numbers": len(classes) <= FEW_CLASSES,
        "negative": any(value < 0 for row in soft for value in row),
    }


def _map(found: TextFolder) -> dict[str, Any] | None:
    if found.look is None or found.look.picture is None or found.samples is None:
        return None
    samples, picture = found.samples, found.look.picture
    texts = samples.texts
    if samples.pairs is not None:
        texts = [f"{first} / {second}" for first, second in zip(texts, samples.pairs, strict=True)]
    svg = hover_map(picture, found.look.shown, [text[:300] for text in texts], samples.classes)
    return {"svg": svg, "legend": legend(picture, samples.classes), "explained": picture.explained}


def _confusion(found: TextFolder) -> dict[str, Any] | None:
    if found.look is None or found.look.confusion is None:
        return None
    counts = found.look.confusion
    rows = [
        (name, [(count, count / max(1, sum(row))) for count in row])
        for name, row in zip(found.classes, counts, strict=True)
    ]
    return {"rows": rows, "numbers": len(counts) <= FEW_CLASSES, "encoder": found.look.encoder}


def _dropped(generation: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What generating left out, by whose samples they are."""
    names = {"vanilla": "Language model", "matched": "Matched generator"}
    out = []
    for name, told in generation.items():
        kept, redrawn = told.get("kept", []), told.get("redrawn", {})
        out.append(
            {
                "name": names.get(name, name),
                "sampled": told.get("sampled"),
                "redrawn": sum(redrawn.values()) if isinstance(redrawn, dict) else None,
                "reasons": redrawn if isinstance(redrawn, dict) else {},
                "exact": told.get("exact_copies"),
                "near": told.get("near_copies"),
                "near_dropped": told.get("near_copies_dropped", True),
                "repeated": told.get("repeated"),
                "kept": sum(kept) if isinstance(kept, list) else None,
            }
        )
    return out


_READING = {
    "words": "Words",
    "distinct_1": "Distinct-1 (%)",
    "distinct_2": "Distinct-2 (%)",
    "tokens": "Tokens",
    "perplexity": "Perplexity",
    "exact_copies": "Copies (%)",
    "near_copies": "Near copies (%)",
}


def _reading(found: TextFolder) -> dict[str, Any] | None:
    """What the texts of each method are like, a line each; where only the headline was looked at, that one."""
    looked = {} if found.look is None else found.look.texts
    texts = dict(found.metrics.texts) or ({found.manifest.headline.method: looked} if looked else {})
    known = [key for key in _READING if any(key in told for told in texts.values())]
    if not known:
        return None
    return {
        "names": [_READING[key] for key in known],
        "rows": [(named(method), [_figure(told.get(key)) for key in known]) for method, told in texts.items()],
        "model": next((told["language_model"] for told in texts.values() if "language_model" in told), None),
        "held": looked.get("held_out_near_copies"),
    }


def _figure(told: Any) -> str:
    if not isinstance(told, dict) or not isinstance(told.get("mean"), int | float):
        return "–"
    return f"{told['mean']:.1f}" + (f" ± {told['sd']:.1f}" if told.get("n", 1) > 1 and "sd" in told else "")


def _robust(told: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, dict[str, str]]]:
    """Label- and augmentation-robust scores, a line for each judge."""
    return [
        (judge, {key: minus(f"{value:.1f}") for key, value in scores.items() if isinstance(value, int | float)})
        for judge, scores in told.items()
    ]
