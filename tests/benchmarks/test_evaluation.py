"""CPU seconds of an evaluation's parts, read word by word of a dictionary, against reading every split's vectors anew.

Run by `pytest tests/benchmarks -m bench -s`, on one thread: that networks spread over the cores comes on top. Other
processes slow both sides alike: the rounds are interleaved, medians compared.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from tests.benchmarks.test_speed import interleaved
from textdistill.core.inner import SGD
from textdistill.core.schedule import DistilledSet
from textdistill.core.streams import Streams
from textdistill.evaluation import training
from textdistill.evaluation.baselines import run_baselines
from textdistill.evaluation.labels import tuned_steps
from textdistill.evaluation.protocol import Bench
from textdistill.evaluation.settings import Evaluate, Training
from textdistill.learners import TextConvNet, make_learner
from textdistill.learners.text_conv import TextConvSettings
from textdistill.representations.embedded_text import EmbeddedText

pytestmark = pytest.mark.bench

# the quickstart's sizes: words of IMDB's test rows within GloVe, cut at 200, half of them full
VOCABULARY, DIMENSION, LENGTH, TEST, SAMPLES = 30_000, 50, 200, 5000, 20
DRAWS, BATCHES = 4, 8
ROUNDS = 5


def reviews(count: int, seed: int) -> EmbeddedText:
    """Texts whose words are drawn by Zipf's law, as often as rank⁻¹."""
    rng = torch.Generator().manual_seed(seed)
    words = [str(rank) for rank in range(VOCABULARY)]
    lengths = torch.randint(60, 2 * LENGTH, (count,), generator=rng).clamp_max(LENGTH).tolist()
    shares = 1 / torch.arange(1, VOCABULARY + 1)
    drawn = torch.multinomial(shares, count * LENGTH, replacement=True, generator=rng).view(count, LENGTH).tolist()
    tokens = [[words[rank] for rank in row[:end]] for row, end in zip(drawn, lengths, strict=True)]
    matrix = torch.randn(VOCABULARY, DIMENSION, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(count) % 2
    return EmbeddedText(tokens, labels, ("negative", "positive"), words, matrix, LENGTH)


def as_vectors(learner: object, split: object, batch: int) -> tuple[object, object, int]:
    """The generic path: every batch's vectors, multiplied anew by every network."""
    return learner, split, batch


def test_networks_of_words() -> None:
    assert torch.get_num_threads() == 1, "OMP_NUM_THREADS=1, as `make bench` sets it"
    learner = make_learner(TextConvNet, TextConvSettings(), (LENGTH, DIMENSION), 2)
    test, train, validation = reviews(TEST, 1), reviews(64 * BATCHES, 2), reviews(1000, 3)
    params, streams = learner.init(torch.Generator().manual_seed(0)), Streams(0)
    rows = torch.arange(SAMPLES)
    one = train.batch(rows)
    distilled = DistilledSet(
        one.inputs[None, :, : LENGTH // 2], one.targets[None], torch.full((10, 1), 0.1), theta0=params
    )
    settings = Evaluate(draws=DRAWS, baselines=("random_real", "best_random_real", "herding"), label_steps=40)
    bench = Bench(
        learner, SGD(), train, validation, test, settings, (), streams, lambda: torch.randn(len(train), DIMENSION),
        theta0=params,
    )  # fmt: skip
    once = Training(epochs=1, batch=64)
    fresh = replace(bench, theta0=None)  # three networks for the number of steps, as ever

    parts: dict[str, Callable[[], object]] = {
        f"one network on {TEST} test rows": lambda: training.predict(learner, params, test),
        "one network on 1000 validation rows": lambda: training.predict(learner, params, validation),
        f"full data: {BATCHES} steps of 64 rows": lambda: training.train_on_real(
            learner, params, train, validation, once, streams
        ),
        f"baselines: {DRAWS} draws and herding, with rates and ranks": lambda: run_baselines(bench, distilled),
        "steps by validation, fresh start": lambda: tuned_steps(fresh, distilled),
    }

    def plainly(work: Callable[[], object]) -> Callable[[], object]:
        def patched() -> object:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(training, "by_words", as_vectors)
                return work()

        return patched

    machine = platform.processor() or platform.machine()
    print(f"\n\nTextConvNet on words: {machine}, torch {torch.__version__}, one thread")
    print(f"\n{'CPU-s, median of ' + str(ROUNDS):58}{'vectors':>9}{'words':>9}{'ratio':>8}")
    ratios = {}
    for name, work in parts.items():
        taken = interleaved({"words": work, "vectors": plainly(work)}, ROUNDS)
        ratios[name] = taken["vectors"] / taken["words"]
        print(f"{name:58}{taken['vectors']:9.2f}{taken['words']:9.2f}{ratios[name]:8.1f}", flush=True)
    assert min(ratios.values()) > 1
    assert ratios[f"one network on {TEST} test rows"] >= 2
