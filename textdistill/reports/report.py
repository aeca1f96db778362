"""The page and the README of a finished run: one self-contained HTML file that needs no network, and a short text.

Both are made from what lies in the run's folder and from nothing else: no clock, no machine, no data. So the same
folder gives the same bytes. Every text of the data, the recipe and the samples passes Jinja2's autoescape.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from textdistill.core.file_names import CARD, REPORT
from textdistill.core.manifest import Manifest
from textdistill.evaluation.reference import ratio_told
from textdistill.evaluation.statistics import welch_of
from textdistill.reports import pictures
from textdistill.reports.grid import number as label_value
from textdistill.reports.heatmap import label_heatmap
from textdistill.reports.names import class_name, method_name
from textdistill.reports.run_folder import FinishedRun, Score, Scored, read_run
from textdistill.reports.sections import (
    FEW_CLASSES,
    Bar,
    HeatTable,
    bar,
    confusion_table,
    curves,
    legend,
    means_by_class,
    recipe_text,
    track,
)
from textdistill.reports.templates import PLAIN, minus, of_rows, render, write_page
from textdistill.reports.text_tables import p_shown, summary_of
from textdistill.representations.decode import Decoded, DecodedSentence, label_shares

SENTENCES = 40  # decoded sentences shown; decoded.json has them all
OPEN_SENTENCES = 8  # of those, shown without unfolding
WORDS = 120  # words shown of one sentence before the rest is folded away
LABELS = 60  # distilled samples in the table of soft labels
LABELS_WITH_NUMBERS = 16
_CURVES = (
    ("Outer loss", "loss", "outer loss", "loss"),
    ("Validation accuracy (%)", "validation", "validation accuracy in percent", "validation"),
    ("Gradient norm", "gradient", "gradient norm", "gradient_norm"),
)


def write_report(folder: Path) -> Path:
    """Write `folder/report.html` from the run's files (see `run_folder`) and return its path.

    Raises `ArtifactError` for a file that is missing or malformed.
    """
    run = read_run(folder)
    return write_page(run.folder / REPORT, render("report.html.j2", _view(run)))


def write_readme(folder: Path) -> Path:
    """Write `folder/README.md`: what the distilled set is, how well it does, how to load it, what to cite."""
    run = read_run(folder)
    return write_page(run.folder / CARD, render(PLAIN, _facts(run)))


def _view(run: FinishedRun) -> dict[str, Any]:
    """Everything that the report shows, under the names that its template uses: drawings take seconds."""
    return {
        **_facts(run),
        "curves": _curves(run),
        "labels": _labels(run),
        "map": _map(run),
        "by_class": _by_class(run),
        "decoded": _sentences(run.decoded) if run.decoded and not run.images else None,
        "distances": _distances(run.decoded) if run.decoded and not run.images else None,
        "confusion": confusion_table(run.metrics.confusion, run.classes),
        "worst": _worst(run),
    }


def _facts(run: FinishedRun) -> dict[str, Any]:
    """What can be told in words and numbers."""
    metrics, manifest = run.metrics, run.manifest
    bars, scale = _bars(run)
    return {
        "run": run,
        "metrics": metrics,
        "manifest": manifest,
        "classes": run.classes,
        "learner": _learner(manifest.recipe),
        "ratio": metrics.ratio or Score(mean=100 * metrics.distilled.accuracy.mean / metrics.full.accuracy.mean),
        "against": ratio_told((metrics.ratio or metrics.distilled.accuracy).mean, metrics.protocol),
        "best": _best(run),
        "verdict": _verdict(run),
        "bars": bars,
        "scale": scale,
        "measures": list(dict.fromkeys(name for line in bars for name in ("accuracy", *line.further))),
        "majority": _majority(run),
        "single_rate": _single_rate(manifest),
        "images": _images(run),
        "open": OPEN_SENTENCES,
        "recipe": recipe_text(manifest.recipe),
        "licence": manifest.data.get("licence") or manifest.data.get("license"),
        "source": manifest.data.get("name") or manifest.data.get("path") or manifest.data.get("kind"),
    }


def _learner(recipe: Mapping[str, Any]) -> str:
    """What the recipe calls the learner."""
    learner = recipe.get("learner")
    if isinstance(learner, Mapping):
        learner = next((learner[key] for key in ("name", "kind", "type", "net", "model") if learner.get(key)), None)
    return str(learner) if learner else "the learner"


def _within(name: str) -> str:
    """A name inside a sentence: small, unless its second letter says that it is an abbreviation."""
    return name if name[1:2] in "-F" else name[:1].lower() + name[1:]


def _best(run: FinishedRun) -> dict[str, Any] | None:
    """The best equal-budget baseline."""
    known = {name: block.accuracy for name, block in run.metrics.baselines.items() if block}
    if not known:
        return None
    name = max(known, key=lambda key: known[key].mean)
    return {"name": _within(method_name(name)), "score": known[name], "count": len(known)}


def _verdict(run: FinishedRun) -> str:
    """How the distilled set compares with the best baseline: Welch's test over networks, or over distillations where
    the start is fixed. One distillation alone tells nothing of chance."""
    best = _best(run)
    if best is None:
        return ""
    test = welch_of(summary_of(run.metrics.distilled.accuracy), summary_of(best["score"]))
    gap, way = test.difference, "above" if test.difference > 0 else "below"
    if test.p is None:
        return f"{abs(gap):.1f} points {way} it, in one try: nothing is known of chance"
    p = f"Welch's test, p {p_shown(test.p)}" if test.p < 1e-4 else f"Welch's test, p = {test.p:.2g}"
    if test.p >= 0.05:
        return minus(f"no clear difference: {gap:+.1f} points ({p})")
    return f"{abs(gap):.1f} points {way} it ({p})"


def _bars(run: FinishedRun) -> tuple[list[Bar], float]:
    """Every score, best first, as bars on a track that ends at the returned number of percent."""
    metrics = run.metrics
    blocks: list[tuple[str, str, Scored | None]] = [
        ("full", "full", metrics.full),
        ("distilled", "distilled", metrics.distilled),
        ("distilled_snapped", "distilled", metrics.distilled_snapped),
        ("distilled_ordinary", "distilled", metrics.distilled_ordinary),
        *((name, "baseline", block) for name, block in metrics.baselines.items()),
        *((name, "traditional", block) for name, block in metrics.traditional.items()),
    ]
    known = [(name, kind, block) for name, kind, block in blocks if block is not None]
    scale = track(max(block.accuracy.mean + (block.accuracy.sd or 0) for _, _, block in known))

    def line(name: str, kind: str, block: Scored) -> Bar:
        score, spread = block.accuracy, block.accuracy.sd or 0
        shown = method_name(name) + (of_rows(metrics.protocol) if name == "full" else "")
        kind = "main" if name == "distilled" else kind
        return bar(shown, kind, score, (score.mean - spread, score.mean + spread), scale, further=block.further())

    return [line(*entry) for entry in sorted(known, key=lambda entry: -entry[2].accuracy.mean)], scale


def _majority(run: FinishedRun) -> float | None:
    """Accuracy in percent of always naming the commonest class of the test rows (rows of the confusion matrix)."""
    rows = [sum(row) for row in run.metrics.confusion or []]
    return 100 * max(rows) / sum(rows) if rows and sum(rows) else None


def _curves(run: FinishedRun) -> list[dict[str, Any]]:
    rates = pictures.learning_rates(run.manifest.learning_rates or [])
    return curves(run.steps, _CURVES) + (
        [] if rates is None else [{"title": "Learned inner learning rates", "svg": rates}]
    )


def _single_rate(manifest: Manifest) -> float | None:
    rates = [rate for epoch in manifest.learning_rates or [] for rate in epoch]
    return rates[0] if len(rates) == 1 else None


def _labels(run: FinishedRun) -> dict[str, Any] | None:
    """The table of soft labels, a column for each sample: from the manifest, else from the decoded sentences."""
    if run.manifest.targets and run.manifest.targets[0]:
        table, rule = label_shares(torch.tensor(run.manifest.targets, dtype=torch.float64))
        columns = [(step, shares) for step, batch in enumerate(table.tolist(), start=1) for shares in batch]
    elif run.decoded and run.decoded.sentences:
        rule = run.decoded.summary.label_rule
        columns = [(shown.step + 1, list(shown.probabilities.values())) for shown in run.decoded.sentences]
    else:
        return None
    shown = columns[:LABELS]
    rows = list(zip(*(shares for _, shares in shown), strict=True))
    return {
        "steps": list(Counter(step for step, _ in shown).items()),
        "rows": [(class_name(run.classes, label), row) for label, row in enumerate(rows)],
        "total": len(columns),
        "shown": len(shown),
        "rule": rule,
        "numbers": len(shown) <= LABELS_WITH_NUMBERS and len(rows) <= FEW_CLASSES,
    }


def _by_class(run: FinishedRun) -> HeatTable | None:
    """The mean label of each class's samples."""
    targets, owners = run.manifest.targets, run.manifest.owners
    if not targets or not targets[0]:
        return None
    names = [class_name(run.classes, label) for label in range(len(targets[0][0]))]
    if owners and max(owners) >= len(names):
        owners = None  # classes of another data set
    return means_by_class(label_heatmap(torch.tensor(targets, dtype=torch.float64), names, owners))


