"""The page and the README of a finished run: one self-contained HTML file that needs no network, and a short text.

Both are made from what lies in the run's folder and from nothing else: no clock, no machine, no data. So the same
folder gives the same bytes. Every text of the data, the recipe and the samples passes Jinja2's autoescape.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from textdistill.core.file_names import CARD, REPORT
from textdistill.reports import pictures
from textdistill.reports.grid import number
from textdistill.reports.heatmap import label_heatmap
from textdistill.reports.run_folder import FinishedRun, Manifest, Score, Scored, read_run
from textdistill.reports.templates import PLAIN, minus, of_rows, render, write_page
from textdistill.representations.decode import Decoded, DecodedSentence, label_shares

SENTENCES = 40  # decoded sentences shown; decoded.json has them all
OPEN_SENTENCES = 8  # of those, shown without unfolding
WORDS = 120  # words shown of one sentence before the rest is folded away
LABELS = 60  # distilled samples in the table of soft labels
LABELS_WITH_NUMBERS = 16
FEW_CLASSES = 12  # up to here tables of classes carry numbers

_NAMES = {
    "distilled": "Distilled",
    "distilled_snapped": "Distilled, snapped to words",
    "distilled_ordinary": "Distilled, trained the ordinary way",
    "full": "All training data",
    "random_real": "Random real rows",
    "best_random_real": "Best random real rows",
    "kmeans": "K-means",
    "class_average": "Class average",
    "knn_random_real": "k-NN on random real rows",
    "knn_kmeans": "k-NN on K-means",
    "k_centers": "K-centres",
    "herding": "Herding",
    "tfidf_full": "TF-IDF, all training data",
    "tfidf_random_real": "TF-IDF, random real rows",
}


@dataclass(frozen=True)
class Bar:
    """One line of the table of results; `left`, `right` and `width` are percents of the bar's track."""

    name: str
    kind: str
    scores: dict[str, Score]
    width: float
    left: float
    right: float


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
        "picture": _picture(run),
        "heatmap": _heatmap(run),
        "decoded": _sentences(run.decoded) if run.decoded and not run.images else None,
        "distances": _distances(run.decoded) if run.decoded and not run.images else None,
        "confusion": _confusion(run),
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
        "best": _best(run),
        "verdict": _verdict(run),
        "bars": bars,
        "scale": scale,
        "measures": list(dict.fromkeys(name for bar in bars for name in bar.scores)),
        "majority": _majority(run),
        "single_rate": _single_rate(manifest),
        "images": _images(run),
        "open": OPEN_SENTENCES,
        "recipe": yaml.safe_dump(manifest.recipe, sort_keys=False, allow_unicode=True, width=100),
        "licence": manifest.data.get("licence") or manifest.data.get("license"),
        "source": manifest.data.get("name") or manifest.data.get("path") or manifest.data.get("kind"),
    }


def _learner(recipe: Mapping[str, Any]) -> str:
    """What the recipe calls the learner."""
    learner = recipe.get("learner")
    if isinstance(learner, Mapping):
        learner = next((learner[key] for key in ("name", "kind", "type", "net", "model") if learner.get(key)), None)
    return str(learner) if learner else "the learner"


def _named(name: str) -> str:
    return _NAMES.get(name, name.replace("_", " "))


def _within(name: str) -> str:
    """A name inside a sentence: small, unless its second letter says that it is an abbreviation."""
    return name if name[1:2] in "-F" else name[:1].lower() + name[1:]


def _best(run: FinishedRun) -> dict[str, Any] | None:
    """The best equal-budget baseline."""
    known = {name: block.accuracy for name, block in run.metrics.baselines.items() if block}
    if not known:
        return None
    name = max(known, key=lambda key: known[key].mean)
    return {"name": _within(_named(name)), "score": known[name], "count": len(known)}


