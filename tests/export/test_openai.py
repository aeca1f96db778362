"""Chat JSON lines: a conversation of all shots, or an example a line with the provider's minimum."""

from __future__ import annotations

import json

import pytest

from tests.export.samples import hostile, material, plain
from textdistill.core.errors import UserError
from textdistill.export import Shots
from textdistill.export.openai_chat import OpenAIChat


def test_fine_tuning_has_a_line_for_each_sample_with_messages_alone() -> None:
    samples = hostile()
    (content,) = OpenAIChat("fine-tune").files(material(samples)).values()
    rows = [json.loads(line) for line in content.decode().splitlines()]
    assert len(rows) == len(samples)
    assert {tuple(row) for row in rows} == {("messages",)}
    assert {tuple(turn["role"] for turn in row["messages"]) for row in rows} == {("system", "user", "assistant")}
    assert rows[4]["messages"][1]["content"] == "Text: =cmd|' /C calc'!A1\nLabel:"


def test_without_an_instruction_there_is_no_system_message() -> None:
    (content,) = OpenAIChat().files(material(plain(2), Shots(instruction=""))).values()
    assert [turn["role"] for turn in json.loads(content)["messages"]] == ["user", "assistant"] * 2


def test_the_provider_s_minimum_of_ten_examples_is_checked() -> None:
    OpenAIChat("fine-tune").files(material(plain(10)))
    with pytest.raises(UserError, match="9 examples; the provider asks for 10 at least"):
        OpenAIChat("fine-tune").files(material(plain(9)))


def test_an_unknown_style_is_told_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"style: 'finetune'; allowed: few-shot, fine-tune \(did you mean 'fine-tune'"):
        OpenAIChat("finetune")
