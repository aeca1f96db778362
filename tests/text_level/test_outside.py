"""Anybody's set judged: three kinds of files give the full report, malformed ones one clear error each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests import tiny
from tests.learners import models
from textdistill.core.errors import UserError
from textdistill.core.streams import Streams
from textdistill.data import DataSettings, TextTable, load
from textdistill.data.sets.text_set import TextSet
from textdistill.evaluation.compression import compression
from textdistill.evaluation.robust import robust_score
from textdistill.evaluation.text_augment import augmented
from textdistill.evaluation.text_learners import Frozen
from textdistill.learners.pretrained.frozen_encoder import Encoder
from textdistill.runs.readable.labelled import Labeller
from textdistill.runs.readable.outside import Asked

OURS = [("a moving , funny film", "good"), ("dull", "bad"), ("funny and moving", "good"), ("no sense", "bad")]


@pytest.fixture(scope="module")
def real() -> list[str]:
    """The options that name real rows, and an encoder in miniature."""
    table = tiny.home() / "few.csv"
    if not table.exists():
        rows = [(" ".join(text.split()[:6]), "good" if label else "bad") for text, label in tiny.sentences()]
        pd.DataFrame(rows, columns=["review", "stars"]).to_csv(table, index=False)
    return ["--real", str(table), "--text", "review", "--label", "stars", "--encoder", models.bert()]


def hand_made(folder: Path) -> Path:
    file = folder / "mine.csv"
    pd.DataFrame(OURS, columns=["text", "label"]).to_csv(file, index=False)
    return file


def released(folder: Path) -> Path:
    """Several sets as DiLM's authors publish them."""
    place = folder / "released_2"
    place.mkdir()
    for number in range(3):
        rows = [{"sentence": f"{text} {number}", "labels": int(label == "good")} for text, label in OURS]
        (place / f"{number:02d}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return place


def hub_folder(folder: Path) -> Path:
    """A folder of Hugging Face with soft labels in columns."""
    place = folder / "hub"
    place.mkdir()
    rows = [
        {"text": text, "p_bad": 0.8 - 0.7 * (label == "good"), "p_good": 0.2 + 0.7 * (label == "good")}
        for text, label in OURS
    ]
    pd.DataFrame(rows).to_parquet(place / "train.parquet")
    (place / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n  - {split: train, path: train.parquet}\n---\n"
    )
    return place


@pytest.mark.parametrize(
    ("make", "sets", "recipes"),
    [
        (hand_made, 1, {"hard", "teacher"}),
        (released, 3, {"hard", "teacher"}),
        (hub_folder, 1, {"hard", "teacher", "distilled"}),
    ],
)
def test_files_of_three_makes_give_the_full_report(
    make: Any, sets: int, recipes: set[str], real: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = tiny.call("evaluate", "--set", make(tmp_path), *real, "--out", out, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["variants"].keys() == {f"frozen/{recipe}@2" for recipe in recipes}
    for name, block in found["variants"].items():
        assert block["distilled"]["accuracy"]["n"] == sets
        assert block["baselines"].keys() == {"random", "herding", "k_centers", "nearest_real"}
        assert block["baselines"]["random"]["accuracy"]["n"] == 5
        assert block["baselines"]["nearest_real"]["accuracy"]["n"] == sets  # one for each set
        assert block["comparisons"].keys() == {f"set - {other}" for other in block["baselines"]}
        assert block["full"]["accuracy"]["mean"] > 0
        assert block["ratio"]["mean"] == pytest.approx(
            100 * block["distilled"]["accuracy"]["mean"] / block["full"]["accuracy"]["mean"], rel=1e-4
        )
        assert block["protocol"]["labels"] == name.split("/")[1].split("@")[0]
        told = block["comparisons"]["set - random"]
        assert (told["low"] is None) == (sets == 1)  # one set has no spread to test by
    assert found["robust"]["frozen"].keys() == {"hlr", "ior", "lrs", "aior", "ars"}
    assert found["compression"]["samples"]["set"] == 4
    assert {"words", "distinct_2", "exact_copies", "near_copies", "membership"} <= found["texts"]["set"].keys()
    assert found["cost"]["evaluation_seconds"] > 0
    assert found["protocol"]["baseline_samples"] == 4
    page = (out / "report.html").read_text(encoding="utf-8")
    for part in ("results", "robust", "samples", "map", "confusion", "reading"):
        assert f'<section id="{part}"' in page
    stored = json.loads((out / "metrics.json").read_text())
    assert stored == found
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["format"], manifest["kind"]) == (1, "evaluation")
    assert manifest["headline"] == {"method": "set", "size": 2}
    again = tiny.call("report", out)
    assert again.exit_code == 0, again.output
    assert (out / "report.html").read_text(encoding="utf-8") == page


def test_a_file_may_be_called_by_what_is_no_text(real: list[str], tmp_path: Path) -> None:
    file = hand_made(tmp_path).rename(tmp_path / "mine-\udcff.csv")
    out = tmp_path / "out"
    result = tiny.call("evaluate", "--set", file, *real, "--labels", "hard", "--baseline-sets", "1", "--out", out)
    assert result.exit_code == 0, result.output
    assert json.loads((out / "manifest.json").read_text())["title"].startswith("mine-?.csv for ")


def test_the_label_recipe_is_the_same_for_the_set_and_the_real_rows(real: list[str], tmp_path: Path) -> None:
    labels = np.array([0, 1, 0, 1])
    texts = [text for text, _ in OURS]
    train = TextTable("few", ("bad", "good"), texts, None, labels)
    frozen = Frozen(models.bert())
    features = Encoder(models.bert()).features(texts)
    labeller = Labeller(train, features, frozen, 1e-5, Streams(0))
    one = TextSet(texts, labels, ("bad", "good"))
    hard, teacher, distilled = (labeller.label(one, recipe, 0) for recipe in ("hard", "teacher", "distilled"))
    assert hard.soft is None
    for soft in (teacher, distilled):
        assert soft.soft is not None
        assert soft.texts == texts
        assert soft.soft.sum(1) == pytest.approx(np.ones(4), abs=1e-5)
    assert teacher.soft is not None
    assert teacher.soft[0].tolist() == pytest.approx(labeller.teacher.logits(features).softmax(1)[0].tolist(), abs=1e-6)
    own = TextSet(texts, labels, ("bad", "good"), soft=np.array([[0.7, 0.3], [0.1, 0.9], [0.6, 0.4], [0.2, 0.8]]))
    assert labeller.label(own, "distilled", 0) is own
    assert labeller.label(own, "hard", 0).soft is None
    with pytest.raises(UserError, match="did you mean 'teacher'"):
        labeller.label(one, "techer", 0)


def test_networks_on_words_are_judges_too(real: list[str], tmp_path: Path) -> None:
    result = tiny.call(
        *("evaluate", "--set", hand_made(tmp_path), *real, "--learners", "finetuned,tfidf", "--nets", "1"),
        *("--labels", "hard", "--baseline-sets", "1"),
    )
    assert result.exit_code == 0, result.output
    assert "finetuned/hard@2" in result.stdout
    words = result.stdout.partition("tfidf/hard@2")[2]
    assert "all training data" in words
    assert "nearest_real" in result.stdout
    assert "near copies" in result.stdout


def test_robust_scores_follow_dd_ranking() -> None:
    assert robust_score(100.0, -100.0) == pytest.approx(100.0)
    assert robust_score(-100.0, 100.0) == pytest.approx(0.0)
    assert robust_score(0.0, 0.0) == pytest.approx(100 * (1 - np.exp(-1)) / (np.e - np.exp(-1)))
    assert robust_score(10.0, 5.0) > robust_score(10.0, 15.0)
    with pytest.raises(UserError, match="weight 2"):
        robust_score(0, 0, 2)


def test_augmented_copies_keep_labels_and_lose_or_move_words() -> None:
    text = " ".join(f"w{k}" for k in range(40))
    one = TextSet([text, "single"], np.array([0, 1]), ("a", "b"))
    more = augmented(one, Streams(0), copies=3)
    assert len(more) == 8
    assert more.texts[:2] == one.texts
    assert more.labels.tolist() == [0, 1] * 4
    for varied in more.texts[2::2]:
        words = [int(word[1:]) for word in varied.split()]
        assert 20 < len(words) < 40
        assert len(set(words)) == len(words)
        assert words != sorted(words)
    assert set(more.texts[1::2]) == {"single"}
    assert augmented(one, Streams(0), copies=3).texts == more.texts


def test_compression_counts_labels_and_rates() -> None:
    train = TextTable("t", ("a", "b"), ["one two", "three"] * 5, None, np.array([0, 1] * 5))
    hard = TextSet(["one two"], np.array([0]), ("a", "b"))
    soft = TextSet(["one two"], np.array([0]), ("a", "b"), soft=np.array([[0.9, 0.1]]))
    assert compression(hard, train)["samples"] == {"set": 1, "train": 10, "ratio": 10.0}
    assert compression(hard, train)["tokens"] == {"set": 2, "train": 15, "ratio": 7.5}
    assert compression(hard, train)["bytes"]["set"] == 7 + 1
    assert compression(soft, train, rates=3)["bytes"]["set"] == 7 + 8 + 12


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("no_text.csv", "review,label\nfine,good\n", "no column of texts"),
        ("no_label.csv", "text\nfine\n", "no labels"),
        ("other.csv", "text,label\nfine,great\n", "great"),
        ("ragged.jsonl", '{"text": "a", "label": "good"\n', "line 1"),
        ("nan.jsonl", '{"text": "a", "labels": {"good": NaN}}\n', "finite"),
        ("empty.csv", "", "empty"),
        ("binary.parquet", "not parquet", "arquet"),
    ],
)
def test_a_malformed_file_gives_one_clear_error(
    name: str, content: str, told: str, real: list[str], tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_text(content, encoding="utf-8")
    result = tiny.call("evaluate", "--set", file, *real)
    assert result.exit_code == 2, (result.exit_code, result.output, result.exception)
    assert told in result.stderr
    assert len(result.stderr.strip().splitlines()) <= 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--labels", "distilled"], "the set has hard labels"),
        (["--labels", "sotf"], "--labels: 'sotf'; allowed: hard, teacher, distilled"),
        (["--learners", "frozn"], "did you mean 'frozen'?"),
    ],
)
def test_what_cannot_be_asked_is_told(words: list[str], told: str, real: list[str], tmp_path: Path) -> None:
    result = tiny.call("evaluate", "--set", hand_made(tmp_path), *real, *words)
    assert result.exit_code == 2, result.output
    assert told in result.stderr


