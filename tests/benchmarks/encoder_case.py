"""Features of sentences by the frozen encoder: ours, and transformers' own model on padded batches as they come."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import AutoModel, AutoTokenizer

from tests.benchmarks.sentences import sentences
from textdistill.learners.pretrained.frozen_encoder import Encoder
from textdistill.learners.pretrained.hub_models import quiet

BATCH = 32


class Problem:
    """So many sentences, other ones at every call: what is in a cache is not computed."""

    def __init__(self, count: int, name: str = "minilm"):
        self.texts = sentences(count, seed=1)
        self.cache = tempfile.TemporaryDirectory(prefix="textdistill-bench-")
        self.encoder = Encoder(name, cache=Path(self.cache.name))
        with quiet():
            self.tokenizer = AutoTokenizer.from_pretrained(self.encoder.folder, local_files_only=True)
            self.model = AutoModel.from_pretrained(
                self.encoder.folder, local_files_only=True, use_safetensors=True
            ).eval()
        self.asked = {"ours": 0, "oracle": 0}

    def next(self, who: str) -> list[str]:
        """The sentences of this side's next call."""
        self.asked[who] += 1
        return [f"{self.asked[who]} {text}" for text in self.texts]

    def ours(self) -> float:
        """The sum of all features' magnitudes, by the class that runs use."""
        return float(self.encoder.features(self.next("ours")).abs().sum())

    @torch.no_grad()
    def oracle(self) -> float:
        """The same by the plain way."""
        texts, found = self.next("oracle"), []
        for at in range(0, len(texts), BATCH):
            tokens = self.tokenizer(texts[at : at + BATCH], padding=True, truncation=True, return_tensors="pt")
            states, mask = self.model(**tokens).last_hidden_state, tokens["attention_mask"][:, :, None]
            found.append(F.normalize((states * mask).sum(1) / mask.sum(1), dim=1))
        return float(torch.cat(found).abs().sum())
