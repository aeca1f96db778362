"""The command `prompt`: from a table to a prompt that a language model chose, with a real model in miniature."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import tiny as runs
from tests.in_context.models import CLASSES, furnish
from textdistill.core.errors import UserError
from textdistill.core.streams import Streams
from textdistill.data.sets.text_set import TextSet
from textdistill.export import Wording
from textdistill.in_context.find_prompt import Reached, difference, find_prompt, wordings_of

FEW = ("--k", 2, "--budget", 30, "--train-rows", 6, "--rows", 8, "--sets", 2)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prompt")
    furnish(folder)
    return folder


def ran(home: Path, *words: object) -> Any:
    return runs.call("prompt", home / "reviews.csv", "--model", home / "model", "--threads", 1, *FEW, *words)


def test_a_table_becomes_a_prompt_that_is_shown_judged_and_written(home: Path, tmp_path: Path) -> None:
    result = ran(home, "--out", tmp_path / "prompt.txt")
    assert result.exit_code == 0, result.output
    written = (tmp_path / "prompt.txt").read_text(encoding="utf-8")
    assert written.strip() in result.stdout
    for name in ("chosen", "zero-shot", "random", "k-centers", "random-best"):
        assert any(line.split("│")[1].strip() == name for line in result.stdout.splitlines() if line.startswith("│"))
    assert "60 prompts on 6 training rows, then 7 on 8 test rows: about" in result.stderr


def test_the_figures_say_what_was_chosen_and_are_the_same_each_time(home: Path) -> None:
    one, other = (json.loads(ran(home, "--json").stdout) for _ in range(2))
    assert one == other
    assert one["prompts"] <= 30
    assert len(one["shots"]) == 2
    assert {shot["label"] for shot in one["shots"]} == set(CLASSES)
    assert one["accuracy"].keys() == {"chosen", "zero-shot", "random", "k_centers", "random_best"}
    assert [len(block["by_prompt"]) for block in one["accuracy"].values()] == [1, 1, 2, 2, 1]
    spent = 8 * 2  # two draws by each of eight wordings
    assert one["tried"] == {
        **{"chosen": one["prompts"], "zero-shot": 8, "random": 0, "k_centers": 0},
        "random_best": one["prompts"] - spent,
    }
    plain = json.loads(ran(home, "--json", "--no-random-tries").stdout)
    assert "random_best" not in plain["accuracy"]
    assert plain["accuracy"]["chosen"] == one["accuracy"]["chosen"]
    for block in one["accuracy"].values():
        assert block["mean"] == pytest.approx(np.mean(block["by_prompt"]), abs=1e-3)
        assert block["low"] <= block["mean"] <= block["high"]


def test_the_prompt_may_have_any_format(home: Path, tmp_path: Path) -> None:
    result = ran(home, "--format", "openai", "--out", tmp_path / "chat.jsonl", "--template", "{{ text }} : {{ label }}")
    assert result.exit_code == 0, result.output
    assert " :" in (tmp_path / "chat.jsonl").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--budget", 3), "--budget: 3 prompts; 8 wordings and 2 pools need 26"),
        (("--format", "promt"), "--format: 'promt'; allowed: "),
        (("--out", "/"), "--out: /: there already"),
    ],
)
def test_what_cannot_be_is_told(home: Path, given: tuple[object, ...], told: str) -> None:
    result = runs.call("prompt", home / "reviews.csv", "--model", home / "model", *FEW, *given)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())


def test_classes_of_which_no_shot_is_shown_are_told(home: Path) -> None:
    result = ran(home, "--k", 1)
    assert result.exit_code == 0, result.output
    assert "warning: 1 samples show no example of" in result.stderr


def like(count: int) -> tuple[TextSet, list[TextSet]]:
    """A pool whose texts are numbers, and the shots that a scorer was asked about."""
    return TextSet([str(row) for row in range(count)], np.arange(count) % 2, ("a", "b")), []


def test_the_best_shots_wording_and_pool_win_within_the_budget() -> None:
    low, asked = like(20)
    high = TextSet([str(row + 100) for row in range(20)], low.labels, low.classes)
    wordings = wordings_of(low, ["{{ text }} {{ label }}", "{{ text }}\n{{ label }}"], [Wording(low.classes)])

    def score(shots: TextSet, wording: Wording) -> float:
        asked.append(shots)
        return sum(map(int, shots.texts)) + 1000.0 * (wording.template == "{{ text }}\n{{ label }}")

    found = find_prompt({"low": low, "high": high}, 4, score, wordings, Streams(0), 60)
    assert found.wording.template == "{{ text }}\n{{ label }}"
    assert min(map(int, found.shots.texts)) >= 100
    assert found.scores["high"] > found.scores["low"]
    assert len(asked) == found.prompts <= 60


def test_a_budget_that_does_not_reach_is_told() -> None:
    pool, _ = like(8)
    with pytest.raises(UserError, match="--budget: 9 prompts; 1 wordings and 2 pools need 10"):
        find_prompt({"a": pool, "b": pool}, 2, lambda shots, wording: 0.0, [Wording(pool.classes)], Streams(0), 9)


def test_the_difference_of_two_prompts_is_taken_row_by_row() -> None:
    right = np.tile([True, True, True, False], 25)[None]
    ours = Reached(75.0, 0.0, 0.0, (75.0,), right)
    same = difference(ours, Reached(75.0, 0.0, 0.0, (75.0,), right), Streams(0))
    assert same == (0.0, 0.0, 0.0)  # on other rows, too, they would be equal
    worse = difference(ours, Reached(50.0, 0.0, 0.0, (50.0,), np.tile([True, False], 50)[None]), Streams(0))
    assert worse[0] == pytest.approx(25)
    assert worse[1] < 25 < worse[2]


def test_the_interval_is_of_other_random_draws_too() -> None:
    rows = np.random.default_rng(0)
    ours = np.ones((1, 200), dtype=bool)
    alike = np.repeat(rows.random((1, 200)) < 0.7, 5, axis=0)
    unlike = rows.random((5, 200)) < np.array([0.4, 0.55, 0.7, 0.85, 1.0])[:, None]
    narrow, wide = (
        difference(Reached(0, 0, 0, (), ours), Reached(0, 0, 0, (), right), Streams(0)) for right in (alike, unlike)
    )
    assert wide[0] == pytest.approx(100 * (1 - unlike.mean()))
    assert narrow[2] - narrow[1] < 15
    assert wide[2] - wide[1] > 25  # five prompts from 40 to 100 say little of others
