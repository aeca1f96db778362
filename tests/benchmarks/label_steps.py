"""CPU seconds of label distillation's outer step, ours and the plain loop's.

A program of its own, as `sldd` is: under pytest every annotation of the package is checked as it runs, and none of the
plain loop's.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import torch

from tests.benchmarks.test_ld import Noise, ours, problem, theirs
from tests.benchmarks.test_speed import interleaved, multiply

STEPS = 4


def measured(kind: str) -> dict[str, float]:
    """CPU seconds of an outer step of this `kind` with a base batch of 50, and of a product of two 1024 × 1024."""
    root, words = Path(__file__).resolve().parents[2], [sys.executable, "-m", "tests.benchmarks.label_steps", kind]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure, and print JSON."""
    kind = sys.argv[1]
    learner, inputs, targets = problem(50, torch.float32)
    real = Noise(2, 1024, torch.float32)
    works = {
        "ours": lambda: ours(kind, learner, inputs, targets, real, STEPS),
        "oracle": lambda: theirs(kind, learner, inputs, targets, real, STEPS),
        "multiply": multiply(),
    }
    taken = interleaved(works, rounds=5)
    print(json.dumps({name: value / (1 if name == "multiply" else STEPS) for name, value in taken.items()}))


if __name__ == "__main__":
    main()