def _verdict(run: FinishedRun) -> str:
    """How the distilled set compares with the best baseline, told against their spread."""
    best = _best(run)
    if best is None:
        return ""
    ours, other = run.metrics.distilled.accuracy, best["score"]
    gap, spread = ours.mean - other.mean, ((ours.sd or 0) ** 2 + (other.sd or 0) ** 2) ** 0.5
    if abs(gap) <= spread:
        return f"no clear difference: {gap:+.1f} points, within one standard deviation ({spread:.1f})".replace("-", "−")
    return f"{abs(gap):.1f} points {'above' if gap > 0 else 'below'} it"


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
    highest = max(block.accuracy.mean + (block.accuracy.sd or 0) for _, _, block in known)
    scale = min(100.0, max(10.0, 10 * (highest // 10 + 1)))

    def bar(name: str, kind: str, block: Scored) -> Bar:
        score = block.accuracy
        spots = [score.mean, score.mean - (score.sd or 0), score.mean + (score.sd or 0)]
        width, left, right = (round(min(100.0, max(0.0, 100 * spot / scale)), 2) for spot in spots)
        shown = _named(name) + (of_rows(metrics.protocol) if name == "full" else "")
        return Bar(shown, "main" if name == "distilled" else kind, block.scores(), width, left, right)

    return [bar(*entry) for entry in sorted(known, key=lambda entry: -entry[2].accuracy.mean)], scale


def _majority(run: FinishedRun) -> float | None:
    """Accuracy in percent of always naming the commonest class of the test rows (rows of the confusion matrix)."""
    rows = [sum(row) for row in run.metrics.confusion or []]
    return 100 * max(rows) / sum(rows) if rows and sum(rows) else None


def _curves(run: FinishedRun) -> list[dict[str, Any]]:
    steps = [step.step for step in run.steps]
    drawn = [
        ("Outer loss", pictures.curve("loss", "outer loss", steps, [step.loss for step in run.steps])),
        (
            "Validation accuracy (%)",
            pictures.curve(
                "validation", "validation accuracy in percent", steps, [step.validation for step in run.steps]
            ),
        ),
        ("Gradient norm", pictures.curve("gradient", "gradient norm", steps, [s.gradient_norm for s in run.steps])),
        ("Learned inner learning rates", pictures.learning_rates(run.manifest.learning_rates or [])),
    ]
    return [{"title": title, "svg": svg} for title, svg in drawn if svg is not None]


def _single_rate(manifest: Manifest) -> float | None:
    rates = [rate for epoch in manifest.learning_rates or [] for rate in epoch]
    return rates[0] if len(rates) == 1 else None


def _labels(run: FinishedRun) -> dict[str, Any] | None:
    """The table of soft labels, a column for each sample: from the manifest, else from the decoded sentences."""
    if run.manifest.targets and run.manifest.targets[0]:
        table, rule = label_shares(torch.tensor(run.manifest.targets, dtype=torch.float64))
        columns = [(step, shares) for step, one in enumerate(table.tolist(), start=1) for shares in one]
    elif run.decoded and run.decoded.sentences:
        rule = run.decoded.summary.label_rule
        columns = [(one.step + 1, list(one.probabilities.values())) for one in run.decoded.sentences]
    else:
        return None
    shown = columns[:LABELS]
    rows = list(zip(*(shares for _, shares in shown), strict=True))
    names = run.classes or [f"class {index}" for index in range(len(rows))]
    return {
        "steps": list(Counter(step for step, _ in shown).items()),
        "rows": list(zip(names, rows, strict=False)),
        "total": len(columns),
        "shown": len(shown),
        "rule": rule,
        "numbers": len(shown) <= LABELS_WITH_NUMBERS and len(rows) <= FEW_CLASSES,
    }


def _heatmap(run: FinishedRun) -> dict[str, Any] | None:
    """The mean label of each class's samples; shades are shares of the largest value by size."""
    targets, owners = run.manifest.targets, run.manifest.owners
    if not targets or not targets[0]:
        return None
    names = run.classes or [f"class {index}" for index in range(len(targets[0][0]))]
    if owners and max(owners) >= len(names):
        owners = None  # classes of another data set
    heat = label_heatmap(torch.tensor(targets, dtype=torch.float64), names, owners)
    shaded = [
        (row.name, row.samples, [(minus(number(value)), abs(value) / heat.reach, value < 0) for value in row.values])
        for row in heat.rows
    ]
    negative = any(value < 0 for row in heat.rows for value in row.values)
    numbers = len(names) <= FEW_CLASSES
    return {"rows": shaded, "classes": names, "rule": heat.rule, "numbers": numbers, "negative": negative}


def _images(run: FinishedRun) -> dict[str, Any] | None:
    """The shown images, each with what it is called, for eyes and for screen readers."""
    if run.images is None:
        return None
    shown = []
    for one in run.images.images:
        labels = [(name, minus(number(value))) for name, value in one.labels]
        name = f"Step {one.step + 1}, sample {one.sample + 1}"
        told = ", ".join(f"{label} {value}" for label, value in labels)
        shown.append(
            {"name": name, "png": one.png, "labels": labels, "alt": f"Distilled image, {name.lower()}: {told}"}
        )
    return {"shown": shown, "total": run.images.total, "clipped": run.images.clipped}


def _picture(run: FinishedRun) -> dict[str, Any] | None:
    if run.picture is None:
        return None
    points = run.picture.model_dump()
    ranks = pictures.class_ranks(points)
    names = {label: run.classes[label] if label < len(run.classes) else f"class {label}" for label in ranks}
    others = {point[2] for part in ("real", "distilled") for point in points[part]} - set(ranks)
    legend = [(rank, names[label]) for label, rank in ranks.items()]
    what = "pixels" if run.images else "mean word vectors"
    return {"svg": pictures.scatter(points, what), "what": what, "legend": legend, "others": len(others)}


def _sentences(decoded: Decoded) -> list[dict[str, Any]]:
    """The shown sentences; each word with its distance and its fade, 0 (nearest of the set) to 4 (farthest)."""
    low, reach = decoded.summary.min, (decoded.summary.max - decoded.summary.min) or 1.0

    def words(one: DecodedSentence) -> list[tuple[str, float, int, str]]:
        further = one.alternatives or [[]] * len(one.words)
        fades = [min(4, max(0, int(5 * (gap - low) / reach))) for gap in one.distances]
        return [
            (word, gap, fade, ", ".join(others))
            for word, gap, fade, others in zip(one.words, one.distances, fades, further, strict=True)
        ]

    shown = []
    for one in decoded.sentences[:SENTENCES]:
        all_words = words(one)
        shown.append(
            {
                "name": f"Step {one.step + 1}, sample {one.sample + 1}",
                "ranked": one.ranked()[:3],
                "words": all_words[:WORDS],
                "rest": all_words[WORDS:],
                "mean": statistics.fmean(one.distances) if one.distances else None,
                "nearest_real": one.nearest_real,
            }
        )
    return shown


def _distances(decoded: Decoded) -> dict[str, Any]:
    gaps = [gap for one in decoded.sentences for gap in one.distances]
    return {"svg": pictures.distances(gaps, decoded.summary.real_word_distance), "summary": decoded.summary}


def _confusion(run: FinishedRun) -> dict[str, Any] | None:
    """Counts with each row's shares, or for many classes the commonest confusions in words."""
    counts = run.metrics.confusion
    if not counts:
        return None
    classes = run.classes or [f"class {index}" for index in range(len(counts))]
    rows = [
        (name, [(count, count / max(1, sum(row))) for count in row]) for name, row in zip(classes, counts, strict=True)
    ]
    mixed = [(counts[i][j], classes[i], classes[j]) for i in range(len(counts)) for j in range(len(counts)) if i != j]
    worst: Sequence[tuple[int, str, str]] = sorted((m for m in mixed if m[0]), key=lambda m: -m[0])[:10]
    return {"rows": rows, "numbers": len(counts) <= FEW_CLASSES, "worst": worst if len(counts) > 2 else []}
