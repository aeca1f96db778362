"""The same samples under three recipes of labels, so that sets are compared with equal labels and not by them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from textdistill.core.errors import UserError, did_you_mean
from textdistill.core.streams import Streams
from textdistill.data import TextTable
from textdistill.data.sets.text_set import TextSet
from textdistill.evaluation.text_learners import Frozen
from textdistill.learners.linear_head import LinearHead, fit_head
from textdistill.runs.readable.soft import FeatureRows, distilled_labels

RECIPES = ("hard", "teacher", "distilled")


@dataclass
class Labeller:
    """Labels of any set by a recipe; `features` are the frozen encoder's of all training rows.

    - `hard`: the class alone.
    - `teacher`: softmax of the scores of a linear head on all training rows (ridge `penalty`).
    - `distilled`: the set's own soft labels; where it has none (real rows), soft labels distilled for it on
      the frozen features (`soft.distilled_labels`).
    """

    train: TextTable
    features: Float[Tensor, "n f"]
    frozen: Frozen
    penalty: float
    streams: Streams

    def label(self, given: TextSet, recipe: str, number: int) -> TextSet:
        """Set `number` of a method with the labels of `recipe`."""
        if recipe not in RECIPES:
            raise UserError(f"labels {recipe!r}: unknown{did_you_mean(recipe, RECIPES)}; known: {', '.join(RECIPES)}")
        if recipe == "hard":
            return replace(given, soft=None)
        if recipe == "teacher":
            return _softened(given, torch.softmax(self.teacher.logits(self.frozen.features(given)), 1).numpy())
        if given.soft is not None:
            return given
        real = FeatureRows(self.features, torch.from_numpy(self.train.labels), self.train.classes)
        seed = self.streams.integer("labels", number)
        soft = distilled_labels(self.frozen.features(given), torch.from_numpy(given.labels), real, seed)
        return _softened(given, soft.numpy())

    @cached_property
    def teacher(self) -> LinearHead:
        """The head on all training rows."""
        targets = torch.eye(len(self.train.classes))[torch.from_numpy(self.train.labels)]
        return fit_head(self.features, targets, self.penalty)


def _softened(given: TextSet, soft: np.ndarray) -> TextSet:
    return replace(given, labels=soft.argmax(1), soft=soft)
