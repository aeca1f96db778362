"""A set that is exported is read again as the same texts and labels, from every format that holds them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.export.samples import HOSTILE, hostile, material, plain
from textdistill.core.errors import DataError
from textdistill.data.sets.text_set import TextSet
from textdistill.data.sets.text_sets import read_text_set
from textdistill.export import FORMATS, Shots, write
from textdistill.export.openai_chat import OpenAIChat

# Formats that hold no rows, with the reason.
NO_ROWS = {"prompt": "running text: where one demonstration ends and the next begins is told nowhere in it"}


def exported(name: str, samples: TextSet, folder: Path, shots: Shots | None = None) -> Path:
    target = folder / "out" if FORMATS[name].folder else folder / FORMATS[name].names[0]
    # The rows to ask are others than the shots: what is read back must be the shots.
    asked = TextSet(["never seen"], np.array([0]), samples.classes, None if samples.pairs is None else ["nor this"])
    write(target, FORMATS[name](), material(samples, shots, asked, labels=FORMATS[name].labels[0]))
    return target


def named(samples: TextSet) -> list[tuple[str, str | None, str]]:
    pairs = [None] * len(samples) if samples.pairs is None else samples.pairs
    return list(zip(samples.texts, pairs, (samples.classes[label] for label in samples.labels), strict=True))


@pytest.mark.parametrize("name", sorted(FORMATS))
@pytest.mark.parametrize("pairs", [False, True], ids=["single", "pairs"])
def test_every_format_that_holds_texts_and_labels_is_read_back(name: str, pairs: bool, tmp_path: Path) -> None:
    samples = hostile(pairs)
    target = exported(name, samples, tmp_path)
    if name in NO_ROWS:
        with pytest.raises(DataError, match="unknown format"):
            read_text_set(target)
        return
    assert named(read_text_set(target)) == named(samples)
    assert read_text_set(target, samples.classes).labels.tolist() == samples.labels.tolist()


@pytest.mark.parametrize("name", ["csv", "jsonl", "huggingface"])
def test_soft_labels_are_read_back(name: str, tmp_path: Path) -> None:
    samples = hostile(soft=True)
    found = read_text_set(exported(name, samples, tmp_path), samples.classes)
    np.testing.assert_allclose(found.targets, samples.targets)


def test_lines_to_fine_tune_on_are_read_back(tmp_path: Path) -> None:
    samples = hostile()
    write(tmp_path / "chat.jsonl", OpenAIChat("fine-tune"), material(samples))
    assert named(read_text_set(tmp_path / "chat.jsonl")) == named(samples)


@pytest.mark.parametrize("name", ["openai", "llama-factory", "promptfoo"])
def test_without_an_instruction_the_texts_are_the_same(name: str, tmp_path: Path) -> None:
    samples = plain(12)
    assert named(read_text_set(exported(name, samples, tmp_path, Shots(instruction="")))) == named(samples)


def test_questions_in_other_words_are_texts_as_they_stand(tmp_path: Path) -> None:
    told = Shots(template="{{ text }}\nMood: {{ label }}", label_words={"negative": "sad"})
    found = read_text_set(exported("openai", plain(2), tmp_path, told))
    assert found.texts == ["sentence 0 is negative\nMood:", "sentence 1 is positive\nMood:"]
    assert sorted(found.classes) == ["positive", "sad"]


def test_a_program_s_state_is_found_wherever_its_predictor_sits(tmp_path: Path) -> None:
    from textdistill.export.dspy_state import DspyState

    write(tmp_path / "program.json", DspyState("classify.predict"), material(hostile()))
    assert read_text_set(tmp_path / "program.json").texts == HOSTILE


def test_chats_of_other_makes(tmp_path: Path) -> None:
    turns = '{"from": "human", "value": "fine"}, {"from": "gpt", "value": "good"}'
    path = tmp_path / "sharegpt.json"
    path.write_text(f'[{{"conversations": [{turns}]}}, {{"conversations": [{turns.replace("fine", "well")}]}}]')
    assert read_text_set(path).texts == ["fine", "well"]
    path.write_text('[{"role": "user", "content": "fine"}, {"role": "assistant", "content": "good"}]')
    assert read_text_set(path).texts == ["fine"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("chat.jsonl", '{"messages": [{"role": "user", "content": "fine"}]}', "no question with its answer"),
        ("chat.jsonl", '{"messages": "fine"}', "no question with its answer"),
        ("task.yaml", "task: mine\n", "no shots; a task that is read as a set has them as fewshot_config.samples"),
        ("task.yaml", "task: [\n", "not YAML"),
        ("task.yaml", "doc_to_choice: !function utils.choices\n", "not YAML"),
        ("dataset_info.json", "{", "not JSON"),
        ("dataset_info.json", '{"mine": {"file_name": "../../etc/passwd"}}', "leads outside the folder"),
    ],
)
def test_what_holds_no_shots_is_told(name: str, content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=said):
        read_text_set(tmp_path if name != "chat.jsonl" else tmp_path / name)
