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
from markupsafe import Markup

from textdistill.core.file_names import REPORT
from textdistill.reports.heatmap import label_heatmap
from textdistill.reports.names import method_name
from textdistill.reports.sections import (
    HeatTable,
    Row,
    confusion_table,
    curves,
    legend,
    means_by_class,
    recipe_text,
    values,
)
from textdistill.reports.templates import factor, minus, number, render, script, write_page
from textdistill.reports.text_folder import TextFolder, read_folder
from textdistill.reports.text_map import hover_map
from textdistill.reports.text_tables import UNSEEN, judge_tables

SHOWN = 200  # shown; samples.jsonl has them all
_OF_MODEL = (
    ("Language model: training loss", "lm-loss", "language model's loss", "loss"),
    ("Language model: perplexity of validation rows", "lm-perplexity", "perplexity", "perplexity"),
)
_OF_MATCHING = (
    ("Matching: distance of gradients", "loss", "matching loss", "loss"),
    ("Matching: validation accuracy (%)", "validation", "validation accuracy", "validation"),
    ("Matching: gradient norm", "gradient", "gradient norm", "gradient_norm"),
)


def write_text_page(folder: Path) -> Path:
    """Write `folder/report.html` from the folder's files and return its path; `ArtifactError` for malformed ones."""
    run = read_folder(folder)
    return write_page(run.folder / REPORT, render("text_report.html.j2", _view(run)))


def _view(run: TextFolder) -> dict[str, Any]:
    code, digest = script("text_page.js")
    metrics, look = run.metrics, run.look
    tables = judge_tables(metrics.variants, run.headline.size)
    main = next((table for table in tables if table.bars), tables[0])
    return {
        "run": run,
        "metrics": metrics,
        "manifest": run.manifest,
        "script": code,
        "script_hash": digest,
        "over": "textdistill report" if run.manifest.kind == "texts" else "textdistill evaluation",
        "tables": tables,
        "main": main,
        "headline": method_name(main.headline),
        "unseen": any(UNSEEN in block.baselines for block in metrics.variants.values()),
        "curves": curves(run.model_steps, _OF_MODEL, "training step") + curves(run.steps, _OF_MATCHING),
        "samples": _samples(run),
        "total": 0 if run.samples is None else len(run.samples),
        "labels": _labels(run),
        "map": _map(run),
        "confusion": None if look is None else confusion_table(look.confusion, run.classes),
        "dropped": _dropped(metrics.generation),
        "reading": _reading(run),
        "membership": None if look is None else look.texts.get("membership"),
        "robust": _robust(metrics.robust),
        "compressed": [
            (unit, [number(size.set), number(size.train), f"{factor(size.ratio)}×"])
            for unit, size in metrics.compression.items()
        ],
        "recipe": recipe_text(run.manifest.recipe) if run.manifest.recipe else None,
    }


def _soft(run: TextFolder) -> list[list[float]] | None:
    """The soft labels of the samples: their own, else those of another set of the same texts."""
    if run.samples is not None and run.samples.soft is not None:
        return run.samples.soft.tolist()  # type: ignore[no-any-return]
    return None if run.samples is None or run.look is None else run.look.soft


def _samples(run: TextFolder) -> list[dict[str, Any]]:
    """Each sample as the list shows it."""
    if run.samples is None:
        return []
    samples, look, soft = run.samples, run.look, _soft(run)
    out = []
    for row, text in enumerate(samples.texts[:SHOWN]):
        near = look.near[row] if look is not None and look.near else []
        ranked = sorted(zip(samples.classes, soft[row], strict=True), key=lambda item: -item[1])[:3] if soft else []
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


def _labels(run: TextFolder) -> dict[str, Any] | None:
    """Soft labels, a row for each sample, and the mean of each class's samples."""
    soft = _soft(run)
    if run.samples is None or soft is None:
        return None
    classes, owners = run.samples.classes, run.samples.labels.tolist()
    reach = max((abs(value) for row in soft for value in row), default=0.0) or 1e-12
    link = Markup('<a href="#sample-{0}">{0}</a>, {1}')
    rows = [
        Row(link.format(place, classes[owner]), values(row, reach))
        for place, (owner, row) in enumerate(zip(owners[:SHOWN], soft[:SHOWN], strict=True), start=1)
    ]
    return {
        "of": None if run.samples.soft is not None or run.look is None else run.look.soft_of,
        "each": HeatTable(classes, rows),
        "means": means_by_class(label_heatmap(torch.tensor(soft, dtype=torch.float64), classes, owners), counted=True),
        "negative": any(value < 0 for row in soft for value in row),
    }


def _map(run: TextFolder) -> dict[str, Any] | None:
    if run.look is None or run.look.picture is None or run.samples is None:
        return None
    samples, picture = run.samples, run.look.picture
    texts = samples.texts
    if samples.pairs is not None:
        texts = [f"{first} / {second}" for first, second in zip(texts, samples.pairs, strict=True)]
    svg = hover_map(picture, run.look.shown, [text[:300] for text in texts], samples.classes)
    return {"svg": svg, "legend": legend(picture, samples.classes), "explained": picture.explained}


def _dropped(generation: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What generating left out, by whose samples they are."""
    names = {"vanilla": "Language model", "matched": "Matched generator", "grown": "Matched generator, grown"}
    names["prompted"] = "Language model, prompted"
    out = []
    for name, counts in generation.items():
        kept, redrawn = counts.get("kept", []), counts.get("redrawn", {})
        out.append(
            {
                "name": names.get(name, name),
                "sampled": counts.get("sampled"),
                "redrawn": sum(redrawn.values()) if isinstance(redrawn, dict) else None,
                "reasons": redrawn if isinstance(redrawn, dict) else {},
                "exact": counts.get("exact_copies"),
                "near": counts.get("near_copies"),
                "near_dropped": counts.get("near_copies_dropped", True),
                "repeated": counts.get("repeated"),
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


def _reading(run: TextFolder) -> dict[str, Any] | None:
    """What the texts of each method are like, a line each; where only the headline was looked at, that one."""
    looked = {} if run.look is None else run.look.texts
    texts = dict(run.metrics.texts) or ({run.headline.method: looked} if looked else {})
    known = [key for key in _READING if any(key in facts for facts in texts.values())]
    if not known:
        return None
    return {
        "columns": ["Texts of", *(_READING[key] for key in known)],
        "rows": [(method_name(method), [_figure(facts.get(key)) for key in known]) for method, facts in texts.items()],
        "model": next((facts["language_model"] for facts in texts.values() if "language_model" in facts), None),
        "held": looked.get("held_out_near_copies"),
    }


def _figure(fact: Any) -> str:
    if not isinstance(fact, dict) or not isinstance(fact.get("mean"), int | float):
        return "–"
    return f"{fact['mean']:.1f}" + (f" ± {fact['sd']:.1f}" if fact.get("n", 1) > 1 and "sd" in fact else "")


def _robust(judges: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    """Label- and augmentation-robust scores, a line for each judge."""
    scores = {
        judge: {key: minus(f"{value:.1f}") for key, value in block.items() if isinstance(value, int | float)}
        for judge, block in judges.items()
    }
    if not scores:
        return None
    keys = list(next(iter(scores.values())))
    rows = [(judge, [block.get(key, "–") for key in keys]) for judge, block in scores.items()]
    return {"columns": ["Judge", *(key.upper() for key in keys)], "rows": rows}
