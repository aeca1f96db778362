"""What the fuzzing found, each as a plain case: files that once raised something else than a user's error."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests import tiny
from tests.export.samples import plain
from textdistill.core.errors import ArtifactError, UserError
from textdistill.data.files import read_file
from textdistill.export.wording import Wording
from textdistill.recipe.references import references
from textdistill.reports.run_folder import read_run
from textdistill.runs.artifact import load

CLASSES = ("negative", "positive")


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{{ text[:" + "9" * 5000 + "] }} {{ label }}", "template: cannot be read (Exceeds the limit"),
        ("{{ " + "- " * 300 + "text }} {{ label }}", "template: cannot be read (nested more than 50 deep)"),
        ("{% if text|length > 1e309 %}{{ text }}{% endif %} {{ label }}", "template: cannot be filled in (name 'inf'"),
        ("{{ 'a' * 10 ** 9 }} {{ label }}", "template: cannot be filled in (more than 100,000 characters"),
        ("{{ [text] * 10000000 }} {{ label }}", "template: cannot be filled in (more than 100,000 characters"),
        ("{{ 10 ** 10 ** 10 }} {{ label }}", "template: cannot be filled in (a power of a number above 1,000)"),
        ("{{ '%999999999d' % 1 }} {{ label }}", "template: cannot be filled in (% on a text"),
        ("{{ ''.__class__.__mro__ }} {{ label }}", "template: cannot be filled in (access to attribute '__class__'"),
    ],
)
def test_a_template_that_makes_too_much_or_reaches_too_far_is_refused(template: str, told: str) -> None:
    with pytest.raises(UserError) as caught:
        Wording(CLASSES, template=template).shots(plain(2))
    assert str(caught.value).startswith(told), str(caught.value)


def test_small_products_and_powers_stay_allowed_in_a_template() -> None:
    wording = Wording(CLASSES, template="{{ '-' * 3 }} {{ 2 ** 5 * 3 % 7 }} {{ text }} {{ label }}")
    assert wording.question("x") == "--- 5 x"


def test_a_number_of_thousands_of_digits_in_a_run_is_no_json_of_a_run(tmp_path: Path) -> None:
    shutil.copytree(tiny.finished(), tmp_path / "run")
    path = tmp_path / "run" / "metrics.json"
    path.write_text(path.read_text().replace('"samples": 4', '"samples": ' + "9" * 5000))
    with pytest.raises(ArtifactError, match=r"metrics.json: not JSON \(Exceeds the limit"):
        read_run(tmp_path / "run")


@pytest.mark.parametrize("content", ["[" * 3000, "[]", '{"settings": []}', "\x00"])
def test_what_an_analysis_left_damaged_bars_no_citation_with_a_traceback(content: str, tmp_path: Path) -> None:
    (tmp_path / "analysis").mkdir()
    (tmp_path / "analysis" / "transfer.json").write_text(content)
    recipe = load(tiny.finished()).recipe()
    if content.startswith("{"):
        assert "@" in references(recipe, tmp_path)
        return
    with pytest.raises(ArtifactError, match="transfer.json"):
        references(recipe, tmp_path)


def test_a_column_s_name_of_thousands_of_characters_is_told_in_short(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("[" * 5000 + ",stars\n" + "a,b\n")
    with pytest.raises(UserError) as caught:
        read_file(tmp_path / "t.csv").column("review")
    assert len(str(caught.value)) < 1100
    (tmp_path / "t.json").write_text(json.dumps([{"x" * 5000: 1}]))
    with pytest.raises(UserError) as caught:
        read_file(tmp_path / "t.json").column("review")
    assert len(str(caught.value)) < 1100
