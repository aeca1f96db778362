"""`textdistill export` from the command line: what it reads, what it says, and what it refuses in a line or two."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import tiny
from tests.export.samples import hostile, material, plain
from textdistill.export import FORMATS, write


def ran(*words: str | Path) -> Any:
    result = tiny.call("export", *words)
    assert result.exit_code == 0, (result.stderr, result.exception)
    return result


def mistake(*words: str | Path) -> str:
    result = tiny.call("export", *words)
    assert result.exit_code == 2, (result.exit_code, result.output, result.exception)
    assert result.stdout == ""
    assert 1 <= len(result.stderr.strip().splitlines()) <= 2
    return result.stderr  # type: ignore[no-any-return]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "set.csv"
    write(path, FORMATS["csv"](), material(plain(12)))
    return path


def test_a_format_of_one_file_goes_to_standard_output(file: Path) -> None:
    found = ran(file, "--format", "prompt", "--k", "2", "--label-word", "positive=good", "--instruction", "")
    assert found.stdout == (
        "Text: sentence 0 is negative\nLabel: negative\n\nText: sentence 1 is positive\nLabel: good\n\n"
    )
    assert found.stderr == ""


def test_every_format_writes_where_it_is_told(file: Path, tmp_path: Path) -> None:
    for name, chosen in FORMATS.items():
        more = ["--test", file] if chosen.asks else []
        found = ran(file, "--format", name, "--out", tmp_path / "out" / name, *more)
        assert found.stdout == ""
        assert found.stderr == f"12 samples as {name}: {tmp_path / 'out' / name}\n"
        assert (tmp_path / "out" / name).is_dir() == chosen.folder


def test_the_whole_text_of_the_help_names_every_format() -> None:
    shown = " ".join(tiny.call("export", "--help").output.replace("│", " ").split())
    assert all(f" {name} {FORMATS.about(name)}" in shown for name in FORMATS)


def test_the_page_of_exports_names_every_format() -> None:
    page = (tiny.ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert re.findall("`([^`]+)`", "".join(rows)) == list(FORMATS)


def test_a_template_may_come_from_a_file_or_have_its_new_lines_written_out(file: Path, tmp_path: Path) -> None:
    (tmp_path / "t.j2").write_text("{{ text }}\n-> {{ label }}\n", encoding="utf-8")
    words = ("--format", "prompt", "--k", "1", "--instruction", "")
    shown = [
        ran(file, *words, "--template", one).stdout for one in (f"@{tmp_path / 't.j2'}", "{{ text }}\\n-> {{ label }}")
    ]
    assert shown == ["sentence 0 is negative\n-> negative\n\n"] * 2


def test_a_token_budget_is_counted_by_the_tokenizer_named(file: Path) -> None:
    from textdistill.learners.pretrained.packaged_encoder import packaged_folder

    found = ran(file, "-f", "prompt", "--token-budget", "60", "--tokenizer", str(packaged_folder()))
    kept = found.stdout.count("\nLabel:")
    assert found.stderr == f"{kept} of 12 samples fit in 60 tokens\n"
    assert 1 < kept < 12


def test_test_rows_are_drawn_by_the_seed(file: Path, tmp_path: Path) -> None:
    for name, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        words = ("--test", file, "--test-rows", "5", "--seed", seed, "--name", "same")
        ran(file, "-f", "promptfoo", "-o", tmp_path / name, *words)
    first, again, other = ((tmp_path / name / "tests.jsonl").read_text(encoding="utf-8") for name in "abc")
    assert first == again != other
    assert len(first.splitlines()) == 5


def test_a_run_of_word_vectors_is_exported_decoded_with_a_warning_and_its_measured_accuracy() -> None:
    folder = tiny.finished()
    found = ran(folder, "-f", "jsonl")
    decoded = json.loads((folder / "decoded.json").read_text(encoding="utf-8"))["sentences"]
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    assert [row["text"] for row in rows] == [" ".join(one["words"]) for one in decoded]
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert "warning" in found.stderr
    assert f"snapped to words {metrics['distilled_snapped']['accuracy']['mean']:.1f} %" in found.stderr


def test_a_run_s_own_test_rows_are_asked_where_no_others_are_given(tmp_path: Path) -> None:
    folder = tiny.finished()
    ran(folder, "-f", "lm-eval", "--out", tmp_path / "task", "--name", "tiny")
    import pyarrow.parquet

    asked = pyarrow.parquet.read_table(tmp_path / "task" / "test.parquet").to_pylist()
    known = {text for text, _ in tiny.sentences()}
    assert asked
    assert {row["text"] for row in asked} <= known
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert (
        yaml.safe_load((tmp_path / "task" / "task.yaml").read_text(encoding="utf-8"))["doc_to_choice"]
        == manifest["classes"]
    )


def test_a_run_s_card_tells_its_scores(tmp_path: Path) -> None:
    ran(tiny.finished(), "-f", "huggingface", "--out", tmp_path / "hub", "--license", "mit", "--language", "en")
    text = (tmp_path / "hub" / "README.md").read_text(encoding="utf-8")
    assert "license: mit" in text
    assert "| the set, snapped to words |" in text
    assert str(tiny.home()) not in text


def test_a_link_to_somewhere_else_in_a_run_is_refused(tmp_path: Path) -> None:
    shutil.copytree(tiny.finished(), tmp_path / "run")
    (tmp_path / "secret.json").write_text("{}", encoding="utf-8")
    (tmp_path / "run" / "metrics.json").unlink()
    (tmp_path / "run" / "metrics.json").symlink_to(tmp_path / "secret.json")
    assert "leads outside the folder" in mistake(tmp_path / "run", "-f", "jsonl")


@pytest.mark.parametrize("content", ["[1]", "{", '{"sentences": []}', '{"sentences": [{"words": 3}]}'])
def test_a_damaged_decoded_json_is_told_in_a_line(content: str, tmp_path: Path) -> None:
    shutil.copytree(tiny.finished(), tmp_path / "run")
    (tmp_path / "run" / "decoded.json").write_text(content, encoding="utf-8")
    assert "decoded" in mistake(tmp_path / "run", "-f", "jsonl")


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["--format", "promt"], r"--format: 'promt'; allowed: prompt, openai.*did you mean 'prompt'"),
        (["--format", "lm-eval"], "--out: lm-eval is a folder: say where it goes"),
        (["--format", "lm-eval", "--out", "OUT"], "--test: lm-eval asks a model about rows"),
        (["--format", "csv", "--style", "few-shot"], "--style: goes with openai, not with csv"),
        (["--format", "prompt", "--safe-cells"], "--safe-cells: goes with csv, not with prompt"),
        (["--format", "csv", "--template", "{{ text }} {{ label }}"], "--template: means nothing to csv"),
        (["--format", "jsonl", "--label-word", "positive=good"], "--label-word: means nothing to jsonl"),
        (["--format", "dspy", "--separator", "x"], "--separator: means nothing to dspy"),
        (["--format", "openai", "--style", "fine-tune", "--token-budget", "9"], "--token-budget: means nothing to"),
        (["--format", "prompt", "--labels", "soft"], "--labels: prompt has no place for 'soft'; allowed: hard"),
        (["--format", "prompt", "--label-word", "good"], "--label-word: 'good'; write CLASS=WORD"),
        (["--format", "prompt", "--label-word", "positiv=good"], "'positiv': no such class"),
        (["--format", "prompt", "--test", "SET"], "--test: prompt asks about no rows"),
        (["--format", "prompt", "--k", "13"], "k: 13 shots asked"),
        (["--format", "prompt", "--template", "{{ text }"], "template, line 1"),
        (["--format", "prompt", "--template", "@nowhere.j2"], "nowhere.j2: No such file"),
        (["--format", "prompt", "--token-budget", "9"], "counted by the model's tokenizer"),
        (["--format", "prompt", "--order", "best"], "best needs a language model"),
    ],
)
def test_a_mistake_is_told_in_a_line_or_two(words: list[str], fault: str, file: Path, tmp_path: Path) -> None:
    named = {"OUT": tmp_path / "out", "SET": file}
    assert re.search(fault, mistake(file, *(named.get(word, word) for word in words)))
    assert not (tmp_path / "out").exists()


def test_numbered_labels_get_their_classes_names(tmp_path: Path) -> None:
    lines = [json.dumps({"sentence": text, "labels": label}) for text, label in (("so dull", 0), ("so good", 1))]
    (tmp_path / "00.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = ran(tmp_path / "00.jsonl", "-f", "jsonl", "--classes", "negative,positive")
    assert [json.loads(line)["label"] for line in found.stdout.splitlines()] == ["negative", "positive"]


def test_a_task_s_own_name_is_none_that_consumers_know(file: Path, tmp_path: Path) -> None:
    ran(file, "-f", "lm-eval", "--test", file, "-o", tmp_path / "sst2")
    task = yaml.safe_load((tmp_path / "sst2" / "task.yaml").read_text(encoding="utf-8"))
    assert task["task"] == "distilled_sst2"


def test_test_rows_of_other_columns_are_refused(file: Path, tmp_path: Path) -> None:
    write(tmp_path / "pairs.jsonl", FORMATS["jsonl"](), material(hostile(pairs=True)))
    told = mistake(file, "-f", "lm-eval", "-o", tmp_path / "out", "--test", tmp_path / "pairs.jsonl")
    assert "unknown" in told or "other columns or classes" in told


def test_classes_of_which_no_sample_is_shown_are_told(file: Path) -> None:
    few = tiny.call("export", file, "--format", "prompt", "--k", "1")
    assert few.exit_code == 0, few.output
    assert "warning: 1 samples show no example of" in few.stderr
    assert "warning" not in tiny.call("export", file, "--format", "prompt").stderr
