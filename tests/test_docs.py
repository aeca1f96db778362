"""The pages hold: links lead somewhere, commands exist with the options named, Python compiles, and much of it is run.

Every command of README, CONTRIBUTING and docs/ is parsed by the command line's own parser, its recipe and settings
resolved. Those of IN_LITTLE are run here, on a small table; the others belong to commands that other tests run.
"""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from rich.console import Console

import textdistill
from tests import pages, report_picture, tiny
from tests.analysis import runs
from tests.pages import PAGES, ROOT, Command, name_of
from textdistill.commands.text_tables import by_judge
from textdistill.recipe.read import find_recipe, load_recipe, read_yaml

COMMANDS = [one for page in PAGES for one in pages.commands(page)]
OF_TEXTDISTILL = list({str(one): one for one in COMMANDS if one.program == "textdistill"}.values())
README = ROOT / "README.md"

# The recipes of the pages on the small table: settings that take seconds, laid over the recipe's.
SMALL = (
    *("data.name=reviews.csv", "data.text=review", "data.label=stars", "representation.vectors=vectors.txt"),
    *("representation.length=12", "synthetic.per_class=2", "synthetic.length=null", "synthetic.epochs=2"),
    *("learner.filters=8", "outer.steps=2", "evaluate.nets=1", "evaluate.full_nets=1", "evaluate.draws=1"),
    *("evaluate.full.epochs=1", "evaluate.rates=[0.1]", "evaluate.baselines=[random_real]"),
)
TABLE = ("choose.sizes=[2]", "choose.size=2", "choose.sets=2", "choose.search.sweeps=1")

# Command of a page -> what is added to it to make it small.
IN_LITTLE: dict[str, tuple[str, ...]] = {
    "textdistill run quickstart --out runs/q": (*SMALL, "--force"),
    "textdistill run --data reviews.csv --text review --label stars --per-class 10 --out runs/mine": TABLE,
    "textdistill evaluate runs/q": (),
    "textdistill decode runs/q": (),
    "textdistill report runs/q": (),
    "textdistill export runs/q --format prompt": (),
    "textdistill export runs/ld --format prompt --k 6 --order interleaved": ("--k", "4"),
    "textdistill export runs/ld --format huggingface --license cc-by-4.0 -o my-set": (),
    "textdistill export set.csv --format csv --labels weights -o weighted.csv": (),
    "textdistill analyse labels runs/q": (),
    "textdistill ls": (),
    "textdistill ls --parts": (),
    "textdistill ls --parts learner": (),
    "textdistill ls --markdown": (),
    "textdistill show quickstart": (),
    "textdistill cp quickstart my.yaml": ("--force",),
    "textdistill cp textdistill_dc_trec6_60 my.yaml": ("--force",),
    "textdistill validate my.yaml": (),
    "textdistill cite quickstart": (),
    "textdistill setup-offline --status": (),
}

