"""A search that nobody told how sharp to be has the sharpness whose sets teach most training rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from textdistill.core.streams import Streams
from textdistill.learners.linear_head import fit_head
from textdistill.selection.candidates import Candidates
from textdistill.selection.methods import METHODS, Method
from textdistill.selection.methods.search_real import SearchReal
from textdistill.selection.search_settings import SearchSettings
from textdistill.selection.sharpness import TRIALS, VALUES, sharp, sharpened, undecided

QUICK = SearchSettings(sweeps=1, rows=60, screen=20, compare=4)
COUNTS = [2, 2]


def noisy(rows: int = 120) -> Candidates:
    """Two clouds that lie upon one another, and a third of the labels wrong."""
    rng = torch.Generator().manual_seed(0)
    labels = torch.arange(rows) % 2
    features = F.normalize(torch.randn(rows, 8, generator=rng) + labels[:, None].float(), dim=1)
    wrong = torch.rand(rows, generator=rng) < 0.3
    return Candidates(torch.where(wrong, 1 - labels, labels).numpy(), ("a", "b"), lambda: [features])


def test_it_is_the_one_whose_trial_sets_teach_most_rows() -> None:
    candidates, method, streams = noisy(), SearchReal(search=QUICK), Streams(3)
    decided, found = sharpened(method, candidates, COUNTS, streams)
    taught = []
    for value in VALUES:
        shares = []
        for number in range(TRIALS):
            rows = sharp(method, value).choose(candidates, COUNTS, streams.child("sharpness"), number)
            targets = torch.eye(2)[torch.from_numpy(candidates.labels[rows])]
            predicted = fit_head(candidates.views[0][torch.from_numpy(rows)], targets).predict(candidates.views[0])
            shares.append((predicted.numpy() == candidates.labels).mean())
        taught.append(np.mean(shares))
    assert found == VALUES[int(np.argmax(taught))]
    assert decided == SearchReal(search=replace(QUICK, sharpness=found))


@pytest.mark.parametrize("method", [SearchReal(search=replace(QUICK, sharpness=3.0)), METHODS["k_centers"]], ids=str)
def test_what_is_decided_or_searches_nothing_stays_as_it_is(method: Method) -> None:
    assert not undecided(method)
    assert sharpened(method, noisy(), COUNTS, Streams(3)) == (method, None)


def test_soft_labels_on_a_search_are_decided_with_it() -> None:
    soft = METHODS["ours_soft"]
    assert undecided(soft)
    decided = sharp(soft, 4.0)
    assert not undecided(decided)
    assert decided.of.search.sharpness == 4.0  # type: ignore[attr-defined]