def test_options_of_a_set_and_of_a_run_do_not_mix(tmp_path: Path) -> None:
    assert "--set FILE --real DATA" in tiny.call("evaluate").stderr
    assert "--real: missing" in tiny.call("evaluate", "--set", hand_made(tmp_path)).stderr
    assert "--out: goes with --set" in tiny.call("evaluate", tmp_path, "--out", tmp_path / "x").stderr
    assert "not both" in tiny.call("evaluate", tmp_path, "--set", tmp_path, "--real", "sst2").stderr


def test_sets_of_several_sizes_are_refused(real: list[str], tmp_path: Path) -> None:
    place = released(tmp_path)
    (place / "03.jsonl").write_text('{"sentence": "dull", "labels": 0}\n{"sentence": "fine", "labels": 1}\n')
    result = tiny.call("evaluate", "--set", place, *real)
    assert result.exit_code == 2
    assert "sets of 2, 4 samples" in result.stderr


def test_hostile_sets_are_judged_and_stay_inert(real: list[str], tmp_path: Path) -> None:
    rows = [('=HYPERLINK("http://x")', "good"), ("</script><script>alert(1)</script> {{ 7*7 }}", "bad"), *OURS[:2]]
    file = tmp_path / "hostile.csv"
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(file, index=False)
    out = tmp_path / "out"
    result = tiny.call("evaluate", "--set", file, *real, "--out", out, "--baseline-sets", "1")
    assert result.exit_code == 0, result.output
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "{{ 7*7 }}" in page
    assert page.count("<script>") == 1


