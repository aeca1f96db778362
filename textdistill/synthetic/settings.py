"""Settings of a distilled set held in tensors; every default of this room is here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from textdistill.core.bounds import Count, Doc, NotNegative, OneOf, Positive
from textdistill.core.schedule import TENSOR_FIELDS
from textdistill.synthetic.tensors import LABEL_KINDS

INITS = ("noise", "real", "k_centers", "kmeans", "class_average")
REAL_INITS = ("real", "k_centers")  # samples that are rows of the data
LABEL_INITS = ("one_hot", "uniform", "smoothed", "random")


@dataclass(frozen=True)
class SyntheticSettings:
    """How many samples, how they are visited, where they begin, and what is learned.

    Samples are dealt out over `steps` inner steps, each with its own batch, and visited `epochs` times; every step of
    every epoch has its own learning rate. `labels` are `unrestricted` vectors (the paper's), `softmax` of learned
    logits, put back on the `simplex` after every step (the nearest point; `clamped` to [0, 1] and divided by their sum,
    as label distillation does), or `hard`.
    """

    samples: Annotated[Count | None, Doc("M in total, fewer than classes too; give this or per_class")] = None
    per_class: Annotated[Count | None, Doc("samples of each class")] = None
    steps: Annotated[Count, Doc("inner steps, each with a batch of its own")] = 1
    epochs: Annotated[Count, Doc("how often they are gone through")] = 1
    length: Annotated[Count | None, Doc("words of a sample; none: the representation's")] = None
    init: Annotated[str, OneOf(INITS), Doc("noise, real rows, centroids or averages of each class")] = "noise"
    base: Annotated[
        str | None,
        Doc("another data set, whose training rows, whatever their class, size or colours, are the first inputs"),
    ] = None
    noise: Annotated[NotNegative, Doc("standard deviation of noise")] = 1.0
    labels: Annotated[str, OneOf(LABEL_KINDS), Doc("what labels may be")] = "unrestricted"
    label_init: Annotated[
        str, OneOf(LABEL_INITS), Doc("how they begin; smoothed: 0.9 for the class; random: standard normal numbers")
    ] = "one_hot"
    label_scale: Annotated[float, Doc("times which they begin")] = 1.0
    lr: Annotated[Positive, Doc("inner learning rate at first")] = 0.02
    learn: Annotated[tuple[Annotated[str, OneOf(TENSOR_FIELDS)], ...], Doc("what is learned")] = TENSOR_FIELDS
