"""Random streams: one seed and a name give the same numbers, in any order and in any process."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from textdistill.core.streams import Streams

NAMES = st.lists(st.one_of(st.text("abc", min_size=1, max_size=3), st.integers(0, 99)), min_size=1, max_size=3)


def test_a_stream_is_the_same_whatever_was_drawn_before() -> None:
    streams = Streams(7)
    first = torch.rand(3, generator=streams.torch("noise", 4))
    torch.rand(100)
    torch.rand(9, generator=streams.torch("noise", 3))
    np.random.default_rng(0).random(5)
    assert torch.equal(torch.rand(3, generator=streams.torch("noise", 4)), first)
    assert streams.numpy("rows", 1).random() == Streams(7).numpy("rows", 1).random()


def test_drawing_moves_no_other_generator() -> None:
    before = torch.get_rng_state()
    torch.rand(3, generator=Streams(0).torch("a"))
    assert torch.equal(torch.get_rng_state(), before)


@given(NAMES, NAMES)
def test_a_child_is_the_longer_path(head: list[str | int], tail: list[str | int]) -> None:
    assert Streams(3).child(*head).integer(*tail) == Streams(3).integer(*head, *tail)


def test_other_names_and_seeds_are_other_streams() -> None:
    seen = {
        Streams(seed).integer(*names)
        for seed in (0, 1, 10)
        for names in ((), ("a",), ("b",), ("a", 0), ("a", 1), (0, "a"), ("a", "b"), ("b", "a"))
    }
    assert len(seen) == 24
    assert all(0 <= value < 2**63 for value in seen)


def test_another_process_with_another_hash_seed_draws_the_same() -> None:
    code = (
        "from textdistill.core.streams import Streams\n"
        "s = Streams(5, ('distill',)).child(3)\n"
        "print(s.integer('real'), float(s.numpy('x').random()), s.torch('y').initial_seed())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    here = Streams(5, ("distill",)).child(3)
    wanted = f"{here.integer('real')} {float(here.numpy('x').random())} {here.torch('y').initial_seed()}\n"
    assert outputs == {wanted}


def test_the_numbers_are_those_of_the_first_release() -> None:
    # a change here would give every recorded result and every checkpoint other numbers
    assert Streams(0).integer("theta0", 0) == 8209968951513226006
