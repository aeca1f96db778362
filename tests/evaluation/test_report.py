"""The report of a finished run: one page without network, the same bytes every time, with hostile text inert."""

from __future__ import annotations

import json
import math
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from textdistill.core.errors import ArtifactError
from textdistill.reports import pictures
from textdistill.reports.report import write_readme, write_report
from textdistill.representations.decode import RealSentence, decode

VOID = {"meta", "link", "br", "hr", "img", "input"}
HOSTILE = '<script>alert("x")</script><img src=https://evil.example/x onerror=alert(1)>'
STEPS, SAMPLES, LENGTH, DIMENSION = 2, 2, 6, 4
WORDS = ["good", "bad", "film", "plot", "dull", "wit"]


def scored(mean: float, sd: float | None = 1.0, n: int = 5, **further: Any) -> dict[str, Any]:
    return {"accuracy": {"mean": mean, "sd": sd, "n": n}, **further}


def finished_run(folder: Path, names: tuple[str, ...] = ("negative", "positive"), seed: int = 0) -> Path:
    """A folder as an evaluated run leaves it, with small made-up numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, torch_rng = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    targets = torch.rand(STEPS, SAMPLES, len(names), generator=torch_rng)
    inputs = torch.randn(STEPS, SAMPLES, LENGTH, DIMENSION, generator=torch_rng)
    matrix = torch.randn(len(WORDS), DIMENSION, generator=torch_rng)
    metrics = {
        "full": scored(83.04, 0.3, f1={"mean": 82.9, "sd": 0.4, "n": 5}),
        "distilled": scored(76.32, 1.21, 20, f1={"mean": 75.8, "sd": 1.3, "n": 20}, seconds=[1, 2]),
        "distilled_snapped": scored(68.9, 2.3, 20),
        "baselines": {"random_real": scored(52.1), "kmeans": scored(55.25, 1.9), "herding": None},
        "traditional": {"tfidf_full": scored(88.7, None, 1)},
        "ratio": {"mean": 91.91, "sd": 1.5, "n": 20},
        "samples": STEPS * SAMPLES,
        "cost": {"distill_seconds": 4321.5, "outer_steps": 1500, "peak_rss_mib": 812.3},
        "protocol": {"nets": 20, "test_rows": 5000, "architectures": ["text_conv"]},
        "confusion": np.diag(np.full(len(names), 40)).astype(int).tolist(),
        "classes": list(names),
    }
    manifest = {
        "recipe": {"title": "IMDB", "learner": {"name": "TextConvNet", "widths": [3, 4, 5]}, "outer": {"steps": 1500}},
        "title": "Text dataset distillation of IMDB",
        "paper": "sucholutsky2021",
        "versions": {"torch": "2.13.0"},
        "seed": 7,
        "data": {"name": "imdb", "rows": {"train": 20000, "test": 5000}, "dropped_duplicates": 11, "licence": "none"},
        "vectors": {"name": "glove-6b-50d", "coverage": 0.9812},
        "learning_rates": [[0.1, 0.2], [0.15, 0.25]],
        "classes": list(names),
        "shape": [STEPS, SAMPLES, LENGTH, DIMENSION],
        "targets": targets.tolist(),
        "commit": "fa6a484",
        "variant": "fresh",
    }
    steps = [{"step": i, "loss": 0.7 * math.exp(-i / 40), "gradient_norm": 1 + i % 3, "lr": 0.01} for i in range(60)]
    steps[30]["validation"] = 70.0
    steps[59]["validation"] = 75.5
    near = [[RealSentence("a good film", names[0], 0.12)]] * (STEPS * SAMPLES)
    decoded = decode(inputs, targets, names, WORDS, matrix, k=2).with_nearest_real(near)
    real = rng.normal(size=(40, DIMENSION))
    picture = pictures.embedding_picture(real, np.arange(40) % len(names), real[:4] + 1, np.arange(4) % len(names))
    for name, values in {"metrics": metrics, "manifest": manifest, "picture": picture}.items():
        (folder / f"{name}.json").write_text(json.dumps(values), encoding="utf-8")
    (folder / "decoded.json").write_text(json.dumps(decoded.as_dict()), encoding="utf-8")
    (folder / "metrics.jsonl").write_text("".join(json.dumps(step) + "\n" for step in steps), encoding="utf-8")
    (folder / "references.bib").write_text("@article{k,\n  url = {https://example.org},\n}\n", encoding="utf-8")
    return folder


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")


class Page(HTMLParser):
    """What a browser would see: elements, attributes, text outside style; unbalanced tags are recorded."""

    def __init__(self, path: Path):
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.faults: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.raw = path.read_text(encoding="utf-8")
        self.feed(self.raw)
        self.close()
        self.faults += self._open
        self.text = " ".join(self.text.split())  # narrow spaces become plain ones too

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] != "style":
            self.text += data

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.elements if name in attributes]

    def sections(self) -> list[str]:
        return [attributes["id"] for tag, attributes in self.elements if tag == "section"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def page(run: Path) -> Page:
    return Page(write_report(run))


def test_the_headline_says_what_was_reached_and_against_what(page: Page) -> None:
    assert (
        "4 distilled samples train TextConvNet to 76.3 ± 1.2 %, which is 91.9 ± 1.5 % of the 83.0 ± 0.3 %" in page.text
    )
    assert "The best of 2 baselines of equal budget, K-means, reaches 55.2 ± 1.9 %" in page.text
    assert "21.1 points above it" in page.text


def test_a_lead_that_chance_explains_is_not_sold_as_one(tmp_path: Path) -> None:
    folder = finished_run(tmp_path)
    change(folder / "metrics.json", distilled=scored(56.0, 2.0))
    assert "no clear difference: +0.8 points (Welch's test, p = 0.56)" in Page(write_report(folder)).text
    change(folder / "metrics.json", distilled=scored(50.0, 0.5))
    assert "5.2 points below it (Welch's test, p = 0.0026)" in Page(write_report(folder)).text
    change(folder / "metrics.json", distilled=scored(70.0, None, 1))  # as with a fixed start, distilled once
    assert "14.8 points above it, in one try: nothing is known of chance" in Page(write_report(folder)).text


def test_the_page_has_every_section_once_and_links_to_it(page: Page) -> None:
    expected = ["results", "course", "labels", "map", "words", "confusion", "cost", "data", "provenance", "cite"]
    assert page.sections() == expected
    ids = page.attributes("id")
    assert [name for name, count in Counter(ids).items() if count > 1] == []
    targets = [href.removeprefix("#") for href in page.attributes("href")]
    assert set(targets) <= set(ids)
    assert set(expected) <= set(targets)


def test_the_markup_is_balanced_and_declares_itself(page: Page) -> None:
    assert page.faults == []
    assert page.raw.lstrip().startswith("<!DOCTYPE html>")
    assert ("html", {"lang": "en"}) in page.elements
    assert [tag for tag, _ in page.elements if tag == "h1"] == ["h1"]
    assert any(attributes.get("name") == "viewport" for _, attributes in page.elements)


def test_nothing_is_fetched_from_anywhere(page: Page) -> None:
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in page.elements}
    for name in ("src", "href", "xlink:href", "srcset", "data", "action"):
        assert [value for value in page.attributes(name) if not value.startswith("#")] == []
    styles = page.raw + " ".join(page.attributes("style"))
    assert "@import" not in styles
    assert not [part for part in styles.split("url(")[1:] if not part.startswith("#")]
    policy = [a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_the_same_folder_gives_the_same_bytes(page: Page, tmp_path: Path) -> None:
    assert write_report(finished_run(tmp_path / "elsewhere")).read_text(encoding="utf-8") == page.raw
    assert str(tmp_path) not in page.raw


def test_every_picture_says_what_it_shows(page: Page) -> None:
    pictured = [attributes for tag, attributes in page.elements if tag == "svg"]
    assert len(pictured) == 6  # loss, validation, gradient norm, learning rates, map, distances
    assert all(attributes["role"] == "img" and len(attributes["aria-label"]) > 30 for attributes in pictured)
    assert "Map of mean word vectors: 40 real rows as dots and 4 distilled samples" in page.raw


def test_pictures_follow_the_colours_of_the_page(page: Page) -> None:
    inside = page.raw[page.raw.index("<svg") :]
    assert "#0a0a0" not in inside
    assert "#0b0b0" not in inside
    assert "stroke: var(--accent)" in inside
    assert "prefers-color-scheme: dark" in page.raw


def test_what_scrolls_can_be_reached_from_the_keyboard(page: Page) -> None:
    scrolling = [attributes for _, attributes in page.elements if attributes.get("class") == "scroll"]
    assert len(scrolling) == 4
    assert all(a["tabindex"] == "0" and a["role"] == "region" and a["aria-label"] for a in scrolling)
    assert ("a", {"class": "skip", "href": "#main"}) in page.elements


def test_results_stand_best_first_with_spread_and_count(page: Page) -> None:
    rows = ["TF-IDF, all training data88.71", "All training data83.0 ± 0.35", "Distilled76.3 ± 1.220"]
    places = [page.text.index(row) for row in [*rows, "Distilled, snapped to words68.9", "K-means55.2", "Random real"]]
    assert places == sorted(places)
    assert "Herding" not in page.text  # it was not run
    widths = [attributes["style"] for _, attributes in page.elements if attributes.get("class") == "fill"]
    assert widths[0] == "width:98.56%"  # 88.7 on a track to 90
    assert len(widths) == 6


def test_further_metrics_get_their_own_column(page: Page) -> None:
    assert "82.9 ± 0.4" in page.text
    assert [a["data-name"] for _, a in page.elements if "data-name" in a] == ["f1"] * 6


def test_words_carry_their_distance_and_the_sentences_their_label(page: Page) -> None:
    words = [a for tag, a in page.elements if tag == "span" and a.get("title", "").startswith("distance ")]
    assert len(words) == STEPS * SAMPLES * LENGTH
    assert {a["class"] for a in words} <= {f"f{level}" for level in range(5)}
    assert {"f0", "f4"} <= {a["class"] for a in words}
    assert "; next: " in words[0]["title"]
    assert "a good film negative, 0.120" in page.text


def test_the_snapped_accuracy_is_told_with_what_it_costs(page: Page) -> None:
    assert "68.9 ± 2.3 %: 7.4 points less than the vectors themselves" in page.text


def test_provenance_cost_and_data_are_there(page: Page) -> None:
    for told in (
        "fa6a484",
        "1 h 12 min",
        "812 MiB",
        "dropped duplicates",
        "20 000",
        "widths:",
        "2.13.0",
        "@article{k,",
    ):
        assert told in page.text, told


def test_hostile_text_is_inert_everywhere(tmp_path: Path) -> None:
    folder = finished_run(tmp_path, names=(HOSTILE, "$\\frac{$"))
    decoded = json.loads((folder / "decoded.json").read_text(encoding="utf-8"))
    sentence = decoded["sentences"][0]
    sentence["words"][0] = sentence["alternatives"][0][0] = f'" onclick="alert(1)">{HOSTILE}'
    sentence["nearest_real"][0]["text"] = HOSTILE
    change(folder / "decoded.json", **decoded)
    known = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    change(
        folder / "metrics.json", baselines={**known["baselines"], HOSTILE: scored(60.0)}, protocol={HOSTILE: [HOSTILE]}
    )
    change(
        folder / "manifest.json",
        **dict.fromkeys(("title", "paper", "commit", "variant"), HOSTILE),
        recipe={"learner": HOSTILE, HOSTILE: {HOSTILE: [HOSTILE]}},
        data={"name": HOSTILE, HOSTILE: {HOSTILE: HOSTILE}},
        versions={HOSTILE: HOSTILE},
        extra=HOSTILE,
    )
    (folder / "references.bib").write_text(f"</pre>{HOSTILE}", encoding="utf-8")
    page = Page(write_report(folder))
    assert page.faults == []
    assert not {"script", "img"} & {tag for tag, _ in page.elements}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert page.text.count('<script>alert("x")</script>') > 15  # shown, not run
    readme = write_readme(folder).read_text(encoding="utf-8")
    assert "<script" not in readme.replace("\\<script", "")
    assert "<img" not in readme.replace("\\<img", "")


@pytest.mark.parametrize(
    ("name", "gone"),
    [("metrics.jsonl", {"course"}), ("decoded.json", {"words"}), ("picture.json", {"map"}), ("references.bib", set())],
)
def test_an_absent_optional_file_leaves_its_section_out(tmp_path: Path, name: str, gone: set[str], page: Page) -> None:
    folder = finished_run(tmp_path)
    (folder / name).unlink()
    change(folder / "manifest.json", learning_rates=None)
    assert set(page.sections()) - set(Page(write_report(folder)).sections()) == gone


def test_the_least_that_a_run_can_leave_makes_a_page(tmp_path: Path) -> None:
    least = {"full": scored(80.0, None, 1), "distilled": scored(60.0, None, 1), "samples": 1}
    (tmp_path / "metrics.json").write_text(json.dumps(least), encoding="utf-8")
    (tmp_path / "manifest.json").write_text(json.dumps({"recipe": {}, "title": "Least"}), encoding="utf-8")
    page = Page(write_report(tmp_path))
    assert page.sections() == ["results", "cost", "provenance"]
    assert page.faults == []
    assert "1 distilled sample trains the learner to 60.0 %, which is 75.0 % of the 80.0 %" in page.text


def test_a_single_learning_rate_is_told_in_words_and_decoded_labels_stand_in_for_stored_ones(tmp_path: Path) -> None:
    folder = finished_run(tmp_path)
    change(folder / "manifest.json", learning_rates=[[0.125]], targets=None)
    page = Page(write_report(folder))
    assert "with the learned learning rate 0.125" in page.text
    assert "labels" in page.sections()


def test_many_classes_are_shaded_without_crowding_and_their_confusions_listed(tmp_path: Path) -> None:
    names = tuple(f"class{index:02}" for index in range(14))
    folder = finished_run(tmp_path, names)
    confusion = np.diag(np.full(14, 9)).tolist()
    confusion[3][5] = 7
    change(folder / "metrics.json", confusion=confusion)
    page = Page(write_report(folder))
    assert "class03 taken for class05: 7" in page.text
    assert "7 other classes" in page.text  # of the map's legend
    assert [a["class"] for tag, a in page.elements if tag == "table"] == [
        *("results", "heat labels tight", "heat tight", "heat tight"),
    ]


def test_a_long_log_with_gaps_and_infinities_still_draws(tmp_path: Path) -> None:
    folder = finished_run(tmp_path)
    lines = [{"step": i, "loss": 100.0 if i < 5 else 1.0} for i in range(3000)] + [{"step": 2999, "loss": math.inf}]
    (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    page = Page(write_report(folder))
    told = next(a["aria-label"] for _, a in page.elements if a.get("class") == "plot loss")
    assert told == "outer loss over 2999 recorded outer steps: from 100 to 1, lowest 1."  # the later 2999 counts
    assert "logarithmic" in page.text


@pytest.mark.parametrize("name", ["metrics.json", "manifest.json"])
def test_a_missing_file_is_named_with_the_remedy(tmp_path: Path, name: str) -> None:
    folder = finished_run(tmp_path)
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=rf"{name}: missing, so the run is not finished; (evaluate|distil)"):
        write_report(folder)
    with pytest.raises(ArtifactError, match="no such folder"):
        write_report(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("metrics.json", '{"full": ', "metrics.json: not JSON at line 1"),
        ("metrics.json", "[1]", "metrics.json: whole file: Input should be a valid dictionary"),
        ("metrics.json", '{"full": {}}', r"metrics.json: full.accuracy: Field required"),
        ("manifest.json", '{"title": 3, "recipe": {}}', r"manifest.json: title: .*found 3"),
        ("manifest.json", '{"title": "", "recipe": {}, "targets": [[[1], [1, 2]]]}', "as many values in every label"),
        ("manifest.json", "[" * 100_000, "manifest.json: nested too deeply"),
        ("metrics.jsonl", '{"step": 1}\n\n{"st', "metrics.jsonl, line 3: not JSON"),
        ("metrics.jsonl", '{"loss": 1}', "metrics.jsonl, line 1: step: Field required"),
        ("decoded.json", '{"sentences": []}', "decoded.json: decoded sentences: summary"),
        ("picture.json", '{"real": [[1, 2]], "distilled": []}', r"picture.json: real\.0\.2"),
        ("picture.json", '{"real": [[NaN, 2, 0]], "distilled": []}', r"picture.json: real\.0\.0: .*finite"),
        ("picture.json", b"\xff", "picture.json: cannot be read as UTF-8"),
    ],
)
def test_a_malformed_file_is_named_with_the_entry(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    folder = finished_run(tmp_path)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ArtifactError, match=message) as caught:
        write_report(folder)
    assert "again" in str(caught.value) or "evaluate" in str(caught.value) or "delete" in str(caught.value)
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"confusion": [[1, 2]]}, "one row and one column for each of the 2 classes"),
        ({"full": scored(math.nan)}, "full.accuracy.mean"),
        ({"full": scored(80.0, f1={"mean": "high"})}, "high"),
    ],
)
def test_scores_that_make_no_sense_are_refused(tmp_path: Path, metrics: dict[str, Any], message: str) -> None:
    folder = finished_run(tmp_path)
    change(folder / "metrics.json", **metrics)
    with pytest.raises(ArtifactError, match=message):
        write_report(folder)


def test_nothing_but_the_page_is_left_behind(tmp_path: Path) -> None:
    folder = finished_run(tmp_path)
    before = {path.name for path in folder.iterdir()}
    assert write_report(folder) == folder / "report.html"
    assert write_readme(folder) == folder / "README.md"
    assert {path.name for path in folder.iterdir()} - before == {"report.html", "README.md"}


def test_the_readme_tells_what_it_is_and_how_to_load_it(run: Path) -> None:
    text = write_readme(run).read_text(encoding="utf-8")
    assert text.startswith("# Text dataset distillation of IMDB\n")
    assert "TextConvNet to **76.3 ± 1.2 %**" in text
    assert "| Distilled | 76.3 ± 1.2 | 20 |" in text
    assert 'textdistill.load("path/to/this/folder")' in text
    assert "2 training steps of 2 samples; each sample is 6 word vectors of 4 numbers" in text
    assert "derived from imdb, and the licence of that data applies to them: none" in text
    assert "BibTeX key: sucholutsky2021 (see `references.bib`)" in text
    assert str(run) not in text
