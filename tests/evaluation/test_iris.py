"""Two soft-labelled points separate the three classes of Iris; two hard-labelled ones cannot."""

from __future__ import annotations

import functools
import itertools
import json
from pathlib import Path

import pytest
import torch

from tests import tiny
from textdistill.reports.iris import NAMES, Demonstration, best_hard, demonstrate, fit_soft, flowers, write_regions
from textdistill.reports.iris_steps import STEPS, three_points, two_points


@functools.cache
def shown() -> Demonstration:
    return demonstrate()


def test_two_soft_labels_tell_three_classes_apart_on_flowers_that_were_seen_and_on_others() -> None:
    assert shown().accuracy["soft"] >= 96
    assert sum(shown().held_out["soft"]) / 5 >= 93
    x, y = flowers()
    assert shown().soft.points.shape == (2, 2)
    assert set(shown().soft.predict(x).tolist()) == {0, 1, 2}
    assert [int((y == label).sum()) for label in range(3)] == [50, 50, 50]


def test_two_hard_labels_reach_two_classes_and_no_more() -> None:
    assert shown().accuracy["hard"] == pytest.approx(100 * 2 / 3)
    assert max(shown().held_out["hard"]) <= 100 * 2 / 3 + 1e-9
    assert shown().hard.labels.sort(dim=1).values.tolist() == [[0, 0, 1], [0, 0, 1]]


def test_the_labels_are_distributions_and_share_the_class_between() -> None:
    labels = shown().soft.labels
    assert torch.allclose(labels.sum(1), torch.ones(2, dtype=labels.dtype))
    assert labels.argmax(1).sort().values.tolist() == [0, 2]
    assert (labels[:, 1] > 0.3).all()  # neither point is versicolor's, and between them it wins


def test_the_best_pair_of_hard_labels_is_found_by_looking_at_all() -> None:
    x, y = flowers()
    rows = torch.arange(0, 150, 10)
    x, y = x[rows], y[rows]
    highest = 0
    for i, j in itertools.combinations(range(len(x)), 2):
        nearest = [i if torch.dist(one, x[i]) <= torch.dist(one, x[j]) else j for one in x]
        highest = max(highest, sum(int(y[k] == label) for k, label in zip(nearest, y, strict=True)))
    assert best_hard(x, y).accuracy(x, y) == pytest.approx(100 * highest / len(x))


def test_the_same_seed_finds_the_same_points() -> None:
    x, y = flowers()
    assert torch.equal(fit_soft(x, y).points, shown().soft.points)
    assert not torch.equal(fit_soft(x, y, seed=1).points, shown().soft.points)


def test_the_picture_is_a_png_the_same_every_time(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        write_regions(tmp_path / name, shown())
    assert (tmp_path / "a.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.png"}


def test_the_command_prints_both_and_writes_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("textdistill.reports.iris.demonstrate", lambda seed: shown())
    result = tiny.call("demo-iris", "--out", tmp_path / "iris.png")
    assert result.exit_code == 0, result.output
    assert f"{shown().accuracy['soft']:.1f}" in result.stdout
    assert "66.7" in result.stdout
    assert all(name in result.stdout for name in NAMES)
    assert (tmp_path / "iris.png").is_file()
    values = json.loads(tiny.call("demo-iris", "--json").stdout)
    assert values["soft"]["all"] == shown().accuracy["soft"]
    assert values["hard"]["held_out"]["n"] == 5
    assert sum(values["soft"]["points"][0]["label"].values()) == pytest.approx(1)


def test_the_command_explains_itself_and_refuses_other_pictures(tmp_path: Path) -> None:
    shown_help = " ".join(tiny.call("demo-iris", "--help").output.split())
    assert "textdistill demo-iris --out iris.png" in shown_help
    assert "soft-label k-NN" in shown_help
    result = tiny.call("demo-iris", "--out", tmp_path / "iris.gif")
    assert result.exit_code == 2
    assert "ends in .png" in result.stderr


def test_three_points_are_chosen_moved_relabelled_and_both_in_four_steps() -> None:
    methods = three_points().methods
    assert list(methods) == ["selection", "generation", "soft labels", "both"]
    assert all(len(steps) == STEPS for steps in methods.values())
    x, y = flowers()
    for of in methods["selection"]:
        assert torch.equal(of.labels, torch.eye(3, dtype=x.dtype))
        for label, point in enumerate(of.points):
            assert (x[y == label] == point).all(1).any()
    first = methods["generation"][0]
    for step in range(STEPS):
        moved, softened, both = (methods[name][step] for name in ("generation", "soft labels", "both"))
        assert torch.equal(moved.labels, first.labels)
        assert torch.equal(softened.points, first.points)
        assert torch.equal(both.points, moved.points)
        assert torch.equal(both.labels, softened.labels)
        torch.testing.assert_close(softened.labels.sum(1), torch.ones(3, dtype=x.dtype))
        assert torch.equal(moved.points[[0, 2]], first.points[[0, 2]])  # the middle point alone moves
        assert float(softened.labels[1, 1]) == pytest.approx(1 - 0.15 * step)


def test_hard_labels_of_three_points_are_the_nearest_points_own() -> None:
    x, _ = flowers()
    of = three_points().methods["generation"][2]
    assert torch.equal(of.predict(x), torch.cdist(x, of.points).argmin(1))


def test_two_points_come_to_tell_three_classes_apart() -> None:
    shown = two_points()
    reached = shown.accuracies()["both"]
    x, y = flowers()
    assert set(shown.methods["both"][0].predict(x).tolist()) == {0, 2}
    assert set(shown.methods["both"][-1].predict(x).tolist()) == {0, 1, 2}
    assert reached[0] <= 100 * 2 / 3 + 1e-9
    assert reached == sorted(reached)
    assert reached[-1] == pytest.approx(fit_soft(x, y).accuracy(x, y))
    middle = [float(of.labels[:, 1].min()) for of in shown.methods["both"]]
    assert middle == sorted(middle)
    assert middle[0] == 0


def test_the_command_prints_and_draws_a_figure_of_the_paper(tmp_path: Path) -> None:
    for figure, rows in ((3, 4), (4, 1)):
        result = tiny.call("demo-iris", "--figure", figure, "--out", tmp_path / f"{figure}.png")
        assert result.exit_code == 0, result.output
        assert "step 4" in result.stdout
        assert (tmp_path / f"{figure}.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        values = json.loads(tiny.call("demo-iris", "--figure", figure, "--json").stdout)
        assert values["figure"] == figure
        assert len(values["methods"]) == rows
        assert all(len(steps) == STEPS for steps in values["methods"].values())
    refused = tiny.call("demo-iris", "--figure", "5")
    assert refused.exit_code == 2
    assert "allowed: 3, 4" in refused.stderr
