"""docs/papers.md: what stands under "ours" is of record, and what is said to be missing has not been recorded since."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.pages import ROOT
from textdistill.evaluation.text_learners import FineTuned
from textdistill.recipe.read import list_recipes, load_recipe, read_yaml
from textdistill.runs.readable.judge import learner_of

PAGE = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
ROWS = [
    tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
    for line in PAGE.splitlines()
    if line.startswith("|") and not line.startswith(("| item", "|---"))
]
RECIPES = {name.split("/")[-1]: path for name, path in list_recipes().items()}
NUMBER = re.compile(r"\d+\.\d+")


def recorded(name: str) -> set[str]:
    """Every number of a recipe's records with one digit behind the point, and those of its rows in the results."""

    def numbers(value: Any) -> Iterator[float]:
        if isinstance(value, dict):
            for inner in value.values():
                yield from numbers(inner)
        elif isinstance(value, float | int) and not isinstance(value, bool):
            yield float(value)

    ours = (read_yaml(RECIPES[name]).get("results") or {}).get("ours") or {}
    shown = (ROOT / "docs" / "results.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in shown if line.startswith(f"| `{name}`")]
    return {f"{value:.1f}" for value in numbers(ours)} | {found for row in rows for found in NUMBER.findall(row)}


def test_every_row_has_its_cells_and_every_paper_its_section() -> None:
    assert len(ROWS) > 100
    assert {len(row) for row in ROWS} == {6}
    assert len(re.findall(r"^## ", PAGE, re.MULTILINE)) == 5


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} {row[1]}"[:60])
def test_a_figure_of_ours_stands_in_the_record_that_its_row_names(row: tuple[str, ...]) -> None:
    _, _, command, ours, _, _ = row
    known: set[str] = set()
    for name in re.findall(r"[a-z0-9]+_[a-z0-9_-]+", f"{command} {ours}"):
        known |= recorded(name) if name in RECIPES else set()
    if "(log)" in ours:
        known |= set(NUMBER.findall((ROOT / "recipes" / "LOG.md").read_text(encoding="utf-8")))
    if "(in context)" in ours:
        known |= set(NUMBER.findall((ROOT / "docs" / "in-context.md").read_text(encoding="utf-8")))
    assert set(NUMBER.findall(re.sub(r"`[^`]*`", "", ours))) <= known


@pytest.mark.parametrize("row", [row for row in ROWS if row[3] == "not recorded"], ids=lambda row: row[2][:60])
def test_what_is_not_recorded_is_not_of_a_recipe_s_own_record(row: tuple[str, ...]) -> None:
    """A run with other settings than the recipe's has no place in its record; one as it stands has."""
    found = re.fullmatch(r"`textdistill run (\S+)(?: --variant (\S+))?`", row[2])
    if found is not None:
        ours = (read_yaml(RECIPES[found[1]]).get("results") or {}).get("ours") or {}
        assert (found[2] not in ours) if found[2] else not ours, f"{found[1]} has a record now: fill it in"


@pytest.mark.parametrize("name", sorted(name for name in RECIPES if name.startswith("maekawa2024")))
def test_dilm_s_recipes_as_published_have_the_settings_of_its_table_6(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.text is not None
    model, pool, teacher, choose = (
        getattr(recipe.text, key) for key in ("language_model", "pool", "teacher", "choose")
    )
    assert (model.steps, model.batch, model.lr, model.warmup, model.weight_decay, model.clip) == (
        *(80_000, 64, 1e-5, 0.05, 0.01, 1.0),
    )
    assert model.patience * model.validate_every >= model.steps  # it is never ended early
    outer = recipe.outer
    assert (outer.steps, outer.optimizer, outer.lr, outer.weight_decay) == (2000 * 10, "adamw", 3e-7, 0.01)
    assert (outer.schedule, outer.warmup, outer.clip) == ("cosine", round(0.05 * outer.steps), 1.0)
    assert (recipe.starts.settings["matches"], recipe.starts.settings["steps"]) == (10, 20)  # T and K
    assert (teacher.sets, teacher.rows, pool.batch, pool.factor, pool.every) == (10, 200, 64, 200, 200)
    assert (recipe.text.sampling.top_p, choose.over, choose.sets) == (0.95, 100, 20)
    learner = learner_of(recipe.text.judge.by[0], recipe.text.judge)
    assert isinstance(learner, FineTuned)
    assert (learner.steps, learner.batch, learner.lr, learner.warmup) == (200, 64, 1e-4, 0.5)
    assert (learner.weight_decay, learner.clip, learner.dropout, learner.pool) == (0.01, 1.0, 0.1, "cls")
    assert recipe.text.judge.by[0].nets == 5
    assert recipe.representation.facts() == {"encoder": "bert-base-uncased", "pool": "cls"}  # appendix C.1


def test_every_recipe_of_the_papers_stands_on_the_page() -> None:
    papers = [name for name in RECIPES if not name.startswith(("textdistill", "quickstart"))]
    assert [name for name in papers if name not in PAGE and not re.search(r"_(qqp|mnli)_(5|20)$", name)] == []
