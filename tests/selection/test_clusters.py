"""Groups of alike rows: every row is with its nearest centroid, and the same stream gives the same groups."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from textdistill.selection import KMeansSettings, clusters


def clouds(each: int = 8) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(10 * at, 0.5, (each, 3)) for at in range(4)]).astype(np.float32)


@pytest.mark.parametrize("settings", [KMeansSettings(), KMeansSettings(full_values=20)])  # also in many pieces
def test_clouds_far_apart_are_the_groups(settings: KMeansSettings) -> None:
    for features in (clouds(), torch.from_numpy(clouds())):
        found = clusters(features, 4, np.random.default_rng(1), settings).reshape(4, 8)
        assert found.dtype == np.int64
        assert (found == found[:, :1]).all()
        assert set(found[:, 0]) == {0, 1, 2, 3}


def test_the_same_stream_gives_the_same_groups() -> None:
    one, other = (clusters(clouds(), 7, np.random.default_rng(3)) for _ in range(2))
    assert (one == other).all()
    assert 0 <= one.min() <= one.max() < 7


def test_as_many_groups_as_rows_is_each_on_its_own_and_alike_rows_share_one() -> None:
    assert sorted(clusters(clouds(2), 8, np.random.default_rng(0))) == list(range(8))
    assert len(set(clusters(np.ones((5, 2)), 3, np.random.default_rng(0)))) == 1
