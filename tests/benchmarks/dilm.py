"""One matching step of DiLM at the shapes of GPT-2 base and BERT base (random weights): ours, and by plain autograd.

`python -m tests.benchmarks.dilm WAY SAMPLES` prints the MiB that a step with so many samples of each class takes beyond
what one with a single sample takes, measured on smaller models as the peak of a process of its own.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, models
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from textdistill.core.batch import Batch
from textdistill.core.distill import peak_rss_mib
from textdistill.core.learner import Learner, Params
from textdistill.core.precision import Precision
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.objectives.gradient_matching import GradientMatching
from textdistill.synthetic.generator import Generator, Vocabulary
from textdistill.synthetic.generator.generator import model_of
from textdistill.synthetic.generator_data import GeneratorData
from textdistill.synthetic.generator_pool import PoolSettings

ROOT = Path(__file__).resolve().parents[2]
CLASSES, TOKENS, REAL = 2, 32, 16


@dataclass(frozen=True)
class Size:
    """Widths of both models; the defaults are their base versions."""

    width: int = 768
    layers: int = 12
    heads: int = 12
    words: int = 30522
    tokens: int = 50257


MIDDLE = Size(width=256, layers=6, heads=4, words=3000, tokens=20000)  # what memory is measured at


class Bert(nn.Module):
    """The state of the first token of a BERT at random, under a linear layer."""

    last_layer = ("weight", "bias")

    def __init__(self, size: Size):
        super().__init__()
        config = BertConfig(
            vocab_size=size.words,
            hidden_size=size.width,
            num_hidden_layers=size.layers,
            num_attention_heads=size.heads,
            intermediate_size=4 * size.width,
        )
        self.body = BertModel(config, add_pooling_layer=False).eval()
        self.weight = nn.Parameter(torch.empty(CLASSES, size.width))
        self.bias = nn.Parameter(torch.empty(CLASSES))

    def forward(self, inputs: Tensor, mask: Tensor | None, drop: torch.Generator | None) -> list[Tensor]:
        features = self.body(input_ids=inputs, attention_mask=mask).last_hidden_state[:, 0]
        return [features, F.linear(features, self.weight, self.bias)]

    def stored(self, name: str) -> Tensor | None:
        return self.get_parameter(name) if name.startswith("body") else None

    def fans(self, name: str, shape: Sequence[int]) -> tuple[int, int]:
        return shape[1], shape[0]


@dataclass
class Rows:
    """Real texts of random tokens."""

    inputs: Tensor
    labels: Tensor
    dtype: torch.dtype
    classes: tuple[str, ...] = ("a", "b")
    shape: tuple[int, ...] = (TOKENS,)

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Tensor) -> Batch:
        targets = torch.eye(CLASSES, dtype=self.dtype)[self.labels[rows]]
        return Batch(self.inputs[rows], targets, mask=torch.ones(len(rows), TOKENS, dtype=torch.bool))


class Problem:
    """Both models, real rows, and samples in place of what the generator, which has learned nothing, would write."""

    def __init__(self, samples: int, size: Size | None = None, dtype: torch.dtype = torch.float32):
        size, rng = size or Size(), torch.Generator().manual_seed(0)
        self.size, self.samples, self.dtype = size, samples, dtype
        vocabulary = Vocabulary(Tokenizer(models.BPE()), size.tokens, CLASSES, False, TOKENS, TOKENS - 1)
        settings: dict[str, object] = {
            "n_embd": size.width,
            "n_layer": size.layers,
            "n_head": size.heads,
            "n_positions": 64,
        }
        settings |= {
            "vocab_size": vocabulary.size,
            "activation_function": "gelu_pytorch_tanh",
        }  # GPT-2's, in one kernel
        model = model_of({"model_type": "gpt2", **settings})
        self.generator = Generator(model.to(dtype), vocabulary)
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.learner = Learner(Bert(size), CLASSES).to("cpu", dtype)
        self.params: Params = self.learner.init(rng)
        labels = torch.arange(CLASSES).repeat_interleave(REAL)
        self.real = Rows(torch.randint(size.words, (len(labels), TOKENS), generator=rng), labels, dtype)
        self.labels = torch.arange(CLASSES).repeat_interleave(samples)
        self.ids = torch.randint(size.tokens, (len(self.labels), TOKENS), generator=rng)
        self.ids[:, 0] = size.tokens + self.labels
        self.ids[:, -1] = vocabulary.eos
        self.read = torch.randint(size.words, (len(self.labels), TOKENS), generator=rng)

    @cached_property
    def data(self) -> GeneratorData:
        settings = PoolSettings(batch=self.samples, factor=1, every=10**9, diverse=False)
        data = GeneratorData(self.generator, lambda texts, pairs: (self.read, None), Streams(0), settings)
        groups, mask = torch.zeros_like(self.labels), torch.ones_like(self.ids, dtype=torch.bool)
        data.load_state_dict(
            {"step": 0, "tensors": {"ids": self.ids, "mask": mask, "labels": self.labels, "groups": groups}}
        )
        return data

    def ours(self, precision: Precision = "float32") -> tuple[float, dict[str, Tensor]]:
        """The loss and ∇_φ by textdistill."""
        data = self.data
        data.settings = replace(data.settings, precision=precision)
        for value in data.parameters().values():
            value.grad = None
        objective = GradientMatching("whole", batch=REAL, layers=("last",), precision=precision)
        (found,) = objective.evaluate(data, self.real, self.learner, [Start(self.params)], Streams(0))
        data.pullback(found.gradients)
        data.project_()
        return found.loss, {name: value.grad for name, value in data.parameters().items() if value.grad is not None}

    def oracle(self) -> tuple[float, dict[str, Tensor]]:
        """The same by autograd: all samples in one graph, the learner's gradient by differentiating its loss."""
        leaves = {name: value.detach().requires_grad_() for name, value in self.params.items()}
        last = [leaves["weight"], leaves["bias"]]
        logits = self.generator.model(input_ids=self.ids).logits[:, :-1]
        nll = F.cross_entropy(logits.transpose(1, 2), self.ids[:, 1:], reduction="none").mean(1)
        total = nll.new_zeros(())
        for label in range(CLASSES):
            mine, theirs = self.labels == label, self.real.labels == label
            sides = []
            for inputs, weights in ((self.read[mine], torch.softmax(-nll[mine], 0)), (self.real.inputs[theirs], None)):
                scores = torch.func.functional_call(self.learner.module, leaves, (inputs, None, None))[-1]
                wanted = torch.full((len(inputs),), label, device=inputs.device)
                each = F.cross_entropy(scores, wanted, reduction="none")
                loss = each.mean() if weights is None else weights @ each
                found = torch.autograd.grad(loss, last, create_graph=weights is not None)
                sides.append(torch.cat([part.flatten() for part in found]))
            total = total + 1 - sides[0] @ sides[1] / (sides[0].norm() * sides[1].norm() + 1e-6)
        parameters = self.generator.parameters()
        slopes = torch.autograd.grad(total, list(parameters.values()))
        return float(total.detach()), dict(zip(parameters, slopes, strict=True))

    def counted_gflop(self) -> float:
        """Products of the learner forward and of the generator forward and back, in 10⁹; attention is not counted."""
        body = 2 * 12 * self.size.width**2 * self.size.layers
        head = 2 * self.size.width * self.generator.vocabulary.size
        samples = CLASSES * self.samples * TOKENS
        return ((samples + CLASSES * REAL * TOKENS) * body + 3 * samples * (body + head)) / 1e9


def extra_mib(way: str, samples: int) -> float:
    """The peak of a step by `way` (ours or oracle), less that of one with a single sample of each class, in MiB."""
    # what is freed goes back at once, or the heap's own habits would be measured
    env = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "MALLOC_MMAP_THRESHOLD_": "1048576",
        "MALLOC_TRIM_THRESHOLD_": "1048576",
    }
    command = [sys.executable, "-m", "tests.benchmarks.dilm", way, str(samples)]
    done = subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, text=True)
    return float(done.stdout)


def main(way: str, samples: str) -> None:
    """Measure in this process, and print."""
    getattr(Problem(1, MIDDLE), way)()
    gc.collect()  # both models are to be there once
    before = peak_rss_mib()
    getattr(Problem(int(samples), MIDDLE), way)()
    print(peak_rss_mib() - before)


if __name__ == "__main__":
    main(*sys.argv[1:])
