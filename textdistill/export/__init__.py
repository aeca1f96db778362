"""A readable set in other people's formats, one file for each: which samples, in which words."""

from __future__ import annotations

from pathlib import Path

from textdistill.export.csv_rows import Csv
from textdistill.export.dspy_state import DspyState
from textdistill.export.files import write_file, write_folder
from textdistill.export.huggingface_folder import HuggingfaceFolder
from textdistill.export.json_lines import JsonLines
from textdistill.export.langchain_prompt import LangchainPrompt
from textdistill.export.llama_factory_rows import LlamaFactoryRows
from textdistill.export.lm_eval_task import LmEvalTask
from textdistill.export.material import Format, Material
from textdistill.export.openai_chat import OpenAIChat
from textdistill.export.prompt_text import PromptText
from textdistill.export.promptfoo_config import PromptfooConfig
from textdistill.export.shots import Scorer, Shots, arrange
from textdistill.export.wording import Wording

__all__ = ["FORMATS", "Format", "Material", "Scorer", "Shots", "Wording", "arrange", "write"]

FORMATS: dict[str, type[Format]] = {
    "prompt": PromptText,
    "openai": OpenAIChat,
    "lm-eval": LmEvalTask,
    "dspy": DspyState,
    "langchain": LangchainPrompt,
    "promptfoo": PromptfooConfig,
    "llama-factory": LlamaFactoryRows,
    "huggingface": HuggingfaceFolder,
    "csv": Csv,
    "jsonl": JsonLines,
}


def write(target: Path, chosen: Format, material: Material, force: bool = False) -> None:
    """Write the material in a format to a file or folder, whole or not at all (see `files.py`)."""
    files = chosen.files(material)
    if chosen.folder:
        write_folder(target, files, chosen.names, force)
    else:
        write_file(target, files[chosen.names[0]], force)
