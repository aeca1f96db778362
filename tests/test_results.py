"""The table of docs/results.md is the one that the recipes give; `textdistill ls --markdown` prints it."""

from __future__ import annotations

from pathlib import Path

from tests import tiny
from textdistill.recipe.read import list_recipes, load_recipe, read_yaml
from textdistill.recipe.results import BEGIN, END, results_markdown

PAGE = Path(__file__).resolve().parents[1] / "docs" / "results.md"


def test_the_page_shows_the_recorded_results_and_no_others() -> None:
    text = PAGE.read_text(encoding="utf-8")
    shown = text.split(BEGIN)[1].split(END)[0].strip()
    assert shown == results_markdown()


def test_the_command_that_the_page_names_prints_its_table() -> None:
    assert BEGIN == "<!-- results: textdistill ls --markdown -->"
    assert tiny.call("ls", "--markdown").stdout.strip() == results_markdown()


def test_every_recorded_variant_has_a_row_with_its_accuracy_and_ratio() -> None:
    table = results_markdown().splitlines()
    recorded = 0
    for name, path in list_recipes().items():
        for variant, ours in ((read_yaml(path).get("results") or {}).get("ours") or {}).items():
            recorded += 1
            (row,) = [line for line in table if f"`{name.split('/')[-1]}`" in line and f"| {variant} |" in line]
            assert f"{ours['accuracy']['mean']:.1f}" in row
            assert "ratio" not in ours or f"{ours['ratio']['mean']:.1f}" in row
    assert recorded == len(table) - 2 > 0


def test_every_record_names_what_it_was_made_with() -> None:
    for name, path in list_recipes().items():
        variants = read_yaml(path).get("variants") or {}
        for variant, ours in ((read_yaml(path).get("results") or {}).get("ours") or {}).items():
            where = f"{name} {variant}"
            assert ours["commit"], where
            assert not ours["commit"].endswith("+"), where
            assert ours["machine"], where
            assert ours["seeds"], where
            recipe = load_recipe(name, variant=variant if variant in variants else None)
            if recipe.text is not None:  # KIND@SIZE, each set one result
                kind, _, size = variant.partition("@")
                judgements = [one for one in recipe.text.judge.by if one.kind == kind]
                assert any(int(size) in (one.sizes or recipe.text.choose.sizes) for one in judgements), where
                assert ours["accuracy"]["n"] in {one.sets or recipe.text.choose.sets for one in judgements}, where
                continue
            evaluate = recipe.evaluate
            # A fixed start, and kernel regression, have one result a distillation; else each network has one.
            nets = 1 if variant == "fixed" or evaluate.by == "objective" else evaluate.nets
            assert ours["accuracy"]["n"] == evaluate.repeats * nets, where
