"""Settings of a distilled set held in tensors; every default of this room is here."""

from __future__ import annotations

from dataclasses import dataclass

INITS = ("noise", "real", "k_centers", "kmeans", "class_average")
REAL_INITS = ("real", "k_centers")  # samples that are rows of the data
LABEL_INITS = ("one_hot", "uniform", "smoothed")


@dataclass(frozen=True)
class SyntheticSettings:
    """How many samples, how they are visited, where they begin, and what is learned.

    `samples` is M in total (less than the number of classes is allowed), `per_class` the number for each class: give
    one. They are dealt out over `steps` inner steps, each with its own batch, and visited `epochs` times; every step of
    every epoch has its own learning rate, `lr` at first. `base` names another data set, whose training rows, chosen
    without regard to their classes, are the first inputs. `length` is the words per sample (the representation's when
    none). `init` is `noise` (standard normal × `noise`), `real` rows, `k_centers`, class-wise `kmeans` centroids, or
    the `class_average`. `labels` are `unrestricted` vectors (the paper's), `softmax` of learned logits, put back on the
    `simplex` after every step (the nearest point; `clamped` to [0, 1] and divided by their sum, as label distillation
    does), or `hard`; they begin as `label_init` says (`smoothed` is 0.9 for the sample's class) times `label_scale`.
    """

    samples: int | None = None
    per_class: int | None = None
    steps: int = 1
    epochs: int = 1
    length: int | None = None
    init: str = "noise"
    base: str | None = None
    noise: float = 1.0
    labels: str = "unrestricted"
    label_init: str = "one_hot"
    label_scale: float = 1.0
    lr: float = 0.02
    learn: tuple[str, ...] = ("inputs", "targets", "lr")
