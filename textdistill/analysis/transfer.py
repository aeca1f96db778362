"""Transfer: networks of other families and a frozen encoder trained on the set, beside true and smoothed labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from textdistill.analysis.result import ACCURACY, Result, summary
from textdistill.analysis.study import Study
from textdistill.core.errors import UserError
from textdistill.core.inner import Adam
from textdistill.core.schedule import DistilledSet, Draw
from textdistill.evaluation.labels import tuned_steps, with_true_labels
from textdistill.evaluation.protocol import score_set
from textdistill.evaluation.scores import score
from textdistill.evaluation.settings import Train
from textdistill.evaluation.training import scheduled
from textdistill.learners.linear_head import PENALTY, fit_head
from textdistill.learners.pretrained.encoder_files import PACKAGED
from textdistill.learners.pretrained.frozen_encoder import Encoder

STEPS = ("stored", "tuned")
RATE = 0.001
NO_ENCODER = "none"


@dataclass(frozen=True)
class Sentences(DistilledSet):
    """A set of real sentences that says where each ends: other networks read them as they read any sentence."""

    def draw(self, step: int) -> Draw:
        """The draw, with a mask behind each sentence's last word."""
        draw = super().draw(step)
        return replace(draw, batch=replace(draw.batch, mask=_mask(draw.batch.inputs)))


def _mask(inputs: Tensor) -> Tensor:
    """True up to the last vector that is not zero, and at the first place anyway."""
    places = torch.arange(1, inputs.shape[1] + 1, device=inputs.device)
    last = ((inputs != 0).any(2) * places).amax(1).clamp_min(1)
    return places[None] <= last[:, None]


def as_sentences(study: Study) -> DistilledSet:
    """The set; one of real sentences knows their lengths."""
    distilled = replace(study.distilled, theta0=None)
    if study.kind != "words" or study.samples() is None:
        return distilled
    return Sentences(**{field.name: getattr(distilled, field.name) for field in fields(distilled)})


def label_kinds(distilled: DistilledSet) -> dict[str, DistilledSet]:
    """The set with its own labels and, where its samples are the task's own rows, with true and smoothed ones."""
    kinds = {"distilled": distilled}
    for name, smoothed in (("true", False), ("smoothed", True)):
        other = with_true_labels(distilled, smoothed)
        if other is not None:
            kinds[name] = other
    return kinds


def transfer(
    study: Study,
    *,
    networks: Sequence[str] | None = None,
    steps: str = "stored",
    lr: float | None = None,
    encoder: str | None = None,
    penalty: float = PENALTY,
) -> Result:
    """Test accuracy of other networks trained on the set's batches by Adam, and of a linear head on frozen features.

    Every network takes the steps stored with the set, or (`tuned`) for each kind of labels the number with the best
    validation accuracy. `encoder` is a hub id, a folder, `minilm`, or `none`; the packaged one when `None`, for texts.
    Bohdal et al. 2020, Figure 2c and Tables 13 and 14.
    """
    if steps not in STEPS:
        raise UserError(f"--steps: {steps!r}; allowed: {', '.join(STEPS)}")
    names, read = study.networks(networks), _encoder(study, encoder)
    own = study.recipe.train
    rate = lr or (own.lr if isinstance(own.optimizer, Adam) else None) or RATE
    # Loss and augmentation belong to the set's labels and inputs; the rest is the same for all networks.
    plan = Train(loss=own.loss, augment=own.augment)
    kinds = label_kinds(scheduled(as_sentences(study), Train(lr=rate)))
    rows: list[dict[str, Any]] = []
    by_encoder = [] if read is None else _by_encoder(study, read, kinds, penalty)
    with study.reporter.stage("transfer", len(kinds) * len(names) * study.nets) as bar:
        for name in names:
            bench = study.bench(study.learner(name), Adam(eps=1e-8), plan)
            for kind, labelled in kinds.items():
                label = f"{name}, {kind} labels"
                length = labelled.length if steps == "stored" else tuned_steps(bench, labelled)
                counted = replace(bench, tick=bar.advance)
                scores, _ = score_set(counted, labelled.lasting(length), study.nets, label)
                row = {"network": name, "labels": kind, "steps": labelled.lasting(length).length}
                rows.append({**row, ACCURACY: summary([net["accuracy"] for net in scores])})
    rows.extend(by_encoder)
    notes = [] if len(kinds) > 1 else ["the samples are no rows of the task: there are no true labels to compare with"]
    if read is not None:
        notes.append("a linear head on frozen features has one minimum: its accuracy is determined, n = 1")
    settings = {"networks": names, "steps": steps, "lr": rate, "optimizer": "adam", "nets": study.nets}
    settings |= {"seed": study.seed, "encoder": read and read.name, "distilled_with": study.own_network}
    title = f"Transfer of {study.distilled.samples} samples distilled with {study.own_network}"
    result = Result("transfer", title, rows, "network", "labels", settings=settings, notes=notes)
    result.write(study.out)
    return result


def _encoder(study: Study, name: str | None) -> Encoder | None:
    """The encoder that is asked for, found before anything is trained."""
    if name == NO_ENCODER or (name is None and study.kind != "words"):
        return None
    if study.kind != "words":
        study.texts(f"--encoder {name}")
    if study.samples() is None:
        if name is None:
            return None
        raise UserError(
            f"--encoder {name}: the samples of {study.folder} are vectors, no sentences that an encoder could read; "
            "give a run whose inputs are real rows, or --encoder none"
        )
    return Encoder(name or PACKAGED, device=study.where)


def _by_encoder(study: Study, encoder: Encoder, kinds: dict[str, DistilledSet], penalty: float) -> list[dict[str, Any]]:
    samples, texts = study.samples() or [], study.texts("the encoder")
    stage = f"{encoder.name}: encoding"
    pairs = [sample["text_pair"] for sample in samples] if "text_pair" in samples[0] else None
    features = encoder.features([sample["text"] for sample in samples], pairs)
    table = texts.test
    with study.reporter.stage(stage, len(table.texts)) as bar:
        test = encoder.features(table.texts, table.pairs, bar.reach)
    rows = []
    for kind, labelled in kinds.items():
        head = fit_head(features, labelled.targets.flatten(0, 1), penalty)
        accuracy = score(["accuracy"], head.predict(test), study.task.test.labels)["accuracy"]
        rows.append(
            {"network": f"{encoder.name}, frozen", "labels": kind, "steps": None, ACCURACY: summary([accuracy])}
        )
    return rows
