"""The command `icl`, and `export --order best`, with a real language model in miniature."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests import tiny as runs
from tests.in_context.models import CLASSES, furnish, tiny, tokenizer, words
from textdistill.data.sets.text_set import TextSet
from textdistill.data.sets.text_sets import read_text_set, write_text_set
from textdistill.export import Wording
from textdistill.in_context import Likelihood, best_draw, load_scorer, validation_scorer

ROWS = 60


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A language model, a table of reviews, and a folder of three sets."""
    folder = tmp_path_factory.mktemp("icl")
    furnish(folder)
    for number in range(3):
        write_text_set(folder / "sets" / f"{number}.jsonl", words(8).take([*range(number, 8), *range(number)]))
    return folder


def ran(home: Path, *words: object) -> Any:
    given = ("--data", home / "reviews.csv", "--model", home / "model", "--precision", "float32", "--threads", 1)
    found = runs.call("icl", *words, *given, "--train-rows", 6)
    assert found.exit_code == 0, found.output
    return found


FEW = ("--k", 4, "--orders", 2, "--sets", 2, "--rows", 5, "--against", "random")


def test_the_figures_are_a_table_or_json_and_the_same_each_time(home: Path, tmp_path: Path) -> None:
    shown = ran(home, f"ours={home / 'sets'}", *FEW, "--out", tmp_path / "icl.json")
    told = json.loads((tmp_path / "icl.json").read_text(encoding="utf-8"))
    assert list(told["methods"]) == ["zero_shot", "ours", "random"]
    assert [len(orders) for orders in told["methods"]["ours"]["accuracy"]["scores"]] == [2, 2]
    assert told["data"]["asked"] == 5
    assert set(told["comparisons"]) == {"ours - zero_shot", "ours - random"}
    assert told["cost"]["prompts"] == 1 + 2 * 2 * 2
    assert "5 test rows" in shown.stdout
    assert "ours - random" in shown.stdout
    again = json.loads(ran(home, f"ours={home / 'sets'}", *FEW, "--json").stdout)
    assert again | {"cost": None} == told | {"cost": None}


