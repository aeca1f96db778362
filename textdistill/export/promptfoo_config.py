"""promptfoo: a configuration, a few-shot chat prompt, and a test for every row to ask."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar

from textdistill.export.files import json_lines, json_text
from textdistill.export.literal import for_jinja, for_promptfoo
from textdistill.export.material import WORDING, Material, fields_of
from textdistill.export.openai_chat import system_message, turns_of
from textdistill.export.soft import Labels
from textdistill.export.yaml_text import yaml_text

HEAD = """# promptfoo eval -c promptfooconfig.yaml
# The provider `echo` repeats the prompt: put the models to compare in its place.
"""


@dataclass(frozen=True)
class PromptfooConfig:
    """`promptfooconfig.yaml`, `chat.json` (instruction, shots, question) and `tests.jsonl` (a row and its label word).

    Texts to ask are members of the variable `sample`: promptfoo renders and opens what variables of plain text name
    (`file://…`), and leaves objects alone. Template syntax in shots and label words is escaped.
    """

    providers: tuple[str, ...] = ("echo",)
    folder: ClassVar[bool] = True
    names: ClassVar[tuple[str, ...]] = ("promptfooconfig.yaml", "chat.json", "tests.jsonl")
    labels: ClassVar[tuple[Labels, ...]] = ("hard",)
    uses: ClassVar[frozenset[str]] = WORDING | {"token_budget"}
    asks: ClassVar[bool] = True

    def files(self, material: Material) -> dict[str, bytes]:
        """See the class."""
        wording, asked = material.wording, material.asked
        question = wording.skeleton([material.samples, asked], "{{ sample.text }}", "{{ sample.text_pair }}", for_jinja)
        turns = chain(system_message(material), *turns_of(material))
        chat = [{"role": turn["role"], "content": for_jinja(turn["content"])} for turn in turns]
        tests: list[dict[str, Any]] = [
            {
                "vars": {"sample": fields_of(asked, row)},
                "assert": [{"type": "equals", "value": for_promptfoo(word)}],
                "metadata": {"row": row},
            }
            for row, word in enumerate(wording.answers(asked))
        ]
        config = {
            "description": f"{material.name}: {len(material.samples)} shots",
            "prompts": ["file://chat.json"],
            "providers": list(self.providers),
            "defaultTest": {"options": {"transform": "output.trim()"}},
            "tests": "file://tests.jsonl",
        }
        return {
            "promptfooconfig.yaml": (HEAD + yaml_text(config)).encode(),
            "chat.json": json_text([*chat, {"role": "user", "content": question}]),
            "tests.jsonl": json_lines(tests),
        }
