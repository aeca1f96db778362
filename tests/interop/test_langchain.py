"""LangChain loads the exported prompt and formats it to the one we would write."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.export.samples import hostile, material
from textdistill.export import FORMATS, Shots, write

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("pairs", [False, True], ids=["single", "pairs"])
@pytest.mark.parametrize("instruction", [None, "", "Braces { } {{ '{{x}}' }} as they are:"])
@pytest.mark.filterwarnings("ignore:.*load_prompt")  # deprecated until LangChain 2, and still the one reader of files
def test_the_prompt_of_every_row_is_the_one_we_would_write(
    pairs: bool, instruction: str | None, tmp_path: Path
) -> None:
    from langchain_core.prompts.loading import load_prompt

    samples = hostile(pairs)
    told = material(samples, Shots(instruction=instruction))
    write(tmp_path / "prompt.json", FORMATS["langchain"](), told)
    prompt = load_prompt(tmp_path / "prompt.json")
    assert sorted(prompt.input_variables) == (["text", "text_pair"] if pairs else ["text"])
    for row, question in enumerate(told.wording.questions(samples)):
        asked = {"text": samples.texts[row], **({"text_pair": samples.pairs[row]} if samples.pairs else {})}
        assert prompt.format(**asked) == told.wording.prefix(samples) + question
