"""Runs beside each other: only what was measured alike, and the reason where it was not."""

from __future__ import annotations

import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from tests import tiny
from tests.evaluation import test_report, text_runs
from textdistill.core.errors import ArtifactError, UserError
from textdistill.reports.compare_chart import write_chart
from textdistill.reports.compare_runs import Gap, compare_runs


def changed(folder: Path, file: str, change: Callable[[dict[str, Any]], None]) -> Path:
    values = json.loads((folder / file).read_text())
    change(values)
    (folder / file).write_text(json.dumps(values))
    return folder


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    return [text_runs.finished(tmp_path / name) for name in ("first", "second")]


def lifted(metrics: dict[str, Any]) -> None:
    for block in metrics["variants"].values():
        block["distilled"]["accuracy"]["mean"] += 4
        block["distilled"]["accuracy"]["scores"] = [82.0, 84.0, 86.0]


def test_runs_stand_in_one_table_by_samples_a_class(two: list[Path]) -> None:
    changed(two[1], "metrics.json", lifted)
    found = compare_runs(two)
    assert found.runs == ["first", "second"]
    assert found.entries.keys() == {"frozen/hard", "finetuned/hard"}
    assert list(found.entries["frozen/hard"]) == [2, 5]
    assert found.entries["frozen/hard"][5]["second"].score.mean == pytest.approx(85.5)
    [told] = [one for one in found.differences if one.judge == "frozen/hard" and one.size == 2]
    assert told.found.test.difference == pytest.approx(-4.0)
    assert told.found.test.p is not None
    assert told.found.test.p < 0.01
    assert told.found.low is None  # the first run tells no scores of single sets


def test_the_interval_is_of_the_scores_of_sets(two: list[Path]) -> None:
    for folder, shift in zip(two, (0.0, 10.0), strict=True):

        def scored(metrics: dict[str, Any], shift: float = shift) -> None:
            told = metrics["variants"]["frozen@2"]["distilled"]["accuracy"]
            told.update(mean=71.0 + shift, sd=1.0, n=3, scores=[70.0 + shift, 71.0 + shift, 72.0 + shift])

        changed(folder, "metrics.json", scored)
    [told] = [one for one in compare_runs(two).differences if one.judge == "frozen/hard" and one.size == 2]
    assert told.found.low is not None
    assert told.found.high is not None
    assert told.found.low < -10 < told.found.high < 0
    assert compare_runs(two).differences == compare_runs(two).differences


def test_the_same_sets_are_compared_in_pairs_and_claims_corrected(two: list[Path]) -> None:
    scores = {"first": [70.0, 75.0, 80.0], "second": [71.0, 76.2, 80.9]}

    def told(name: str, texts: str) -> Callable[[dict[str, Any]], None]:
        def change(metrics: dict[str, Any]) -> None:
            for block in metrics["variants"].values():
                block["distilled"]["accuracy"].update(n=3, scores=scores[name])
                block["protocol"]["drawn"] = {"texts": [f"{texts}{n}" for n in range(3)], "nets": []}

        return change

    for folder in two:
        changed(folder, "metrics.json", told(folder.name, "same"))
    gaps = [gap for gap in compare_runs(two).differences if gap.judge == "frozen/hard"]
    p = stats.ttest_rel(scores["first"], scores["second"]).pvalue
    assert [(gap.found.paired, gap.found.test.p) for gap in gaps] == [(True, pytest.approx(p))] * 2
    assert [gap.p_holm for gap in gaps] == [pytest.approx(2 * p)] * 2  # two sizes, two claims
    changed(two[1], "metrics.json", told("second", "other"))
    assert not any(gap.found.paired for gap in compare_runs(two).differences)


def test_what_was_drawn_at_random_is_what_counts(tmp_path: Path) -> None:
    folders = [test_report.finished_run(tmp_path / name) for name in ("a", "b")]

    def measured(start: str, seeds: list[int], lift: float) -> Callable[[dict[str, Any]], None]:
        def change(metrics: dict[str, Any]) -> None:
            scores = [70.0 + lift, 72.5 + lift, 75.0 + lift, 76.0 + 1.5 * lift]
            metrics["distilled"]["accuracy"] = {"mean": 73.4, "sd": 2.0, "n": 4, "scores": scores}
            metrics["protocol"].update(start=start, seeds=seeds)

        return change

    def found(start: str, ours: list[int], theirs: list[int]) -> Gap:
        for folder, lift, seeds in zip(folders, (0.0, 1.0), (ours, theirs), strict=True):
            changed(folder, "metrics.json", measured(start, seeds, lift))
            changed(folder, "manifest.json", lambda manifest: manifest["data"].update(fingerprint="aa"))
        [gap] = compare_runs(folders).differences
        return gap

    assert found("fresh", [0], [0]).found.paired  # networks of the same seed begin alike
    assert not found("fresh", [0], [1]).found.paired
    fixed = found("fixed", [0, 1, 2, 3], [0, 1, 2, 3])
    assert (fixed.found.paired, fixed.found.test.df) == (True, 3)
    # Two networks of each of two distillations: these were drawn, and networks of one are not independent.
    assert found("fresh", [0, 1], [0, 1]).found.test.df == 1


