"""The head on all rows is tuned on rows that are neither its own nor the test's."""

from __future__ import annotations

import pytest
import torch

from textdistill.evaluation.full_head import tuned_head
from textdistill.learners.linear_head import fit_head


@pytest.fixture(scope="module")
def rows():
    """Two classes apart in two of forty directions, with a fifth of the training labels wrong; and held-out rows."""
    rng = torch.Generator().manual_seed(0)
    features = torch.randn(900, 40, generator=rng)
    labels = (features[:, :2].sum(1) > 0).long()
    noisy = torch.where(torch.rand(900, generator=rng) < 0.2, 1 - labels, labels)
    return features[:100], noisy[:100], features[100:], labels[100:]


def accuracy(head, features, labels):
    return 100 * float((head.predict(features) == labels).double().mean())


def test_the_penalty_is_the_one_that_held_out_rows_like_best_and_of_equals_the_largest(rows):
    features, labels, held_out, wanted = rows
    penalties = (10.0, 1.0, 0.1, 1e-6)
    tuned = tuned_head(features, labels, held_out, wanted, 2, penalties)
    scores = {
        penalty: accuracy(fit_head(features, torch.eye(2)[labels], penalty), held_out, wanted) for penalty in penalties
    }
    assert tuned.penalty == max(penalties, key=lambda penalty: (scores[penalty], penalty))
    assert tuned.tried == {penalty: scores[penalty] for penalty in tuned.tried}
    assert accuracy(tuned.head, held_out, wanted) == scores[tuned.penalty] > scores[1e-6]


def test_two_worse_penalties_in_a_row_end_the_search(rows):
    features, labels, held_out, wanted = rows
    worse = tuned_head(features, labels, held_out, 1 - wanted, 2, (1e-6, 1e-5, 1e3, 1e2, 1e1))
    assert len(worse.tried) < 5
    assert worse.penalty in worse.tried