def _images(run: FinishedRun) -> dict[str, Any] | None:
    """The shown images, each with what it is called, for eyes and for screen readers."""
    if run.images is None:
        return None
    shown = []
    for image in run.images.images:
        labels = [(name, minus(label_value(value))) for name, value in image.labels]
        name = f"step {image.step + 1}, sample {image.sample + 1}"
        said = ", ".join(f"{label} {value}" for label, value in labels)
        shown.append({"png": image.png, "labels": labels, "alt": f"Distilled image, {name}: {said}"})
    return {"shown": shown, "total": run.images.total, "clipped": run.images.clipped}


def _map(run: FinishedRun) -> dict[str, Any] | None:
    if run.picture is None:
        return None
    points = run.picture.model_dump()
    others = {point[2] for part in ("real", "distilled") for point in points[part]} - set(pictures.class_ranks(points))
    what = "pixels" if run.images else "mean word vectors"
    colours = legend(run.picture, run.classes)
    return {"svg": pictures.scatter(points, what), "what": what, "legend": colours, "others": len(others)}


def _sentences(decoded: Decoded) -> list[dict[str, Any]]:
    """The shown sentences; each word with its distance and its fade, 0 (nearest of the set) to 4 (farthest)."""
    low, reach = decoded.summary.min, (decoded.summary.max - decoded.summary.min) or 1.0

    def words(sentence: DecodedSentence) -> list[tuple[str, float, int, str]]:
        further = sentence.alternatives or [[]] * len(sentence.words)
        fades = [min(4, max(0, int(5 * (gap - low) / reach))) for gap in sentence.distances]
        return [
            (word, gap, fade, ", ".join(others))
            for word, gap, fade, others in zip(sentence.words, sentence.distances, fades, further, strict=True)
        ]

    shown = []
    for sentence in decoded.sentences[:SENTENCES]:
        all_words = words(sentence)
        shown.append(
            {
                "name": f"Step {sentence.step + 1}, sample {sentence.sample + 1}",
                "ranked": sentence.ranked()[:3],
                "words": all_words[:WORDS],
                "rest": all_words[WORDS:],
                "mean": statistics.fmean(sentence.distances) if sentence.distances else None,
                "nearest_real": sentence.nearest_real,
            }
        )
    return shown


def _distances(decoded: Decoded) -> dict[str, Any]:
    gaps = [gap for sentence in decoded.sentences for gap in sentence.distances]
    return {"svg": pictures.distances(gaps, decoded.summary.real_word_distance), "summary": decoded.summary}


def _worst(run: FinishedRun) -> list[tuple[int, str, str]]:
    """Where there are more than two classes, the commonest confusions in words."""
    counts = run.metrics.confusion or []
    if len(counts) <= 2:
        return []
    names = [class_name(run.classes, label) for label in range(len(counts))]
    mixed = [
        (count, names[actual], names[given])
        for actual, row in enumerate(counts)
        for given, count in enumerate(row)
        if actual != given and count
    ]
    return sorted(mixed, key=lambda entry: -entry[0])[:10]
