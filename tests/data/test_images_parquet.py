"""Pictures in Parquet: a mirror's, a user's own file or folder of parts; a bad row is told with its file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests import tiny
from textdistill.core.errors import DataError
from textdistill.data import IMAGE_DATA, DataSettings, is_image_data, load_images
from textdistill.data.files import read_file, read_parts
from textdistill.data.images import decode as decoding
from textdistill.data.images import labelled, pixel_cache
from textdistill.recipe.read import resolve

PETS = ("cat", "dog")


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def pictures(count: int, *shape: int, seed: int = 0) -> list[bytes]:
    return [encoded(noise(*(shape or (4, 4, 3)), seed=seed + row)) for row in range(count)]


def written(path: Path, column: str, values: Sequence[Any], labels: Sequence[Any], **others: Sequence[Any]) -> Path:
    """A table without class names, its pictures as bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({column: list(values), "label": list(labels), **others}), path)
    return path


def as_the_hub(path: Path, column: str, values: Sequence[Any], labels: Sequence[int], names: Sequence[str]) -> Path:
    """As `datasets` writes it: {bytes, path}, and the class names in the schema."""
    path.parent.mkdir(parents=True, exist_ok=True)
    features = datasets.Features({column: datasets.Image(), "label": datasets.ClassLabel(names=list(names))})
    rows = {column: [{"bytes": value, "path": None} for value in values], "label": list(labels)}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(path))
    return path


def turns(count: int, classes: int = 2) -> list[int]:
    return [row % classes for row in range(count)]


@pytest.mark.parametrize("column", ["img", "image"])
def test_a_mirror_may_hold_a_known_data_set_as_the_hub_writes_it(tmp_path: Path, column: str) -> None:
    turned = [*reversed(IMAGE_DATA["cifar10"].classes)]
    as_the_hub(tmp_path / "cifar10" / "train.parquet", column, pictures(60, 32, 32, 3), turns(60, 10), turned)
    test = pictures(20, 32, 32, 3, seed=1000)
    as_the_hub(tmp_path / "cifar10" / "test.parquet", column, test, turns(20, 10), turned)
    splits = load_images(DataSettings("cifar10", data_dir=str(tmp_path)))
    assert splits.train.classes == IMAGE_DATA["cifar10"].classes
    assert splits.report.rows["test"] == 20
    np.testing.assert_array_equal(splits.test.pixels[3], noise(32, 32, 3, seed=1003).transpose(2, 0, 1))
    assert splits.test.classes[int(splits.test.labels[3])] == turned[3]
    assert splits.report.source == str(tmp_path / "cifar10")


def test_a_file_of_ones_own_brings_its_class_names_and_its_splits_are_cut(tmp_path: Path) -> None:
    path = as_the_hub(tmp_path / "mine.parquet", "photo", pictures(30), turns(30), PETS)
    splits = load_images(DataSettings(str(path), test_rows=6))
    assert splits.train.classes == PETS
    assert splits.train.shape == (3, 4, 4)
    assert splits.train.pixels.dtype == np.uint8
    assert splits.report.rows["test"] == 6


def test_further_files_of_ones_own_are_its_splits(tmp_path: Path) -> None:
    path = as_the_hub(tmp_path / "mine.parquet", "img", pictures(30), turns(30), PETS)
    test = as_the_hub(tmp_path / "held.parquet", "img", pictures(8, seed=500), turns(8), PETS)
    splits = load_images(DataSettings(str(path), test=str(test)))
    assert splits.report.rows["test"] == 8
    with pytest.raises(DataError, match="test: only beside a Parquet file of pictures"):
        load_images(DataSettings("digits", test=str(test)))


def test_plain_bytes_and_labels_that_are_words_will_do(tmp_path: Path) -> None:
    kinds = [PETS[row % 2] for row in range(30)]
    path = written(tmp_path / "mine.parquet", "image", pictures(30, 5, 5), turns(30), kind=kinds)
    splits = load_images(DataSettings(str(path), label="kind"))
    assert splits.train.classes == PETS
    assert splits.train.shape == (1, 5, 5)  # grey stays one channel


def test_a_folder_of_parts_is_one_table_and_splits_may_lie_in_parts(tmp_path: Path) -> None:
    for part in range(3):
        as_the_hub(tmp_path / "mine" / f"{part}.parquet", "img", pictures(10, seed=100 * part), turns(10), PETS)
        name = f"train-0000{part}-of-00003.parquet"
        as_the_hub(tmp_path / "hub" / "data" / name, "img", pictures(10, seed=100 * part), turns(10), PETS)
    as_the_hub(tmp_path / "hub" / "data" / "test-00000-of-00001.parquet", "img", pictures(5, seed=999), turns(5), PETS)
    mine = load_images(DataSettings(str(tmp_path / "mine")))
    assert sum(mine.report.rows.values()) == 30
    assert f"{tmp_path / 'mine'} [train]: 3 Parquet parts read as one table" in mine.report.notes
    hub = load_images(DataSettings("hub", data_dir=str(tmp_path)))
    assert hub.report.rows["test"] == 5
    assert sum(hub.report.rows.values()) == 35


