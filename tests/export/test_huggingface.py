"""The Hugging Face folder as `datasets` and the hub read it, and what its card says and hides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.export.samples import hostile, material, plain
from textdistill.core.errors import UserError
from textdistill.data.sets.text_sets import read_text_set
from textdistill.export import Material, write
from textdistill.export.huggingface_folder import HuggingfaceFolder

MANIFEST: dict[str, Any] = {
    "name": "text/some_recipe",
    "title": "A <b>title</b> | with [marks](javascript:x)",
    "paper": "bohdal2020",
    "variant": "fresh",
    "seed": 3,
    "commit": "abc123",
    "recipe": {"objective": {"name": "unrolled"}, "learner": {"name": "averaged"}},
    "versions": {"python": "3.11.7", "torch": "2.13.0"},
    "data": {"name": "sst2", "licence": "CC-BY-4.0"},
}
METRICS: dict[str, Any] = {
    "samples": 18,
    "distilled": {"accuracy": {"mean": 67.8, "sd": 1.25, "n": 10}},
    "full": {"accuracy": {"mean": 77.9, "sd": 0.0, "n": 1}},
    "baselines": {"k_centers": {"accuracy": {"mean": 65.2, "sd": 1.6, "n": 10}}},
    "cost": {"distill_seconds": 78.0, "outer_steps": 300},
}


def card(told: Material, chosen: HuggingfaceFolder | None = None) -> tuple[dict[str, Any], str]:
    _, front, body = (chosen or HuggingfaceFolder()).files(told)["README.md"].decode().split("---\n", 2)
    return yaml.safe_load(front), body


@pytest.mark.parametrize("pairs", [False, True], ids=["single", "pairs"])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_load_dataset_reads_the_folder(pairs: bool, tmp_path: Path) -> None:
    import datasets

    samples = hostile(pairs, soft=True)
    write(tmp_path / "out", HuggingfaceFolder(), material(samples, labels="soft"))
    found = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert found["text"][:] == samples.texts
    assert found.features["label"].names == list(samples.classes)
    assert found["label"][:] == samples.labels.tolist()
    assert found["label_text"][:] == [samples.classes[label] for label in samples.labels]
    np.testing.assert_array_equal(found["soft_label"][:], samples.targets)
    assert ("text_pair" in found.column_names) == pairs


def test_our_own_reader_finds_texts_classes_and_labels(tmp_path: Path) -> None:
    samples = hostile()
    write(tmp_path / "out", HuggingfaceFolder(), material(samples))
    found = read_text_set(tmp_path / "out")
    assert (found.texts, found.classes) == (samples.texts, samples.classes)
    assert found.labels.tolist() == samples.labels.tolist()


def test_our_own_reader_finds_the_soft_labels_whatever_the_order_of_the_tasks_classes(tmp_path: Path) -> None:
    samples = hostile(soft=True)
    write(tmp_path / "out", HuggingfaceFolder(), material(samples, labels="soft"))
    assert read_text_set(tmp_path / "out").soft == pytest.approx(samples.targets)
    turned = read_text_set(tmp_path / "out", samples.classes[::-1])
    assert turned.soft == pytest.approx(samples.targets[:, ::-1])
    assert turned.labels.tolist() == (1 - samples.labels).tolist()


def test_soft_labels_are_as_they_were_learned_and_the_card_says_whether_they_sum_to_one() -> None:
    samples = plain(2)
    learned = type(samples)(samples.texts, samples.labels, samples.classes, soft=np.array([[2.0, -1], [0, 1]]))
    assert "not probabilities" in card(material(learned, labels="soft"))[1]
    assert "sums to one" in card(material(hostile(soft=True), labels="soft"))[1]


def test_weights_are_a_row_for_each_class(tmp_path: Path) -> None:
    import pyarrow.parquet

    write(tmp_path / "out", HuggingfaceFolder(), material(hostile(soft=True), labels="weights"))
    rows = pyarrow.parquet.read_table(tmp_path / "out" / "data" / "train.parquet").to_pylist()
    assert len(rows) == 2 * len(hostile())
    assert sorted({row["weight"] for row in rows}) == pytest.approx([0.3, 0.7])


def test_the_card_has_what_the_hub_asks_for() -> None:
    front, body = card(material(hostile(soft=True), labels="soft", manifest=MANIFEST, metrics=METRICS, name="mine"))
    assert front["license"] == "cc-by-4.0"
    assert front["size_categories"] == ["n<1K"]
    assert front["task_categories"] == ["text-classification"]
    assert front["source_datasets"] == ["extended|sst2"]
    assert front["configs"][0]["config_name"] == "default"
    for told in (
        "67.80 ± 1.25 | 10",
        "77.90 | 1",
        "baseline k\\_centers",
        "bohdal2020",
        "300",
        "1.3 minutes",
        "abc123",
    ):
        assert told in body
    assert "of 18 samples" in body


def test_nothing_that_a_run_recorded_is_markup_in_the_card() -> None:
    _, body = card(material(hostile(), manifest=MANIFEST))
    assert "<b>" not in body
    assert "](javascript" not in body
    assert body.count("\n# ") == 1


def test_a_plain_file_s_card_invents_nothing() -> None:
    front, body = card(material(plain(4)))
    assert front["license"] == "unknown"
    assert front["source_datasets"] == ["extended"]
    assert "language_creators" not in front
    assert "Nothing is recorded" in body
    assert "Look it up" in body
    assert "Scores" not in body


def test_where_a_user_s_own_file_lies_is_not_told() -> None:
    manifest = {**MANIFEST, "data": {"name": "/home/somebody/secret/reviews.csv"}}
    (readme, _) = HuggingfaceFolder().files(material(plain(2), manifest=manifest)).values()
    assert b"somebody" not in readme
    assert b"reviews.csv" in readme


def test_real_rows_of_another_data_set_with_learned_labels_name_both_and_were_found() -> None:
    recipe = {"synthetic": {"base": "rotten_tomatoes", "learn": ["targets"]}}
    front, body = card(material(plain(2), manifest={**MANIFEST, "recipe": recipe}))
    assert front["source_datasets"] == ["extended|rotten_tomatoes", "extended|sst2"]
    assert (front["annotations_creators"], front["language_creators"]) == (["machine-generated"], ["found"])
    assert "from rotten\\_tomatoes and sst2" in body


def test_sentences_of_decoded_vectors_are_called_that() -> None:
    samples = plain(2)
    samples.meta["decoded"] = True
    assert "learned as word vectors" in card(material(samples))[1]


@pytest.mark.parametrize(
    ("metrics", "manifest"),
    [
        ({"distilled": 3}, {"data": [1]}),
        ({"distilled": {"accuracy": {"mean": "x"}}}, {"recipe": None, "versions": "x"}),
        ({"baselines": {"a": None}, "cost": {"distill_seconds": "long"}}, {"data": {"name": 5}}),
    ],
)
def test_a_run_s_files_of_another_make_are_passed_over(metrics: dict[str, Any], manifest: dict[str, Any]) -> None:
    assert "Scores" not in card(material(plain(2), metrics=metrics, manifest=manifest))[1]


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"licence": "mitt"}, r"licence: 'mitt'; allowed: .*did you mean 'mit'"),
        ({"language": ("English",)}, "language: 'English'; allowed: codes"),
    ],
)
def test_what_the_hub_would_refuse_is_refused_here(settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(UserError, match=fault):
        HuggingfaceFolder(**settings)
