"""A stranger's table becomes a readable set by one command or one call, without a recipe and without a generator."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest

import textdistill
from tests import tiny
from tests.text_level import runs
from textdistill.core.errors import UserError
from textdistill.data.in_memory import table_of
from textdistill.data.sets.text_sets import read_text_set
from textdistill.recipe.own_table import table_recipe
from textdistill.recipe.read import load_recipe, resolve
from textdistill.recipe.show import settings_of

TABLE = ("--data", "reviews.csv", "--text", "review", "--label", "stars")
# What makes a run small: two sets, a search of one sweep, an encoder of random weights.
LITTLE = ("choose.sets=2", "choose.search.sweeps=1", "choose.search.screen=20", "choose.search.compare=4")


def little() -> tuple[str, ...]:
    encoder = runs.settings()["judge"]["encoder"]
    return (*LITTLE, f"choose.views=[{encoder}]", f"judge.encoder={encoder}", f"representation.encoder={encoder}")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("own")
    table = ("--data", tiny.home() / "reviews.csv", *TABLE[2:])
    return folder / "out", tiny.call("run", *table, "--per-class", "3", "--out", folder / "out", *little())


def test_a_table_becomes_a_readable_set_without_a_recipe(finished: Any) -> None:
    folder, result = finished
    assert result.exit_code == 0, result.output
    kept = read_text_set(folder)
    assert np.bincount(kept.labels).tolist() == [3, 3]
    rows = {" ".join(text.split()) for text, _ in tiny.sentences()}
    assert {" ".join(text.split()) for text in kept.texts} <= rows
    assert not (folder / "generator").exists()


def test_the_end_shows_the_set_beside_simple_choices_and_all_data_and_what_comes_next(finished: Any) -> None:
    folder, result = finished
    kept, metrics = read_text_set(folder), json.loads((folder / "metrics.json").read_text())
    for text in kept.texts:
        assert " ".join(text.split()[:4]) in " ".join(result.stdout.split())
    table = [line.split("│") for line in result.stdout.splitlines() if line.startswith("│")]
    shown = {cells[1].strip(): [cell.strip() for cell in cells[2:4]] for cells in table}
    number = metrics["kept"]["number"]
    for column, judge in enumerate(("frozen@3", "tfidf@3")):
        own = metrics["variants"][judge]["distilled"]["accuracy"]["scores"][number]
        full = metrics["variants"][judge]["full"]["accuracy"]["mean"]
        assert shown["The set above, best of 2 before the test"][column] == f"{own:.1f}"
        assert shown["All training rows"][column] == f"{full:.1f}"
        assert shown["the set's share of that"][column] == f"{100 * own / full:.1f} %"
    assert {"K-centres, 2 sets", "Random real rows, 2 sets"} <= shown.keys()
    assert f"next: textdistill export {folder} --format prompt" in result.stdout
    assert "data: " in result.stdout
    assert "fewer than" not in result.stdout


def test_the_set_that_is_kept_is_the_best_on_rows_that_are_no_test_rows(finished: Any) -> None:
    folder, _ = finished
    kept = json.loads((folder / "metrics.json").read_text())["kept"]
    assert kept["reached"][kept["number"]] == max(kept["reached"])
    own = read_text_set(folder / "sets" / "search_real" / "3" / f"{kept['number']:02d}.jsonl")
    assert own.texts == read_text_set(folder).texts


def test_the_end_tells_what_makes_the_figures_say_less(tmp_path: Path) -> None:
    rows = [f"снова хороший фильм номер {number},хорошо" for number in range(40)]
    rows += ["очень плохой фильм,плохо", "скучный фильм,плохо"]
    table = tmp_path / "rare.csv"
    table.write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    result = tiny.call("run", "--data", table, "--per-class", "4", "--out", tmp_path / "out", *LITTLE)
    assert result.exit_code == 0, result.output
    told = " ".join(result.stdout.split())
    assert "classes without a test row: плохо" in told
    assert "fewer than 4 rows: плохо (2)" in told
    assert "it hardly knows this language or these signs" in told


def test_judged_again_it_keeps_the_same_set(finished: Any) -> None:
    folder, _ = finished
    before = (folder / "samples.jsonl").read_bytes(), json.loads((folder / "metrics.json").read_text())
    result = tiny.call("evaluate", folder)
    assert result.exit_code == 0, result.output
    after = json.loads((folder / "metrics.json").read_text())
    assert (folder / "samples.jsonl").read_bytes() == before[0]
    assert after["kept"] == before[1]["kept"]
    assert after["variants"]["tfidf@3"]["distilled"] == before[1]["variants"]["tfidf@3"]["distilled"]


def test_as_vectors_is_the_recipe_for_learned_samples() -> None:
    recipe = resolve(table_recipe("x.csv", text="review", label="stars", kind="vectors"), ["synthetic.per_class=7"])
    assert (recipe.data.name, recipe.data.text, recipe.data.label) == ("x.csv", "review", "stars")
    assert (recipe.synthetic.per_class, recipe.text) == (7, None)


def test_a_language_model_is_trained_where_a_method_writes_and_nowhere_else() -> None:
    plain, written = resolve(table_recipe("x.csv")), resolve(table_recipe("x.csv", methods=["search_real", "ours"]))
    assert plain.text is not None
    assert written.text is not None
    assert plain.text.generator is None
    assert written.text.generator is not None
    assert written.text.choose.headline == "ours"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--as", "pictures"), "--as: 'pictures'; allowed: readable, vectors"),
        (("--methods", "serch_real"), "did you mean 'search_real'?"),
        (("--methods", ","), "--methods: empty; allowed: "),
        (("--as", "vectors", "--methods", "ours"), "--methods: these choose readable sets; leave out --as vectors"),
        (
            ("--written", "--methods", "ours"),
            "--written is --methods search_real,prompted; give one of --written, --me",
        ),
        (("--written", "--no-training-rows"), "give one of --written, --no-training-rows"),
        (("--samples", "20"), "--samples: readable sets have as many of each class; give --per-class"),
        (("--per-class", "0"), "textdistill: --per-class: 0; allowed: a whole number, 1 or more"),
        (("--per-class", "-3"), "textdistill: --per-class: -3; allowed: a whole number, 1 or more"),
        (("--per-class", "two"), "textdistill: --per-class: 'two'; allowed: a whole number, 1 or more"),
        (("--per-class", "2.5"), "textdistill: --per-class: '2.5'; allowed: a whole number, 1 or more"),
        (("--as", "vectors", "--per-class", "0"), "textdistill: --per-class: 0; allowed: a whole number, 1 or more"),
    ],
)
def test_options_that_cannot_be_are_told(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    result = tiny.call("run", "--data", tiny.home() / "reviews.csv", *TABLE[2:], "--out", tmp_path / "out", *words)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", [("check",), ("plan", "--data")])
def test_other_commands_say_the_same_of_a_number_of_samples_that_is_none(command: tuple[str, ...]) -> None:
    result = tiny.call(*command, tiny.home() / "reviews.csv", "--per-class", "0")
    assert result.exit_code == 2
    assert result.stderr.strip() == "textdistill: --per-class: 0; allowed: a whole number, 1 or more"


def test_a_recipe_says_itself_what_it_makes(tmp_path: Path) -> None:
    result = tiny.call("run", "quickstart", "--as", "vectors", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "--as: only with --data and no recipe" in result.stderr


LISTS = [text for text, _ in tiny.sentences()], ["good" if label else "bad" for _, label in tiny.sentences()]


@pytest.mark.parametrize(
    "given",
    [
        lambda texts, labels: (texts, labels),
        lambda texts, labels: (pd.Series(texts), pd.Series(labels)),
        lambda texts, labels: (pd.DataFrame({"text": texts, "label": labels}),),
        lambda texts, labels: (datasets.Dataset.from_dict({"text": texts, "label": labels}),),
    ],
    ids=["lists", "series", "frame", "datasets"],
)
def test_every_kind_of_table_is_the_same_rows(given: Callable[..., tuple[Any, ...]]) -> None:
    texts, labels = LISTS
    frame = table_of(*given(texts, labels))
    assert (frame["text"].tolist(), frame["label"].tolist()) == (texts, labels)


def test_integers_of_a_class_label_have_their_names() -> None:
    features = datasets.Features(
        {"text": datasets.Value("string"), "stars": datasets.ClassLabel(names=["bad", "good"])}
    )
    table = datasets.Dataset.from_dict({"text": ["a", "b"], "stars": [1, 0]}, features=features)
    assert table_of(table, label="stars")["label"].tolist() == ["good", "bad"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((["a", "b"], ["x"]), "2 in texts, 1 in labels; give as many of each"),
        (([], []), "0 in texts"),
        (("a", ["x"]), "a single string"),
        ((["a", 3], ["x", "y"]), "texts at position 1: 3 (int); a string is needed"),
        ((pd.DataFrame({"txt": ["a"], "label": ["x"]}),), "text: 'text'; allowed: txt, label (did you mean 'txt'?)"),
        ((["a", "b"],), "list: no labels, and no table with columns"),
    ],
)
def test_what_is_no_table_is_told(given: tuple[Any, ...], told: str) -> None:
    with pytest.raises(UserError) as caught:
        table_of(*given)
    assert told in str(caught.value)


def test_from_python_the_texts_come_back_with_their_scores(tmp_path: Path) -> None:
    tiny.home()
    kept = textdistill.distill(*LISTS, per_class=2, overrides=little(), out=tmp_path / "out")
    assert kept.names == ["bad", "bad", "good", "good"]
    assert [kept.classes[label] for label in kept.labels] == kept.names
    assert set(kept.texts) <= set(LISTS[0])
    assert kept.scores.keys() == {"frozen", "tfidf"}
    assert {"set", "search_real", "k_centers", "random_real", "full"} == kept.scores["frozen"].keys()
    stored = json.loads((tmp_path / "out" / "metrics.json").read_text())
    scores = stored["variants"]["frozen@2"]["distilled"]["accuracy"]["scores"]
    assert kept.scores["frozen"]["set"] == scores[stored["kept"]["number"]]


def test_from_python_rows_without_a_text_or_a_label_are_left_out_where_asked(tmp_path: Path) -> None:
    texts, labels = [None, *LISTS[0]], [*LISTS[1], None]
    kept = textdistill.distill(texts, labels, per_class=2, missing="drop", overrides=little(), out=tmp_path / "out")
    assert set(kept.texts) <= set(LISTS[0])
    told = json.loads((tmp_path / "out" / "manifest.json").read_text())["data"]["summary"]
    assert any(line.endswith(": 2 rows without a text or a label left out") for line in told)


def test_the_recipe_that_the_readme_shows_is_what_a_table_without_a_recipe_gets() -> None:
    shown, made = load_recipe("textdistill_search_rt"), resolve(table_recipe("rotten_tomatoes"))
    told = ("title", "command", "notes")
    one, other = ({k: v for k, v in settings_of(recipe).items() if k not in told} for recipe in (shown, made))
    assert one == other
