"""DSPy loads the exported state and renders its demonstrations."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.export.samples import hostile, material, plain
from textdistill.export import FORMATS, write
from textdistill.export.dspy_state import DspyState

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("pairs", [False, True], ids=["single", "pairs"])
def test_a_predictor_has_the_demonstrations_and_the_instruction(pairs: bool, tmp_path: Path) -> None:
    import dspy

    samples = hostile(pairs)
    told = material(samples)
    write(tmp_path / "program.json", FORMATS["dspy"](), told)
    program = dspy.Predict("text, text_pair -> label" if pairs else "text -> label")
    program.load(str(tmp_path / "program.json"))
    assert program.signature.instructions == told.wording.prelude
    assert [demo["text"] for demo in program.demos] == samples.texts
    assert [demo["label"] for demo in program.demos] == told.wording.answers(samples)
    if pairs:
        assert [demo["text_pair"] for demo in program.demos] == samples.pairs


def test_the_demonstrations_are_turns_of_the_conversation_that_is_sent(tmp_path: Path) -> None:
    import dspy

    samples = hostile()
    write(tmp_path / "program.json", FORMATS["dspy"](), material(samples))
    program = dspy.Predict("text -> label")
    program.load(str(tmp_path / "program.json"))
    sent = dspy.ChatAdapter().format(program.signature, program.demos, {"text": "and this?"})
    assert [turn["role"] for turn in sent] == ["system", *["user", "assistant"] * len(samples), "user"]
    for text, turn in zip(samples.texts, sent[1::2], strict=False):
        assert text.strip() in turn["content"]
    for word, turn in zip(material(samples).wording.answers(samples), sent[2::2], strict=True):
        assert word in turn["content"]


def test_loading_says_nothing_of_other_versions(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import logging

    import dspy

    logging.getLogger("dspy").addHandler(caplog.handler)
    write(tmp_path / "program.json", FORMATS["dspy"](), material(plain()))
    dspy.Predict("text -> label").load(str(tmp_path / "program.json"))
    assert "mismatch" not in caplog.text


@pytest.mark.parametrize(("key", "pick"), [("predict", "ChainOfThought"), ("classify.predict", "own")])
def test_the_predictor_may_sit_inside_a_program(key: str, pick: str, tmp_path: Path) -> None:
    import dspy

    class Program(dspy.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.classify = dspy.ChainOfThought("text -> label")

    write(tmp_path / "program.json", DspyState(key), material(plain(4)))
    program = Program() if pick == "own" else dspy.ChainOfThought("text -> label")
    program.load(str(tmp_path / "program.json"))
    (inner,) = program.predictors()
    assert len(inner.demos) == 4
    told = {name: field.json_schema_extra["desc"] for name, field in inner.signature.fields.items()}
    assert told == {name: f"${{{name}}}" for name in ("text", "reasoning", "label")}
