"""The table of docs/results.md is the one that the recipes give; `textdistill ls --markdown` prints it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tiny
from textdistill.core.errors import RecipeError
from textdistill.evaluation.reference import KERNEL, why_above
from textdistill.recipe.read import list_recipes, load_recipe, read_yaml, resolve
from textdistill.recipe.results import ABOVE, BEGIN, END, ON_TEST, TUNED, results_markdown

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
    assert recorded == sum(line.startswith("| `") for line in table) > 0


def rows() -> dict[tuple[str, str], dict[str, str]]:
    """The table's cells by recipe and start."""
    lines = [line for line in results_markdown().splitlines() if line.startswith("| ")]
    head, *others = ([cell.strip() for cell in line.strip("|").split(" | ")] for line in lines)
    return {(cells[0].split("`")[1], cells[1]): dict(zip(head, cells, strict=True)) for cells in others}


def test_a_row_says_against_what_its_ratio_is_taken_and_above_100_why_that_is_no_success() -> None:
    table = rows()
    for key, row in table.items():
        assert (row["ratio %"] == "–") == (row["ratio taken against"] == "–"), key
    kernel = table["textdistill_kip_trec6_60", "kernel"]
    assert kernel["ratio %"] == f"117.2 {ABOVE}"
    assert kernel["ratio taken against"] == KERNEL
    assert f"\n{ABOVE} {why_above(KERNEL)}" in results_markdown()
    assert [key for key, row in table.items() if float(row["ratio %"].split()[0].replace("–", "0")) > 100] == [
        key for key, row in table.items() if ABOVE in row["ratio %"]
    ]
    # 86.47 ± 0.31 of 89.32 ± 0.64: both spreads count
    assert table["sucholutsky2021_tdd_trec6_m6", "fixed"]["ratio %"] == "96.8 ± 0.8"


def test_a_row_whose_settings_test_rows_chose_is_marked_and_no_other() -> None:
    cells = [line.split(" | ") for line in results_markdown().splitlines() if line.startswith("| `")]
    marked = {(name.split("`")[1], variant): name.endswith(ON_TEST) for name, variant, *_ in cells}
    for name, path in list_recipes().items():
        values = read_yaml(path)
        variants = values.get("variants") or {}
        for variant in (values.get("results") or {}).get("ours") or {}:
            chosen = (variants.get(variant) or {}).get("tuned_on", values.get("tuned_on"))
            assert marked[name.split("/")[-1], variant] == (chosen == "test"), (name, variant)
    assert marked["zhao2023_dm_mnist_10", "fresh"]
    assert marked["nguyen2021_kip_mnist_10", "kernel"]
    assert not marked["nguyen2021_kip_mnist_10", "kernel-60000"]
    assert TUNED in results_markdown()


def test_numbers_that_differ_from_the_papers_stand_in_a_column_of_their_own() -> None:
    table = rows()
    own, batch = "outer steps 900 (1,200)", "real batch 128 (1,024)"
    assert table["sucholutsky2021_tdd_trec6_m6", "fixed"]["otherwise than the paper"] == (
        f"{own}; {batch}; distillations 3 (1)"
    )
    assert "networks 20 (200)" in table["sucholutsky2021_tdd_trec6_m6", "fresh"]["otherwise than the paper"]
    assert "outer steps 600 (1,800)" in table["sucholutsky2021_tdd_sst5_m5", "fresh"]["otherwise than the paper"]
    assert table["textdistill_search_rt", "frozen@10"]["otherwise than the paper"] == "–"


def test_what_was_not_repeated_has_no_spread_anywhere() -> None:
    for name, path in list_recipes().items():
        for variant, ours in ((read_yaml(path).get("results") or {}).get("ours") or {}).items():
            for key, score in ours.items():
                if isinstance(score, dict) and "mean" in score:
                    assert ("sd" in score) == (score["n"] > 1), (name, variant, key)
    table = results_markdown()
    for hardly in ("47.0 ± 0.0", "50.0 ± 0.0", "16.9 ± 0.0"):  # sd 0.02, 0.04 and 0.01
        table = table.replace(hardly, "")
    assert "± 0.0 |" not in table


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("tuned_on", "tests", "tuned_on: 'tests'; allowed: validation, test"),
        ("published_settings", 3, "published_settings: 3; allowed: outer_steps"),
        ("published_settings", {"steps": 3}, "published_settings.steps: unknown; allowed: outer_steps"),
        ("published_settings", {"real_batch": 0.5}, "published_settings.real_batch: 0.5; allowed: 1 or more"),
    ],
)
def test_what_a_recipe_tells_of_the_paper_is_checked_too(key: str, value: object, told: str) -> None:
    values = read_yaml(list_recipes()["quickstart"])
    with pytest.raises(RecipeError) as caught:
        resolve({**values, key: value})
    assert told in str(caught.value)


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
            nets = 1 if recipe.starts.name == "fixed" or evaluate.by == "objective" else evaluate.nets
            assert ours["accuracy"]["n"] == evaluate.repeats * nets, where
