"""The first values of a set: classes dealt out evenly, real rows where there are enough, labels and rates as set."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.core.cases import generator
from textdistill.synthetic.initial import Found, Source, class_plan, initial_labels, make_tensors
from textdistill.synthetic.settings import INITS, LABEL_INITS, SyntheticSettings
from textdistill.synthetic.tensors import LABEL_KINDS


def rows_of(have: int | list[int], classes: int = 3) -> tuple[Source, list[list[int]]]:
    """A source with so many rows of each class, row k of class c being 10 c + k; and what it is asked for."""
    asked: list[list[int]] = []

    def source(counts: list[int]) -> Found:
        asked.append(counts)
        there = [have] * classes if isinstance(have, int) else have
        pairs = [(c, k) for c, count in enumerate(counts) for k in range(min(count, there[c]))]
        values = torch.tensor([10.0 * c + k for c, k in pairs]).view(-1, 1, 1).expand(-1, 2, 2)
        return Found(values, torch.tensor([c for c, _ in pairs]))

    return source, asked


@given(classes=st.integers(1, 7), each=st.integers(1, 4), steps=st.integers(1, 4))
def test_as_many_samples_of_each_class_in_every_step(classes: int, each: int, steps: int) -> None:
    plan = class_plan(SyntheticSettings(per_class=each * steps, steps=steps), classes)
    assert plan.shape == (steps, classes * each)
    for row in plan:
        assert torch.bincount(row, minlength=classes).tolist() == [each] * classes


@given(classes=st.integers(1, 7), each=st.integers(1, 9), steps=st.integers(1, 4))
def test_samples_in_total_are_dealt_out_evenly_fewer_than_classes_too(classes: int, each: int, steps: int) -> None:
    plan = class_plan(SyntheticSettings(samples=each * steps, steps=steps), classes)
    assert plan.shape == (steps, each)
    overall = torch.bincount(plan.flatten(), minlength=classes)
    assert overall.max() - overall.min() <= 1
    for row in plan:
        inside = torch.bincount(row, minlength=classes)
        assert inside.max() - inside.min() <= 1


def test_fewer_samples_than_classes_are_the_first_classes() -> None:
    synthetic = make_tensors(SyntheticSettings(samples=2), (4, 3), 5, None, generator())
    assert synthetic.export().inputs.shape == (1, 2, 4, 3)
    assert synthetic.export().targets.tolist() == [[[1, 0, 0, 0, 0], [0, 1, 0, 0, 0]]]


def test_noise_is_standard_normal_times_its_scale_and_follows_the_stream() -> None:
    settings = SyntheticSettings(per_class=50, noise=0.5)
    one, same, other = (make_tensors(settings, (20, 5), 2, None, generator(s)).export().inputs for s in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert one.std().item() == pytest.approx(0.5, rel=0.02)
    assert one.mean().item() == pytest.approx(0, abs=0.02)


def test_real_rows_go_to_samples_of_their_class_each_once() -> None:
    source, asked = rows_of(9)
    synthetic = make_tensors(SyntheticSettings(per_class=4, steps=2), (2, 2), 3, source, generator())
    assert asked == [[4, 4, 4]]
    stored = synthetic.export()
    owners = stored.targets.argmax(-1).flatten()
    values = stored.inputs[..., 0, 0].flatten()
    for label in range(3):
        assert sorted(values[owners == label].tolist()) == [10.0 * label + k for k in range(4)]
    assert torch.equal(stored.inputs[..., 0, 0], stored.inputs[..., 1, 1])


def test_a_class_with_too_few_rows_repeats_them_a_little_moved_and_one_without_is_noise() -> None:
    source, _ = rows_of([1, 2, 0])
    synthetic = make_tensors(SyntheticSettings(per_class=4), (2, 2), 3, source, generator())
    inputs = synthetic.export().inputs[0].view(3, 4, 2, 2)
    for label, have in ((0, 1), (1, 2)):
        for k in range(4):
            row = torch.full((2, 2), 10.0 * label + k % have)
            distance = (inputs[label, k] - row).abs().max().item()
            assert distance == 0 if k < have else 0 < distance < 0.1
    copies = inputs[0, 1:].flatten(1)
    assert len(copies.unique(dim=0)) == 3
    assert inputs[2].abs().max() < 6  # standard normal, and not a row of another class
    assert inputs[2].std() > 0.2


def test_asked_of_fewer_classes_than_there_are_a_source_gives_those_alone() -> None:
    source, asked = rows_of(5)
    synthetic = make_tensors(SyntheticSettings(samples=2), (2, 2), 3, source, generator())
    assert asked == [[1, 1, 0]]
    assert synthetic.export().inputs[0, :, 0, 0].tolist() == [0.0, 10.0]


@pytest.mark.parametrize(("kind", "own", "other"), [("one_hot", 1.0, 0.0), ("uniform", 0.25, 0.25)])
def test_labels_begin_as_set_times_their_scale(kind: str, own: float, other: float) -> None:
    settings = SyntheticSettings(per_class=1, label_init=kind, label_scale=2.0)
    labels = initial_labels(settings, class_plan(settings, 4), 4, generator())[0]
    wanted = torch.full((4, 4), 2 * other).fill_diagonal_(2 * own)
    torch.testing.assert_close(labels, wanted)


def test_smoothed_labels_keep_nine_tenths_and_share_the_rest() -> None:
    settings = SyntheticSettings(per_class=1, label_init="smoothed")
    labels = initial_labels(settings, class_plan(settings, 5), 5, generator())[0]
    torch.testing.assert_close(labels.sum(1), torch.ones(5))
    torch.testing.assert_close(labels.diagonal(), torch.full((5,), 0.92))


def test_every_way_to_begin_labels_is_known() -> None:
    for kind in LABEL_INITS:
        settings = SyntheticSettings(per_class=2, label_init=kind)
        assert initial_labels(settings, class_plan(settings, 3), 3, generator()).shape == (1, 6, 3)


def test_random_labels_are_standard_normal_follow_the_stream_and_leave_the_inputs_as_they_were() -> None:
    settings = SyntheticSettings(per_class=50, label_init="random", label_scale=2.0)
    made, again = (make_tensors(settings, (4, 3), 20, None, generator()).export() for _ in range(2))
    assert torch.equal(made.targets, again.targets)
    assert float(made.targets.std()) == pytest.approx(2.0, rel=0.02)
    plain = make_tensors(SyntheticSettings(per_class=50), (4, 3), 20, None, generator()).export()
    assert torch.equal(made.inputs, plain.inputs)


@pytest.mark.parametrize("labels", LABEL_KINDS)
def test_settings_reach_the_set(labels: str) -> None:
    settings = SyntheticSettings(per_class=2, steps=2, epochs=3, lr=0.07, labels=labels, learn=("inputs", "targets"))
    synthetic = make_tensors(settings, (4, 3), 2, None, generator())
    assert synthetic.labels == labels
    assert synthetic.learned == ({"inputs"} if labels == "hard" else {"inputs", "targets"})
    rates = synthetic.export().rates
    assert rates.shape == (3, 2)
    torch.testing.assert_close(rates, torch.full((3, 2), 0.07))


def test_noise_is_how_a_set_begins_unless_set_otherwise() -> None:
    assert SyntheticSettings().init == INITS[0] == "noise"
