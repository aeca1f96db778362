"""Where a set's first inputs come from: rows, centres or means of the training data, or rows of another data set."""

from __future__ import annotations

import torch

from textdistill.core.errors import RecipeError
from textdistill.core.streams import Streams
from textdistill.data import DataSettings
from textdistill.evaluation.baselines import averages, centroids_of
from textdistill.recipe.read import Recipe
from textdistill.representations.task import Task
from textdistill.selection import k_centers, random_rows
from textdistill.synthetic.initial import Found, Source


def base_task(recipe: Recipe, task: Task) -> Task:
    """The data that the samples are taken from: the task's own, or `synthetic.base` in the task's representation."""
    if recipe.synthetic.base is None:
        return task
    other = task.beside(DataSettings(name=recipe.synthetic.base, data_dir=recipe.data.data_dir))
    if other.shape[1:] != task.shape[1:]:
        raise RecipeError(
            [f"synthetic.base: inputs of {recipe.synthetic.base!r} are {other.shape}, those of the task {task.shape}"]
        )
    return other


def source_of(recipe: Recipe, task: Task, base: Task, streams: Streams) -> Source | None:
    """The source that `synthetic.init` names; `None` is noise."""
    name = recipe.synthetic.init
    if name == "noise":
        return None
    shape, rng = task.shaped(recipe.synthetic.length), streams.numpy("source")
    foreign = base is not task

    def rows(counts: list[int]) -> Found:
        # Rows of another data set have other classes: they are chosen over all of it, in no relation to the task's.
        labels = torch.zeros_like(base.train.labels) if foreign else base.train.labels
        wanted = [sum(counts)] if foreign else counts
        features = base.features() if name == "k_centers" else torch.zeros(len(base.train), 1)
        select = k_centers if name == "k_centers" else random_rows
        # A class smaller than asked gives what it has; a class without rows begins as noise.
        chosen = torch.from_numpy(select(features, labels, wanted, rng))
        owners = base.train.labels[chosen]
        if foreign:
            owners = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))[: len(chosen)]
        return Found(task.fitted(base.train.batch(chosen).inputs, shape), owners, chosen)

    def points(counts: list[int]) -> Found:
        values, owners = centroids_of(task.train, counts, rng) if name == "kmeans" else averages(task.train, counts)
        return Found(task.fitted(values, shape), owners, None)

    return rows if name in ("real", "k_centers") else points


def owners_of(rows: list[int], base: Task) -> list[int]:
    """The class that each sample has in the data it was taken from."""
    return [int(label) for label in base.train.labels[torch.tensor(rows)].tolist()]