def test_hidden_test_labels_leave_the_split_out(tmp_path: Path) -> None:
    as_the_hub(tmp_path / "train.parquet", "img", pictures(30), turns(30), PETS)
    as_the_hub(tmp_path / "test.parquet", "img", pictures(5, seed=100), [-1] * 5, PETS)
    splits = load_images(DataSettings(str(tmp_path)))
    assert any(note.startswith("test: left out, its labels are hidden") for note in splits.report.notes)
    as_the_hub(tmp_path / "train.parquet", "img", pictures(5, seed=100), [-1] * 5, PETS)
    with pytest.raises(DataError, match=r"train\.parquet: no row has a label; give the file with the labels"):
        load_images(DataSettings(str(tmp_path)))


def test_grey_among_colours_gets_three_equal_channels(tmp_path: Path) -> None:
    values = [*pictures(15, 4, 4), *pictures(15, 4, 4, 3, seed=100)]
    path = as_the_hub(tmp_path / "mine.parquet", "img", values, turns(30), PETS)
    splits = load_images(DataSettings(str(path), test_rows=4))
    tables = (splits.train, splits.validation, splits.test)
    grey = sum(int((part.pixels == part.pixels[:, :1]).all((1, 2, 3)).sum()) for part in tables)
    assert splits.train.shape == (3, 4, 4)
    assert grey == 15


def broken(kind: str) -> Any:
    whole = encoded(noise(4, 4, 3, seed=7))
    deep = io.BytesIO()
    Image.fromarray(noise(4, 4).astype(np.float32)).save(deep, "TIFF")
    return {
        "no picture": b"not a picture",
        "cut off": whole[: len(whole) // 2],
        "empty": b"",
        "of another size": encoded(noise(6, 5, 3)),
        "floats": deep.getvalue(),
        "missing": None,
    }[kind]


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("no picture", r"cannot be read as an image \(none of PNG, .*; replace or remove it"),
        ("cut off", r"cannot be read as an image \(.*; replace or remove it"),
        ("empty", r"cannot be read as an image .*; replace or remove it"),
        ("of another size", r"5 x 6 pixels, but .*row 1 has 4 x 4; one size is needed: resize them, or give a size"),
        ("floats", "its pixels are floating-point numbers; write it with 8 bits a channel"),
        ("missing", "no picture; fill it in, or drop the row"),
    ],
)
def test_a_bad_picture_is_told_with_its_file_its_row_and_the_remedy(tmp_path: Path, kind: str, told: str) -> None:
    values: list[Any] = pictures(12)
    values[8] = broken(kind)
    path = written(tmp_path / "mine.parquet", "img", values, turns(12))
    with pytest.raises(DataError, match=rf"mine\.parquet: column 'img', row 9: {told}"):
        load_images(DataSettings(str(path)))


def test_a_bad_picture_in_parts_is_told_with_the_part_and_its_own_row(tmp_path: Path) -> None:
    written(tmp_path / "0.parquet", "img", pictures(10), turns(10))
    written(tmp_path / "1.parquet", "img", [*pictures(2, seed=50), b"no", *pictures(2, seed=90)], turns(5))
    with pytest.raises(DataError, match=r"column 'img', row 3 of 1\.parquet: cannot be read as an image"):
        load_images(DataSettings(str(tmp_path)))
    rows = read_parts([tmp_path / "0.parquet", tmp_path / "1.parquet"], "both")
    assert rows.where([0, 9, 10]) == "rows 1 of 0.parquet, 10 of 0.parquet, 1 of 1.parquet"
    assert list(rows.values("label")) == rows.column("label") == turns(10) + turns(5)


def test_a_path_without_bytes_is_never_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(pictures(1)[0])
    values = [{"bytes": None, "path": str(tmp_path / "secret.png")} for _ in range(4)]
    type_ = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(pa.table({"img": pa.array(values, type_), "label": turns(4)}), tmp_path / "mine.parquet")
    with pytest.raises(DataError, match=r"row 1: the path of a picture .*secret\.png'\) without its bytes; write"):
        load_images(DataSettings(str(tmp_path / "mine.parquet")))


