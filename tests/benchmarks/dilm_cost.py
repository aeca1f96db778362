"""What DiLM costs at the paper's setting (GPT-2, BERT base, SST-2): operations, and the hours of 1, 8 and 64 GPUs.

`python -m tests.benchmarks.dilm_cost [--card H100] [--precision tf32]` prints the table of docs/cluster.md. Operations
are counted by torch on models without memory (`meta`), per token, and multiplied by the paper's numbers; time is
operations ÷ (peak × share), see `textdistill.runs.plan.accelerators`, and what cards tell each other.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import torch
from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel

from textdistill.runs.plan.accelerators import ACCELERATORS, seconds_on
from textdistill.runs.plan.units import Operations

TOKENS, CLASSES, TEST = 32, 2, 872  # of a text, a phrase of SST-2 with room; its classes; its test rows
MODEL_STEPS, MODEL_BATCH = 80_000, 64
STEPS, REAL, SAMPLES, TRAINED, ROWS = 20_000, 200, 64, 20 * 0.9, 64  # nine of ten steps follow training on real rows
POOL, EVERY = 64 * 200, 200
SIZES, SETS, NETS, LEARNT = 3, 20, 5, 200
# Bytes a second between the cards of one machine, and between machines (NVLink of an H100, one way; 400 Gb/s each).
WITHIN, BETWEEN = 450e9, 50e9
IN_MACHINE = 8
PARAMETERS = 124e6 * 4  # bytes of GPT-2's gradient


@dataclass(frozen=True)
class Stage:
    """Operations of a stage: `spread` over the cards, `alone` on each; how often gradients are added up."""

    name: str
    spread: float
    alone: float = 0.0
    sums: float = 0.0

    def seconds(self, cards: int, card: str, precision: str) -> float:
        """On so many cards."""
        told = 0.0
        if cards > 1:
            told = self.sums * 2 * PARAMETERS / (WITHIN if cards <= IN_MACHINE else BETWEEN)
        return seconds_on(card, self.spread / cards + self.alone, precision) + told


def per_token() -> tuple[float, float]:
    """Operations of a token forward, of GPT-2 with its vocabulary and of BERT base."""
    ids = torch.zeros(1, TOKENS, dtype=torch.long, device="meta")
    found = []
    with torch.device("meta"):
        for model in (GPT2LMHeadModel(GPT2Config()), BertModel(BertConfig())):
            with torch.no_grad(), Operations() as counter:
                model(ids)
            found.append(counter.total / TOKENS)
    return found[0], found[1]


def stages() -> list[Stage]:
    """Every stage at the paper's setting: a backward pass is two forward ones."""
    writer, reader = (TOKENS * each for each in per_token())  # of a text
    pools, step = STEPS / EVERY, CLASSES * (SAMPLES * 4 * writer + (REAL + SAMPLES) * reader)
    return [
        Stage("language model", 0.0, MODEL_STEPS * MODEL_BATCH * 3 * writer),  # one process trains it
        Stage("matching: generator and learner", STEPS * step, sums=STEPS),
        Stage("matching: networks on real rows", 0.0, STEPS * TRAINED * ROWS * 3 * reader),
        Stage("pools written and clustered", pools * CLASSES * POOL * (writer + reader)),
        Stage("100 networks for each of 3 sizes", SIZES * SETS * NETS * (LEARNT * 64 * 3 + TEST) * reader),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.dilm_cost", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--card", choices=list(ACCELERATORS), default="H100")
    parser.add_argument("--precision", choices=["float32", "tf32", "bfloat16"], default="tf32")
    asked = parser.parse_args()
    counts, every = (1, 8, 64), stages()
    print(f"| stage | PFLOP | {' | '.join(f'{n} GPU{chr(115) if n > 1 else str()}' for n in counts)} |")
    print("|---|---|---|---|---|")
    totals = [0.0] * len(counts)
    for stage in every:
        hours = [stage.seconds(n, asked.card, asked.precision) / 3600 for n in counts]
        totals = [a + b for a, b in zip(totals, hours, strict=True)]
        print(
            f"| {stage.name} | {(stage.spread + stage.alone) / 1e15:,.0f} | {' | '.join(f'{h:.2f} h' for h in hours)} |"
        )
    total = sum(stage.spread + stage.alone for stage in every) / 1e15
    print(f"| **one run** | {total:,.0f} | {' | '.join(f'**{h:.2f} h**' for h in totals)} |")
    print(f"| 64 runs as a sweep | {64 * total:,.0f} | {' | '.join(f'{64 * totals[0] / n:.1f} h' for n in counts)} |")


if __name__ == "__main__":
    main()
