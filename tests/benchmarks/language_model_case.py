"""Steps of the generator's first training: ours, and transformers' own model with logits at every place."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from tests.benchmarks.sentences import sentences
from textdistill.core.precision import Precision
from textdistill.core.streams import Streams
from textdistill.data.table import TextTable
from textdistill.synthetic.generator import GeneratorSettings, LanguageModelStage, build_generator, train_language_model

RATE, DECAY, CLIP = 1e-3, 0.01, 1.0


class Problem:
    """The small GPT-2 at random, its vocabulary learned on `learned` sentences, and `batch` of them to train on."""

    def __init__(self, batch: int, steps: int, learned: int = 2000, **sizes: int):
        table = texts(learned)
        settings = GeneratorSettings(**sizes, dropout=0.0)  # type: ignore[arg-type]
        self.generator = build_generator(settings, table, Streams(0))
        self.train, self.held, self.steps = table.take(range(batch)), table.take(range(1)), steps
        self.begun = {name: value.detach().clone() for name, value in self.generator.parameters().items()}

    def restart(self) -> None:
        """The weights as they were at first, and no gradients."""
        self.generator.model.zero_grad()
        with torch.no_grad():
            for name, value in self.generator.parameters().items():
                value.copy_(self.begun[name])

    def ours(self, precision: Precision = "float32") -> float:
        """The loss at the last of the steps, by the function that runs use; it looks at one held sentence, too."""
        self.restart()
        losses: list[float] = []
        stage = LanguageModelStage(
            **{"steps": self.steps, "batch": len(self.train), "lr": RATE, "warmup": 0.0, "precision": precision},  # type: ignore[arg-type]
            **{"weight_decay": DECAY, "clip": CLIP},  # type: ignore[arg-type]
        )
        train_language_model(
            self.generator,
            self.train,
            self.held,
            stage,
            Streams(0),
            on_step=lambda _, told: losses.append(told["loss"]),
        )
        return losses[-1]

    def oracle(self) -> float:
        """The same by the plain way: AdamW over all weights, the rate along a cosine."""
        self.restart()
        rows = self.generator.vocabulary.encode_table(self.train)
        model = self.generator.model.train()
        decayed = [value for value in model.parameters() if value.dim() > 1]
        others = [value for value in model.parameters() if value.dim() <= 1]
        groups = [{"params": decayed, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=RATE)
        for step in range(self.steps):
            for group in optimizer.param_groups:
                group["lr"] = RATE * 0.5 * (1 + np.cos(np.pi * step / self.steps))
            logits = model(input_ids=rows.ids, attention_mask=rows.mask.long()).logits[:, :-1]
            each = F.cross_entropy(logits.transpose(1, 2), rows.ids[:, 1:], reduction="none")
            inside = rows.mask[:, 1:]
            loss = ((each * inside).sum(1) / inside.sum(1)).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
        model.eval()
        return float(loss.detach())


def texts(count: int) -> TextTable:
    """So many sentences, of two classes that mean nothing."""
    return TextTable("sentences", ("a", "b"), sentences(count), None, np.arange(count) % 2)
