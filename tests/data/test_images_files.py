"""Files of images: idx, CIFAR's records, SVHN, pictures; what was written is read, and damage is one clear line."""

from __future__ import annotations

import gzip
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import io

from textdistill.core.errors import DataError
from textdistill.data import DataSettings, load_images
from textdistill.data.images import decode as image_decode
from textdistill.data.images.decode import collect, decode, resized
from textdistill.data.images.formats import read_idx


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def idx(path: Path, values: np.ndarray) -> Path:
    data = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def idx_pair(folder: Path, split: str, rows: int, seed: int = 0, end: str = "", classes: int = 10) -> np.ndarray:
    pixels = noise(rows, 7, 6, seed=seed)
    idx(folder / f"{split}-images-idx3-ubyte{end}", pixels)
    idx(folder / f"{split}-labels-idx1-ubyte{end}", np.arange(rows) % classes)
    return pixels


def test_an_idx_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    values = noise(4, 3, 5)
    for name in ("plain-idx3-ubyte", "packed-idx3-ubyte.gz"):
        np.testing.assert_array_equal(read_idx(idx(tmp_path / name, values), 3), values)


@pytest.mark.parametrize("end", ["", ".gz"])
def test_a_folder_of_idx_files_is_a_data_set(tmp_path: Path, end: str) -> None:
    pixels = {split: idx_pair(tmp_path, split, rows, rows, end) for split, rows in (("train", 100), ("t10k", 30))}
    splits = load_images(DataSettings(str(tmp_path)))
    assert splits.report.rows == {"train": 90, "validation": 10, "test": 30}
    np.testing.assert_array_equal(splits.test.pixels[:, 0], pixels["t10k"])
    assert splits.train.classes == tuple("0123456789")
    known = load_images(DataSettings("fashion_mnist", data_dir=str(_inside(tmp_path, "fashion_mnist"))))
    assert known.train.classes[9] == "Ankle boot"
    np.testing.assert_array_equal(known.train.labels, splits.train.labels)


def _inside(folder: Path, name: str) -> Path:
    """A folder with `folder`'s files in a folder of this name."""
    above = folder / "above"
    (above / name).mkdir(parents=True)
    for path in folder.glob("*ubyte*"):
        path.rename(above / name / path.name)
    return above