def test_budgets_are_aligned_and_what_one_run_lacks_is_left_out(two: list[Path]) -> None:
    changed(two[1], "metrics.json", lambda metrics: metrics["variants"].pop("frozen@5"))
    assert list(compare_runs(two).entries["frozen/hard"]) == [2]
    changed(two[1], "metrics.json", lambda metrics: metrics["variants"].pop("finetuned@2"))
    found = compare_runs(two)
    assert found.entries.keys() == {"frozen/hard"}
    assert "finetuned/hard: other learner: second was judged by frozen" in found.skipped


def only(name: str, **change: Any) -> Callable[[dict[str, Any]], None]:
    def keep(metrics: dict[str, Any]) -> None:
        block = {**metrics["variants"][name], **change}
        metrics["variants"] = {name: block}

    return keep


@pytest.mark.parametrize(
    ("file", "change", "told"),
    [
        ("metrics.json", lambda m: m["protocol"].update(test_fingerprint="ef" * 32), "other test rows"),
        ("metrics.json", only("frozen@2", learner="frozen:other"), "name is 'frozen:minilm' in first, 'frozen:other'"),
        ("metrics.json", only("frozen@2", headline="ours_soft"), "other labels: first has hard, second distilled"),
        ("metrics.json", only("frozen@2", samples=14), "no samples a class in common"),
        (
            "metrics.json",
            lambda m: m["variants"]["frozen@2"]["protocol"].update(learner={"name": "frozen:minilm", "penalty": 1}),
            "penalty is None in first, 1 in second",
        ),
    ],
)
def test_unlike_protocols_are_refused_with_the_reason(two: list[Path], file: str, change: Any, told: str) -> None:
    for folder in two:
        changed(folder, "metrics.json", only("frozen@2"))
    changed(two[1], file, change)
    with pytest.raises(UserError) as caught:
        compare_runs(two)
    assert told in str(caught.value)


def test_runs_without_a_fingerprint_of_test_rows_go_by_that_of_their_data(two: list[Path]) -> None:
    for folder in two:
        changed(folder, "metrics.json", lambda metrics: metrics["protocol"].pop("test_fingerprint"))
    assert compare_runs(two).runs == ["first", "second"]
    changed(two[1], "manifest.json", lambda manifest: manifest["data"].update(fingerprint="00" * 32))
    with pytest.raises(UserError, match="other test rows"):
        compare_runs(two)
    changed(two[1], "manifest.json", lambda manifest: manifest["data"].pop("fingerprint"))
    with pytest.raises(UserError, match="second does not tell which test rows"):
        compare_runs(two)


def test_runs_on_vectors_are_compared_by_their_networks(tmp_path: Path) -> None:
    folders = [test_report.finished_run(tmp_path / name) for name in ("a", "b")]
    for folder in folders:
        changed(folder, "manifest.json", lambda manifest: manifest["data"].update(fingerprint="aa"))
    found = compare_runs(folders)
    assert found.entries.keys() == {"networks/own"}
    assert list(found.entries["networks/own"]) == [2]
    changed(folders[1], "manifest.json", lambda manifest: manifest["recipe"].update(learner={"name": "mlp"}))
    with pytest.raises(UserError, match="other learner: learner is"):
        compare_runs(folders)


def test_what_is_no_run_is_told(two: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"manifest.json: missing, so this is no finished run"):
        compare_runs([two[0], tmp_path])
    with pytest.raises(UserError, match="two folders or more"):
        compare_runs(two[:1])
    with pytest.raises(UserError, match="given twice"):
        compare_runs([two[0], two[0]])
    (two[1] / "metrics.json").unlink()
    (two[1] / "metrics.json").symlink_to(two[0] / "metrics.json")
    with pytest.raises(ArtifactError, match="leads outside the folder"):
        compare_runs(two)


class Tags(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.seen: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)


def test_charts_are_a_picture_or_a_page_and_names_stay_inert(tmp_path: Path) -> None:
    folders = [text_runs.finished(tmp_path / name) for name in ("<script>x<", "$plain{{7}}")]
    found = compare_runs(folders)
    page = write_chart(tmp_path / "chart.html", found).read_text(encoding="utf-8")
    assert "script" not in Tags(page).seen
    assert "&lt;script&gt;x&lt;" in page
    assert "{{7}}" in page
    picture = write_chart(tmp_path / "chart.png", found).read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert write_chart(tmp_path / "again.png", found).read_bytes() == picture
    with pytest.raises(UserError, match=r"\.png or \.html"):
        write_chart(tmp_path / "chart.gif", found)


def test_the_command_shows_the_table_and_gives_json(two: list[Path], tmp_path: Path) -> None:
    result = tiny.call("compare", *two, "--chart", tmp_path / "c.png")
    assert result.exit_code == 0, result.output
    assert "first - second" in result.stdout
    assert (tmp_path / "c.png").is_file()
    told = json.loads(tiny.call("compare", *two, "--json").stdout)
    assert told["judges"]["frozen/hard"]["2"]["first"]["mean"] == 80.0
    assert tiny.call("compare", two[0]).exit_code == 2
