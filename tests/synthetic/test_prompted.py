"""A language model that is shown texts of a class writes more of them, one a line: what its numbers say, no more."""

from __future__ import annotations

import pytest
import torch

from tests.in_context.models import tiny
from textdistill.core.errors import UserError
from textdistill.learners.pretrained.language_models import LanguageModel, start_of
from textdistill.synthetic.generator.sampling import nucleus
from textdistill.synthetic.generator.settings import Sampling
from textdistill.synthetic.prompted import LONGEST, Line, Prompted

SHOWN = ["so dull a film", "a very good film", "so so"]
LENGTH = 24


def model(kind: str = "llama") -> LanguageModel:
    made = tiny(kind)
    return LanguageModel(made.model, made.tokenizer, made.name, "")


def prompted(kind: str = "llama", paired: bool = False, length: int = LENGTH, temperature: float = 30.0) -> Prompted:
    return Prompted(model(kind), paired, Sampling(top_p=0.98, temperature=temperature), length)


def numbers(rows: int, length: int = LENGTH) -> torch.Tensor:
    return torch.rand(rows, length, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def slowly(causal: LanguageModel, prompt: str, numbers: torch.Tensor, sampling: Sampling) -> str | None:
    """One line, every token behind the whole text so far; `None` where it has no end."""
    ids = [start_of(causal.tokenizer), *causal.tokenizer(prompt, add_special_tokens=False)["input_ids"]]
    said: list[int] = []
    for number in numbers:
        logits = causal.model(input_ids=torch.tensor([ids + said])).logits[:, -1].float()
        token = int(nucleus(logits, number[None], sampling)[0])
        text = causal.tokenizer.decode([token])
        if "\n" in text or token in causal.tokenizer.all_special_ids:
            return str(causal.tokenizer.decode(said)).strip()
        said.append(token)
    return None


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_samples_are_those_of_reading_everything_anew_for_each_token(kind: str) -> None:
    writer, rows = prompted(kind), numbers(16)
    texts, pairs, redrawn = writer.like(SHOWN, None, rows)
    plain = [slowly(writer.causal, "".join(f"{text}\n" for text in SHOWN), row, writer.sampling) for row in rows]
    assert texts == [text for text in plain if text]
    assert redrawn.get("unfinished", 0) == plain.count(None)
    assert redrawn.get("empty", 0) == plain.count("")
    assert pairs == []
    assert 3 < len(texts) < 16  # some end, and some do not


def test_a_sample_depends_on_its_own_numbers_alone() -> None:
    writer, rows = prompted(), numbers(12)
    together = writer.like(SHOWN, None, rows)[0]
    alone = [text for row in rows for text in writer.like(SHOWN, None, row[None])[0]]
    assert together == alone


def test_samples_are_the_same_where_memory_holds_few_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    writer, rows = prompted(), numbers(12)
    together = writer.like(SHOWN, None, rows)
    monkeypatch.setattr("textdistill.synthetic.prompted.KEYS_AT_ONCE", 50_000)
    assert 1 <= writer._at_once(writer.causal.model(torch.tensor([[1, 2]])).past_key_values, 2) < 12
    assert writer.like(SHOWN, None, rows) == together


def test_every_sample_is_kept_or_counted() -> None:
    texts, pairs, redrawn = prompted(paired=True).like(SHOWN, SHOWN, numbers(20))
    assert len(texts) == len(pairs)
    assert len(texts) + sum(redrawn.values()) == 20


@pytest.mark.parametrize(
    ("line", "paired", "read"),
    [
        ("so dull", False, ("so dull", None)),
        ("so dull\ta film", True, ("so dull", "a film")),
        ("so dull", True, "separator"),
        ("so dull\ta film", False, "separator"),
        ("a\tb\tc", True, "separator"),
        ("", False, "empty"),
        (" \t ", True, "empty"),
        ("so dull\t ", True, "empty"),
        ("so \ufffd", False, "broken"),
    ],
)
def test_what_a_line_says(line: str, paired: bool, read: object) -> None:
    assert Line(paired).read(line) == read


def test_a_text_is_shown_on_one_line_whatever_stands_in_it() -> None:
    assert Line(False).shown("so\tdull\n a  film ", None) == "so dull a film"
    assert Line(True).shown("so\tdull", "a\nfilm") == "so dull\ta film"


def test_texts_that_the_model_has_no_room_for_are_not_shown() -> None:
    writer = prompted(length=480)
    few, many = writer.like(SHOWN[:2], None, numbers(4)), writer.like([*SHOWN[:2], *SHOWN], None, numbers(4))
    assert few == many


def test_a_model_that_reads_too_little_is_refused() -> None:
    with pytest.raises(UserError, match=r"reads 512 tokens, and a text has up to 600; give a model that reads more"):
        Prompted.of(model(), ["so dull"], None, Sampling(length=600))


def test_samples_are_no_longer_than_nearly_all_of_the_texts() -> None:
    texts = ["abcdefgh"] * 200 + ["abcdefgh" * 9]
    assert Prompted.of(model(), texts, None, Sampling()).length == 9
    assert Prompted.of(model(), texts, None, Sampling(length=5)).length == 5


@pytest.mark.parametrize(
    ("text", "begun"),
    [
        ("so dull a film", "so dull a film"),
        ("so dull. a film. of the kind that", "so dull. a film."),
        ("so dull a film of the kind that", "so dull a film of the"),
    ],
)
def test_of_a_long_text_its_first_sentences_are_shown(text: str, begun: str) -> None:
    assert prompted(length=24)._begun(text) == begun


def test_samples_of_long_texts_are_as_long_as_a_few_sentences() -> None:
    assert Prompted.of(model(), ["so dull " * 100] * 3, None, Sampling()).length == LONGEST
