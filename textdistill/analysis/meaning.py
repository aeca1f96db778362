"""What the labels say: heat maps by class, and what each class looks like by the samples' weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from textdistill.analysis.result import Result, picture, summary
from textdistill.analysis.study import Study
from textdistill.core.schedule import DistilledSet
from textdistill.evaluation.baselines import averages
from textdistill.reports.grid import Shown, grid_png, images_of
from textdistill.reports.heatmap import label_heatmap, write_heatmap

SHOWN = 70  # letters of a sentence in the picture


def labels(study: Study) -> Result:
    """Mean soft label of each class's samples, how much of it is the class's own, and how far it is spread.

    Samples of another data set are told by their own classes there. Bohdal et al. 2020, Figures 6 and 7.
    """
    study.need_labels("labels")
    distilled, classes = study.distilled, study.artifact.classes
    owners, names, foreign = _owners(study)
    heat = label_heatmap(distilled.targets, classes, owners, names if foreign else None)
    values = distilled.targets.flatten(0, 1).double()
    whose = torch.tensor(owners) if owners is not None else values.argmax(1)
    rows: list[dict[str, Any]] = []
    for row in heat.rows:
        mine = values[whose == names.index(row.name)]
        own = mine.amax(1) if foreign else mine[:, names.index(row.name)]
        entry: dict[str, Any] = {"class": row.name, "samples": row.samples, "value": summary(own.tolist())}
        entry["entropy"] = summary(_entropy(mine).tolist())
        if owners is not None and not foreign:
            entry["kept"] = round(100.0 * float((mine.argmax(1) == names.index(row.name)).double().mean()), 2)
        rows.append({**entry, "label": row.values})
    what = "highest label" if foreign else "label for their own class"
    notes = [f"value: the samples' {what}; entropy in bits"]
    if owners is not None and not foreign:
        notes.append("kept: percent of the samples whose highest label is still that of their class")
    title = f"Labels of {distilled.samples} samples by the class they came with"
    if owners is None:
        title = f"Labels of {distilled.samples} samples by the class of their highest value"
    settings = {"classes": classes, "rule": heat.rule, "foreign": foreign}
    result = Result("labels", title, rows, "class", measure="value", unit=what, settings=settings, notes=notes)
    study.out.mkdir(parents=True, exist_ok=True)
    write_heatmap(result.picture_in(study.out), heat)
    result.write_json(study.out)
    return result


def _owners(study: Study) -> tuple[list[int] | None, list[str], bool]:
    """The class of each sample, the names of those classes, and whether they are another data set's."""
    classes = study.artifact.classes
    owners = study.distilled.meta.get("owners")
    if owners is not None:
        return list(owners), classes, False
    samples = study.samples()
    if samples is None:
        return None, classes, False
    names = sorted({str(sample["source_label"]) for sample in samples})
    return [names.index(str(sample["source_label"])) for sample in samples], names, True


def _entropy(values: Tensor) -> Tensor:
    """Of each label, in bits; what is below zero counts as nothing."""
    shares = values.clamp_min(0)
    shares = shares / shares.sum(1, keepdim=True).clamp_min(1e-12)
    return -(shares * shares.clamp_min(1e-12).log2()).sum(1)


def prototypes(study: Study, *, top: int = 3) -> Result:
    """Each class by its samples: Σ_i y_ic x_i / Σ_i y_ic as a picture, or the sentences with the highest labels.

    `likeness` is the correlation of the class's prototype with the mean of its real training rows, both less the mean
    over all classes. Bohdal et al. 2020, appendix D and Figure 9.
    """
    study.need_labels("prototypes")
    study.need_real_inputs("prototypes")
    distilled, task, classes = study.distilled, study.task, study.artifact.classes
    inputs, values = distilled.inputs.flatten(0, 1), distilled.targets.flatten(0, 1)
    blended = blend(inputs, values)
    real, _ = averages(task.train, [1] * len(classes))
    shown, wanted = (task.summary(part).flatten(1).double() for part in (blended, real))
    likeness = torch.nn.functional.cosine_similarity(shown - shown.mean(0), wanted - wanted.mean(0), dim=1)
    texts = [str(sample.get("text", "")) for sample in study.samples() or []]
    rows: list[dict[str, Any]] = []
    bars: list[tuple[str, float, int]] = []
    for label, name in enumerate(classes):
        order = values[:, label].argsort(descending=True)[:top].tolist()
        row: dict[str, Any] = {
            "class": name,
            "label": summary(values[:, label].tolist()),
            "likeness": round(float(likeness[label]), 4),
        }
        if study.kind == "words":
            row["foremost"] = [{"text": texts[at], "value": round(float(values[at, label]), 6)} for at in order]
            bars.extend((texts[at], float(values[at, label]), label) for at in order)
        rows.append(row)
    title = f"Prototypes of {len(classes)} classes from {distilled.samples} real samples and their labels"
    notes = ["likeness: correlation of a class's prototype with the mean of its real training rows"]
    if study.kind == "words":
        for row in rows:
            notes.extend(
                f"{row['class']}: {sentence['value']:.3f}  {sentence['text'][:100]}" for sentence in row["foremost"]
            )
    settings = {"classes": classes, "top": top}
    unit = "label over all samples"
    result = Result("prototypes", title, rows, "class", measure="label", unit=unit, settings=settings, notes=notes)
    result.write(study.out, _sentences(bars, title) if study.kind == "words" else _pictures(study, blended, likeness))
    return result


def blend(inputs: Tensor, values: Tensor) -> Tensor:
    """Σ_i y_ic x_i / Σ_i |y_ic| for each class c: (C, *shape)."""
    weights = values / values.abs().sum(0).clamp_min(1e-12)
    return torch.einsum("nc,n...->c...", weights.to(inputs), inputs)


def _pictures(study: Study, blended: Tensor, likeness: Tensor) -> bytes:
    """A picture for each class, stretched to its own darkest and brightest; under it, its name and its likeness."""
    classes = study.artifact.classes
    flat = blended.flatten(1)
    low, high = flat.amin(1), flat.amax(1)
    ones = [1] * (blended.ndim - 1)
    shown = (blended - low.view(-1, *ones)) / (high - low).clamp_min(1e-12).view(-1, *ones)
    eye = torch.eye(len(classes))
    as_set = DistilledSet(shown[None], eye[None], torch.ones(1, 1))
    images, _ = images_of(as_set, classes, lambda pixels: pixels)
    named = [
        Shown(image.step, image.sample, image.pixels, [(classes[at], float(likeness[at]))])
        for at, image in enumerate(images)
    ]
    return grid_png(named, len(classes))


def _sentences(bars: list[tuple[str, float, int]], title: str) -> bytes:
    """Bars as long as the labels of the foremost sentences, class by class."""

    def draw(axes: Axes) -> None:
        colours = [f"C{label % 10}" for _, _, label in bars]
        places = np.arange(len(bars))[::-1]
        axes.barh(places, [value for _, value, _ in bars], color=colours)
        names = [" ".join(text.split()) for text, _, _ in bars]
        axes.set_yticks(places, [name if len(name) <= SHOWN else f"{name[: SHOWN - 1]}…" for name in names])
        axes.set_xlabel("label for the class (a colour each)")

    return picture(draw, title, (9.0, min(60.0, 1.2 + 0.24 * len(bars))))
