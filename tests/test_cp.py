"""`textdistill cp`: any recipe can be begun from; comments come along, results stay behind, nothing is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests import tiny
from textdistill.commands.copy import own_recipe
from textdistill.recipe.read import list_recipes, read_yaml, resolve

RECIPE = """\
# Mine, in short.
title: in short
# how to run it
command: >-
  textdistill run in_short --variant fresh
  --out runs/x --record
data: {name: imdb}

# few on purpose
synthetic:
  per_class: 2  # a class
# measured on a quiet machine
results:
  ours: {fixed: {accuracy: {mean: 1.0}}}
# the outer loop
outer: {steps: 3}
# the end
"""


@pytest.mark.parametrize("name", list_recipes())
def test_a_copy_of_any_recipe_is_the_same_experiment_without_its_results(name: str, tmp_path: Path) -> None:
    source, file = list_recipes()[name], tmp_path / "my own.yaml"
    text, command = own_recipe(source, file)
    copied, values = yaml.safe_load(text), read_yaml(source)
    assert copied["command"] == command
    assert command.startswith(f"textdistill run '{file}'")
    assert "--record" not in command
    assert {"results", "not_run"} & copied.keys() == set()
    left = {key: value for key, value in values.items() if key not in ("results", "not_run", "command")}
    assert {key: value for key, value in copied.items() if key != "command"} == left
    resolve(copied)


def test_comments_come_along_but_for_those_of_the_results(tmp_path: Path) -> None:
    source = tmp_path / "in_short.yaml"
    source.write_text(RECIPE)
    text, _ = own_recipe(source, Path("my.yaml"))
    assert text == (
        "# Mine, in short.\ntitle: in short\n# how to run it\ncommand: textdistill run my.yaml --variant fresh\n"
        "data: {name: imdb}\n\n# few on purpose\nsynthetic:\n  per_class: 2  # a class\n"
        "# the outer loop\nouter: {steps: 3}\n# the end\n"
    )


def test_cp_writes_the_file_and_says_what_comes_next(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    result = tiny.call("cp", "quickstart", file)
    assert result.exit_code == 0, result.output
    told = result.stdout.splitlines()
    assert told[0] == f"{file}: a copy of quickstart. Change it, then:"
    assert told[1:] == [f"  textdistill validate {file}", f"  textdistill run {file}"]
    assert tiny.call("validate", file).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["my.yaml"]


def test_cp_overwrites_nothing_unless_told(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("mine")
    refused = tiny.call("cp", "quickstart", file)
    assert refused.exit_code == 2
    assert "there already" in refused.stderr
    assert "--force" in refused.stderr
    assert file.read_text() == "mine"
    assert tiny.call("cp", "quickstart", file, "--force").exit_code == 0
    assert yaml.safe_load(file.read_text())["data"] == {"name": "imdb"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("quickstrt", "my.yaml"), "did you mean 'quickstart'"),
        (("quickstart", "my.txt"), "ends in .yaml"),
        (("quickstart", "folder.yaml"), "a folder"),
        (("own.yaml", "own.yaml", "--force"), "the recipe itself"),
        (("json.yaml", "my.yaml"), "one a line"),
        (("broken.yaml", "my.yaml"), "not YAML"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_written(
    words: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder.yaml").mkdir()
    Path("own.yaml").write_text(RECIPE)
    Path("json.yaml").write_text('{"data": {"name": "imdb"}, "results": {}}')
    Path("broken.yaml").write_text("data: [")
    before = {path.name for path in tmp_path.iterdir()}
    result = tiny.call("cp", *words)
    assert result.exit_code == 2, result.output
    assert told in result.stderr.replace("\n", " ")
    assert {path.name for path in tmp_path.iterdir()} == before
    assert Path("own.yaml").read_text() == RECIPE
