"""Label heat maps: the mean label of each class's samples, whichever way they are told apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.evaluation.test_report import Page, change, finished_run
from textdistill.core.errors import ArtifactError, DataError
from textdistill.reports.heatmap import HeatRow, label_heatmap, write_heatmap
from textdistill.reports.report import write_report

TARGETS = torch.tensor([[[2.0, 0.0, -1.0], [0.0, 1.0, 0.5]], [[1.0, 0.0, 0.0], [0.5, 0.0, 0.25]]])


def test_without_owners_a_sample_is_of_its_highest_value_and_empty_classes_have_no_row() -> None:
    heat = label_heatmap(TARGETS, ["a", "b", "c"])
    assert heat.rule == "highest"
    assert heat.rows == [HeatRow("a", 3, [1.166667, 0.0, -0.25]), HeatRow("b", 1, [0.0, 1.0, 0.5])]
    assert heat.reach == pytest.approx(7 / 6, abs=1e-6)


def test_owners_are_the_classes_that_samples_came_with() -> None:
    heat = label_heatmap(TARGETS, ["a", "b", "c"], [2, 0, 2, 0])
    assert heat.rule == "own"
    assert [(row.name, row.samples, row.values) for row in heat.rows] == [
        ("a", 2, [0.25, 0.5, 0.375]),
        ("c", 2, [1.5, 0.0, -0.5]),
    ]
    assert [name for name, _ in heat.each] == ["a", "a", "c", "c"]
    assert heat.each[2][1] == [2.0, 0.0, -1.0]
    assert json.loads(json.dumps(heat.as_dict()))["rows"][1]["samples"] == 2


def test_owners_of_another_data_set_have_its_names() -> None:
    heat = label_heatmap(TARGETS, ["a", "b", "c"], [5, 5, 0, 5], ["u", "v", "w", "x", "y", "z"])
    assert [row.name for row in heat.rows] == ["u", "z"]
    assert len(heat.rows[0].values) == 3


@pytest.mark.parametrize(
    ("classes", "owners"), [(["a"], None), (["a", "b", "c"], [0]), (["a", "b", "c"], [0, 1, 2, 3])]
)
def test_numbers_that_do_not_fit_are_refused(classes: list[str], owners: list[int] | None) -> None:
    with pytest.raises(DataError, match="one owner a label"):
        label_heatmap(TARGETS, classes, owners)


def test_the_picture_is_the_same_every_time_and_another_by_samples(tmp_path: Path) -> None:
    heat = label_heatmap(TARGETS, ["$\\frac{$", "文", "c"])
    for name in ("a", "b"):
        write_heatmap(tmp_path / f"{name}.png", heat)
    write_heatmap(tmp_path / "each.png", heat, each=True)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "each.png").read_bytes()


def test_the_report_has_it_with_its_own_numbers_and_negative_ones_marked(tmp_path: Path) -> None:
    folder = finished_run(tmp_path)
    targets = [[[2.0, -0.5], [0.0, 1.0]], [[1.0, -0.5], [0.0, 0.5]]]
    change(folder / "manifest.json", targets=targets)
    page = Page(write_report(folder))
    assert "those with their highest value for the class. Negative values are shaded" in page.text
    cells = [attributes for tag, attributes in page.elements if tag == "td" and attributes.get("class") == "below"]
    assert cells == [{"class": "below", "style": "--v:0.333"}]
    assert "negative1.50−0.50" in page.text
    change(folder / "manifest.json", owners=[1, 0, 1, 0])
    assert "those that came with the class" in Page(write_report(folder)).text
    change(folder / "manifest.json", owners=[7, 0, 7, 0])  # classes of another data set, whose names are not known
    assert "those with their highest value" in Page(write_report(folder)).text
    change(folder / "manifest.json", owners=[1, 0])
    with pytest.raises(ArtifactError, match="owners must hold one class for each sample"):
        write_report(folder)
