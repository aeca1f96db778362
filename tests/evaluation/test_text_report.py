"""The page of a text-level run: whole, without network, the same bytes every time, and hostile samples stay inert."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from tests import tiny
from tests.evaluation import text_runs
from textdistill.core.errors import ArtifactError
from textdistill.core.manifest import kind_of
from textdistill.reports.text_report import write_text_page
from textdistill.runs.readable.report import write_text_report

VOID = {"meta", "link", "br", "hr", "img", "input"}
HOSTILE = "</script><script>alert(\"x\")</script><img src=x onerror=alert(1)> {{ 7*7 }} {% raw %} =cmd|'/C calc'!A0"


class Page(HTMLParser):
    """Tags with their attributes, and the text outside scripts and styles; tags must close in order."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.said: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        inside = self.open[-1] if self.open else ""
        (self.scripts if inside == "script" else [] if inside == "style" else self.said).append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())

    def ids(self) -> list[str]:
        return [str(attrs["id"]) for _, attrs in self.tags if "id" in attrs]


def page_of(folder: Path) -> tuple[str, Page]:
    text = write_text_page(folder).read_text(encoding="utf-8")
    return text, Page(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return text_runs.finished(tmp_path / "run")


def test_the_page_tells_every_part_of_the_run(folder: Path) -> None:
    _, page = page_of(folder)
    sections = {attrs["id"] for tag, attrs in page.tags if tag == "section"}
    assert sections == {
        *("results", "course", "samples", "labels", "map", "confusion", "reading", "cost", "provenance", "cite"),
    }
    for words in ("80.0 ± 2.0", "93.0", "Frozen encoder, linear head", "Encoder trained as a whole", "maekawa2024"):
        assert words in page.text
    assert "220" in page.text  # copies that were left out
    for text in text_runs.TEXTS:
        assert text in page.text


def test_each_judge_has_methods_by_size_bars_with_intervals_and_tests(folder: Path) -> None:
    text, page = page_of(folder)
    assert text.count('class="results"') == 2
    assert text.count('class="spread"') == 2 * 4  # full is one score and has no interval
    assert "−0.1 to +2.3" in page.text
    assert "Ours − K-centres" in page.text
    # random rows differ from the headline: 10 points at a spread of 2 over 20 sets
    assert re.search(r"Random real rows</th><td class=\"num\">70.0 ± 2.0<span class=\"sign\">\*\*", text)
    assert re.search(r"Ours</th><td class=\"num best\">80.0", text)


def test_what_the_texts_are_like_stands_there_for_every_method_that_was_looked_at(folder: Path) -> None:
    assert "Ours 9.1 ± 0.5 92.0 ± 1.0 0.0 ± 0.0" in page_of(folder)[1].text  # the headline alone
    metrics = json.loads((folder / "metrics.json").read_text())
    told = {"words": {"mean": 11.0, "sd": 0.5, "n": 20}, "perplexity": {"mean": 95.2, "sd": 4.0, "n": 20}}
    metrics["texts"] = {"ours": {**told, "language_model": "smollm2"}, "dilm": told}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    said = page_of(folder)[1].text
    assert "DiLM 11.0 ± 0.5 95.2 ± 4.0" in said
    assert "Perplexity under smollm2" in said


def test_nothing_is_loaded_and_only_the_one_script_may_run(folder: Path) -> None:
    text, page = page_of(folder)
    assert not [attrs for _, attrs in page.tags if {"src", "srcset", "onclick", "onerror", "onload"} & attrs.keys()]
    assert all(str(attrs["href"]).startswith("#") for tag, attrs in page.tags if "href" in attrs)
    assert "url(" not in re.sub(r"url\(#", "", text)
    assert not re.search(r"@import|https?://", text.split("<body>")[0])
    [script] = page.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    [policy] = [attrs["content"] for _, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert f"script-src 'sha256-{digest}'" in str(policy)
    assert "default-src 'none'" in str(policy)


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    folder = text_runs.finished(tmp_path / "run", (HOSTILE, "positive"), [HOSTILE, "fine", HOSTILE, "fine"])
    seen = json.loads((folder / "headline.json").read_text())
    seen["near"][0][0]["text"] = HOSTILE
    seen["shown"][0] = HOSTILE
    (folder / "headline.json").write_text(json.dumps(seen))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["title"] = manifest["data"]["name"] = manifest["recipe"]["title"] = HOSTILE
    (folder / "manifest.json").write_text(json.dumps(manifest))
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["variants"]["frozen@2"]["baselines"][HOSTILE] = text_runs.scored(50.0)
    (folder / "metrics.json").write_text(json.dumps(metrics))
    text, page = page_of(folder)
    assert len(page.scripts) == 1
    assert "<img" not in text
    assert "<script>alert" not in text
    assert "{{ 7*7 }}" in page.text
    assert "49" not in re.findall(r"\b49\b", page.text)
    readme = (write_text_report(folder).parent / "README.md").read_text(encoding="utf-8")
    assert readme.count("<") == readme.count("\\<")


def test_the_same_folder_gives_the_same_bytes(folder: Path) -> None:
    assert page_of(folder)[0] == page_of(folder)[0]


def test_keyboards_reach_everything_and_names_are_unique(folder: Path) -> None:
    text, page = page_of(folder)
    assert len(page.ids()) == len(set(page.ids()))
    assert {str(attrs["href"])[1:] for tag, attrs in page.tags if tag == "a"} <= set(page.ids())
    assert all("tabindex" in attrs for _, attrs in page.tags if attrs.get("class") == "scroll")
    controls = [attrs for tag, attrs in page.tags if tag in ("input", "select")]
    assert len(controls) == 3
    assert text.count("<label>") == 3
    headings = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert 'name="viewport"' in text


def test_every_star_leads_to_its_sample_and_every_dot_tells_its_row(folder: Path) -> None:
    text, _ = page_of(folder)
    assert re.findall(r'<a href="#(sample-\d)" aria-label', text) == [f"sample-{n}" for n in range(1, 5)]
    assert text.count("<circle") == 20
    assert "<title>negative: row 0</title>" in text


def test_what_is_not_there_is_left_out(folder: Path) -> None:
    for name in ("headline.json", "metrics.jsonl", "language-model.jsonl", "references.bib", "samples.jsonl"):
        (folder / name).unlink()
    _, page = page_of(folder)
    sections = {attrs["id"] for tag, attrs in page.tags if tag == "section"}
    assert sections == {"results", "reading", "cost", "provenance"}


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("metrics.json", "{", "metrics.json: not JSON at line 1"),
        ("metrics.json", '{"variants": {}}', "metrics.json: variants"),
        ("manifest.json", '{"kind": "texts"}', "manifest.json: title"),
        ("headline.json", '{"encoder": "e", "near": [[]]}', "headline.json: near: 1 samples; samples.jsonl has 4"),
        ("headline.json", '{"encoder": "e", "confusion": [[1]]}', "headline.json: confusion: 2 rows of 2"),
        ("language-model.jsonl", '{"loss": "x"}\n', "language-model.jsonl: a line is no step"),
    ],
)
def test_a_malformed_file_is_told_in_a_line(folder: Path, file: str, content: str, told: str) -> None:
    (folder / file).write_text(content)
    with pytest.raises(ArtifactError) as caught:
        write_text_page(folder)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_leads_outside_is_refused(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "secret.json"
    outside.write_text("{}")
    (folder / "headline.json").unlink()
    (folder / "headline.json").symlink_to(outside)
    with pytest.raises(ArtifactError, match="leads outside the folder"):
        write_text_page(folder)


def test_the_command_writes_it_too(folder: Path) -> None:
    result = tiny.call("report", folder)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(folder / "report.html")
    assert kind_of(folder) == "texts"
    assert kind_of(folder.parent) is None
