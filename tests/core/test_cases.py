"""No part without a contract: everything a recipe can name is in the cases that the contract suites run over."""

from __future__ import annotations

import pytest

from tests.core import cases
from textdistill.core.inner import INNER_OPTIMIZERS
from textdistill.core.start_kinds import STARTS
from textdistill.core.streams import Streams
from textdistill.core.unroll import META_GRADIENTS
from textdistill.learners import LEARNERS
from textdistill.learners.recurrent import POOLS
from textdistill.objectives import OBJECTIVES
from textdistill.objectives.kernels import KERNELS
from textdistill.recipe.parts import PARTS
from textdistill.representations.kinds import REPRESENTATIONS

CASES = {
    "representation": (REPRESENTATIONS, {type(case) for case in cases.REPRESENTATION_CASES.values()}),
    "learner": (
        LEARNERS,
        {LEARNERS[name] for name in (*cases.TEXT_LEARNERS, *(name for name, _ in cases.LEARNER_CASES.values()))},
    ),
    "optimizer": (INNER_OPTIMIZERS, {type(case) for case in cases.OPTIMIZER_CASES.values()}),
    "gradient": (META_GRADIENTS, {type(case) for case in cases.GRADIENT_CASES.values()}),
    "kernel": (KERNELS, {type(case) for case in cases.KERNEL_CASES.values()}),
    "objective": (OBJECTIVES, {type(case) for case in cases.OBJECTIVE_CASES.values()}),
    "starts": (
        STARTS,
        {type(make(cases.learner_of("mlp"), Streams(0))) for make in cases.STARTS_CASES.values()},
    ),
}


def test_every_kind_of_part_has_a_contract_suite() -> None:
    assert PARTS.keys() == CASES.keys()


@pytest.mark.parametrize("kind", CASES)
def test_every_part_of_a_kind_is_in_its_suite(kind: str) -> None:
    parts, tried = CASES[kind]
    assert set(parts.values()) == tried


def test_what_recipes_may_name_is_what_the_rooms_show() -> None:
    assert {kind: set(parts.values()) for kind, parts in PARTS.items()} == {
        kind: set(parts.values()) for kind, (parts, _) in CASES.items()
    }


def test_every_pool_is_tried_with_every_recurrent_network() -> None:
    for network in ("bi_rnn", "bi_lstm"):
        tried = {values.get("pool", "last") for name, values in cases.LEARNER_CASES.values() if name == network}
        assert tried == set(POOLS)
