"""Chat JSON lines, as OpenAI and others read them: one few-shot conversation, or an example a line to train on."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

from textdistill.core.errors import UserError, did_you_mean
from textdistill.export.files import json_lines
from textdistill.export.material import WORDING, Material
from textdistill.export.soft import Labels

STYLES = ("few-shot", "fine-tune")
FEWEST = 10  # examples that the provider accepts for fine-tuning


@dataclass(frozen=True)
class OpenAIChat:
    """`chat.jsonl`. `few-shot`: one line whose messages are the instruction and all samples; the question is appended
    as the next user message. `fine-tune`: a line for each sample, at least 10.

    Lines hold `messages` and nothing else: some providers reject rows that carry more.
    """

    style: str = "few-shot"
    folder: ClassVar[bool] = False
    names: ClassVar[tuple[str, ...]] = ("chat.jsonl",)
    labels: ClassVar[tuple[Labels, ...]] = ("hard",)
    asks: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.style not in STYLES:
            raise UserError(f"style: {self.style!r}; allowed: {', '.join(STYLES)}{did_you_mean(self.style, STYLES)}")

    @property
    def uses(self) -> frozenset[str]:
        """A few-shot conversation is one prompt, which has a size."""
        return WORDING | {"token_budget"} if self.style == "few-shot" else WORDING

    def files(self, material: Material) -> dict[str, bytes]:
        """See the class."""
        system, turns = system_message(material), turns_of(material)
        if self.style == "few-shot":
            return {"chat.jsonl": json_lines([{"messages": [*system, *chain.from_iterable(turns)]}])}
        if len(turns) < FEWEST:
            raise UserError(
                f"openai, fine-tune: {len(turns)} examples; the provider asks for {FEWEST} at least: "
                "export more samples, or use --style few-shot"
            )
        return {"chat.jsonl": json_lines([{"messages": [*system, *turn]} for turn in turns])}


def system_message(material: Material) -> list[dict[str, str]]:
    """The instruction as the first message, if there is one."""
    prelude = material.wording.prelude
    return [{"role": "system", "content": prelude}] if prelude else []


def turns_of(material: Material) -> list[list[dict[str, str]]]:
    """Question and answer of each sample, as messages."""
    wording = material.wording
    asked = zip(wording.questions(material.samples), wording.answers(material.samples), strict=True)
    return [[{"role": "user", "content": question}, {"role": "assistant", "content": word}] for question, word in asked]
