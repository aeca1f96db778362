"""Settings of the generator, of its first training and of sampling; every default of this room is here."""

from __future__ import annotations

from dataclasses import dataclass

from textdistill.core.errors import too_small
from textdistill.core.precision import Precision

SMALL = "small"
FRESH_LR = 1e-3
PRETRAINED_LR = 1e-5  # the paper's, for GPT-2


@dataclass(frozen=True)
class GeneratorSettings:
    """Which language model writes the samples.

    `model` is `small`, a GPT-2 of `layers` × `width` with `heads` that begins at random and has a byte-level vocabulary
    of its own, of `vocabulary` tokens, learned on the training texts; or any name that `load_causal` takes (`smollm2`,
    a folder, a `.gguf` file, `gpt2` or another hub id), which brings its own sizes and vocabulary. `dropout` is the
    small model's. A text is cut so that with its class and end tokens it has at most `longest` tokens.
    """

    model: str = SMALL
    layers: int = 4
    width: int = 256
    heads: int = 4
    vocabulary: int = 8000
    dropout: float = 0.1
    longest: int = 256

    def faults(self) -> list[str]:
        """What is wrong with the values, one line each: the key, the value found, what is allowed."""
        found = []
        if not self.model.strip():
            found.append(f"model: empty; give {SMALL!r}, 'smollm2', a folder, a .gguf file or a hub id")
        found += too_small(self, {"layers": 1, "width": 1, "heads": 1, "vocabulary": 256, "longest": 4})
        if self.heads >= 1 and self.width % self.heads:
            found.append(f"width: {self.width}; allowed: a multiple of heads ({self.heads})")
        if not 0 <= self.dropout < 1:
            found.append(f"dropout: {self.dropout}; allowed: 0 or more, below 1")
        return found


@dataclass(frozen=True)
class LanguageModelStage:
    """How the generator first learns to write like the training rows (the paper's 3.2 and Appendix).

    `epochs` over the training rows, or `steps` if given, of `batch` sentences; AdamW at `lr` (none: 1e-3 for the small
    model, the paper's 1e-5 for a pre-trained one) with `weight_decay`, a share `warmup` of the steps to warm up and a
    cosine to zero; gradients are clipped at norm `clip`. Every `validate_every` steps the perplexity of
    `validation_rows` validation rows is taken; the best weights are kept, and after `patience` looks without a better
    one training ends. `checkpoint_every` steps all of it is stored. `precision` is that of matrix products (`auto`: the
    faster on this machine).

    `balance` is for classes of unlike sizes: rows of a class with n rows, where the largest has m, come (m/n)^balance
    times in an epoch; 0 takes the rows as they are, 1 shows every class as often.
    """

    epochs: int = 5
    steps: int | None = None
    batch: int = 64
    lr: float | None = None
    warmup: float = 0.05
    weight_decay: float = 0.01
    clip: float = 1.0
    validate_every: int = 500
    validation_rows: int = 2000
    patience: int = 3
    checkpoint_every: int = 500
    precision: Precision = "auto"
    balance: float = 0.0

    def faults(self) -> list[str]:
        """What is wrong with the values, one line each: the key, the value found, what is allowed."""
        counts = ("epochs", "steps", "batch", "validate_every", "validation_rows", "patience", "checkpoint_every")
        found = too_small(self, dict.fromkeys(counts, 1))
        for key in ("lr", "clip"):
            value = getattr(self, key)
            if value is not None and not value > 0:
                found.append(f"{key}: {value}; allowed: above 0")
        if not 0 <= self.warmup < 1:
            found.append(f"warmup: {self.warmup}; allowed: a share of the steps, 0 or more and below 1")
        if not 0 <= self.balance <= 1:
            found.append(f"balance: {self.balance}; allowed: 0 (classes as large as they are) to 1 (all alike)")
        if self.weight_decay < 0:
            found.append(f"weight_decay: {self.weight_decay}; allowed: 0 or more")
        return found


@dataclass(frozen=True)
class Sampling:
    """How texts are drawn: from the most probable tokens that together have chance `top_p`, at a `temperature`.

    `length` is the most tokens that a sample may have, its end token too (none: what 99 % of the training rows do not
    exceed). A sample that is no text of the task is drawn again, up to `retries` times for each sample that is wanted.
    """

    top_p: float = 0.95
    temperature: float = 1.0
    length: int | None = None
    retries: int = 10

    def faults(self) -> list[str]:
        """What is wrong with the values, one line each: the key, the value found, what is allowed."""
        found = []
        if not 0 < self.top_p <= 1:
            found.append(f"top_p: {self.top_p}; allowed: above 0, up to 1")
        if not self.temperature > 0:
            found.append(f"temperature: {self.temperature}; allowed: above 0")
        if self.length is not None and self.length < 2:
            found.append(f"length: {self.length}; allowed: 2 or more")
        if self.retries < 0:
            found.append(f"retries: {self.retries}; allowed: 0 or more")
        return found
