"""A batch moves as a whole, and what it has not got stays absent."""

from __future__ import annotations

import torch

from textdistill.core.batch import Batch


def test_floats_change_type_and_the_rest_does_not() -> None:
    batch = Batch(torch.zeros(2, 3, 1), torch.ones(2, 2), torch.tensor([0.5, 0.5]), torch.ones(2, 3, dtype=torch.bool))
    moved = batch.to("cpu", torch.float64)
    assert len(moved) == 2
    assert moved.inputs.dtype == moved.targets.dtype == torch.float64
    assert moved.weights is not None
    assert moved.weights.dtype == torch.float64
    assert moved.mask is not None
    assert moved.mask.dtype == torch.bool


def test_token_ids_stay_whole_numbers_and_absent_fields_absent() -> None:
    moved = Batch(torch.tensor([[1, 2]]), torch.ones(1, 2)).to("cpu", torch.float64)
    assert moved.inputs.dtype == torch.int64
    assert moved.weights is None
    assert moved.mask is None