def test_the_public_test_digits_are_the_test_of_the_packaged_ones(tmp_path: Path) -> None:
    pixels = noise(20, 28, 28)
    idx(tmp_path / "mnist" / "t10k-images-idx3-ubyte.gz", pixels)
    idx(tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz", np.arange(20) % 10)
    splits = load_images(DataSettings("mnist", data_dir=str(tmp_path)))
    assert splits.report.rows == {"train": 4500, "validation": 500, "test": 20}
    np.testing.assert_array_equal(splits.test.pixels[:, 0], pixels)
    assert any(note.startswith("test: ") and "t10k-images" in note for note in splits.report.notes)
    (tmp_path / "mnist").rename(tmp_path / "kmnist")
    with pytest.raises(DataError, match="kmnist: no images to train on, only test; add the train files"):
        load_images(DataSettings("kmnist", data_dir=str(tmp_path)))


def test_emnist_is_chosen_by_its_part_turned_upright_and_counted_from_one(tmp_path: Path) -> None:
    folder, pixels = tmp_path / "emnist", noise(104, 4, 4)
    for part, first in (("letters", 1), ("digits", 0)):
        for split in ("train", "test"):
            labels = np.arange(104) % 26 + first if part == "letters" else np.arange(104) % 10
            shown = pixels if split == "test" else noise(104, 4, 4, seed=first + 5)
            idx(folder / f"emnist-{part}-{split}-images-idx3-ubyte", shown)
            idx(folder / f"emnist-{part}-{split}-labels-idx1-ubyte", labels)
    splits = load_images(DataSettings("emnist:letters", data_dir=str(tmp_path)))
    np.testing.assert_array_equal(splits.test.pixels[:, 0], pixels.transpose(0, 2, 1))
    assert [splits.test.classes[label] for label in splits.test.labels[:3]] == ["A", "B", "C"]
    with pytest.raises(DataError, match="several data sets .emnist-digits-, emnist-letters-."):
        load_images(DataSettings(str(folder)))


def test_labels_without_their_images_are_told(tmp_path: Path) -> None:
    idx_pair(tmp_path, "train", 30)
    (tmp_path / "train-images-idx3-ubyte").unlink()
    with pytest.raises(DataError, match="train-labels-idx1-ubyte is there, the images of train are not"):
        load_images(DataSettings(str(tmp_path)))


def test_a_label_that_is_no_class_is_told_with_its_image(tmp_path: Path) -> None:
    idx_pair(tmp_path / "mnist", "train", 30, classes=11)
    with pytest.raises(DataError, match="label 10 at image 11; allowed: 0 to 9"):
        load_images(DataSettings("mnist", data_dir=str(tmp_path)))


GOOD = struct.pack(">BBBBIII", 0, 0, 8, 3, 2, 3, 3) + bytes(18)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "no idx file: it begins with nothing"),
        (b"\x89PNG" + GOOD, "no idx file: it begins with 89504e47"),
        (struct.pack(">BBBBI", 0, 0, 8, 1, 18) + bytes(18), "0x08 with 1 dimensions; images are of type 0x08"),
        (b"\0\0\x0d\3" + GOOD[4:], "idx of type 0x0d"),
        (GOOD[:9], r"its header says \[2\]; 3 numbers"),
        (struct.pack(">BBBBIII", 0, 0, 8, 3, 0, 3, 3), r"its header says \[0, 3, 3\]"),
        (GOOD[:-1], "its header says 18 bytes .images., it has only 17; get it again"),
        (GOOD + b"\0", "it has more; get it again"),
        (struct.pack(">BBBBIII", 0, 0, 8, 3, *[2**32 - 1] * 3), "GiB of pixels; allowed: 4 GiB"),
        (struct.pack(">BBBBIII", 0, 0, 8, 3, 2**20, 40, 40) + bytes(9), "it has only 9"),
    ],
)
@pytest.mark.parametrize("end", ["", ".gz"])
def test_a_damaged_idx_file_is_one_clear_line(tmp_path: Path, data: bytes, told: str, end: str) -> None:
    path = tmp_path / f"train-images-idx3-ubyte{end}"
    path.write_bytes(gzip.compress(data) if end else data)
    with pytest.raises(DataError, match=told) as caught:
        read_idx(path, 3)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(  # each test with a name: two workers that compress a second apart write different bytes
    "data",
    [b"not gzip at all", gzip.compress(GOOD)[:-12], b"\x1f\x8b\x08" + bytes(20)],
    ids=["not gzip", "cut short", "no name's end"],
)
def test_a_damaged_gzip_file_is_one_clear_line(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x-idx3-ubyte.gz").write_bytes(data)
    with pytest.raises(DataError, match=r"x-idx3-ubyte\.gz: (cannot be read|no idx file|its header)"):
        read_idx(tmp_path / "x-idx3-ubyte.gz", 3)


def cifar(path: Path, rows: int, labels: np.ndarray, seed: int = 0) -> np.ndarray:
    pixels = noise(rows, 3, 32, 32, seed=seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(np.hstack([labels.astype(np.uint8), pixels.reshape(rows, -1)]).tobytes())
    return pixels


def test_the_binary_cifar10_is_read_batch_by_batch(tmp_path: Path) -> None:
    folder = tmp_path / "cifar10" / "cifar-10-batches-bin"
    labels = np.arange(30)[:, None] % 10
    for batch in (1, 2):
        cifar(folder / f"data_batch_{batch}.bin", 30, labels, batch)
    pixels = cifar(folder / "test_batch.bin", 30, labels, 9)
    splits = load_images(DataSettings("cifar10", data_dir=str(tmp_path)))
    assert splits.report.rows == {"train": 54, "validation": 6, "test": 30}
    np.testing.assert_array_equal(splits.test.pixels, pixels)
    assert splits.test.classes[splits.test.labels[3]] == "cat"
    own = load_images(DataSettings(str(folder)))
    assert own.train.classes == tuple("0123456789")


def test_the_binary_cifar100_has_fine_and_coarse_labels(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-binary"
    labels = np.stack([np.arange(400) % 20, np.arange(400) % 100], axis=1)
    cifar(folder / "train.bin", 400, labels, 1)
    pixels = cifar(folder / "test.bin", 400, labels, 2)
    fine = load_images(DataSettings("cifar100", data_dir=str(tmp_path)))
    coarse = load_images(DataSettings("cifar100:coarse", data_dir=str(tmp_path)))
    np.testing.assert_array_equal(fine.test.pixels, pixels)
    assert (len(fine.test.classes), fine.test.labels[:3].tolist()) == (100, [0, 1, 2])
    assert (len(coarse.test.classes), coarse.test.labels[19:22].tolist()) == (20, [19, 0, 1])


def test_a_damaged_cifar_file_is_one_clear_line(tmp_path: Path) -> None:
    cifar(tmp_path / "data_batch_1.bin", 30, np.arange(30)[:, None] % 10)
    path = tmp_path / "data_batch_1.bin"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataError, match=r"92,185 bytes are no whole number of records of 3073"):
        load_images(DataSettings(str(tmp_path)))
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"data_batch_1\.bin: 0 bytes"):
        load_images(DataSettings(str(tmp_path)))
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        load_images(DataSettings(str(tmp_path)))


class Trap:
    """Unpickled, it would leave a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


def test_the_pickled_cifar_is_never_unpickled(tmp_path: Path) -> None:
    folder = tmp_path / "cifar10" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    (folder / "data_batch_1").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    for settings in (DataSettings("cifar10", data_dir=str(tmp_path)), DataSettings(str(folder))):
        with pytest.raises(DataError, match="pickles .* not read; get the binary version"):
            load_images(settings)
    assert not (tmp_path / "sprung").exists()


def test_svhn_is_read_from_matlab_files_and_its_ten_is_a_zero(tmp_path: Path) -> None:
    folder = tmp_path / "svhn"
    folder.mkdir()
    pixels = {"train": noise(32, 32, 3, 40, seed=1), "test": noise(32, 32, 3, 20, seed=2)}
    for split, values in pixels.items():
        labels = np.arange(values.shape[3])[:, None] % 10 + 1
        io.savemat(str(folder / f"{split}_32x32.mat"), {"X": values, "y": labels.astype(np.uint8)})
    splits = load_images(DataSettings("svhn", data_dir=str(tmp_path)))
    np.testing.assert_array_equal(splits.test.pixels, pixels["test"].transpose(3, 2, 0, 1))
    assert splits.test.labels[:10].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    io.savemat(str(folder / "train_32x32.mat"), {"X": noise(3, 3), "y": np.ones((3, 1))})
    with pytest.raises(DataError, match=r"cropped digits are X \(32, 32, 3, n\)"):
        load_images(DataSettings("svhn", data_dir=str(tmp_path)))
    (folder / "train_32x32.mat").write_bytes(b"MATLAB" + bytes(200))
    with pytest.raises(DataError, match=r"train_32x32\.mat: "):
        load_images(DataSettings("svhn", data_dir=str(tmp_path)))


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


def test_every_kind_of_picture_has_one_channel_or_three(tmp_path: Path) -> None:
    grey, colour = noise(6, 5), noise(6, 5, 3)
    deep = saved(Image.fromarray(grey.astype(np.uint16) * 257), tmp_path / "deep.png")
    np.testing.assert_array_equal(decode(deep, "deep"), grey[None])
    np.testing.assert_array_equal(decode(saved(Image.fromarray(grey), tmp_path / "g.gif"), "gif")[0], grey)
    np.testing.assert_array_equal(
        decode(saved(Image.fromarray(colour), tmp_path / "c.bmp"), "bmp"), colour.transpose(2, 0, 1)
    )
    black = decode(saved(Image.new("1", (5, 6), 1), tmp_path / "b.png"), "bits")
    assert (black.shape, black.min()) == ((1, 6, 5), 255)
    glass = np.dstack([colour, np.zeros((6, 5), np.uint8)])
    assert (decode(saved(Image.fromarray(glass), tmp_path / "a.png"), "alpha") == 255).all()  # laid on white
    assert decode(saved(Image.fromarray(colour).convert("CMYK"), tmp_path / "k.jpg"), "cmyk").shape == (3, 6, 5)


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    image = Image.fromarray(noise(4, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    np.testing.assert_array_equal(
        decode(saved(image, tmp_path / "p.png", exif=exif), "p"), np.rot90(np.asarray(image), -1)[None]
    )


def test_grey_and_coloured_pictures_together_have_three_channels() -> None:
    grey, colour = noise(1, 4, 4), noise(3, 4, 4)
    pixels = collect([("grey", grey), ("colour", colour)], 2, "both", None)
    np.testing.assert_array_equal(pixels[0], np.repeat(grey, 3, axis=0))
    np.testing.assert_array_equal(pixels[1], colour)


def claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims this size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(4097, 4096), (100_000, 1000), (1_000_000, 1_000_000)])
def test_a_picture_larger_than_the_limit_is_never_unpacked(width: int, height: int) -> None:
    with pytest.raises(DataError, match=r"bomb: .*more than (16,777,216|16,777,216 pixels)"):
        decode(claiming(width, height), "bomb")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        claiming(9, 9),
        b"\xff\xd8\xff\xe0" + bytes(30),
        b"GIF89a" + bytes(9),
        b"BM" + bytes(60),
    ],
)
def test_what_is_no_picture_is_one_clear_line(data: bytes) -> None:
    with pytest.raises(DataError, match=r"^a/b\.png: cannot be read as an image") as caught:
        decode(data, "a/b.png")
    assert "\n" not in str(caught.value)


def test_too_many_pixels_in_all_are_refused_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_decode, "MAX_BYTES", 100)
    with pytest.raises(DataError, match="GiB of pixels; .* smaller size"):
        collect((("x", noise(1, 4, 4)) for _ in range(7)), 7, "many", None)
    assert len(collect((("x", noise(1, 4, 4)) for _ in range(6)), 6, "few", None)) == 6


def test_resizing_keeps_the_kind_of_numbers_and_a_plain_picture_plain() -> None:
    for plain in (np.full((2, 3, 9, 4), 200, np.uint8), np.full((2, 1, 9, 4), 0.25, np.float32)):
        small = resized(plain, 5)
        assert (small.shape[2:], small.dtype) == ((5, 5), plain.dtype)
        np.testing.assert_allclose(small, plain.flat[0], rtol=1e-6)