def test_a_path_out_of_the_folder_and_an_over_long_line_are_refused(
    real: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "sets"
    place.mkdir()
    (place / "a.csv").symlink_to(hand_made(tmp_path))
    result = tiny.call("evaluate", "--set", place, *real)
    assert result.exit_code == 2
    assert "outside the folder" in result.stderr
    monkeypatch.setattr("textdistill.data.sets.set_files.MOST_BYTES", 2**20)
    long = tmp_path / "long.jsonl"
    long.write_text(json.dumps({"text": "a" * 2**21, "label": "good"}))
    result = tiny.call("evaluate", "--set", long, *real)
    assert result.exit_code == 2
    assert "more than 1 MiB" in result.stderr


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(UserError, match="at least one learner"):
        Asked(learners=())
    with pytest.raises(UserError, match="at least one learner"):
        Asked(nets=0)


def test_samples_that_are_test_rows_are_told_of(real, tmp_path):
    settings = DataSettings(real[1], text="review", label="stars")
    test = load(settings).test
    rows = [(test.texts[0], test.classes[test.labels[0]]), (f"{test.texts[1].upper()} !", test.classes[test.labels[1]])]
    file = tmp_path / "seen.csv"
    pd.DataFrame([*rows, *OURS], columns=["text", "label"]).to_csv(file, index=False)
    out = tmp_path / "out"
    result = tiny.call("evaluate", "--set", file, *real, "--baseline-sets", "1", "--labels", "hard", "--out", out)
    assert result.exit_code == 0, result.output
    said = "2 of 6 samples are copies of test rows (1 word for word)"
    assert said in " ".join(result.stdout.split())
    found = json.loads((out / "metrics.json").read_text())
    assert found["test_copies"] == {"exact": 1, "near": 2, "n": 6}
    page = (out / "report.html").read_text()
    assert "2 of 6 samples are copies of test rows" in page
    # Beside it stands what the other four reach: as if they had been given alone.
    block = found["variants"]["frozen/hard@3"]
    without = block["baselines"]["set_without_test_copies"]["accuracy"]
    alone = tiny.call(
        "evaluate", "--set", hand_made(tmp_path), *real, "--baseline-sets", "1", "--labels", "hard", "--json"
    )
    assert without["mean"] == json.loads(alone.stdout)["variants"]["frozen/hard@2"]["distilled"]["accuracy"]["mean"]
    assert "set - set_without_test_copies" not in block["comparisons"]
    for shown in (result.stdout, page):
        assert "The set without its copies of test rows" in shown


def test_a_set_of_nothing_but_test_rows_has_no_score_without_them(real: list[str], tmp_path: Path) -> None:
    test = load(DataSettings(real[1], text="review", label="stars")).test
    file = tmp_path / "seen.csv"
    rows = [(test.texts[row], test.classes[test.labels[row]]) for row in range(2)]
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(file, index=False)
    result = tiny.call("evaluate", "--set", file, *real, "--baseline-sets", "1", "--labels", "hard")
    assert result.exit_code == 0, result.output
    assert "the score without them is none: nothing is left" in " ".join(result.stdout.split())
