"""Distilled images as a grid and in the report: numbers as learned, the same bytes every time, nothing but PNG."""

from __future__ import annotations

import base64
import io
import json
import shutil
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from tests.evaluation.test_report import HOSTILE, Page, change, finished_run
from textdistill.core.errors import ArtifactError, DataError
from textdistill.core.schedule import DistilledSet
from textdistill.reports.grid import images_of, number, small_png, write_grid
from textdistill.reports.report import write_readme, write_report

CLASSES = tuple(map(str, range(10)))


def invert(values: Tensor) -> Tensor:
    return (values + 1) / 2


def digits(steps: int = 2, each: int = 3, channels: int = 1) -> DistilledSet:
    """Real digits with labels of which some are negative."""
    images = torch.from_numpy(load_digits(return_X_y=True)[0][: steps * each]).float() / 8 - 1
    inputs = images.view(steps, each, 1, 8, 8).expand(-1, -1, channels, -1, -1).clone()
    targets = torch.full((steps, each, 10), -0.3)
    targets[..., 7], targets[..., 1], targets[..., 2] = 0.62, 0.3, -0.05
    return DistilledSet(inputs, targets, torch.ones(1, steps))


def pixels(content: bytes) -> np.ndarray:
    return matplotlib.image.imread(io.BytesIO(content), format="png")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run of images: nothing is decoded into words."""
    folder = finished_run(tmp_path, ("negative", "positive"))
    distilled = digits(2, 2)
    write_grid(
        folder, DistilledSet(distilled.inputs, distilled.targets[..., 1:3], distilled.rates), ("no", "yes"), invert
    )
    change(folder / "manifest.json", shape=[2, 2, 1, 8, 8])
    return folder


def test_each_image_comes_with_its_top_three_labels_as_learned(tmp_path: Path) -> None:
    write_grid(tmp_path, digits(), CLASSES, invert)
    data = json.loads((tmp_path / "images.json").read_text(encoding="utf-8"))
    assert (data["total"], data["height"], data["width"], data["clipped"]) == (6, 8, 8, 0.0)
    assert [(one["step"], one["sample"]) for one in data["images"]] == [(s, m) for s in (0, 1) for m in (0, 1, 2)]
    assert data["images"][4]["labels"] == [["7", 0.62], ["1", 0.3], ["2", -0.05]]
    picture = base64.b64decode(data["images"][4]["png"].removeprefix("data:image/png;base64,"))
    real = load_digits(return_X_y=True)[0][4].reshape(8, 8) / 16
    assert pixels(picture)[..., 0] == pytest.approx(real, abs=1 / 255)


@pytest.mark.parametrize(
    ("value", "shown"), [(0.624, "0.62"), (-0.05, "-0.05"), (-0.001, "0.00"), (12345.6, "1.23e+04")]
)
def test_numbers_are_shown_as_they_are(value: float, shown: str) -> None:
    assert number(value) == shown


def test_the_same_set_gives_the_same_bytes_and_leaves_nothing_else(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_grid(tmp_path / name, digits(), CLASSES, invert)
    for file in ("grid.png", "images.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"grid.png", "images.json"}


@pytest.mark.parametrize(("count", "across", "down"), [(1, 1, 1), (4, 4, 1), (10, 5, 2), (30, 6, 5), (100, 10, 10)])
def test_the_grid_grows_with_the_images_and_every_image_is_large_enough(
    tmp_path: Path, count: int, across: int, down: int
) -> None:
    write_grid(tmp_path, digits(1, count), CLASSES, invert)
    height, width, _ = pixels((tmp_path / "grid.png").read_bytes()).shape
    assert (width, height) == (40 + across * 132, 40 + down * 177)  # 104 pixels of image, the rest text and gaps


def test_of_more_than_a_hundred_the_first_are_shown_and_it_is_said(tmp_path: Path) -> None:
    write_grid(tmp_path, digits(2, 100), CLASSES, invert)
    data = json.loads((tmp_path / "images.json").read_text(encoding="utf-8"))
    assert (len(data["images"]), data["total"]) == (100, 200)
    assert pixels((tmp_path / "grid.png").read_bytes()).shape[0] == 40 + 10 * 177 + 35  # a line more


def test_the_images_stand_in_the_grid_pixel_by_pixel(tmp_path: Path) -> None:
    write_grid(tmp_path, digits(1, 1), CLASSES, invert)
    grid = pixels((tmp_path / "grid.png").read_bytes())[20 : 20 + 104, 20 : 20 + 104, 0]
    real = load_digits(return_X_y=True)[0][0].reshape(8, 8) / 16
    assert grid == pytest.approx(real.repeat(13, axis=0).repeat(13, axis=1), abs=1 / 255)


def test_colours_stay_and_other_channels_are_averaged() -> None:
    three = digits(1, 1, channels=3)
    three.inputs[0, 0, 0] = 1.0
    (shown,), _ = images_of(three, CLASSES, invert)
    assert (shown.pixels[..., 0] == 255).all()
    assert (shown.pixels[..., 1] == shown.pixels[..., 2]).all()
    assert (shown.pixels[..., 1] < 255).any()
    two = digits(1, 1, channels=2)
    two.inputs[0, 0, 0], two.inputs[0, 0, 1] = -1.0, 1.0
    (mixed,), _ = images_of(two, CLASSES, invert)
    assert np.isin(mixed.pixels, (127, 128)).all()


def test_what_no_picture_can_show_is_cut_off_and_counted() -> None:
    bright = digits(1, 2)
    bright.inputs[0, 0] = 5.0
    shown, clipped = images_of(bright, CLASSES, invert)
    assert (shown[0].pixels == 255).all()
    assert clipped == 0.5


def test_names_that_are_no_plain_words_are_drawn_as_they_are(tmp_path: Path) -> None:
    names = ("$\\frac{$", "文字", "a very long name of a class", *CLASSES[3:])
    set_of = digits(1, 1)
    set_of.targets[..., :3] = torch.tensor([3.0, 2.0, 1.0])
    write_grid(tmp_path, set_of, names, invert)
    assert [name for name, _ in json.loads((tmp_path / "images.json").read_text())["images"][0]["labels"]] == [
        *names[:3]
    ]


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        (torch.zeros(1, 2, 5, 3), torch.zeros(1, 2, 10), r"shape \[1, 2, 5, 3\]; a grid needs \(steps, m, c, h, w\)"),
        (torch.zeros(1, 2, 1, 5, 3), torch.zeros(1, 2, 9), "labels of 9 values for 10 class names"),
        (torch.full((1, 2, 1, 5, 3), torch.nan), torch.zeros(1, 2, 10), "NaN or infinite"),
    ],
)
def test_a_set_that_is_no_images_is_refused(tmp_path: Path, inputs: Tensor, targets: Tensor, message: str) -> None:
    with pytest.raises(DataError, match=message):
        write_grid(tmp_path, DistilledSet(inputs, targets, torch.ones(1, 1)), CLASSES, invert)
    assert not any(tmp_path.iterdir())


def test_the_report_shows_images_in_place_of_words(run: Path) -> None:
    page = Page(write_report(run))
    assert page.faults == []
    assert "images" in page.sections()
    assert "words" not in page.sections()
    assert "#images" in page.attributes("href")
    assert "Pixels of real training rows (dots)" in page.text
    assert "word vectors" not in page.text[page.text.index("Where the samples lie") : page.text.index("Confusion")]
    images = [attributes for tag, attributes in page.elements if tag == "img"]
    assert len(images) == 4
    assert all(one["src"].startswith("data:image/png;base64,") for one in images)
    assert images[3]["alt"] == "Distilled image, step 2, sample 2: no 0.30, yes −0.05"
    policy = [a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    readme = write_readme(run).read_text(encoding="utf-8")
    assert "4 distilled images, made with textdistill" in readme
    assert "2 training steps of 2 images; each is 1 × 8 × 8 numbers" in readme


def test_the_report_says_what_was_cut_off_and_what_is_not_shown(run: Path) -> None:
    change(run / "images.json", total=123, clipped=0.125)
    text = Page(write_report(run)).text
    assert "12.5 % of the pixels were learned beyond what a picture can show" in text
    assert "The first 4 of 123 images." in text


def test_the_report_of_images_is_the_same_bytes_anywhere(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "elsewhere")
    assert write_report(run).read_bytes() == write_report(tmp_path / "elsewhere").read_bytes()


def test_hostile_names_of_classes_are_inert(run: Path) -> None:
    data = json.loads((run / "images.json").read_text(encoding="utf-8"))
    data["images"][0]["labels"][0][0] = f'" onerror="alert(1)">{HOSTILE}'
    change(run / "images.json", **data)
    page = Page(write_report(run))
    assert page.faults == []
    assert "script" not in {tag for tag, _ in page.elements}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]


SMALL = small_png(np.zeros((2, 2, 3), dtype=np.uint8))


def uri(content: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


@pytest.mark.parametrize(
    "png",
    [
        "https://evil.example/x.png",
        uri(SMALL, "svg+xml"),
        uri(b"<svg onload='alert(1)'/>"),
        uri(b"GIF89a" + SMALL),
        uri(SMALL[:16]),
        uri(SMALL[:16] + b"\x00\x10\x00\x00" + SMALL[20:]),  # a million pixels wide
        uri(SMALL) + '" onerror="alert(1)',
        "data:image/png,%3Csvg",
        "",
    ],
)
def test_what_is_no_png_is_refused(run: Path, png: str) -> None:
    data = json.loads((run / "images.json").read_text(encoding="utf-8"))
    data["images"][1]["png"] = png
    change(run / "images.json", **data)
    with pytest.raises(ArtifactError, match=r"images\.json: images\.1\.png: .*must be a PNG.*delete the file"):
        write_report(run)


@pytest.mark.parametrize(
    ("values", "entry"),
    [
        ({"images": []}, "images: "),
        ({"total": 0}, "total: "),
        ({"clipped": 2.0}, "clipped: "),
        ({"images": [{"step": -1, "sample": 0, "png": uri(SMALL), "labels": []}]}, r"images\.0\.step: "),
        (
            {"images": [{"step": 0, "sample": 0, "png": uri(SMALL), "labels": [["a", "b"]]}]},
            r"images\.0\.labels\.0\.1: ",
        ),
    ],
)
def test_a_malformed_file_of_images_is_named_with_the_entry(run: Path, values: dict[str, Any], entry: str) -> None:
    change(run / "images.json", **values)
    with pytest.raises(ArtifactError, match=rf"images\.json: {entry}"):
        write_report(run)
