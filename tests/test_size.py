"""The distillation size: the smallest number of samples that reaches a ratio, found with few tries."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import tiny
from textdistill.analysis.size import Search, Try, runner, search
from textdistill.core.errors import ArtifactError, UserError
from textdistill.recipe.read import Recipe, resolve


def rising(needed: int) -> Callable[[int], Try]:
    """Tries of a set that reaches 90 percent with `needed` samples."""
    return lambda samples: Try(samples, 90.0 if samples >= needed else 50.0, 0.0, 1)


def tried(found: Search) -> list[int]:
    return [one.samples for one in found.tries]


def test_it_doubles_until_the_ratio_is_reached_and_then_bisects() -> None:
    found = search(rising(11), 90, most=64)
    assert found.size == 11
    assert tried(found) == [1, 2, 4, 8, 16, 12, 10, 11]


def test_the_first_try_may_do() -> None:
    assert tried(search(rising(1), 90, most=64)) == [1]


def test_the_last_doubling_ends_at_the_largest_allowed() -> None:
    assert search(rising(23), 90, most=23).size == 23
    assert search(rising(24), 90, most=23).size is None
    assert tried(search(rising(99), 90, most=12)) == [1, 2, 4, 8, 12]


def test_with_several_steps_only_their_multiples_are_tried() -> None:
    found = search(rising(11), 90, most=64, unit=5)
    assert found.size == 15
    assert tried(found) == [5, 10, 20, 15]


@given(needed=st.integers(1, 300), unit=st.integers(1, 7), most=st.integers(7, 200))
def test_it_is_the_smallest_multiple_and_nothing_is_tried_twice(needed: int, unit: int, most: int) -> None:
    found = search(rising(needed), 90, most, unit)
    expected = next((m for m in range(unit, most + 1, unit) if m >= needed), None)
    assert found.size == expected
    assert len(set(tried(found))) == len(found.tries) <= 18
    assert all(samples % unit == 0 and samples <= most for samples in tried(found))


@pytest.mark.parametrize(
    ("ratio", "most", "told"), [(0, 9, "above 0"), (float("nan"), 9, "above 0"), (90, 2, "3 or more")]
)
def test_what_cannot_be_looked_for_is_told(ratio: float, most: int, told: str) -> None:
    with pytest.raises(UserError, match=told):
        search(rising(1), ratio, most, unit=3)


def recipe_of(samples: int, **other: Any) -> Recipe:
    return resolve({**tiny.settings(), **other}, ["synthetic.per_class=null", f"synthetic.samples={samples}"])


class Distil:
    """Stands for a whole run and counts its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, str]] = []

    def __call__(self, recipe: Recipe, folder: Path, **_: Any) -> Any:
        assert recipe.synthetic.samples is not None
        self.calls.append((recipe.synthetic.samples, folder.name))
        return SimpleNamespace(metrics={"ratio": {"mean": 10.0 * recipe.synthetic.samples, "sd": 0.5, "n": 2}})


def test_each_try_is_a_run_of_its_own_kept_for_the_next_search(tmp_path: Path) -> None:
    distil, task = Distil(), [0]

    def prepare(_: Recipe) -> None:
        task[0] += 1

    found = search(runner(recipe_of, tmp_path, distil=distil, prepare=prepare), 50, most=8)
    assert found.size == 5
    assert distil.calls == [(m, f"M-{m:04d}") for m in (1, 2, 4, 8, 6, 5)]
    assert task == [1]  # the data are read once
    again = search(runner(recipe_of, tmp_path, distil=distil, prepare=prepare), 50, most=8)
    assert again == found
    assert len(distil.calls) == 6
    further = search(runner(recipe_of, tmp_path, distil=distil, prepare=prepare), 120, most=16)
    assert (further.size, len(distil.calls)) == (12, 6 + 4)
    assert [one["samples"] for one in json.loads((tmp_path / "size.json").read_text())["tries"]][:3] == [1, 2, 4]


def test_a_ledger_of_other_settings_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    runner(recipe_of, tmp_path, distil=Distil(), prepare=lambda _: None)(1)
    with pytest.raises(ArtifactError, match="other settings or another seed"):
        runner(recipe_of, tmp_path, seed=1)
    with pytest.raises(ArtifactError, match="other settings"):
        runner(lambda samples: recipe_of(samples, outer={"steps": 9}), tmp_path)
    (tmp_path / "size.json").write_text('{"tries": [{}]}')
    with pytest.raises(ArtifactError, match="not readable"):
        runner(recipe_of, tmp_path)
