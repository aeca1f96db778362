"""The stage that moves the generator: everything that `distill`, the one outer loop, needs for DiLM's Algorithm 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from textdistill.core.batch import Batch, RealData
from textdistill.core.distill import Checkpoint, OnStep, distill
from textdistill.core.learner import Learner
from textdistill.core.schedule import DistilledSet
from textdistill.core.streams import Streams
from textdistill.learners.linear_head import fit_head
from textdistill.objectives.teacher import RepresentativeRows
from textdistill.recipe.read import Recipe
from textdistill.recipe.text_settings import TextLevel
from textdistill.representations.texts import TextTask
from textdistill.selection import clusters, k_centers
from textdistill.synthetic.generator import Generator
from textdistill.synthetic.generator_data import GeneratorData

FEATURES_AT_ONCE = 64


class Matching:
    """Gradient matching of a generator with the training rows of a task, as the learner reads them."""

    data: type[GeneratorData] = GeneratorData  # what the samples of a step come from

    def __init__(self, recipe: Recipe, settings: TextLevel, task: TextTask, learner: Learner, streams: Streams):
        self.recipe, self.settings, self.task, self.learner = recipe, settings, task, learner
        self.streams = streams.child("matching")

    def run(self, generator: Generator, checkpoint: Checkpoint, seed: int, on_step: OnStep) -> dict[str, Any]:
        """Move the generator's weights in place; returns the cost and which step's weights were kept."""
        recipe, train = self.recipe, self.task.splits.train
        reader = self.task.reader
        assert reader is not None
        penalty = self.settings.pool.penalty
        synthetic = self.data(
            generator,
            reader.read,
            self.streams.child("samples"),
            self.settings.pool,
            sampling=self.settings.sampling,
            features=self._features(),
            clusters=clusters,
            real=generator.vocabulary.encode_table(train) if penalty else None,
        )
        starts = recipe.starts.make(self.learner, self.streams.child("starts"))
        result = distill(
            synthetic,
            recipe.objective.make(),
            self._teacher(),
            learner=self.learner,
            starts=starts,
            outer=recipe.outer,
            seed=seed,
            validate=self._validate() if recipe.outer.keep == "best" else None,
            checkpoint=checkpoint,
            on_step=on_step,
        )
        cost = result.meta["cost"]
        return {
            "seconds": cost["distill_seconds"],
            "outer_steps": cost["outer_steps"],
            "kept_step": result.meta["kept_step"],
            "validation": result.meta["validation"],
        }

    def _teacher(self) -> RealData:
        """The training rows; where a representative teacher is asked for, gradients come from its sets alone."""
        real, teacher = self.task.seen_by(self.learner, self.learner.device), self.settings.teacher
        if not teacher.sets:
            return real
        features, labels = self.task.features().numpy(), self.task.splits.train.labels
        sets = []
        for number in range(teacher.sets):
            rng = self.streams.numpy("teacher", number)
            # K-means over all rows would take longer than the matching: each set is of its own draw of them.
            some = rng.permutation(len(labels))[: teacher.candidates * len(real.classes)]
            counts = [teacher.rows if (labels[some] == label).any() else 0 for label in range(len(real.classes))]
            sets.append(some[k_centers(features[some], labels[some], counts, rng)])
        return RepresentativeRows(real, sets)

    def _features(self) -> Callable[[Batch], Tensor]:
        """The features by which a pool is clustered: the learner's own, before its last layer, at its first weights."""
        params = self.learner.init(self.streams.torch("features"))

        @torch.no_grad()
        def features(batch: Batch) -> Tensor:
            parts = []
            for rows in torch.arange(len(batch)).split(FEATURES_AT_ONCE):
                mask = None if batch.mask is None else batch.mask[rows]
                part = Batch(batch.inputs[rows], batch.targets[rows], mask=mask).to(self.learner.device)
                parts.append(self.learner.activations(params, part)[-2].flatten(1).cpu())
            return torch.cat(parts)

        return features

    def _validate(self) -> Callable[[DistilledSet], float]:
        """Validation accuracy (percent) of a linear head on the encoder's features of what the generator writes now."""
        held = self.task.splits.validation
        features, labels = self.task.encoded(held.texts, held.pairs), torch.from_numpy(held.labels)

        def validate(distilled: DistilledSet) -> float:
            ours = self.task.encoded(distilled.meta["texts"], distilled.meta.get("pairs"))
            head = fit_head(ours, distilled.targets[0])
            return 100 * float((head.predict(features) == labels).float().mean())

        return validate
