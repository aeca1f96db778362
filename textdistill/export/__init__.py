"""A readable set in other people's formats, one file for each: which samples, in which words."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from textdistill.core.lazy import Lazy

if TYPE_CHECKING:
    from textdistill.export.files import write
    from textdistill.export.material import Format, Material
    from textdistill.export.shots import Scorer, Shots, arrange
    from textdistill.export.wording import Wording

__all__ = ["FORMATS", "Format", "Material", "Scorer", "Shots", "Wording", "arrange", "write"]

FORMATS: Lazy[type[Format]] = Lazy(
    "textdistill.export",
    {
        "prompt": ("prompt_text:PromptText", "instruction and demonstrations as text; the question follows"),
        "openai": ("openai_chat:OpenAIChat", "chat JSON lines: one few-shot conversation, or an example a line"),
        "lm-eval": ("lm_eval_task:LmEvalTask", "task of lm-evaluation-harness: the shots in YAML, test rows beside it"),
        "dspy": ("dspy_state:DspyState", "program state with demonstrations"),
        "langchain": ("langchain_prompt:LangchainPrompt", "few-shot prompt file"),
        "promptfoo": ("promptfoo_config:PromptfooConfig", "configuration, chat prompt and a test for each row"),
        "llama-factory": ("llama_factory_rows:LlamaFactoryRows", "alpaca rows and dataset_info.json"),
        "huggingface": ("huggingface_folder:HuggingfaceFolder", "Parquet and a data card: provenance, scores, licence"),
        "csv": ("csv_rows:Csv", "a table, for scikit-learn, SetFit, trainers and spreadsheets"),
        "jsonl": ("json_lines:JsonLines", "JSON lines, for whatever trains on them"),
    },
)
# Imported when asked for: the command line lists formats without what makes them.
_FILES = {
    **{"Format": "material", "Material": "material", "Wording": "wording", "write": "files"},
    **{"Scorer": "shots", "Shots": "shots", "arrange": "shots"},
}


def __getattr__(name: str) -> Any:
    if name in _FILES:
        return getattr(importlib.import_module(f"{__name__}.{_FILES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
