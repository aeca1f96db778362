"""CPU seconds and memory of one matching step of DiLM against plain autograd, its equal in value and gradient.

Figures are printed by `pytest -m bench -s`, on one thread; comparing values is an ordinary test, on small models.
"""

from __future__ import annotations

import platform

import pytest
import torch
from torch import Tensor

from tests.benchmarks.dilm import CLASSES, REAL, TOKENS, Problem, Size, extra_mib
from tests.benchmarks.matching import bfloat16_pays
from tests.benchmarks.test_speed import interleaved, multiply

# CPU seconds of a step that were asked for, on one core of the machine that the project grew up on
BARS = {"float32": 10.0, "bfloat16": 4.0}
TINY = Size(width=24, layers=2, heads=2, words=90, tokens=70)


def flat(slopes: dict[str, Tensor], order: dict[str, Tensor]) -> Tensor:
    return torch.cat([slopes[name].double().flatten() for name in order])


def test_the_oracle_and_textdistill_take_the_same_step() -> None:
    problem = Problem(9, TINY, torch.float64)  # two micro-batches
    (loss, found), (wanted_loss, wanted) = problem.ours(), problem.oracle()
    assert loss == pytest.approx(wanted_loss, rel=1e-10)
    assert found.keys() == wanted.keys()
    ours, theirs = flat(found, wanted), flat(wanted, wanted)
    assert theirs.norm() > 1e-6
    assert float((ours - theirs).norm()) <= 1e-10 * float(theirs.norm())


@pytest.mark.bench
def test_one_matching_step_of_dilm() -> None:
    """GPT-2 base and BERT base, two classes, 16 real rows and 8 samples of each, 32 tokens."""
    assert torch.get_num_threads() == 1, "OMP_NUM_THREADS=1, as `make bench` sets it"
    samples, size = 8, 1024
    problem, coarse = Problem(samples), bfloat16_pays()
    in_bfloat16 = {
        "bfloat16": lambda: problem.ours("bfloat16"),
        "multiply bfloat16": multiply(size, torch.bfloat16),
    }
    taken = interleaved(
        {
            "float32": problem.ours,
            "oracle": problem.oracle,
            "multiply": multiply(size),
            **(in_bfloat16 if coarse else {}),
        },
        rounds=2,
    )
    work, count = 2 * size**3 / 1e9, problem.counted_gflop()
    print(f"\n\nOne matching step of DiLM: {CLASSES} × ({REAL} real rows + {samples} samples) of {TOKENS} tokens")
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one thread\n")
    print(f"{'':38}{'CPU-s':>8}{'asked':>8}{'GFLOP':>8}{'GFLOP/s':>9}{'of matmul':>11}{'of oracle':>11}")
    labels = {"float32": "textdistill, float32", "bfloat16": "textdistill, bfloat16", "oracle": "oracle (autograd)"}
    for name, label in ((name, label) for name, label in labels.items() if name in taken):
        rate = work / taken["multiply bfloat16" if name == "bfloat16" else "multiply"]
        share = f"{count / taken[name]:9.1f}{count / taken[name] / rate:11.0%}{taken[name] / taken['oracle']:11.2f}"
        asked = f"{BARS[name]:8.1f}" if name in BARS else " " * 8
        print(f"{label:38}{taken[name]:8.2f}{asked}{count:8.0f}{share}")
    for name in (name for name in taken if name.startswith("multiply")):
        label = name.removeprefix("multiply").strip() or "float32"
        title = f"matmul, 1024 × 1024, {label}"
        print(f"{title:38}{taken[name]:8.3f}{'':8}{work:8.1f}{work / taken[name]:9.1f}")
    loss, wanted = problem.oracle()
    theirs = flat(wanted, wanted)
    alike = {}
    for precision in ("float32", "bfloat16") if coarse else ("float32",):
        found_loss, found = problem.ours(precision)  # type: ignore[arg-type]
        alike[precision] = float(torch.cosine_similarity(flat(found, wanted), theirs, dim=0))
        told = f"cosine of ∇φ and the oracle's {alike[precision]:.6f}"
        print(f"{precision}: loss {found_loss:.6f} (oracle {loss:.6f}), {told}")
    assert alike["float32"] > 0.9999
    assert taken["float32"] <= taken["oracle"]
    if coarse:
        assert alike["bfloat16"] > 0.95
        assert taken["bfloat16"] <= 0.5 * taken["oracle"]


@pytest.mark.bench
def test_memory_does_not_grow_with_the_samples() -> None:
    """From the second micro-batch on there is a gradient to add to beside the one that is added: then no more."""
    counts = (8, 32, 128)
    taken = {(way, samples): extra_mib(way, samples) for way in ("ours", "oracle") for samples in counts}
    print(
        "\n\nPeak of one matching step of DiLM (width 256, 6 layers, 20,000 tokens) beyond that of a single sample, MiB"
    )
    print(f"{'samples of each class':24}" + "".join(f"{samples:8}" for samples in counts))
    for way in ("ours", "oracle"):
        print(f"{way:24}" + "".join(f"{taken[way, samples]:8.0f}" for samples in counts))
    assert taken["ours", 128] <= 1.2 * taken["ours", 32]
    assert taken["ours", 32] <= taken["oracle", 32] / 3
