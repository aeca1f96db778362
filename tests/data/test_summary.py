"""What looks wrong in a table is told before work begins, and mended where that is asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import tiny
from textdistill.core.errors import DataError
from textdistill.data import DataSettings, Splits, TextTable, load, near
from textdistill.data.contradictions import contradictions
from textdistill.data.label_names import alike, look, merged
from textdistill.data.near import masked, templates
from textdistill.data.scripts import main_script
from textdistill.data.splits import check
from textdistill.runs.readers import word_reader


def write(path: Path, rows: list[tuple[str, str]]) -> str:
    path.write_text("text,label\n" + "".join(f'"{text}",{label}\n' for text, label in rows), encoding="utf-8")
    return str(path)


def spelled(tmp_path: Path) -> str:
    """Two classes in four spellings."""
    names = ["neg", "pos", "NEG", "pos.", "neg", "pos"]
    return write(tmp_path / "spelled.csv", [(f"text number {row}", names[row % 6]) for row in range(60)])


def contradicting(tmp_path: Path) -> str:
    """Sixty rows; six texts under two labels, three of them with more rows of one than of the other."""
    rows = [(f"text {text}", "ab"[text % 2]) for text in range(30)] + [(f"Text  {text}", "b") for text in (0, 2, 4, 6)]
    rows += [(f"text {text}", "a") for text in (1, 3, 0, 2, 1)] + [
        (f"more {text}", "ab"[text % 2]) for text in range(21)
    ]
    return write(tmp_path / "two.csv", rows)


def told(splits: Splits[TextTable], word: str) -> list[str]:
    return [note for note in splits.report.notes if word in note]


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        (("neg", "NEG", "neg.", "pos"), [("neg", "NEG", "neg.")]),
        (("not sure", "not_sure", "Not-Sure", "sure"), [("not sure", "not_sure", "Not-Sure")]),
        (("'a'", '"a"', "(a)", "b"), [("'a'", '"a"', "(a)")]),
        (("ﬁne", "fine"), [("ﬁne", "fine")]),
        (("C", "C++", "C#"), []),
        (("A", "A-", "A+"), []),
        (("-1", "1", "+"), []),
        (("!", "?", "..."), []),
        (("1", "1.5", "15"), []),
    ],
)
def test_names_that_look_alike(names: tuple[str, ...], groups: list[tuple[str, ...]]) -> None:
    assert alike(names) == groups
    assert all(look(look(name)) == look(name) for name in names)


def test_alike_labels_are_told_with_their_rows_and_merged_where_asked(tmp_path: Path) -> None:
    name = spelled(tmp_path)
    splits = load(DataSettings(name))
    assert splits.train.classes == ("NEG", "neg", "pos", "pos.")
    assert told(splits, "look alike") == [
        f"labels that look alike: {pair}; data.merge_labels=true (--merge-labels) reads them as one"
        for pair in ("'NEG' (10 rows), 'neg' (20 rows)", "'pos' (20 rows), 'pos.' (10 rows)")
    ]
    mended = load(DataSettings(name, merge_labels=True))
    assert mended.train.classes == ("neg", "pos")
    assert not told(mended, "look alike")
    assert told(mended, "is read as") == [
        f"{name}: label 'NEG' (10 rows) is read as 'neg'",
        f"{name}: label 'pos.' (10 rows) is read as 'pos'",
    ]


def test_merging_holds_for_other_files_and_for_classes_that_were_named(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.csv", [(f"text number {row}", ("neg", "pos")[row % 2]) for row in range(60)])
    other = write(tmp_path / "other.csv", [("first", "NEG"), ("second", "Pos.")])
    with pytest.raises(DataError, match=r"unknown label 'NEG'.*--merge-labels"):
        load(DataSettings(plain, test=other))
    assert load(DataSettings(plain, test=other, merge_labels=True)).test.labels.tolist() == [0, 1]
    named = load(DataSettings(spelled(tmp_path), classes=("pos", "neg"), merge_labels=True))
    assert named.train.classes == ("pos", "neg")


def test_the_most_frequent_spelling_names_the_class() -> None:
    labels, classes, became = merged(np.array([0, 1, 1, 2]), ("A", "a", "b"))
    assert (labels.tolist(), classes, dict(became)) == ([0, 0, 0, 1], ("a", "b"), {"A": "a"})


def test_contradictions_are_counted_and_told_by_text_and_labels(tmp_path: Path) -> None:
    splits = load(DataSettings(contradicting(tmp_path)))
    (note,) = told(splits, "several labels")
    assert note == (
        "6 texts stand under several labels, in 15 rows: 'text 0' (a, b); 'text 1' (b, a); 'text 2' (a, b); ...; "
        "data.contradictions=drop or majority (--contradictions) leaves them out"
    )
    assert sum(splits.report.rows.values()) == 60


@pytest.mark.parametrize(("how", "gone", "left"), [("drop", 15, 0), ("majority", 9, 2)])
def test_contradictions_are_left_out_where_asked(tmp_path: Path, how: str, gone: int, left: int) -> None:
    splits = load(DataSettings(contradicting(tmp_path), contradictions=how))
    assert told(splits, f"{gone} of these rows dropped (data.contradictions={how})")
    parts = [splits.train, splits.validation, splits.test]
    assert sum(map(len, parts)) == 60 - gone
    assert contradictions(parts).texts == 0
    kept = [
        part.classes[label]
        for part in parts
        for key, label in zip(part.keys(), part.labels, strict=True)
        if key in ("text 0", "text 1", "text 2")
    ]
    assert sorted(kept) == ["a", "a"] * 3 if left else kept == []


def test_a_test_split_of_the_data_s_own_stays_as_it_is(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.csv", [(f"text number {row}", "ab"[row % 2]) for row in range(60)])
    own = write(tmp_path / "own.csv", [("same", "a"), ("same", "b"), ("other", "a")])
    assert load(DataSettings(plain, test=own, contradictions="drop")).report.rows["test"] == 3


def test_a_table_that_is_all_contradictions_cannot_be_cleared(tmp_path: Path) -> None:
    name = write(tmp_path / "all.csv", [(f"text {row // 2}", "ab"[row % 2]) for row in range(60)])
    assert "30 texts stand under several labels, in 60 rows" in str(load(DataSettings(name)).report)
    with pytest.raises(DataError, match=r"fewer than two classes have rows: set data\.contradictions=keep"):
        load(DataSettings(name, contradictions="drop"))


def test_settings_at_their_defaults_leave_data_as_they_were(tmp_path: Path) -> None:
    """The splits of this table as they were before there were such settings."""
    name = write(tmp_path / "rows.csv", [(f"text number {row}", "ab"[row % 2]) for row in range(60)])
    splits = load(DataSettings(name))
    assert splits.fingerprint == "4f45071f18badbd4b67e9bd0851acabe23d80f1836905eeb5264907fd89b941b"
    asked = DataSettings(name, delimiter=",", merge_labels=True, contradictions="majority")
    assert load(asked).fingerprint == splits.fingerprint


def test_a_summary_tells_rows_classes_lengths_and_duplicates(tmp_path: Path) -> None:
    rows = [(f"a text of six words {row}", "a") for row in range(55)] + [("Short  one", "b")] * 2 + [("short one", "b")]
    summary, splits = check(DataSettings(write(tmp_path / "rows.csv", rows)), asked=5)
    assert summary.lines() == [
        f"{tmp_path / 'rows.csv'}: 58 rows",
        "2 classes: a 55, b 3",
        "words in a text: 6 in the middle, 6 at most",
        "duplicates: 2 (equal texts stay in one split)",
        "55 rows are equal to others but for numbers, names or punctuation, in 1 group: 'a text of six words 0' and "
        "'a text of six words 1'; they may stand in train and test alike",
        "warning: fewer than 5 training rows: b 3; ask for fewer of each class, add rows, or take what is there",
        "warning: classes of very unlike size: 55 rows and 3; always naming the largest is right for 94.8 % of the "
        "rows",
    ]
    assert isinstance(splits, Splits)
    clean, _ = check(DataSettings(write(tmp_path / "b.csv", [(f"text {row}", "ab"[row % 2]) for row in range(60)])))
    assert clean.warnings() == []


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("plain words", "Latin"),
        ("für Straße", "Latin"),
        ("очень хороший film", "Cyrillic"),
        ("おもしろい", "Hiragana"),
        ("面白い映画です", "Han"),
        ("这部电影很好看", "Han"),
        ("영화가 좋다", "Hangul"),
        ("فيلم جيد", "Arabic"),
        ("Ｆｕｌｌ ｗｉｄｔｈ", "Latin"),
        ("12 + 30 = 42 !", None),
        ("", None),
    ],
)
def test_the_script_of_a_text_is_that_of_most_of_its_letters(text: str, script: str | None) -> None:
    assert main_script(text) == script


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Order 15 came on 3/4, thanks", "Order 7 came on 12/11 - thanks!"),
        ("we met John Smith at the bar", "we met Mary at the bar"),
        ("What is the capital of France ?", "what is the capital of New Zealand"),
    ],
)
def test_texts_of_one_template_are_equal_without_numbers_names_and_signs(one: str, other: str) -> None:
    assert masked(one) == masked(other) is not None
    assert masked(f"{one} today") != masked(other)


def test_too_few_words_are_no_template() -> None:
    assert masked("Version 3.1") is None
    assert masked("12 34 56 78") is None


def test_templates_are_counted_among_rows_and_duplicates_are_none() -> None:
    texts = (
        [f"your order {row} has left the house" for row in range(6)] + ["the same each time"] * 4 + ["all alone here"]
    )
    found = templates([TextTable("t", ("a", "b"), texts, None, np.zeros(len(texts), np.int64))])
    assert (found.groups, found.rows, found.looked_at) == (1, 6, 11)
    assert found.example == ("your order 0 has left the house", "your order 1 has left the house")


def test_duplicates_of_a_template_s_rows_count_once_and_the_example_differs_by_more_than_white_space() -> None:
    texts = ["quite a  vapid film", "Quite a vapid film", "quite a vapid film ", "quite a vapid film!"] * 3
    found = templates([TextTable("t", ("a", "b"), texts, None, np.zeros(len(texts), np.int64))])
    assert (found.groups, found.rows, found.looked_at) == (1, 2, 12)
    assert found.example == ("quite a  vapid film", "quite a vapid film!")
    pairs = TextTable("t", ("a", "b"), ["one two three"] * 3, ["four", "four ", "four!"], np.zeros(3, np.int64))
    assert templates([pairs]).rows == 2


def test_of_a_very_large_table_as_many_rows_are_looked_at_as_take_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "MOST_LETTERS", 1000)
    texts = [f"your order {row:04d} has left the house" for row in range(500)]
    found = templates([TextTable("t", ("a", "b"), texts, None, np.zeros(500, np.int64))])
    assert found.looked_at == found.rows < 40
    assert f"(of {found.looked_at} rows looked at)" in found.told(500)


def test_what_a_reader_cuts_and_hardly_knows_is_told(tmp_path: Path) -> None:
    rows = [(f"{'long ' * 20}row {chr(97 + row)}", "a") for row in range(10)]
    rows += [(f"слово слово {chr(1072 + row)} слово", "b") for row in range(30)]
    reader = replace(word_reader(8), name="the encoder e", script="Latin")
    summary, _ = check(DataSettings(write(tmp_path / "rows.csv", rows)), reader=reader)
    assert "cut: 25.0 % of 40 texts looked at have more than the 8 words that the encoder e takes" in summary.lines()
    assert "texts by script: Cyrillic 75.0 %, Latin 25.0 %" in summary.lines()
    (line,) = [line for line in summary.warnings() if "letters" in line]
    assert line.startswith("75.0 % of the texts are not in Latin letters, which the encoder e hardly knows")
    plain, _ = check(
        DataSettings(write(tmp_path / "a.csv", [(f"row {r} is", "ab"[r % 2]) for r in range(60)])), reader=reader
    )
    assert not [line for line in plain.lines() if line.startswith(("cut", "texts by script"))]
    assert json.loads(json.dumps(summary.as_dict()))["cut"]["texts"] == 10


def called(*words: Any) -> str:
    result = tiny.call("check", *words)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_command_prints_the_summary_the_splits_and_what_mends_it(tmp_path: Path) -> None:
    shown = called(spelled(tmp_path), "--per-class", "10")
    assert "4 classes: NEG 10, neg 20, pos 20, pos. 10" in shown
    assert shown.count("look alike") == 2
    assert "warning: fewer than 10 training rows: NEG 7" in shown
    assert "splits: 43 train, 5 validation, 12 test" in shown
    mended = called(spelled(tmp_path), "--merge-labels")
    assert "2 classes: neg 30, pos 30" in mended
    assert "warning" not in mended
    dropped = called(contradicting(tmp_path), "--contradictions", "drop")
    assert "15 of these rows dropped" in dropped


def test_the_command_reads_columns_and_signs_as_other_commands_do(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a|b\n" + "".join(f"text {row}|{'xy'[row % 2]}\n" for row in range(60)), encoding="cp1252")
    shown = called(path, "--text", "a", "--label", "b", "--encoding", "cp1252")
    assert "separated by '|'" in shown
    assert "separated" not in called(path, "--text", "a", "--label", "b", "--delimiter", "|")
    told = json.loads(called(path, "--text", "a", "--label", "b", "--json"))
    assert told["classes"] == {"x": 30, "y": 30}
    assert told["splits"]["rows"] == {"train": 43, "validation": 5, "test": 12}


def test_what_cannot_be_split_is_summarised_all_the_same(tmp_path: Path) -> None:
    result = tiny.call("check", write(tmp_path / "few.csv", [("one", "a"), ("two", "b")]))
    assert result.exit_code == 2
    assert "2 classes: a 1, b 1" in result.stdout
    assert "too few to hold out a test split" in result.stderr


def test_the_command_refuses_images_and_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    assert "images; check looks at tables of texts" in tiny.call("check", "mnist").stderr
    assert "no column 'text'" in tiny.call("check", Path(tiny.home()) / "reviews.csv").stderr
    named = tiny.call("check", spelled(tmp_path), "--contradictions", "dorp")
    assert "contradictions: 'dorp'; allowed: keep, drop, majority (did you mean 'drop'?)" in named.stderr