def test_another_model_is_asked_the_same_and_each_has_the_figures_it_has_alone(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    tiny("mistral", dtype=torch.float32).model.save_pretrained(other)
    tokenizer().save_pretrained(other)
    shown = ran(home, home / "sets", *FEW, "--also", other, "--out", tmp_path / "icl.json")
    assert shown.stdout.count("5 test rows") == 2
    both = json.loads((tmp_path / "icl.json").read_text(encoding="utf-8"))["models"]
    assert list(both) == [str(home / "model"), str(other)]
    alone = json.loads(ran(home, home / "sets", *FEW, "--json").stdout)
    assert both[str(home / "model")] | {"cost": None} == alone | {"cost": None}
    first, second = both.values()
    assert first["model"]["fingerprint"] != second["model"]["fingerprint"]
    assert (first["data"], first["prompting"]) == (second["data"], second["prompting"])
    assert first["methods"].keys() == second["methods"].keys()


def test_choices_are_made_by_training_rows_and_chosen_shots_stand_beside_the_others(home: Path) -> None:
    choices = ("--order", "best", "--choose-shots", 3, "--calibrate", "rows", "--per-token", "--label-word", "bad=no")
    templates = ("--template", "{{ text }} is {{ label }}", "--template", "{{ text }}: {{ label }}")
    told = json.loads(ran(home, home / "sets", *FEW, *choices, *templates, "--json").stdout)
    assert list(told["methods"]) == ["zero_shot", "sets", "random", "chosen", "sets chosen", "random_best"]
    assert {one["template"] for one in told["methods"].values()} <= set(templates[1::2])
    # sets of a method: 2, by three orders of each and once more; by each template; and three prompts for each choice
    assert told["cost"]["prompts"] == 5 * 2 * (3 + 1) + 2 * (5 * 2 + 1) + 1 + 3 * 3 * 2
    assert {"chosen - random", "sets chosen - random", "chosen - random_best"} <= set(told["comparisons"])
    # How many prompts were scored to choose one: by wording (two templates, two sets), by order (three), by shots.
    tried = {name: block["tried"] for name, block in told["methods"].items()}
    plain = 2 * 2 + 3
    assert tried == {
        **{"zero_shot": 2, "sets": plain, "random": plain},
        **{"chosen": plain + 3, "sets chosen": plain + 3, "random_best": plain + 3},
    }
    assert all(claim["p_holm"] is None or claim["p_holm"] >= claim["p"] for claim in told["comparisons"].values())


def test_random_shots_get_as_many_tries_as_chosen_ones() -> None:
    pool = TextSet([str(number) for number in range(40)], np.arange(40) % 2, ("a", "b"))
    seen: list[int] = []

    def score(shots: TextSet, wording: Wording) -> float:
        seen.append(sum(map(int, shots.texts)))
        return float(seen[-1])

    found = best_draw(pool, 4, score, Wording(pool.classes), np.random.default_rng(0), 7)
    assert len(seen) == 7
    assert sum(map(int, found.texts)) == max(seen)


def test_prompts_that_leave_a_class_out_are_told_for_every_set(home: Path, tmp_path: Path) -> None:
    whole = words(8)
    write_text_set(tmp_path / "one.jsonl", whole.take(np.flatnonzero(whole.labels == 0)))
    shown = ran(home, f"ours={home / 'sets'}", tmp_path / "one.jsonl", *FEW)
    assert "warning: one: sets of 1 that show no example of a class: very good (1)" in shown.stderr
    assert "warning: ours" not in shown.stderr
    short = ran(home, f"ours={home / 'sets'}", *FEW, "--k", 1)
    assert "warning: ours: sets of 2 that show no example of a class: " in short.stderr
    for format in ("prompt", "csv"):
        few = runs.call("export", home / "sets" / "0.jsonl", "-f", format, "--k", 1)
        assert "warning: 1 samples show no example of" in few.stderr
        assert "a larger k has one of each class" in few.stderr
    alone = runs.call("export", tmp_path / "one.jsonl", "-f", "prompt", "--classes", ",".join(CLASSES))
    assert "show no example of very good; the set has none but of one class: take another" in alone.stderr


def test_shots_are_chosen_among_a_sets_own_samples_only_where_it_has_more_than_a_prompt_shows(home: Path) -> None:
    told = json.loads(ran(home, home / "sets", *FEW, "--k", 8, "--choose-shots", 1, "--json").stdout)
    assert list(told["methods"]) == ["zero_shot", "sets", "random", "chosen", "random_best"]


MISTAKES = [
    pytest.param(("SETS", "--data", "nowhere.csv"), "nowhere.csv", id="no data"),
    pytest.param(("SETS",), "--data: name the real data", id="no data named"),
    pytest.param(("SETS", "--text", "t"), "said of the table in --data", id="columns of no data"),
    pytest.param(("DATA", "nowhere"), "no such file or folder", id="no set"),
    pytest.param(("DATA", "random=SETS"), "the name 'random' is taken", id="a name twice"),
    pytest.param(("DATA", "SETS", "--split", "tset"), "did you mean 'test'", id="split"),
    pytest.param(("DATA", "SETS", "--order", "bst"), "did you mean 'best'", id="order"),
    pytest.param(("DATA", "SETS", "--k", "0"), "k: 0; allowed: 1 or more", id="k"),
    pytest.param(("DATA", "SETS", "--against", "randm"), "did you mean 'random'", id="opponent"),
    pytest.param(("DATA", "SETS", "--model", "nowhere.gguf"), "no such file", id="model"),
    pytest.param(("DATA", "SETS", "--model", "MODEL", "--k", "9"), "one of its sets has 8 samples", id="small sets"),
    pytest.param(("DATA", "SETS", "--precision", "half"), "precision: 'half'", id="precision"),
    pytest.param(("DATA", "SETS", "--template", "{{ text }}"), "{{ label }} must stand", id="template"),
    pytest.param(("DATA", "SETS", "--label-word", "bad"), "write CLASS=WORD", id="label word"),
    pytest.param(("DATA", "SETS", "--out", "SETS"), "ends in .json", id="out is a folder"),
    pytest.param(("DATA", "SETS", "--out", "icl.txt"), "ends in .json", id="out is no JSON"),
]


@pytest.mark.parametrize(("given", "told"), MISTAKES)
def test_a_mistake_is_told_in_a_line_or_two(given: tuple[str, ...], told: str, home: Path) -> None:
    filled: list[object] = []
    for word in given:
        word = word.replace("SETS", str(home / "sets")).replace("MODEL", str(home / "model"))
        filled += ["--data", home / "reviews.csv"] if word == "DATA" else [word]
    found = runs.call("icl", *filled, *(() if "--against" in given else ("--against", "none")))
    assert (found.exit_code, found.stdout) == (2, "")
    assert told in found.stderr
    assert len(found.stderr.strip().splitlines()) <= 2


def test_figures_that_are_there_are_not_written_over(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "icl.json"
    out.write_text("mine")
    found = runs.call("icl", home / "sets", "--data", home / "reviews.csv", "--out", out)
    assert found.exit_code == 2
    assert "there already" in found.stderr
    assert out.read_text() == "mine"


def test_the_best_order_of_an_export_is_the_models_on_labelled_rows(home: Path) -> None:
    file, model = home / "sets" / "0.jsonl", home / "model"
    best = ("--order", "best", "--model", model, "--validation", home / "sets" / "1.jsonl")
    found = runs.call("export", file, "-f", "jsonl", "--k", 4, *best)
    assert found.exit_code == 0, found.output
    texts = [json.loads(line)["text"] for line in found.stdout.splitlines()]
    samples, rows = (read_text_set(home / "sets" / f"{number}.jsonl", CLASSES) for number in (0, 1))
    assert sorted(texts) == sorted(samples.texts[:4])
    from textdistill.export import Shots, arrange

    scorer = validation_scorer(Likelihood(load_scorer(str(model))), rows)
    assert texts == arrange(samples, Shots(k=4, order="best"), scorer=scorer).texts


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--order", "best"), "name one, such as smollm2"),
        (("--order", "best", "--model", "smollm2"), "--validation: the best order is that on labelled rows: give"),
        (("--model", "smollm2"), "--model: goes with --order best alone"),
        (("--validation", "x.csv"), "--validation: goes with --order best alone"),
    ],
)
def test_the_best_order_needs_a_model_and_rows(given: tuple[str, ...], told: str, home: Path) -> None:
    found = runs.call("export", home / "sets" / "0.jsonl", "-f", "jsonl", *given)
    assert (found.exit_code, found.stdout) == (2, "")
    assert told in found.stderr
