"""Reading sets of any make and writing our own: every format gives the same set, every fault one clear line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textdistill.core.errors import DataError
from textdistill.data.sets import set_files
from textdistill.data.sets.text_set import TextSet
from textdistill.data.sets.text_sets import read_text_set, read_text_sets, with_classes, write_text_set

CLASSES = ("negative", "positive")
TEXTS = ["=SUM(A1:A9), dull", 'a "moving" film\u2028indeed', "fine"]
HARD = TextSet(TEXTS, np.array([0, 1, 1]), CLASSES)
SOFT = TextSet(TEXTS, np.array([0, 1, 1]), CLASSES, soft=np.array([[0.75, 0.25], [-0.5, 1.5], [0.1, 1 / 3]]))
PAIRS = TextSet(TEXTS, np.array([0, 1, 1]), CLASSES, pairs=["a", "b", "c"])


def same(found: TextSet, wanted: TextSet) -> None:
    assert (found.texts, found.pairs, found.classes) == (wanted.texts, wanted.pairs, wanted.classes)
    np.testing.assert_array_equal(found.labels, wanted.labels)
    assert (found.soft is None) == (wanted.soft is None)
    np.testing.assert_allclose(found.targets, wanted.targets)


def lines(path: Path, *rows: dict[str, Any] | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    told = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(told) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("wanted", [HARD, SOFT, PAIRS], ids=["hard", "soft", "pairs"])
def test_what_is_written_is_read_again(wanted: TextSet, tmp_path: Path) -> None:
    file = write_text_set(tmp_path / "run", wanted)
    assert file == tmp_path / "run" / "samples.jsonl"
    same(read_text_set(tmp_path / "run"), wanted)
    assert write_text_set(tmp_path / "one.jsonl", wanted).read_bytes() == file.read_bytes()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["one.jsonl", "run", "samples.jsonl"]


text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda one: bool(one.strip()))


@given(st.lists(st.tuples(text, st.floats(-5, 5), st.floats(-5, 5)), min_size=1, max_size=5))
def test_any_texts_and_labels_survive_writing(tmp_path_factory: Any, rows: list[tuple[str, float, float]]) -> None:
    soft = np.array([row[1:] for row in rows])
    wanted = TextSet([row[0] for row in rows], soft.argmax(1), CLASSES, soft=soft)
    found = read_text_set(write_text_set(tmp_path_factory.mktemp("any"), wanted))
    assert found.texts == wanted.texts
    np.testing.assert_array_equal(found.targets, soft)


def frame(kind: str) -> pd.DataFrame:
    """The set in the columns of one convention."""
    label = ["negative", "positive", "positive"]
    if kind == "shares":
        return pd.DataFrame({"sentence": TEXTS, "p_negative": SOFT.targets[:, 0], "p_positive": SOFT.targets[:, 1]})
    if kind in ("mapping", "list"):
        values = SOFT.targets.tolist()
        told = values if kind == "list" else [dict(zip(CLASSES, one, strict=True)) for one in values]
        return pd.DataFrame({"text": TEXTS, "labels": [json.dumps(one) for one in told], "label": label})
    if kind == "pairs":
        return pd.DataFrame({"premise": TEXTS, "hypothesis": ["a", "b", "c"], "label": label})
    return pd.DataFrame({"sentence": TEXTS, "labels" if kind == "integers" else "label": [0, 1, 1]})


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [("shares", SOFT), ("mapping", SOFT), ("list", SOFT), ("pairs", PAIRS), ("integers", HARD), ("label", HARD)],
)
@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_every_convention_in_every_format_gives_the_same_set(
    kind: str, wanted: TextSet, suffix: str, tmp_path: Path
) -> None:
    path, table = tmp_path / f"set.{suffix}", frame(kind)
    if suffix == "parquet":
        table.to_parquet(path)
    elif suffix == "jsonl":
        table.to_json(path, orient="records", lines=True)
    else:
        table.to_csv(path, sep="\t" if suffix == "tsv" else ",", index=False)
    same(read_text_set(path, CLASSES), wanted)


def test_parquets_own_structures_lists_and_maps_are_soft_labels(tmp_path: Path) -> None:
    values = SOFT.targets.tolist()
    told = [dict(zip(CLASSES, one, strict=True)) for one in values]
    kinds = {
        "struct": pa.array(told),
        "list": pa.array(values),
        "map": pa.array([list(one.items()) for one in told], pa.map_(pa.string(), pa.float64())),
    }
    for kind, column in kinds.items():
        path = tmp_path / f"{kind}.parquet"
        pq.write_table(pa.table({"text": TEXTS, "labels": column}), path)
        same(read_text_set(path, CLASSES), SOFT)
    assert read_text_set(tmp_path / "struct.parquet").classes == CLASSES
    assert read_text_set(tmp_path / "list.parquet").classes == ("0", "1")


def test_labels_that_are_one_hot_are_hard_and_name_classes_that_no_sample_has(tmp_path: Path) -> None:
    path = lines(tmp_path / "set.jsonl", {"text": "dull", "labels": {"positive": 0, "neutral": 0, "negative": 1.0}})
    found = read_text_set(path)
    assert (found.classes, found.soft, found.labels.tolist()) == (("positive", "neutral", "negative"), None, [2])


def test_without_classes_integers_name_themselves_in_their_order(tmp_path: Path) -> None:
    path = lines(tmp_path / "set.jsonl", *({"sentence": f"text {label}", "labels": label} for label in (10, 2, 0)))
    assert read_text_set(path).classes == ("0", "2", "10")


def test_a_folder_of_files_or_of_runs_is_several_sets_by_number_with_the_same_classes(tmp_path: Path) -> None:
    for name, label in (("10", "a"), ("9", "b"), ("2", "c")):
        lines(tmp_path / "files" / f"{name}.jsonl", {"sentence": name, "label": label})
        lines(tmp_path / "runs" / name / "samples.jsonl", {"text": name, "label": label})
    (tmp_path / "files" / "settings.json").write_text("{}")
    for folder in ("files", "runs"):
        sets = read_text_sets(tmp_path / folder)
        assert [one.texts[0] for one in sets] == ["2", "9", "10"]
        assert {one.classes for one in sets} == {("a", "b", "c")}
        assert [int(one.labels[0]) for one in sets] == [2, 1, 0]
    assert len(read_text_sets(tmp_path / "files" / "2.jsonl")) == 1
    with pytest.raises(DataError, match=r"3 sets \(2\.jsonl, 9\.jsonl, 10\.jsonl\); give one of them"):
        read_text_set(tmp_path / "files")


def card(folder: Path, header: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(f"---\n{header}\n---\n# A set\n", encoding="utf-8")
    return folder


def test_a_hugging_face_folder_is_read_by_its_card_and_without_one_by_its_names(tmp_path: Path) -> None:
    folder = tmp_path / "hf"
    (folder / "data").mkdir(parents=True)
    for split in ("train", "test"):
        frame("label").to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
    same(read_text_set(folder, CLASSES), HARD)
    told = "{split: train, path: data/train-*}, {split: test, path: data/test-*}"
    card(folder, f"configs: [{{config_name: default, data_files: [{told}]}}]")
    same(read_text_set(folder, CLASSES), HARD)
    card(folder, f"configs: [{{config_name: a, data_files: [{told}]}}, {{config_name: b, data_files: 'data/test-*'}}]")
    assert [Path(one.meta["source"]).name[:5] for one in read_text_sets(folder, CLASSES)] == ["train", "test-"]


@pytest.mark.parametrize("path", ["../secret.csv", "/etc/passwd", "data/../../secret.csv", "..\\\\secret.csv"])
def test_a_card_that_leads_outside_its_folder_is_refused(path: str, tmp_path: Path) -> None:
    frame("label").to_csv(tmp_path / "secret.csv")
    folder = card(tmp_path / "hf", f'configs: [{{config_name: default, data_files: "{path}"}}]')
    with pytest.raises(DataError, match=r"README\.md: .* leads outside the folder"):
        read_text_set(folder)


def test_a_link_to_outside_is_refused_but_for_the_hubs_own_cache(tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    frame("label").to_csv(secret, index=False)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.csv").symlink_to(secret)
    with pytest.raises(DataError, match=r"train\.csv: leads outside the folder"):
        read_text_set(tmp_path / "set")
    snapshot, blobs = tmp_path / "hub" / "snapshots" / "abc", tmp_path / "hub" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    secret.rename(blobs / "123")
    (snapshot / "train.csv").symlink_to(blobs / "123")
    same(read_text_set(snapshot, CLASSES), HARD)


GOOD = {"text": "fine", "label": "positive"}
SOFT_ROW = {"text": "fine", "labels": {"negative": 0.25, "positive": 0.75}}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([GOOD, "{"], r"line 2: not a JSON object"),
        ([GOOD, "[1]"], r"line 2: a list, not an object"),
        ([{"body": "fine", "label": 1}], r"no column of texts; columns: body, label; known: text, text_pair"),
        ([{"a\n\n b": "x", "label": 1}], r"no column of texts; columns: a b, label; known"),
        ([{"text": "fine"}], r"no labels; columns: text; needed: label, labels"),
        ([GOOD, {"text": 5, "label": "positive"}], r"'text' holds 5 \(int\) at line 2"),
        ([GOOD, {"text": " ", "label": "positive"}], r"empty text in column 'text' at line 2"),
        ([GOOD, {"text": "x"}], r"no label in column 'label' at line 2"),
        ([{"text": "x", "label": None}], r"no sample has a label in column 'label'"),
        ([GOOD, {"text": "x", "label": "postive"}], r"unknown label 'postive' .* line 2; .*did you mean 'positive'"),
        ([GOOD, {"text": "x", "label": {"a": 1}}], r"holds \{'a': 1\} \(dict\) at line 2; a label is"),
        ([SOFT_ROW, {"text": "x", "labels": {"neutral": 1}}], r"unknown class 'neutral' in column 'labels' at line 2"),
        ([SOFT_ROW, {"text": "x", "labels": [0.5, 0.5]}], r"line 2 holds \[0\.5, 0\.5\]; a mapping is needed"),
        ([{"text": "x", "labels": [1.0]}], r"line 1 has 1 values for 2 classes: 'negative', 'positive'"),
        ([{"text": "x", "labels": {}}], r"line 1 has no value for any class"),
        ([SOFT_ROW, {"text": "x"}], r"line 2 holds None; a mapping is needed, as in line 1"),
        (['{"text": "x", "labels": {"positive": NaN}}'], r"line 1 gives nan to class 'positive'; a finite number"),
        ([{"text": "x", "labels": {"positive": True}}], r"gives True to class 'positive'"),
        (['{"text": "x", "labels": {"positive": 1' + "0" * 400 + "}}"], r"to class 'positive'; a finite number"),
        ([{**SOFT_ROW, "label": "negative"}], r"label 'negative' at line 1 is not the highest of its soft label"),
        ([{"text": "x", "labels": "{oops"}], r"column 'labels' is no JSON at line 1: '\{oops'"),
        ([{"text": "x", "p_negative": 0.5, "p_positive": "?"}], r"p_negative, p_positive at line 1 gives '\?'"),
        ([{"text": "x", "p_negative": 0.5, "p_good": 0.5}], r"unknown class 'good' in the columns p_negative, p_good"),
        (['{"text": "a", "text": "b", "label": 0}'], r"line 1: .*'text' is there more than once"),
    ],
)
def test_every_fault_is_told_by_file_and_line(rows: list[Any], told: str, tmp_path: Path) -> None:
    path = lines(tmp_path / "set.jsonl", *rows)
    with pytest.raises(DataError, match=told) as caught:
        read_text_set(path, CLASSES)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_empty_soft_lists_without_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'labels' at line 1 is empty"):
        read_text_set(lines(tmp_path / "set.jsonl", {"text": "x", "labels": []}))


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("configs: [", r"README\.md.*: the header is not YAML"),
        ("configs: x", r"configs is 'x'; a list of config_name"),
        ("configs: [x]", r"configs\[0\] is 'x'; write config_name"),
        ("configs: [{config_name: a}]", r"data_files of config 'a' must be a path"),
        ("configs: [{config_name: a, data_files: [{split: train, path: [x, y]}]}]", r"data_files of config 'a'"),
        ("configs: [{config_name: a, data_files: nothing.csv}]", r"'nothing\.csv': no such file"),
        ("configs: [{config_name: a, data_files: '*.md'}]", r"README\.md: unknown format"),
    ],
)
def test_every_fault_of_a_card_is_told(header: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=told):
        read_text_set(card(tmp_path, header))


def test_a_card_without_files_leaves_the_folder_to_speak_for_itself(tmp_path: Path) -> None:
    frame("label").to_csv(card(tmp_path, "license: mit") / "train.csv", index=False)
    same(read_text_set(tmp_path, CLASSES), HARD)
    (tmp_path / "README.md").write_text("no header")
    same(read_text_set(tmp_path, CLASSES), HARD)


def test_what_is_not_there_is_told_with_what_is(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing: no such file or folder"):
        read_text_set(tmp_path / "nothing")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError, match=r"no samples\.jsonl and no table \(.*\); it has notes\.txt"):
        read_text_sets(tmp_path)
    (tmp_path / "distilled.safetensors").touch()
    with pytest.raises(DataError, match="a run whose samples are no texts"):
        read_text_sets(tmp_path)


def test_a_file_too_large_for_a_set_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "line.jsonl").open("wb") as file:
        file.truncate(2 * 2**30)  # one line of 2 GiB, of which the disk holds nothing
    with pytest.raises(DataError, match=r"line\.jsonl: more than 256 MiB"):
        read_text_set(tmp_path / "line.jsonl")
    monkeypatch.setattr(set_files, "MOST_BYTES", 1000)
    packed = tmp_path / "bomb.csv.gz"
    packed.write_bytes(gzip.compress(b"text,label\n" + b"x,1\n" * 1000))
    assert packed.stat().st_size < 1000
    frame("label").sample(500, replace=True).to_parquet(tmp_path / "many.parquet")
    for name in ("bomb.csv.gz", "many.parquet"):
        with pytest.raises(DataError, match="more than"):
            read_text_set(tmp_path / name)
    packed.write_bytes(b"no gzip")
    with pytest.raises(DataError, match=r"bomb\.csv\.gz: cannot be read"):
        read_text_set(packed)


def test_a_set_takes_the_order_of_the_tasks_classes_and_none_of_its_own() -> None:
    task = ("positive", "neutral", "negative")
    moved = with_classes(SOFT, task)
    assert moved.labels.tolist() == [2, 0, 0]
    np.testing.assert_array_equal(moved.targets[:, [2, 0]], SOFT.targets)
    assert with_classes(HARD, task).soft is None
    with pytest.raises(DataError, match=r"class 'negative' is unknown; allowed: 'good', 'negativ' \(did you mean"):
        with_classes(HARD, ("good", "negativ"))


def test_only_json_lines_and_whole_characters_are_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a name that ends in .jsonl"):
        write_text_set(tmp_path / "set.csv", HARD)
    with pytest.raises(DataError, match="half a character"):
        write_text_set(tmp_path, TextSet(["\ud800"], np.array([0]), CLASSES))
    assert list(tmp_path.iterdir()) == []
