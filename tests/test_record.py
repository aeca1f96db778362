"""Own results in a recipe's file: the contract's shape, nothing else of the file touched, no result lost."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from tests import tiny
from textdistill.core import machine
from textdistill.core.errors import RecipeError, UserError
from textdistill.recipe.read import load_recipe
from textdistill.recipe.record import check_recordable, entry, record, variant_name

HEAD = """\
# How this recipe came about.
title: A title   # kept as it is
data: {name: imdb}
synthetic: {per_class: 1}
variants:
  fixed: {starts: fixed}
  fresh: {starts: fresh}

# What the paper reports.
"""
PUBLISHED = """\
results:
  published:
    source: 'a paper, Table IV'   # a comment of its own
    fixed: {ratio: {mean: 97.8}}
"""


def recipe(folder: Path, text: str) -> Path:
    path = folder / "one.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def ours(path: Path) -> dict[str, object]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))["results"]["ours"]  # type: ignore[no-any-return]


def score(mean: float, sd: float = 0.0, n: int = 1) -> dict[str, dict[str, float]]:
    return {"accuracy": {"mean": mean, "sd": sd, "n": n}}


METRICS = {
    "full": score(87.123456, 0.2, 3),
    "distilled": {**score(76.54321, 1.23456, 20), "f1": {"mean": 70.005, "sd": 0.1, "n": 20}},
    "distilled_snapped": score(60.0),
    "ratio": {"mean": 87.8567, "sd": 1.4171, "n": 20},
    "baselines": {"random_real": score(55.5), "k_centers": score(58.0), "kmeans": score(61.25, 2.0, 5)},
    "samples": 20,
    "cost": {"distill_seconds": 90.0, "outer_steps": 600, "threads": 1},
    "protocol": {"start": "fresh", "seeds": [0]},
}


def test_an_entry_has_the_contract_s_shape_in_percent_and_two_decimals() -> None:
    found = entry(METRICS, "abc123")
    assert found.pop("machine") == machine.describe(1)
    assert found == {
        "accuracy": {"mean": 76.54, "sd": 1.23, "n": 20},
        "f1": {"mean": 70.0, "sd": 0.1, "n": 20},
        "ratio": {"mean": 87.86, "sd": 1.42, "n": 20},
        "full": {"mean": 87.12, "sd": 0.2, "n": 3},
        "snapped": {"mean": 60.0, "n": 1},  # nothing was repeated
        "best_baseline": {"name": "kmeans", "mean": 61.25, "sd": 2.0, "n": 5},
        "random_real": {"mean": 55.5, "n": 1},
        "k_centers": {"mean": 58.0, "n": 1},
        "samples": 20,
        "minutes": 1.5,
        "seeds": [0],
        "commit": "abc123",
    }


def test_an_entry_says_the_type_that_was_multiplied_in_where_that_was_a_choice() -> None:
    used = {"objective": "bfloat16", "starts": "bfloat16"}
    assert entry({**METRICS, "cost": {**METRICS["cost"], "precision": used}}, None)["precision"] == "bfloat16"


def test_the_machine_is_named_with_its_cores_and_threads() -> None:
    assert machine.describe(1).endswith(f"{machine.cores()} core{'s' if machine.cores() > 1 else ''}, 1 thread")
    assert machine.describe(2).endswith(", 2 threads")
    assert machine.cpu_model()


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param("", id="no results yet"),
        pytest.param(PUBLISHED, id="published alone"),
        pytest.param(PUBLISHED + "  ours: {}\n", id="ours empty"),
        pytest.param(PUBLISHED + "  ours:\n    fresh: {samples: 1}\n", id="ours of another variant"),
        pytest.param("results:\n  ours:\n    fixed: {samples: 1}\n  published: {fixed: {ratio: 1}}\n", id="ours first"),
        pytest.param("results: {published: {fixed: {ratio: {mean: 97.8}}}}\n", id="on one line"),
        pytest.param("results:\n    published: {x: 1}\n    ours: {fresh: {samples: 1}}\n", id="indented by four"),
        pytest.param("results:\n", id="nothing in it"),
    ],
)
def test_only_ours_is_written_and_all_else_stays(tail: str, tmp_path: Path) -> None:
    path = recipe(tmp_path, HEAD + tail)
    before = yaml.safe_load(HEAD + tail)
    record(path, "fixed", entry(METRICS, "abc"))
    after = yaml.safe_load(path.read_text())
    results = before.pop("results", None) or {}
    assert path.read_text().startswith(HEAD)
    expected = {**(results.get("ours") or {}), "fixed": entry(METRICS, "abc")}
    assert after.pop("results") == {**results, "ours": expected}
    assert after == before
    record(path, "fixed", {"samples": 3})
    assert ours(path)["fixed"] == {"samples": 3}
    assert sorted(one.name for one in tmp_path.iterdir()) == ["one.yaml"]


def test_comments_beside_published_results_stay() -> None:
    from textdistill.recipe.record import _rewritten

    text = _rewritten(HEAD + PUBLISHED, Path("one.yaml"), ("fixed", {"samples": 1}))
    assert text == HEAD + PUBLISHED + "  ours:\n    fixed: {samples: 1}\n"


def test_variants_stand_in_the_recipe_s_order(tmp_path: Path) -> None:
    path = recipe(tmp_path, HEAD + PUBLISHED)
    for variant in ("other", "fresh", "fixed"):
        record(path, variant, {"samples": 1})
    assert list(ours(path)) == ["fixed", "fresh", "other"]


def test_recorders_at_the_same_moment_lose_nothing(tmp_path: Path) -> None:
    path = recipe(tmp_path, HEAD + PUBLISHED)
    names = [f"variant{number}" for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: record(path, name, {"samples": 1}), names))
    assert sorted(ours(path)) == sorted(names)


def test_results_must_be_the_last_key(tmp_path: Path) -> None:
    path = recipe(tmp_path, PUBLISHED + HEAD)
    with pytest.raises(RecipeError, match="results: must be the last key of the file; move title, data"):
        record(path, "fixed", {"samples": 1})
    assert path.read_text() == PUBLISHED + HEAD


def test_a_recipe_in_json_is_refused_before_anything_runs(tmp_path: Path) -> None:
    path = recipe(tmp_path, json.dumps({"data": {"name": "imdb"}, "synthetic": {"per_class": 1}}, indent=1))
    with pytest.raises(RecipeError, match="write its keys one a line"):
        check_recordable(load_recipe(str(path)), [])


def test_a_file_that_cannot_be_written_is_told_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = recipe(tmp_path, HEAD)
    found = load_recipe(str(path))
    assert check_recordable(found, ["evaluate.nets=50", "checkpoint.every=5"]) == path
    with pytest.raises(UserError, match="outer.steps=3 makes another experiment"):
        check_recordable(found, ["evaluate.nets=50", "outer.steps=3"])
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(UserError, match="cannot be written"):
        check_recordable(found, [])


def test_run_records_into_the_recipe_what_metrics_json_says(tmp_path: Path) -> None:
    path, out = tiny.recipe_file(tmp_path), tmp_path / "out"
    result = tiny.call("run", path, "--variant", "fresh", "--out", out, "--record", "evaluate.baselines=[k_centers]")
    assert result.exit_code == 0, result.output
    metrics = json.loads((out / "metrics.json").read_text())
    found = yaml.safe_load(path.read_text())["results"]["ours"]
    assert list(found) == ["fresh"]
    assert found["fresh"] == entry(metrics, json.loads((out / "manifest.json").read_text())["commit"])
    assert found["fresh"]["best_baseline"]["name"] == "k_centers"
    assert tiny.call("validate", path).exit_code == 0


def test_without_variants_a_result_stands_under_its_start(tmp_path: Path) -> None:
    path = recipe(tmp_path, "data: imdb\nsynthetic: {per_class: 1}\n")
    assert variant_name(load_recipe(str(path)), METRICS) == "fresh"
    assert variant_name(load_recipe(str(recipe(tmp_path, HEAD)), variant="fixed"), METRICS) == "fixed"
