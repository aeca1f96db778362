"""What `make bench` measures: for every method a step at a size that fits into a few seconds, ours and the plain way.

The sizes are the papers' where a plain step of that size takes a second or two; the others are made smaller, so that
all of it ends within ten minutes on an old processor. What was promised of DC, DM and DiLM was promised for their full
sizes: `pytest tests/benchmarks -m bench` has those.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch

from textdistill.core.precision import product_type


class Works(NamedTuple):
    """Two calls that do the same and return the same number: a loss, an accuracy, a sum."""

    ours: Callable[[], float]
    oracle: Callable[[], float]


@dataclass(frozen=True)
class Case:
    """One row of the table.

    `make` prepares both calls when their turn comes; a call is `per` steps. `most` is the ratio that is not to be
    exceeded, where one was promised; `close` is how much the two numbers may differ, relatively. Products are in
    `precision`; a row in bfloat16 has the same oracle in float32, and is for machines where `auto` means that type.
    """

    title: str
    make: Callable[[], Works]
    per: int = 1
    precision: str = "float32"
    most: float | None = None
    close: float = 1e-3

    @property
    def dtype(self) -> torch.dtype:
        """The type of the matrices whose product the case is measured by."""
        found: torch.dtype = getattr(torch, self.precision)
        return found

    def applies(self) -> bool:
        """Whether anybody would run it so on this machine."""
        return self.precision != "bfloat16" or product_type("auto", torch.device("cpu")) == "bfloat16"


def tdd(network: str, samples: int, length: int, real: int) -> Works:
    """One outer step through 5 inner ones."""
    from tests.benchmarks.problem import make_problem, oracle_step, our_step

    learner, problem = make_problem(network, 5, samples, length, 100, real)
    return Works(lambda: our_step(learner, problem)[0], lambda: oracle_step(problem, network)[0])


def sldd() -> Works:
    """One outer step through 30 inner ones."""
    from tests.benchmarks.pixel_oracle import lenet, sldd_step
    from tests.benchmarks.sldd import EPOCHS, IMAGES, REAL, STEPS, make_pictures, our_step

    learner, pictures = make_pictures(STEPS, EPOCHS, IMAGES, REAL)
    module = lenet()
    return Works(lambda: our_step(learner, pictures)[0], lambda: sldd_step(pictures, module)[0])


LABEL_STEPS = 4


def labels(kind: str) -> Works:
    """Outer steps of label distillation, `second order` or by `ridge`."""
    from tests.benchmarks.test_ld import Noise, ours, problem, theirs

    learner, inputs, targets = problem(50, torch.float32)
    real = Noise(2, 1024, torch.float32)
    given = (kind, learner, inputs, targets, real, LABEL_STEPS)
    return Works(lambda: ours(*given)[1][-1], lambda: theirs(*given).losses[-1])


def matching(name: str, samples: int, each: int, precision: str = "float32") -> Works:
    """One outer step of DC, DM or CAFE with so many samples and real digits of each of ten classes."""
    from tests.benchmarks.cafe_oracle import cafe_step
    from tests.benchmarks.dc_oracle import dc_step
    from tests.benchmarks.dm_oracle import dm_step
    from tests.benchmarks.matching import Problem
    from textdistill.objectives import CAFE, DistributionMatching
    from textdistill.objectives.gradient_matching import GradientMatching

    known = {"dc": (GradientMatching, dc_step), "dm": (DistributionMatching, dm_step), "cafe": (CAFE, cafe_step)}
    problem = Problem(*known[name], 128, 28, samples, each, torch.float32)
    return Works(lambda: problem.ours(precision)[0], lambda: problem.oracle()[0])


def kip() -> Works:
    """One outer step."""
    from tests.benchmarks.kip_case import Problem

    problem = Problem(500, 5000)
    return Works(lambda: problem.ours()[0], lambda: problem.oracle()[0])


def dilm(precision: str = "float32") -> Works:
    """One matching step."""
    from tests.benchmarks.dilm import MIDDLE, Problem

    problem = Problem(16, MIDDLE)
    return Works(lambda: problem.ours(precision)[0], lambda: problem.oracle()[0])  # type: ignore[arg-type]


def encoder() -> Works:
    """Sentences to features."""
    from tests.benchmarks.encoder_case import Problem

    problem = Problem(48)
    return Works(problem.ours, problem.oracle)


MODEL_STEPS = 3


def language_model(precision: str = "float32") -> Works:
    """Training steps."""
    from tests.benchmarks.language_model_case import Problem

    problem = Problem(16, MODEL_STEPS)
    return Works(lambda: problem.ours(precision), problem.oracle)  # type: ignore[arg-type]


def search() -> Works:
    """One sweep over the places of a set."""
    from tests.benchmarks.search_case import Problem

    problem = Problem(1200, 1000, 5, 15)
    return Works(lambda: problem.loss(problem.ours()), lambda: problem.loss(problem.oracle()))


def evaluation() -> Works:
    """Networks trained and scored."""
    from tests.benchmarks.evaluation_case import Problem

    problem = Problem(1000, 4, 50)
    return Works(problem.ours, problem.oracle)


LENET = "LeNet, 28 × 28"
LABELLED = f"{LENET}, base batch 50, real batch 1,024, a step of {LABEL_STEPS}"
CONVNET = "ConvNet-128, 28 × 28, 10 ×"
WRITERS = "GPT-2 and BERT 6 × 256, 2 × (16 real + 16) texts of 32 tokens"
WRITER = f"GPT-2 4 × 256, 16 sentences, a step of {MODEL_STEPS}"

CASES: dict[str, Case] = {
    "tdd-text_conv": Case("20 × 400 × 100, 5 inner steps, B = 128", lambda: tdd("text_conv", 20, 400, 128), most=0.2),
    "tdd-bi_rnn": Case("60 × 30 × 100, 5 inner steps, B = 256", lambda: tdd("bi_rnn", 60, 30, 256), most=1.3),
    "tdd-bi_lstm": Case("60 × 30 × 100, 5 inner steps, B = 256", lambda: tdd("bi_lstm", 60, 30, 256), most=1.3),
    "sldd": Case(f"{LENET}, 10 steps × 10 images × 3 epochs, B = 1,024", sldd, most=0.65),
    "ld": Case(LABELLED, lambda: labels("second order"), LABEL_STEPS, most=0.65),
    "ld-rr": Case(LABELLED, lambda: labels("ridge"), LABEL_STEPS, most=1.1),
    "dc": Case(f"{CONVNET} (24 real + 1)", lambda: matching("dc", 1, 24)),
    "dc-bfloat16": Case(
        f"{CONVNET} (24 real + 1)", lambda: matching("dc", 1, 24, "bfloat16"), 1, "bfloat16", close=0.05
    ),
    "dm": Case(f"{CONVNET} (48 real + 10)", lambda: matching("dm", 10, 48)),
    "dm-bfloat16": Case(
        f"{CONVNET} (48 real + 10)", lambda: matching("dm", 10, 48, "bfloat16"), 1, "bfloat16", close=0.05
    ),
    "cafe": Case(f"{CONVNET} (48 real + 10)", lambda: matching("cafe", 10, 48)),
    "cafe-bfloat16": Case(
        f"{CONVNET} (48 real + 10)", lambda: matching("cafe", 10, 48, "bfloat16"), 1, "bfloat16", close=0.05
    ),
    "kip": Case("NTK of depth 1, 500 samples, 5,000 real images of 28 × 28", kip, precision="float64"),
    "dilm": Case(WRITERS, dilm),
    "dilm-bfloat16": Case(WRITERS, lambda: dilm("bfloat16"), 1, "bfloat16", close=0.05),
    "encoder": Case("MiniLM, 48 sentences of some 64 wordpieces", encoder),
    "language-model": Case(WRITER, language_model, MODEL_STEPS),
    "language-model-bfloat16": Case(WRITER, lambda: language_model("bfloat16"), MODEL_STEPS, "bfloat16", close=0.05),
    "search": Case("30 places × 15 candidates, 1,000 judges, 384 features, one sweep", search, close=0.05),
    "evaluation": Case("4 TextConvNets, 1,000 test rows of up to 50 words", evaluation, close=0.005),
}
