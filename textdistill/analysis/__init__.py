"""Questions asked of a finished run (Bohdal et al. 2020, section 4, appendices C to E), each a table and a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textdistill.core.lazy import Lazy

if TYPE_CHECKING:
    from textdistill.analysis.result import Result

# What each asks, in one line; the commands of `textdistill analyse` bear these names.
ANALYSES: Lazy[Callable[..., Result]] = Lazy(
    "textdistill.analysis",
    {
        "transfer": (
            "transfer:transfer",
            "Do networks of other families, and a frozen sentence encoder, learn from the set, too?",
        ),
        "steps": ("training:steps", "How much does the number of training steps matter?"),
        "optimizer": (
            "training:optimizer",
            "How much do the update rule, the learning rate and the order of the samples matter?",
        ),
        "labels": ("meaning:labels", "What did the labels learn? A heat map of the mean soft label of each class."),
        "prototypes": (
            "meaning:prototypes",
            "What does each class look like? Its samples weighted by their labels, or its foremost sentences.",
        ),
        "repeat": ("again:repeat", "Does distilling again with other seeds give as good a set?"),
        "bases": (
            "again:bases",
            "How much does the choice of the base examples matter, and does choosing them by validation help?",
        ),
        "target-size": ("again:target_size", "How many target rows does distilling need?"),
        "ridge-labels": (
            "methods:ridge_labels",
            "Do labels learned by ridge regression train standard networks, and the other way round?",
        ),
        "gradient-variance": (
            "variance:gradient_variance",
            "How noisy is the gradient that labels learn by, second order against ridge regression?",
        ),
        "inputs": ("methods:inputs", "Is it better to learn the inputs, with hard labels, than the labels?"),
    },
)
