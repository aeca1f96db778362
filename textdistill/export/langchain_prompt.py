"""LangChain's few-shot prompt file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

from textdistill.export.literal import for_format
from textdistill.export.material import WORDING, Material, fields_of
from textdistill.export.soft import Labels


@dataclass(frozen=True)
class LangchainPrompt:
    """`prompt.json`, for `langchain_core.prompts.loading.load_prompt`; `format(text=…)` gives the whole prompt.

    LangChain fills the examples in and then formats all of it once more, so braces in the examples are doubled here:
    the prompt has them single. The file is ASCII, since LangChain opens it in the system's encoding.
    """

    folder: ClassVar[bool] = False
    names: ClassVar[tuple[str, ...]] = ("prompt.json",)
    labels: ClassVar[tuple[Labels, ...]] = ("hard",)
    uses: ClassVar[frozenset[str]] = WORDING | {"separator", "token_budget"}
    asks: ClassVar[bool] = False

    def files(self, material: Material) -> dict[str, bytes]:
        """See the class."""
        samples, wording = material.samples, material.wording
        texts = ["text"] if samples.pairs is None else ["text", "text_pair"]
        asked = wording.skeleton([samples], "{text}", "{text_pair}", for_format)
        words = wording.answers(samples)
        prompt = {
            "_type": "few_shot",
            "input_variables": texts,
            "prefix": for_format(wording.prelude),
            "example_prompt": {
                "_type": "prompt",
                "input_variables": [*texts, "label"],
                "template": asked + for_format(wording.gap) + "{label}",
                "template_format": "f-string",
            },
            "examples": [
                {name: for_format(value) for name, value in {**fields_of(samples, row), "label": word}.items()}
                for row, word in enumerate(words)
            ],
            "suffix": asked,
            "example_separator": for_format(wording.separator),
            "template_format": "f-string",
        }
        return {"prompt.json": (json.dumps(prompt, indent=2) + "\n").encode()}
