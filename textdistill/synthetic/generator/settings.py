"""Settings of the generator, of its first training and of sampling; every default of this room is here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from textdistill.core.bounds import Count, Doc, Natural, NotNegative, Positive, Share
from textdistill.core.precision import Precision

SMALL = "small"
FRESH_LR = 1e-3
PRETRAINED_LR = 1e-5  # the paper's, for GPT-2


@dataclass(frozen=True)
class GeneratorSettings:
    """Which language model writes the samples.

    `small` is a GPT-2 of `layers` × `width` with `heads` that begins at random and has a byte-level vocabulary of its
    own, learned on the training texts; any other brings its own sizes and vocabulary.
    """

    model: Annotated[str, Doc("small, smollm2, a folder, a .gguf file, gpt2 or another hub id")] = SMALL
    layers: Annotated[Count, Doc("of the small model")] = 4
    width: Annotated[Count, Doc("of the small model, a multiple of heads")] = 256
    heads: Annotated[Count, Doc("of the small model")] = 4
    vocabulary: Annotated[int, Ge(256), Doc("tokens of the small model")] = 8000
    dropout: Annotated[Share, Doc("of the small model")] = 0.1
    longest: Annotated[int, Ge(4), Doc("tokens that a text is cut to, its class and end tokens among them")] = 256

    def between(self) -> list[str]:
        """What is wrong with the model's name, and between width and heads."""
        faults = []
        if not self.model.strip():
            faults.append(f"model: empty; give {SMALL!r}, 'smollm2', a folder, a .gguf file or a hub id")
        if self.heads >= 1 and self.width % self.heads:
            faults.append(f"width: {self.width}; allowed: a multiple of heads ({self.heads})")
        return faults


@dataclass(frozen=True)
class LanguageModelStage:
    """How the generator first learns to write like the training rows (the paper's 3.2 and Appendix).

    AdamW, with a warm-up and a cosine to zero; norms and biases do not decay. Every `validate_every` steps the
    perplexity of validation rows is taken; the best weights are kept, and `patience` looks without a better one end it
    (the paper trains for 80,000 steps, and says nothing of validation rows). `balance` is for classes of unlike sizes:
    rows of a class with n rows, where the largest has m, come (m/n)^balance times in an epoch.
    """

    epochs: Annotated[Count, Doc("passes over the training rows")] = 5
    steps: Annotated[Count | None, Doc("steps in place of epochs")] = None
    batch: Annotated[Count, Doc("sentences of a step")] = 64
    lr: Annotated[Positive | None, Doc("none: 1e-3 for the small model, the paper's 1e-5 for a pre-trained one")] = None
    warmup: Annotated[Share, Doc("share of the steps to warm up")] = 0.05
    weight_decay: Annotated[NotNegative, Doc("of AdamW")] = 0.01
    clip: Annotated[Positive, Doc("the most that a gradient's norm may be")] = 1.0
    validate_every: Annotated[Count, Doc("steps between two looks at validation rows")] = 500
    validation_rows: Annotated[Count, Doc("how many are looked at")] = 2000
    patience: Annotated[Count, Doc("looks without a better perplexity after which training ends")] = 3
    checkpoint_every: Annotated[Count, Doc("steps after which all of it is stored")] = 500
    precision: Annotated[Precision, Doc("in which matrices are multiplied")] = "auto"
    balance: Annotated[float, Ge(0), Le(1), Doc("0: classes as large as they are; 1: all alike")] = 0.0


@dataclass(frozen=True)
class Sampling:
    """How texts are drawn: from the most probable tokens, at a temperature."""

    top_p: Annotated[Positive, Le(1), Doc("the chance that those tokens have together")] = 0.95
    temperature: Annotated[Positive, Doc("of the drawing")] = 1.0
    length: Annotated[
        Annotated[int, Ge(2)] | None,
        Doc("the most tokens of a sample, its end token too; none: what 99 % of the training rows do not exceed"),
    ] = None
    retries: Annotated[Natural, Doc("how often a sample that is no text of the task is drawn again")] = 10
