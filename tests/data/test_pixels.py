"""Pixels as inputs: scaled by the training images alone, back again, and served as the core wants its rows."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from textdistill.core.batch import RealData
from textdistill.core.errors import DataError
from textdistill.data import DataSettings, ImageTable, load_images
from textdistill.representations import pixel_statistics as pixel_statistics_module
from textdistill.representations.image_rows import ImageRows
from textdistill.representations.pixel_statistics import pixel_statistics
from textdistill.representations.pixels import prepare_pixels
from textdistill.representations.rows import Rows
from textdistill.representations.scaling import SCALES, PixelSettings, Scaling, unit_pixels
from textdistill.runs.readable_set import mapped_rows
from textdistill.selection import k_centers


@pytest.fixture(scope="module")
def digits() -> ImageTable:
    return load_images(DataSettings("digits")).train


@pytest.fixture(scope="module")
def colours() -> ImageTable:
    rng = np.random.default_rng(0)
    pixels = rng.normal([[[60]], [[120]], [[180]]], [[[5]], [[20]], [[30]]], (50, 3, 4, 5)).clip(0, 255)
    return ImageTable("colours", ("a", "b"), pixels.astype(np.uint8), np.arange(50) % 2)


@pytest.mark.parametrize("scale", SCALES)
def test_every_scale_comes_back(scale: str, colours: ImageTable, digits: ImageTable) -> None:
    for table in (colours, digits):
        scaling = Scaling.fit(PixelSettings(scale), table)
        pixels = unit_pixels(table.pixels, torch.float64)
        torch.testing.assert_close(scaling.invert(scaling.apply(pixels)), pixels, atol=1e-7, rtol=0)


@pytest.mark.parametrize("scale", SCALES)
def test_a_scaling_is_the_same_from_what_was_stored(scale: str, colours: ImageTable) -> None:
    scaling = Scaling.fit(PixelSettings(scale), colours)
    stored = json.loads(json.dumps(scaling.as_dict()))
    again = Scaling.from_dict(stored, scaling.tensors())
    pixels = unit_pixels(colours.pixels)
    assert torch.equal(again.apply(pixels), scaling.apply(pixels))
    assert again.fingerprint == scaling.fingerprint
    assert len(json.dumps(stored)) < 500


def test_the_standard_scale_has_mean_0_and_variance_1_in_each_channel(colours: ImageTable) -> None:
    inputs = Scaling.fit(PixelSettings(), colours).apply(unit_pixels(colours.pixels, torch.float64))
    torch.testing.assert_close(inputs.mean((0, 2, 3)), torch.zeros(3, dtype=torch.float64))
    torch.testing.assert_close(inputs.var((0, 2, 3), correction=0), torch.ones(3, dtype=torch.float64))


def test_mnist_has_the_mean_and_deviation_that_everybody_uses() -> None:
    scaling = Scaling.fit(PixelSettings(), load_images(DataSettings("mnist")).train)
    assert scaling.mean[0] == pytest.approx(0.1307, abs=0.005)
    assert scaling.deviation[0] == pytest.approx(0.3081, abs=0.005)


def test_unit_and_raw_depend_on_no_image(colours: ImageTable) -> None:
    rows = torch.arange(3)
    raw, unit = (ImageRows(colours, Scaling.fit(PixelSettings(scale), colours)) for scale in ("raw", "unit"))
    torch.testing.assert_close(raw.batch(rows).inputs, torch.from_numpy(colours.pixels[:3]).float())
    torch.testing.assert_close(unit.batch(rows).inputs * 255, raw.batch(rows).inputs)


def test_a_constant_channel_is_only_centred(colours: ImageTable) -> None:
    pixels = colours.pixels.copy()
    pixels[:, 1] = 7
    scaling = Scaling.fit(PixelSettings(), ImageTable("flat", colours.classes, pixels, colours.labels))
    assert scaling.deviation[1] == 1
    assert torch.isfinite(scaling.apply(unit_pixels(pixels))).all()


def test_zca_whitens(digits: ImageTable) -> None:
    middle = np.ascontiguousarray(digits.pixels[:, :, 2:6, 2:6])  # no pixel there is blank in every digit
    table = ImageTable("middle", digits.classes, middle, digits.labels)
    scaling = Scaling.fit(PixelSettings("zca", zca_regularisation=1e-6), table)
    flat = scaling.apply(unit_pixels(middle, torch.float64)).flatten(1)
    torch.testing.assert_close(flat.mean(0), torch.zeros(16, dtype=torch.float64), atol=1e-5, rtol=0)
    torch.testing.assert_close(flat.T.cov(correction=0), torch.eye(16, dtype=torch.float64), atol=1e-4, rtol=0)


def test_zca_is_regularised_by_the_mean_eigenvalue_and_stays_near_the_picture(digits: ImageTable) -> None:
    plain = Scaling.fit(PixelSettings(), digits).apply(unit_pixels(digits.pixels, torch.float64)).flatten(1)
    before = torch.linalg.eigvalsh(plain.T.cov(correction=0)).clamp(min=0)
    scaling = Scaling.fit(PixelSettings("zca", zca_regularisation=0.1), digits)
    flat = scaling.apply(unit_pixels(digits.pixels, torch.float64)).flatten(1)
    after = torch.linalg.eigvalsh(flat.T.cov(correction=0))
    torch.testing.assert_close(after, before / (before + 0.1 * before.mean()), atol=1e-5, rtol=0)
    matrix = scaling.tensors()["zca_matrix"]
    torch.testing.assert_close(matrix, matrix.T)
    assert float(torch.linalg.eigvalsh(matrix.double()).min()) > 0  # no rotation: of all whitenings the nearest


def test_with_normalised_images_zca_is_that_of_kips_code(digits: ImageTable) -> None:
    """Written out: images of mean 0 and norm 1, their second moment, its eigenvalues raised by r times their mean."""
    scaling = Scaling.fit(PixelSettings("zca", zca_regularisation=0.1, image_norm=True), digits)
    plain = Scaling.fit(PixelSettings(), digits).apply(unit_pixels(digits.pixels, torch.float64)).flatten(1).numpy()
    images = plain - plain.mean(1, keepdims=True)
    norms = np.linalg.norm(images, axis=1)
    images = images / norms[:, None]
    moment = images.T @ images / len(images)
    values, vectors = np.linalg.eigh(moment + 0.1 * np.trace(moment) / len(moment) * np.eye(len(moment)))
    wanted = images @ (vectors * values**-0.5) @ vectors.T
    found = scaling.apply(unit_pixels(digits.pixels, torch.float64)).flatten(1)
    torch.testing.assert_close(found, torch.from_numpy(wanted), atol=1e-5, rtol=1e-5)
    assert scaling.image_norm == pytest.approx(norms.mean())
    assert scaling.fingerprint != Scaling.fit(PixelSettings("zca", zca_regularisation=0.1), digits).fingerprint
    again = Scaling.from_dict(json.loads(json.dumps(scaling.as_dict())), scaling.tensors())
    assert again.fingerprint == scaling.fingerprint
    torch.testing.assert_close(
        again.apply(unit_pixels(digits.pixels[:2])), scaling.apply(unit_pixels(digits.pixels[:2]))
    )


def test_pictures_of_normalised_images_come_back_but_for_each_one_s_own_brightness(digits: ImageTable) -> None:
    scaling = Scaling.fit(PixelSettings("zca", image_norm=True), digits)
    pixels = unit_pixels(digits.pixels[:20], torch.float64)
    back = scaling.invert(scaling.apply(pixels)).flatten(1)
    plain = pixels.flatten(1)
    likeness = torch.nn.functional.cosine_similarity(back - back.mean(1, True), plain - plain.mean(1, True), dim=1)
    assert float(likeness.min()) > 0.999


def test_zca_sees_training_images_alone() -> None:
    splits = load_images(DataSettings("digits", train_rows=300))
    scaling = Scaling.fit(PixelSettings("zca"), splits.train)
    again = Scaling.fit(PixelSettings("zca"), splits.train.take(np.arange(300)))
    assert scaling.fingerprint == again.fingerprint
    assert scaling.fingerprint != Scaling.fit(PixelSettings("zca"), splits.test).fingerprint


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (PixelSettings("whiten"), "scale: 'whiten'; allowed: standard, unit, zca, raw"),
        (PixelSettings(size=0), "size: 0; allowed: 1 to 1024"),
        (PixelSettings("zca", zca_regularisation=0.0), "zca_regularisation: 0.0; allowed: above 0"),
        (PixelSettings("zca", zca_regularisation=float("nan")), "zca_regularisation: nan"),
        (PixelSettings(image_norm=True), "image_norm: true with scale 'standard'; allowed with zca alone"),
    ],
)
def test_a_wrong_setting_is_told(settings: PixelSettings, told: str, digits: ImageTable) -> None:
    with pytest.raises(DataError, match=told):
        Scaling.fit(settings, digits)


def test_what_cannot_be_whitened_is_told() -> None:
    large = ImageTable("large", ("a", "b"), np.zeros((2, 3, 64, 64), np.uint8), np.array([0, 1]))
    with pytest.raises(DataError, match="12,288 values are too large to whiten"):
        Scaling.fit(PixelSettings("zca"), large)
    with pytest.raises(DataError, match="all images are equal and cannot be whitened"):
        Scaling.fit(PixelSettings("zca"), ImageTable("flat", ("a",), np.ones((3, 1, 2, 2), np.uint8), np.zeros(3)))


@pytest.mark.parametrize(
    "change",
    [
        {"scale": "other"},
        {"shape": [3, 4]},
        {"shape": "wide"},
        {"mean": [0.0]},
        {"mean": [float("nan")] * 3},
        {"deviation": [0.0] * 3},
        {"deviation": None},
        {"scale": "zca"},
        {"image_norm": 3.0},  # of images that are not whitened
        {"mean": [0.5] * 3},  # not what the fingerprint is of
    ],
)
def test_a_changed_scaling_is_refused(change: dict[str, object], colours: ImageTable) -> None:
    facts = {**Scaling.fit(PixelSettings(), colours).as_dict(), **change}
    with pytest.raises(DataError, match="write it again"):
        Scaling.from_dict(facts)


@pytest.mark.parametrize("scale", ["standard", "zca"])
def test_rows_are_real_data_of_the_core(scale: str, colours: ImageTable) -> None:
    scaling = Scaling.fit(PixelSettings(scale), colours)
    rows = ImageRows(colours, scaling)
    assert isinstance(rows, RealData)
    assert isinstance(rows, Rows)
    assert (len(rows), rows.shape, rows.classes) == (50, (3, 4, 5), ("a", "b"))
    assert rows.lengths.tolist() == [1] * 50
    batch = rows.batch(torch.tensor([7, 2, 7]), trim=True, trim_margin=3)
    expected = scaling.apply(unit_pixels(colours.pixels[[7, 2, 7]]))
    torch.testing.assert_close(batch.inputs, expected)
    assert batch.targets.tolist() == [[0, 1], [1, 0], [0, 1]]
    assert batch.mask is None
    assert batch.weights is None


def test_bytes_stay_bytes_until_they_are_asked_for(colours: ImageTable) -> None:
    assert ImageRows(colours, Scaling.fit(PixelSettings(), colours)).pixels.dtype == torch.uint8
    assert ImageRows(colours, Scaling.fit(PixelSettings("zca"), colours)).pixels.dtype == torch.float32


def test_batches_come_in_the_order_of_the_rows(colours: ImageTable) -> None:
    rows = ImageRows(colours, Scaling.fit(PixelSettings(), colours))
    assert torch.cat([part for part, _ in rows.batches(16)]).tolist() == list(range(50))
    asked = torch.tensor([9, 3, 3, 40])
    parts = list(rows.batches(3, asked, by_length=True, trim_margin=2))
    assert [len(batch) for _, batch in parts] == [3, 1]
    torch.testing.assert_close(torch.cat([batch.inputs for _, batch in parts]), rows.batch(asked).inputs)
    assert list(rows.batches(4, asked[:0])) == []
    with pytest.raises(DataError, match="batch size: 0; allowed: 1 or more"):
        next(rows.batches(0))


@pytest.mark.parametrize("scale", ["standard", "zca"])
def test_rows_move_to_another_kind_of_number(scale: str, colours: ImageTable) -> None:
    rows = ImageRows(colours, Scaling.fit(PixelSettings(scale), colours))
    moved = rows.to("cpu", torch.float64)
    batch, before = moved.batch(torch.arange(4)), rows.batch(torch.arange(4))
    assert batch.inputs.dtype == batch.targets.dtype == torch.float64
    assert before.inputs.dtype == torch.float32
    torch.testing.assert_close(batch.inputs.float(), before.inputs)
    assert moved.to("cpu").batch(torch.arange(2)).inputs.dtype == torch.float64


def test_a_scaling_of_other_images_is_refused(colours: ImageTable, digits: ImageTable) -> None:
    with pytest.raises(DataError, match=r"images of shape \(3, 4, 5\), but the scaling is for \(1, 8, 8\)"):
        ImageRows(colours, Scaling.fit(PixelSettings(), digits))


def test_one_pass_finds_what_the_formulas_say(
    colours: ImageTable, digits: ImageTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixel_statistics_module, "ROWS_AT_ONCE", 7)
    monkeypatch.setattr(pixel_statistics_module, "_COLUMNS_AT_ONCE", 11)
    for table in (colours, digits):
        found = pixel_statistics(table, covariance=True)
        pixels = unit_pixels(table.pixels, torch.float64)
        flat = pixels.flatten(1)
        torch.testing.assert_close(found.mean, pixels.mean((0, 2, 3)))
        torch.testing.assert_close(found.deviation, pixels.std((0, 2, 3), correction=0))
        torch.testing.assert_close(found.means, flat.mean(0))
        torch.testing.assert_close(found.covariance, flat.T.cov(correction=0), atol=1e-12, rtol=1e-9)


def test_sums_over_bytes_are_exact_whatever_the_order_of_the_images() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.choice(np.array([0, 1, 254, 255], np.uint8), (3000, 1, 4, 4))  # the largest products there are
    order = rng.permutation(len(pixels))
    one, other = (
        pixel_statistics(ImageTable("t", ("a",), some, np.zeros(len(some))), covariance=True)
        for some in (pixels, pixels[order])
    )
    assert torch.equal(one.mean, other.mean)
    assert torch.equal(one.deviation, other.deviation)
    assert torch.equal(one.covariance, other.covariance)
    wide = pixels.reshape(3000, -1).astype(np.int64)
    exact = (wide.T @ wide) * 3000 - np.outer(wide.sum(0), wide.sum(0))
    np.testing.assert_allclose(one.covariance.numpy() * 255**2 * 3000**2, exact, rtol=1e-12, atol=1e-3)


def test_images_stay_bytes_and_features_are_made_when_asked_for() -> None:
    task = prepare_pixels(DataSettings("mnist", train_rows=200), PixelSettings())
    assert task.train.pixels.dtype == torch.uint8
    features = task.features()
    rows = np.array([7, 3, 100])
    assert features.shape == (200, 1, 28, 28)
    np.testing.assert_array_equal(features[rows], task.train.batch(torch.from_numpy(rows)).inputs.numpy())
    labels = task.train.labels.numpy()
    whole = features[np.arange(200)]
    chosen = [k_centers(some, labels, [2] * 10, np.random.default_rng(0)) for some in (features, whole)]
    np.testing.assert_array_equal(*chosen)


@pytest.mark.parametrize(("rows", "width", "kept"), [(5000, 784, 5000), (54_000, 784, 5349), (45_000, 10**6, 1200)])
def test_a_pictures_axes_come_from_boundedly_many_rows_of_each_class(rows: int, width: int, kept: int) -> None:
    labels = np.arange(rows) % 10
    chosen = mapped_rows(labels, width)
    assert len(chosen) == len(set(chosen.tolist())) == kept
    counts = np.bincount(labels[chosen])
    assert counts.max() - counts.min() <= 1


def test_colours_become_their_luma_and_grey_three_equal_channels(colours: ImageTable, digits: ImageTable) -> None:
    grey = colours.in_channels(1)
    pure = ImageTable("pure", ("a",), 255 * np.eye(3, dtype=np.uint8)[:, :, None, None], np.zeros(3))
    assert pure.in_channels(1).pixels.flatten().tolist() == [76, 150, 29]  # ITU-R BT.601
    assert grey.shape == (1, 4, 5)
    assert grey.in_channels(1) is grey
    painted = digits.in_channels(3)
    assert all(np.array_equal(painted.pixels[:, [channel]], digits.pixels) for channel in range(3))
    np.testing.assert_allclose(painted.in_channels(1).pixels, digits.pixels, atol=1e-6)
    floats = ImageTable("floats", ("a",), np.ones((1, 3, 2, 2), np.float32), np.zeros(1)).in_channels(1)
    assert floats.pixels.dtype == np.float32
    assert float(floats.pixels.max()) <= 1
    odd = ImageTable("odd", ("a",), np.ones((1, 2, 2, 2), np.uint8), np.zeros(1))
    with pytest.raises(DataError, match="odd: 2 channels cannot be made 3; allowed: 1 and 3"):
        odd.in_channels(3)


def test_images_of_another_set_come_in_the_size_and_colours_of_the_task_s_own() -> None:
    """Bohdal et al.'s labels across data sets: the base images of one, the classes of the other."""
    mine = prepare_pixels(DataSettings("digits"), PixelSettings())  # 8 by 8
    theirs = mine.beside(DataSettings("mnist", train_rows=200))
    assert theirs.shape == mine.shape == (1, 8, 8)
    mean = theirs.train.batch(torch.arange(len(theirs.train))).inputs.mean()
    assert abs(float(mean)) < 1e-3  # by their own statistics
    painted = prepare_pixels(DataSettings("digits"), PixelSettings(size=12), channels=3).beside(DataSettings("digits"))
    assert painted.shape == (3, 12, 12)