def test_a_picture_far_larger_than_its_bytes_or_with_too_many_bytes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(bomb, "PNG")
    path = written(tmp_path / "bomb.parquet", "img", [*pictures(3), bomb.getvalue()], turns(4))
    with pytest.raises(DataError, match=r"bomb\.parquet: column 'img', row 4: .*pixels.* make it smaller"):
        load_images(DataSettings(str(path)))
    values = [*pictures(3), pictures(1)[0] + bytes(5000)]
    path = written(tmp_path / "long.parquet", "img", values, turns(4))
    monkeypatch.setattr(decoding, "MAX_ENCODED", 4096)
    with pytest.raises(DataError, match=r"row 4: 0 MiB of an encoded picture; allowed: .*; make it smaller"):
        load_images(DataSettings(str(path)))


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([0, 1, None, 1], r"no label in column 'label' at row 3; fill it in, or drop the row"),
        ([0.1, 0.25, 0.7, 0.9], "looks like a quantity"),
        ([[0], [1], [0], [1]], r"holds \[0\] \(list\) at row 1; a label is a string, an integer"),
    ],
)
def test_labels_that_are_none_are_told(tmp_path: Path, labels: list[Any], told: str) -> None:
    path = written(tmp_path / "mine.parquet", "img", pictures(4), labels)
    with pytest.raises(DataError, match=told):
        load_images(DataSettings(str(path)))


def test_a_label_beyond_the_class_names_is_told(tmp_path: Path) -> None:
    path = as_the_hub(tmp_path / "mine.parquet", "img", pictures(4), turns(4), PETS)
    table = pq.read_table(path)
    pq.write_table(table.set_column(1, "label", pa.array([0, 1, 5, 1])), path)
    metadata = table.schema.metadata
    pq.write_table(pq.read_table(path).replace_schema_metadata(metadata), path)
    with pytest.raises(DataError, match=r"label 5 in column 'label' at row 3; allowed: 0 to 1"):
        load_images(DataSettings(str(path)))


def test_parquet_of_pictures_is_told_from_parquet_of_texts_by_its_schema(tmp_path: Path) -> None:
    mine = written(tmp_path / "mine" / "a.parquet", "img", pictures(4), turns(4), title=["a", "b", "c", "d"])
    words = written(tmp_path / "words" / "train.parquet", "image", ["a", "b"], [0, 1])  # texts in a column so called
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and no more")
    assert is_image_data(str(mine))
    assert is_image_data(str(mine.parent))
    assert is_image_data("mine", str(tmp_path))
    assert not is_image_data(str(mine), text="title")  # the table's texts are asked for
    assert not is_image_data(str(mine.parent), text="title")
    for other in (words, words.parent, tmp_path / "torn.parquet"):
        assert not is_image_data(str(other)), other
    with pytest.raises(DataError, match="a file without a column image or img or picture of encoded pictures"):
        load_images(DataSettings(str(words)))


def test_a_recipe_for_such_a_file_reads_pixels(tmp_path: Path) -> None:
    path = as_the_hub(tmp_path / "mine.parquet", "img", pictures(4), turns(4), PETS)
    recipe = resolve({"title": "t", "paper": "zhao2023", "data": {"name": str(path)}, "synthetic": {"per_class": 1}})
    assert recipe.representation.name == "pixels"


def test_a_column_read_value_by_value_has_the_values_of_one_read_whole(tmp_path: Path) -> None:
    values = pictures(150, 3, 3)
    path = tmp_path / "mine.parquet"
    pq.write_table(pa.table({"img": values, "label": turns(150)}), path, row_group_size=70)
    rows = read_file(path)
    assert list(rows.values("img")) == rows.column("img") == values


def test_without_a_recipe_images_name_one(tmp_path: Path) -> None:
    path = written(tmp_path / "mine.parquet", "img", pictures(4), turns(4))
    result = tiny.call("run", "--data", path, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert f"images; name a recipe for them: textdistill run zhao2023_dm_mnist_10 --data {path}" in result.stderr


def test_many_pictures_are_decoded_once_and_a_damaged_cache_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEXTDISTILL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pixel_cache, "CACHED_FROM", 30)
    few = as_the_hub(tmp_path / "few.parquet", "img", pictures(29, seed=500), turns(29), PETS)
    load_images(DataSettings(str(few)))
    assert not (tmp_path / "cache").exists()
    path = as_the_hub(tmp_path / "mine.parquet", "img", pictures(30), turns(30), PETS)
    decoded: list[str] = []
    real = labelled.decode

    def counted(source: Any, called: str) -> np.ndarray:
        decoded.append(called)
        return real(source, called)

    monkeypatch.setattr(labelled, "decode", counted)
    first = load_images(DataSettings(str(path)))
    assert len(decoded) == 30
    assert load_images(DataSettings(str(path))).fingerprint == first.fingerprint
    assert len(decoded) == 30
    assert load_images(DataSettings(str(path)), size=2).train.shape == (3, 2, 2)  # another size is another entry
    assert len(decoded) == 60
    for entry in (tmp_path / "cache" / "pictures").glob("*.npy"):
        content = bytearray(entry.read_bytes())
        content[-1] ^= 1
        entry.write_bytes(content)
    assert load_images(DataSettings(str(path))).fingerprint == first.fingerprint
    assert len(decoded) == 90
    as_the_hub(path, "img", pictures(30, seed=900), turns(30), PETS)  # other pictures under the same name
    assert load_images(DataSettings(str(path))).fingerprint != first.fingerprint
    assert not list((tmp_path / "cache").rglob("*.part"))
