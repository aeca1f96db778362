"""Whether a long run keeps its memory: live tensors and resident memory along thousands of outer steps.

python -m tests.long_memory                    5,000 steps of every kind, and a table
python -m tests.long_memory --steps 300 --only "TDD, a pool"
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tests import tiny
from textdistill.recipe.read import resolve
from textdistill.runs import pipeline
from textdistill.runs.progress import Reporter, Stage

KINDS: dict[str, dict[str, Any]] = {
    "TDD, fresh starts": {"starts": {"name": "fresh"}},
    "TDD, a pool": {"starts": {"name": "pool"}},
    "TDD, a chain": {"starts": {"name": "chain"}},
    "label distillation": {"synthetic": {"learn": ["targets"], "labels": "clamped"}, "starts": {"name": "plateau"}},
    "DM": {
        "synthetic": {"labels": "hard", "learn": ["inputs"]},
        "objective": {"name": "distribution_matching", "batch": 16},
        "starts": {"name": "fresh"},
    },
    "DC": {
        "synthetic": {"labels": "hard", "learn": ["inputs"]},
        "objective": {"name": "gradient_matching", "batch": 16},
        "starts": {"name": "chain"},
    },
    "KIP": {
        "synthetic": {"learn": ["inputs", "targets"]},
        "objective": {"name": "kip", "kernel": {"name": "ntk", "depth": 1}},
        "learner": {"name": "mlp", "hidden": [16]},
        "starts": {"name": "fresh"},
    },
}


@dataclass(frozen=True)
class Look:
    """What there was after a step: tensors and their bytes, other objects, and resident memory (MiB)."""

    step: int
    tensors: int
    tensor_bytes: int
    objects: int
    resident: float


def settings_of(kind: str) -> dict[str, Any]:
    """The recipe of a kind, in little."""
    made = {**tiny.settings(), "variants": {}, "checkpoint": {"every": 50}}
    made["synthetic"] = {"per_class": 2, "init": "real", "lr": 0.1, **KINDS[kind].get("synthetic", {})}
    return made | {key: value for key, value in KINDS[kind].items() if key != "synthetic"}


def looks(kind: str, steps: int, at: Callable[[int], bool], place: Path) -> list[Look]:
    """A run of so many steps with checkpoints and a log, looked at after some of them."""
    recipe = resolve(settings_of(kind), [f"outer.steps={steps}", "outer.runaway=1e30"])
    found: list[Look] = []
    reporter, record = Reporter(quiet=True), Stage.record

    def look(stage: Stage, step: int, values: Any, note: str = "") -> None:
        record(stage, step, values, note)
        if at(step):
            found.append(_look(step))

    Stage.record = look  # type: ignore[method-assign]
    try:
        pipeline.distill_into(place, recipe, pipeline.prepare_task(recipe), 0, reporter=reporter)
    finally:
        Stage.record = record  # type: ignore[method-assign]
    return found


def _look(step: int) -> Look:
    gc.collect()
    every = gc.get_objects()
    tensors = [one for one in every if type(one) in (torch.Tensor, torch.nn.Parameter)]
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20
    return Look(step, len(tensors), sum(one.untyped_storage().nbytes() for one in tensors), len(every), resident)


def main() -> None:
    """The table."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--steps", type=int, default=5000)
    words.add_argument("--only", nargs="+", choices=list(KINDS), default=list(KINDS))
    asked = words.parse_args()
    print(f"{'kind':20} {'step':>6} {'tensors':>8} {'KiB':>8} {'objects':>9} {'resident, MiB':>14} {'s':>6}")
    for kind in asked.only:
        began = time.perf_counter()
        shown = {asked.steps // 10, asked.steps // 2, asked.steps - 1}
        with tempfile.TemporaryDirectory() as place:
            for look in looks(kind, asked.steps, shown.__contains__, Path(place)):
                print(
                    f"{kind:20} {look.step:6} {look.tensors:8} {look.tensor_bytes / 2**10:8.0f} {look.objects:9} "
                    f"{look.resident:14.1f} {time.perf_counter() - began:6.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
