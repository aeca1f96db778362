"""Methods that choose readable sets: one contract for all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from textdistill.core.errors import DataError
from textdistill.core.streams import Streams
from textdistill.data import TextTable
from textdistill.data.sets.text_set import TextSet
from textdistill.recipe.text_settings import Choose
from textdistill.runs.readable.choose import Chooser
from textdistill.selection import SearchSettings
from textdistill.selection.candidates import Candidates
from textdistill.selection.methods import AMONG_REAL_ROWS, METHODS, Method, configured
from textdistill.selection.methods.best_k_centers import BestKCenters
from textdistill.selection.methods.method import Source
from textdistill.selection.methods.ours import Ours
from textdistill.selection.methods.search_real import SearchReal
from textdistill.selection.methods.soft_labels import SoftLabels

CLASSES = ("bad", "fair", "good")
SETTINGS = Choose(sizes=(3,), size=3, sets=2, over=4, views=("a", "b"), search=SearchSettings(sweeps=1, candidates=5))
MADE = [name for name, method in METHODS.items() if method.source != "released"]


def texts(source: str, rows: int) -> TextSet:
    labels = np.arange(rows) % 3
    return TextSet([f"{source} {row} of {CLASSES[label]}" for row, label in enumerate(labels)], labels, CLASSES)


REAL = texts("real", 60)
POOLS = {source: texts(source, 45) for source in ("vanilla", "matched", "grown", "prompted")}


def encode(view: str, told: Sequence[str], pairs: Sequence[str] | None) -> Tensor:
    """Points near that of their class, the same for the same text."""
    points = []
    for text in told:
        rng = np.random.default_rng(list(f"{view} {text}".encode()))
        points.append(np.eye(5)[CLASSES.index(text.split()[-1])] + 0.3 * rng.normal(size=5))
    return torch.from_numpy(np.array(points)).float()


def candidates(source: str) -> Candidates:
    def seen(of: TextSet, training: Candidates | None = None) -> Candidates:
        views = lambda: [encode(view, of.texts, None) for view in SETTINGS.views]  # noqa: E731
        return Candidates(of.labels, of.classes, views, training)

    return seen(REAL) if source in ("real", "released") else seen(POOLS[source], seen(REAL))


def chooser(seed: int = 0, **changed: Any) -> Chooser:
    train = TextTable("own", CLASSES, REAL.texts, None, REAL.labels)
    return Chooser(train, POOLS, SETTINGS, encode, Streams(seed), **changed)


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> Method:
    return configured(METHODS[request.param], SETTINGS)


def test_a_method_says_what_it_is(method: Method) -> None:
    assert dataclasses.is_dataclass(method)
    assert method.title
    assert method.source in get_args(Source)
    assert type(method).__doc__
    with pytest.raises(dataclasses.FrozenInstanceError):
        method.title = "another"  # type: ignore[misc]


def test_no_two_methods_read_alike() -> None:
    assert len({method.title for method in METHODS.values()}) == len(METHODS)
    assert all(METHODS[name].source == "real" for name in AMONG_REAL_ROWS)


def test_rows_are_distinct_and_as_many_of_each_class_as_asked(method: Method) -> None:
    told = candidates(method.source)
    counts = [3, 3, 3] if method.source != "released" else told.labels.tolist()
    rows = method.choose(told, counts, Streams(0), 0)
    assert rows.dtype == np.int64
    assert len(set(rows.tolist())) == len(rows)
    assert set(rows.tolist()) <= set(range(len(told)))
    if method.source == "released":  # as they were published
        assert rows.tolist() == list(range(len(told)))
    else:
        assert told.labels[rows].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_the_same_seed_and_number_choose_the_same_and_others_others(method: Method) -> None:
    told = candidates(method.source)

    def chosen(seed: int, number: int) -> list[int]:
        return method.choose(told, [3, 3, 3], Streams(seed), number).tolist()  # type: ignore[no-any-return]

    assert chosen(0, 1) == chosen(0, 1)
    if method.source != "released":
        assert len({tuple(chosen(seed, number)) for seed in range(3) for number in range(3)}) > 1


def test_a_class_smaller_than_asked_gives_what_it_has_of_real_rows(method: Method) -> None:
    if method.source == "released":
        return
    told = candidates(method.source)
    few = np.concatenate([np.flatnonzero(told.labels == 0)[:2], np.flatnonzero(told.labels > 0)])
    fewer = Candidates(
        told.labels[few], CLASSES, lambda: [view[few] for view in told.views], told.training and told.real
    )
    if method.source == "real":
        rows = method.choose(fewer, [3, 3, 3], Streams(0), 0)
        assert np.bincount(fewer.labels[rows]).tolist() == [2, 3, 3]
    else:
        with pytest.raises(DataError, match="class 'bad': [0-2] samples to choose 3 from; raise choose.pool"):
            method.choose(fewer, [3, 3, 3], Streams(0), 0)


@pytest.mark.parametrize("name", AMONG_REAL_ROWS)
def test_no_set_says_the_same_thing_twice_and_every_row_judges(name: str) -> None:
    repeated = [*REAL.texts, *(text.upper() for text in REAL.texts[:30]), *REAL.texts[:30]]
    labels = np.concatenate([REAL.labels, REAL.labels[:30], REAL.labels[:30]])
    seen = lambda view, told, pairs: encode(view, [text.lower() for text in told], pairs)  # noqa: E731
    of = Chooser(TextTable("own", CLASSES, repeated, None, labels), POOLS, SETTINGS, seen, Streams(0))
    assert [len({text.lower() for text in one.texts}) for one in of.sets(name, 3)] == [9, 9]
    every, candidates = of._sources["real"]
    assert every.texts == REAL.texts
    assert len(candidates.real) == 120
    # A class that has fewer distinct texts than are asked gives those.
    same = Chooser(TextTable("own", CLASSES, ["bad"] * 20 + REAL.texts[1::3] + REAL.texts[2::3], None,
                             np.repeat([0, 1, 2], 20)), POOLS, SETTINGS, seen, Streams(0))  # fmt: skip
    assert [np.bincount(one.labels).tolist() for one in same.sets(name, 3)] == [[1, 3, 3]] * 2


def _hard(method: Method) -> Method:
    return method.of if isinstance(method, SoftLabels) else method


@pytest.mark.parametrize("name", MADE)
def test_sets_hold_texts_of_their_source_alone_and_progress_is_told(name: str) -> None:
    method, ticks = METHODS[name], list[str]()
    sets = chooser(tick=ticks.append).sets(name, 3)
    assert len(sets) == SETTINGS.sets
    for one in sets:
        assert all(text.startswith(f"{method.source} ") for text in one.texts)
        assert len(one) == len(set(one.texts)) == 9
        assert (one.soft is not None) == method.soft
        assert one.targets.sum(1) == pytest.approx(np.ones(9), abs=1e-5)
    assert ticks.count(f"{method.stream} 3") == SETTINGS.sets
    assert ticks.count("soft labels 3") == method.soft * SETTINGS.sets
    again = chooser().sets(name, 3)
    assert [one.texts for one in again] == [one.texts for one in sets]
    assert all((one.targets == other.targets).all() for one, other in zip(again, sets, strict=True))
    assert [one.texts for one in chooser(seed=1).sets(name, 3)] != [one.texts for one in sets]


@pytest.mark.parametrize("name", [name for name in MADE if METHODS[name].soft])
def test_soft_labels_stand_on_the_samples_of_the_method(name: str) -> None:
    hard = next(other for other in MADE if METHODS[other] == _hard(METHODS[name]))
    both = chooser()
    assert [one.texts for one in both.sets(name, 3)] == [one.texts for one in both.sets(hard, 3)]


def test_a_recipe_sets_the_fields_that_it_has_keys_for() -> None:
    assert configured(METHODS["search_real"], SETTINGS) == SearchReal(over=4, search=SETTINGS.search)
    assert configured(METHODS["ours_soft"], SETTINGS) == SoftLabels(Ours(4, SETTINGS.search))
    assert configured(METHODS["random_real"], SETTINGS) == METHODS["random_real"]
    assert configured(BestKCenters(tries=2), SETTINGS) == BestKCenters(tries=2)


def test_samples_that_look_like_another_class_are_no_candidates_where_that_is_asked() -> None:
    told = candidates("matched")
    moved = told.labels.copy()
    moved[:3] = (moved[:3] + 1) % 3
    odd = Candidates(moved, CLASSES, lambda: told.views, told.training)
    assert odd.consistent.mean() > 0.8
    assert not odd.consistent[:3].all()
    method = Ours(over=100, search=SETTINGS.search)
    assert all(odd.consistent[method.choose(odd, [3, 3, 3], Streams(0), number)].all() for number in range(3))
    careless = Ours(over=100, search=SETTINGS.search, consistent=False)
    assert not odd.consistent[careless.choose(odd, [15, 15, 14], Streams(0), 0)].all()
