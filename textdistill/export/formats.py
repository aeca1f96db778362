"""The formats by name, in one table; each is imported when it is first asked for."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textdistill.export.material import Format


class Formats(Mapping[str, "type[Format]"]):
    """Classes of formats by name, from `{name: (file:class in this room, what it is in a line)}`."""

    def __init__(self, table: Mapping[str, tuple[str, str]]):
        self._table = table

    def __getitem__(self, name: str) -> type[Format]:
        file, _, kind = self._table[name][0].partition(":")
        made: type[Format] = getattr(importlib.import_module(f"textdistill.export.{file}"), kind)
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)

    def about(self, name: str) -> str:
        """What the format is, for the help."""
        return self._table[name][1]


FORMATS = Formats(
    {
        "prompt": ("prompt_text:PromptText", "instruction and demonstrations as text; the question follows"),
        "openai": ("openai_chat:OpenAIChat", "chat JSON lines: one few-shot conversation, or an example a line"),
        "lm-eval": (
            "lm_eval_task:LmEvalTask",
            "task of lm-evaluation-harness: YAML with the shots, test rows beside it",
        ),
        "dspy": ("dspy_state:DspyState", "program state with demonstrations"),
        "langchain": ("langchain_prompt:LangchainPrompt", "few-shot prompt file"),
        "promptfoo": ("promptfoo_config:PromptfooConfig", "configuration, chat prompt and a test for each row"),
        "llama-factory": ("llama_factory_rows:LlamaFactoryRows", "alpaca rows and dataset_info.json"),
        "huggingface": ("huggingface_folder:HuggingfaceFolder", "Parquet and a data card: provenance, scores, licence"),
        "csv": ("csv_rows:Csv", "a table, for scikit-learn, SetFit, trainers and spreadsheets"),
        "jsonl": ("json_lines:JsonLines", "JSON lines, for whatever trains on them"),
    }
)