# Command -> the tests that run it in little, with more ways to call it than the pages name.
ELSEWHERE = {
    "run": ("test_cli.py", "test_recipes.py", "test_trackers.py", "test_assist.py", "text_level/test_run.py"),
    "evaluate": ("test_cli.py", "text_level/test_outside.py"),
    "check": ("data/test_summary.py",),
    "validate": ("test_cli.py",),
    "export": ("export/test_command.py", "export/test_contract.py"),
    "analyse": ("analysis/test_stored_sets.py", "analysis/test_again.py", "analysis/test_transfer.py"),
    "compare": ("evaluation/test_compare_runs.py",),
    "icl": ("in_context/test_command.py",),
    "prompt": ("in_context/test_prompt.py",),
    "size": ("test_cli.py",),
    "sweep": ("test_sweep.py",),
    "plan": ("test_plan.py",),
    "setup-offline": ("test_cli.py", "test_setup_offline.py"),
    "demo-iris": ("evaluation/test_iris.py",),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with what the pages' commands are asked about: runs, a table, a readable set."""
    folder = tmp_path_factory.mktemp("pages")
    shutil.copytree(tiny.finished("fresh"), folder / "runs" / "q")
    shutil.copytree(runs.run_of("words"), folder / "runs" / "ld")
    for name in ("reviews.csv", "vectors.txt"):
        shutil.copy(tiny.home() / name, folder)
    (folder / "set.csv").write_text("text,label\nfine and warm,good\ndull and cold,bad\n")
    shutil.copy(find_recipe("quickstart"), folder / "my.yaml")
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files_and_headings_that_are_there(page: Path) -> None:
    lost = []
    for link in pages.links(page):
        if re.match(r"https?://|mailto:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in pages.anchors(target)):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent == ROOT / "docs"], ids=name_of)
def test_every_page_can_be_reached_from_the_list_of_pages(page: Path) -> None:
    listed = pages.links(ROOT / "docs" / "README.md")
    assert page.name in (*listed, "README.md")


def parsed(words: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    """The command (`analyse steps` is one) and its parameters, by the command line's own parser; nothing is run.

    A page may also name a command by itself, without anything that it needs.
    """
    command: Any = typer.main.get_command(tiny.app)
    context, names, rest = None, [], list(words)
    while hasattr(command, "resolve_command"):
        context = command.make_context("textdistill", list(rest), parent=context)
        name, command, rest = command.resolve_command(context, rest)
        names.append(name)
        if not rest and len(words) == len(names):
            return " ".join(names), {}
    return " ".join(names), command.make_context(names[-1], list(rest), parent=context).params


def is_name_of_recipe(word: str) -> bool:
    return not (word.endswith((".yaml", ".yml")) or word.startswith("runs/") or word.isupper())


@pytest.mark.parametrize("command", OF_TEXTDISTILL, ids=str)
def test_a_command_of_a_page_exists_with_the_options_and_settings_that_it_names(command: Command) -> None:
    name, asked = parsed(command.words)
    if name in ("run", "size", "show", "validate", "cite", "cp"):
        given = asked.get("words") or ()
        overrides = [word for word in given if "=" in word]
        sources = [word for word in given if "=" not in word]
        sources += [asked[key] for key in ("source", "recipe") if key in asked] + list(asked.get("sources") or ())
        for source in filter(is_name_of_recipe, sources):
            find_recipe(source)
            if command.shown is None:  # else the page shows what is wrong with it
                load_recipe(source, overrides=overrides, variant=asked.get("variant"))


@pytest.mark.parametrize(
    "command", list({str(one): one for one in COMMANDS if one.program == "make"}.values()), ids=str
)
def test_make_has_the_targets_and_variables_that_a_page_names(command: Command) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for word in command.words:
        variable, sign, _ = word.partition("=")
        pattern = rf"^{re.escape(variable)} \?=" if sign else rf"^{re.escape(word)}:.*##"
        assert re.search(pattern, makefile, re.MULTILINE), word


def test_every_command_of_the_pages_is_run_in_little_here_or_by_the_tests_named() -> None:
    texts = {str(one) for one in OF_TEXTDISTILL}
    assert IN_LITTLE.keys() <= texts, "a command run here stands on no page"
    for command in OF_TEXTDISTILL:
        name = command.words[0]
        if str(command) not in IN_LITTLE and command.shown is None and is_run_by_name(command):
            assert name in ELSEWHERE, str(command)
            files = [(ROOT / "tests" / file).read_text(encoding="utf-8") for file in ELSEWHERE[name]]
            assert any(f'"{name}"' in text or f"'{name}'" in text or f"{name}(" in text for text in files), name


def is_run_by_name(command: Command) -> bool:
    """Not one that only looks at a recipe, of which another is looked at in IN_LITTLE."""
    return command.words[0] not in ("ls", "show", "cite", "cp", "decode", "report")


@pytest.mark.parametrize("command", IN_LITTLE)
def test_a_command_of_a_page_in_little(command: str, place: Path) -> None:
    (asked,) = [one for one in OF_TEXTDISTILL if str(one) == command]
    result = tiny.call(*asked.words, *IN_LITTLE[command])
    assert result.exit_code == 0, (result.output, result.exception)


@pytest.mark.parametrize("command", [one for one in COMMANDS if one.shown is not None], ids=str)
def test_the_output_that_a_page_shows_after_a_command_is_what_it_says(command: Command) -> None:
    assert tiny.call(*command.words).output.strip() == (command.shown or "").strip()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_compiles_and_yaml_is_settings(page: Path) -> None:
    for language, text in pages.blocks(page):
        if language == "python":
            compile(text, name_of(page), "exec")
        if language == "yaml":
            assert all(isinstance(one, dict) for one in yaml.safe_load_all(text))


def test_readme_s_python_says_what_the_record_of_the_quickstart_says() -> None:
    ours = read_yaml(find_recipe("quickstart"))["results"]["ours"]["fixed"]
    (text,) = [text for language, text in pages.blocks(README) if language == "python"]
    said = [line.partition("  # ")[2] for line in text.splitlines() if line.startswith("print(")]
    assert said == [str(ours["accuracy"]["mean"]), str(ours["ratio"]["mean"]), str(ours["samples"])]


def test_readme_shows_the_end_of_a_run_as_the_command_line_tables_the_record() -> None:
    recipe = read_yaml(find_recipe("textdistill_search_rt"))
    variants = {
        name.partition("@")[0]: {
            **{"samples": block["samples"], "headline": "search_real", "kept": block["kept"]},
            "distilled": {"accuracy": block["accuracy"]},
            "baselines": {method: {"accuracy": block[method]} for method in ("k_centers", "random_real")},
            "full": {"accuracy": block["full"]},
        }
        for name, block in recipe["results"]["ours"].items()
    }
    screen = Console(file=io.StringIO(), width=120, color_system=None)
    screen.print(by_judge(variants, recipe["choose"]["sets"]))
    shown = "\n".join(line.rstrip() for line in screen.file.getvalue().splitlines())  # type: ignore[attr-defined]
    readme = README.read_text(encoding="utf-8")
    assert shown in readme, shown
    frozen = variants["frozen"]
    share = 100 * frozen["kept"] / frozen["full"]["accuracy"]["mean"]
    assert f"gets {frozen['kept']:.1f}% of unseen reviews right, **{share:.1f}%** of what" in readme


def test_readme_lists_the_files_that_a_run_on_a_table_leaves(tmp_path: Path) -> None:
    listed = re.findall(r"^runs/mine/(\S+)", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(listed) >= 5
    tiny.home()
    texts = [f"{word} film number {number}" for number in range(9) for word in ("good", "fine", "bad", "poor")]
    textdistill.distill(texts, ["yes", "yes", "no", "no"] * 9, per_class=2, out=tmp_path / "out")
    assert set(listed) <= {path.name for path in (tmp_path / "out").iterdir()}


def test_the_page_of_the_run_folder_names_every_file_that_a_run_leaves() -> None:
    page = (ROOT / "docs" / "run-folder.md").read_text(encoding="utf-8")
    left = {path.name for folder in (tiny.finished("fresh"), runs.run_of("words")) for path in folder.iterdir()}
    assert {name for name in left if f"`{name}" not in page} == set()


def test_readme_is_short_and_its_picture_light() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 140
    assert 5_000 < (ROOT / "docs" / "report.png").stat().st_size < 200_000


def test_the_picture_of_the_report_can_be_drawn_from_a_run() -> None:
    drawn = report_picture.draw(tiny.finished("fresh"))
    assert drawn[:8] == b"\x89PNG\r\n\x1a\n"
    assert drawn == report_picture.draw(tiny.finished("fresh"))


def test_citation_cff_has_the_version_and_licence_of_the_project() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["message"]
    assert (citation["title"], citation["type"]) == (project["name"], "software")
    assert (str(citation["version"]), citation["license"]) == (project["version"], project["license"])
    assert [one["name"] for one in citation["authors"]] == ["The textdistill authors"]
    dated = f"## [{citation['version']}] - {citation['date-released']}"
    assert dated in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
