"""The store of features: by text, safe from damage and from others that write, and of bounded size."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest
import torch

from textdistill.learners.pretrained import feature_store
from textdistill.learners.pretrained.feature_store import FeatureStore, key_of


def keys(*numbers: int) -> list[bytes]:
    return [key_of(str(number)) for number in numbers]


def vectors(*numbers: int) -> torch.Tensor:
    return torch.tensor([[float(number), number + 0.5] for number in numbers])


def test_a_pair_is_neither_of_its_texts_nor_both_in_one() -> None:
    found = {
        key_of("a"),
        key_of("a", "b"),
        key_of("b", "a"),
        key_of("ab"),
        key_of("", "ab"),
        key_of("ab", ""),
        key_of(""),
    }
    assert len(found) == 7
    assert key_of("\ud800") != key_of("\ud801")  # half a character, as broken files have them


def test_vectors_come_back_by_key_in_any_order(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "new")
    assert store.get(keys(1, 2))[0] == {}
    store.put(keys(3, 1, 2), vectors(3, 1, 2))
    store.put(keys(7), vectors(7))
    rows, found = store.get(keys(7, 5, 2, 3))
    assert rows.keys() == set(keys(7, 2, 3))
    for number in (7, 2, 3):
        assert torch.equal(found[rows[key_of(str(number))]], vectors(number)[0])


def test_keys_that_end_in_zero_bytes_are_told_apart(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    ours = [b"\1" * 15 + b"\0", b"\1" * 14 + b"\0\0", b"\0" * 16]
    store.put(ours, vectors(1, 2, 3))
    rows, found = store.get(ours)
    assert torch.equal(found[[rows[key] for key in ours]], vectors(1, 2, 3))


def test_many_small_shards_become_one(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    for number in range(20):
        store.put(keys(number, 0), vectors(number, 0))
    assert len(list(tmp_path.iterdir())) < feature_store.MANY
    rows, found = store.get(keys(*range(20)))
    assert torch.equal(found[[rows[key] for key in keys(*range(20))]], vectors(*range(20)))


def test_whole_shards_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_store, "WHOLE", 2)
    store = FeatureStore(tmp_path)
    for number in range(0, 24, 2):
        store.put(keys(number, number + 1), vectors(number, number + 1))
    assert len(list(tmp_path.iterdir())) == 12


@pytest.mark.parametrize("at", [-1, 150, 0])
def test_a_damaged_shard_is_removed_and_the_others_are_read(tmp_path: Path, at: int) -> None:
    store = FeatureStore(tmp_path)
    store.put(keys(1), vectors(1))
    (first,) = tmp_path.iterdir()
    store.put(keys(2), vectors(2))
    data = bytearray(first.read_bytes())
    data[at] ^= 0x10
    first.write_bytes(bytes(data))
    assert store.get(keys(1, 2))[0] == {key_of("2"): 0}
    assert not first.exists()
    (tmp_path / "half.safetensors").write_bytes(b"")
    assert store.get(keys(1, 2))[0] == {key_of("2"): 0}


def test_beyond_its_limit_what_was_not_read_longest_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FeatureStore(tmp_path)
    for age, number in enumerate((1, 2, 3)):
        before = set(tmp_path.iterdir())
        store.put(keys(number), vectors(number))
        (made,) = set(tmp_path.iterdir()) - before
        os.utime(made, (age + 1, age + 1))
    store.get(keys(1))
    monkeypatch.setattr(feature_store, "LIMIT", 3 * made.stat().st_size)
    store.put(keys(4), vectors(4))
    assert store.get(keys(1, 2, 3, 4))[0].keys() == set(keys(1, 3, 4))


def write(folder: Path, number: int, rounds: int) -> None:
    """What one of several processes does: it writes, and always finds again what it wrote."""
    store = FeatureStore(folder)
    for one in range(rounds):
        store.put(keys(100 * number + one, 0), vectors(100 * number + one, 0))
        wanted = keys(0, *(100 * number + before for before in range(one + 1)))
        rows, _ = store.get(wanted)
        assert rows.keys() == set(wanted)


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    works = [fork.Process(target=write, args=(tmp_path, number, 30)) for number in (1, 2, 3)]
    for work in works:
        work.start()
    for work in works:
        work.join()
    assert [work.exitcode for work in works] == [0, 0, 0]
    numbers = [100 * number + one for number in (1, 2, 3) for one in range(30)]
    rows, found = FeatureStore(tmp_path).get(keys(*numbers))
    assert torch.equal(found[[rows[key] for key in keys(*numbers)]], vectors(*numbers))
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".safetensors"]
