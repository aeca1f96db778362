"""Questions asked of a finished run (Bohdal et al. 2020, section 4, appendices C to E), each a table and a picture."""

from __future__ import annotations

# What each asks, in one line; the commands of `textdistill analyse` bear these names.
ANALYSES: dict[str, str] = {
    "transfer": "Do networks of other families, and a frozen sentence encoder, learn from the set, too?",
    "steps": "How much does the number of training steps matter?",
    "optimizer": "How much do the update rule, the learning rate and the order of the samples matter?",
    "labels": "What did the labels learn? A heat map of the mean soft label of each class.",
    "prototypes": "What does each class look like? Its samples weighted by their labels, or its foremost sentences.",
    "repeat": "Does distilling again with other seeds give as good a set?",
    "bases": "How much does the choice of the base examples matter, and does choosing them by validation help?",
    "target-size": "How many target rows does distilling need?",
    "ridge-labels": "Do labels learned by ridge regression train standard networks, and the other way round?",
    "inputs": "Is it better to learn the inputs, with hard labels, than the labels?",
}
