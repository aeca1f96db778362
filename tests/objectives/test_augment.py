"""Random transformations: the same on both sides, differentiable twice, and each what it says."""

from __future__ import annotations

import pytest
import torch

from tests.core.cases import generator, randn
from textdistill.core.batch import Batch
from textdistill.core.errors import RecipeError
from textdistill.objectives.augment import AUGMENTATIONS, DROP, SHIFT, augment, augment_each, name_faults, resampled

CASES = [(kind, name) for kind, known in AUGMENTATIONS.items() for name in known]
SEEDS = range(12)


def batch_of(kind: str, n: int = 3, length: int = 6, seed: int = 0) -> Batch:
    targets = torch.eye(2, dtype=torch.float64)[torch.arange(n) % 2]
    if kind == "pixels":
        return Batch(randn(n, 3, 6, 5, seed=seed), targets)
    mask = torch.arange(length) < (1 + torch.arange(n) % length)[:, None]
    return Batch(randn(n, length, 4, seed=seed) * mask[:, :, None], targets, mask=mask)


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_the_same_state_gives_the_same_transformation_whatever_else_is_in_the_batch(kind: str, name: str) -> None:
    big, small = batch_of(kind, n=5), batch_of(kind, n=2)
    big.inputs[:2] = small.inputs
    for seed in SEEDS:
        one = augment(big, [name], generator(seed)).inputs[:2]
        torch.testing.assert_close(one, augment(small, [name], generator(seed)).inputs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_other_states_give_others_and_nothing_but_inputs_changes(kind: str, name: str) -> None:
    batch = batch_of(kind, n=6)
    found = [augment(batch, [name], generator(seed)) for seed in SEEDS]
    assert any(not torch.equal(found[0].inputs, other.inputs) for other in found)
    assert all(one.targets is batch.targets and one.mask is batch.mask for one in found)
    assert all(one.inputs.shape == batch.inputs.shape and one.inputs.isfinite().all() for one in found)


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_first_and_second_derivatives_are_right(kind: str, name: str) -> None:
    batch = batch_of(kind, n=2)

    def transformed(inputs: torch.Tensor) -> torch.Tensor:
        # squared, so that the second derivative is not zero everywhere
        return augment(Batch(inputs, batch.targets, mask=batch.mask), [name], generator(4)).inputs.square().sum()

    inputs = (batch.inputs + 0.3).requires_grad_()
    assert torch.autograd.gradcheck(transformed, inputs)
    assert torch.autograd.gradgradcheck(transformed, inputs)


@pytest.mark.parametrize("name", AUGMENTATIONS["words"])
def test_sentences_of_another_length_are_transformed_alike_and_padding_stays_zero(name: str) -> None:
    long = batch_of("words", n=6, length=9)
    short = Batch(long.inputs[:4, :5], long.targets[:4], mask=long.mask[:4, :5] if long.mask is not None else None)
    for seed in SEEDS:
        one, other = augment(long, [name], generator(seed)), augment(short, [name], generator(seed))
        torch.testing.assert_close(one.inputs[:4, :5], other.inputs, rtol=1e-12, atol=1e-12)
        assert long.mask is not None
        assert not one.inputs[~long.mask].any()


def test_a_sentence_never_loses_all_its_words_and_loses_whole_ones() -> None:
    batch = batch_of("words", n=300, length=6)
    lost = []
    for seed in range(60):
        there = augment(batch, ["drop"], generator(seed)).inputs.abs().sum(2) > 0
        assert there.any(1).all()
        lost.append(float((~there[batch.mask]).double().mean()))
    assert 0.3 * DROP < sum(lost) / len(lost) < DROP


def test_shifted_words_are_all_still_there() -> None:
    batch = Batch(torch.arange(1.0, 8.0)[None, :, None], torch.eye(1))
    seen = {tuple(augment(batch, ["shift"], generator(seed)).inputs.flatten().tolist()) for seed in range(99)}
    assert len(seen) == 2 * SHIFT + 1
    assert all(sorted(one) == [1, 2, 3, 4, 5, 6, 7] for one in seen)


def test_reading_each_pixel_at_its_own_place_changes_nothing_and_beyond_the_edge_is_zero() -> None:
    images = randn(2, 1, 4, 5)
    rows = torch.arange(4.0, dtype=torch.float64)[:, None].expand(4, 5)
    columns = torch.arange(5.0, dtype=torch.float64)[None].expand(4, 5)
    assert torch.equal(resampled(images, rows, columns), images)
    right = resampled(images, rows, columns + 1)
    assert torch.equal(right[..., :-1], images[..., 1:])
    assert not right[..., -1].any()
    torch.testing.assert_close(resampled(images, rows + 0.5, columns)[:, :, 1], images[:, :, 1:3].mean(2))


def test_turning_and_scaling_read_as_grid_sample_does() -> None:
    images, rows, columns = randn(2, 3, 6, 5), 6 * randn(6, 5, seed=1), 5 * randn(6, 5, seed=2)
    grid = torch.stack([2 * columns / 4 - 1, 2 * rows / 5 - 1], -1)[None].expand(2, -1, -1, -1)
    wanted = torch.nn.functional.grid_sample(images, grid, align_corners=True)
    torch.testing.assert_close(resampled(images, rows, columns), wanted, rtol=1e-10, atol=1e-10)


def test_one_of_the_names_is_chosen_each_time() -> None:
    batch, names = batch_of("pixels"), ["flip", "cutout"]
    flipped = batch.inputs.flip(3)
    kinds = {
        "same" if torch.equal(x, batch.inputs) else "flip" if torch.equal(x, flipped) else "cutout"
        for x in (augment(batch, names, generator(seed)).inputs for seed in range(40))
    }
    assert kinds == {"same", "flip", "cutout"}


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_for_training_every_row_is_transformed_by_itself(kind: str, name: str) -> None:
    batch = batch_of(kind, n=40)
    batch.inputs[:] = batch.inputs[5]
    if batch.mask is not None:
        batch.mask[:] = True
    found = augment_each(batch, [name], generator(3))
    assert len({tuple(row.flatten().tolist()) for row in found.inputs}) > 1  # the same rows, seen differently
    assert found.targets is batch.targets
    assert torch.equal(found.inputs, augment_each(batch, [name], generator(3)).inputs)
    first = augment(
        Batch(batch.inputs[:1], batch.targets[:1], mask=None if batch.mask is None else batch.mask[:1]),
        [name],
        generator(3),
    )
    assert torch.equal(found.inputs[:1], first.inputs)


def test_names_of_another_kind_and_unknown_ones_are_refused_with_what_is_allowed() -> None:
    with pytest.raises(RecipeError, match=r"objective\.augment: 'rotate' is for pixels; allowed: drop, shift, noise"):
        augment(batch_of("words"), ["rotate"], generator())
    assert name_faults(["drop", "flip"], "pixels")[0].startswith("objective.augment: 'drop' is for words")
    assert "(did you mean 'cutout'?)" in name_faults(["cutuot"])[0]
    assert not name_faults(["drop", "noise"])
