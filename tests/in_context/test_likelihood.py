"""Label words' likelihood: that of a plain pass over every whole text, however prompts are shared, padded and cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from tests.in_context.models import CLASSES, POSITIONS, Tiny, tiny, words
from textdistill.core.errors import UserError
from textdistill.data.sets.text_set import TextSet
from textdistill.export import Wording
from textdistill.in_context import Likelihood, likelihood

TWO = Wording(CLASSES)
WORDINGS = {
    "words of one token and of many": TWO,
    "one word begins another": Wording(("a", "b", "c"), words=("bad", "badad", "b")),
    "no gap": Wording(CLASSES, template="{{ text }}={{ label }}".replace("=", ":")),
    "a gap that melts into what is before it": Wording(CLASSES, template="{{ text }}: {{ label }}"),
    "no instruction, no separator": Wording(CLASSES, instruction="", separator=""),
    "pairs": Wording(CLASSES, paired=True),
}


def plainly(
    causal: Tiny, prompt: str, answers: Sequence[str], begin: Sequence[int] = ()
) -> tuple[list[float], list[int]]:
    """Σ log p of each answer's tokens, and their number: one text a pass, nothing shared, nothing padded."""
    whole = [causal.tokenizer(prompt + answer, add_special_tokens=False)["input_ids"] for answer in answers]
    context = causal.tokenizer(prompt, add_special_tokens=False)["input_ids"]
    common = 0
    while all(len(ids) > common and ids[common] == whole[0][common] for ids in (context, *whole)):
        common += 1
    sums, counts = [], []
    for ids in whole:
        told = torch.tensor([[*begin, *ids]])
        each = torch.log_softmax(causal.model(told).logits[0, :-1].double(), 1).gather(1, told[0, 1:, None])[:, 0]
        sums.append(float(each[len(begin) + common - 1 :].sum()))
        counts.append(len(ids) - common)
    return sums, counts


def expected(causal: Tiny, wording: Wording, shots: TextSet, rows: TextSet) -> np.ndarray:
    answers = [wording.gap + word for word in wording.label_words]
    return np.array([plainly(causal, wording.prefix(shots) + asked, answers)[0] for asked in wording.questions(rows)])


@pytest.mark.parametrize("kind", ["gpt2", "llama", "mistral"])
@pytest.mark.parametrize("wording", WORDINGS.values(), ids=WORDINGS)
def test_it_is_that_of_a_plain_pass(kind: str, wording: Wording) -> None:
    rows = words(9, wording.classes, wording.paired)
    causal, shots = tiny(kind), words(4, wording.classes, wording.paired)
    wanted = expected(causal, wording, shots, rows)
    assert np.ptp(wanted, axis=1).min() > 1e-3
    for settings in ({}, {"tokens_at_once": 30}, {"reuse": False}, {"reuse": False, "tokens_at_once": 200}):
        found = Likelihood(causal, **settings).in_words(wording, shots, rows)  # type: ignore[arg-type]
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)


def test_without_shots_or_shared_words_it_is_a_plain_pass_too() -> None:
    bare, rows = Wording(CLASSES, template="{{ text }} {{ label }}", instruction=""), words(5)
    found = Likelihood(tiny()).in_words(bare, rows.take([]), rows)
    np.testing.assert_allclose(found, expected(tiny(), bare, rows.take([]), rows), rtol=1e-9, atol=1e-9)


def test_what_all_prompts_begin_with_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    causal, rows = tiny(), words(8)
    read = []
    forward = causal.model.model.forward

    def counted(*given: object, **more: object) -> object:
        read.append(int(more["input_ids"].numel()))  # type: ignore[attr-defined]
        return forward(*given, **more)

    with monkeypatch.context() as patched:
        patched.setattr(causal.model.model, "forward", counted)
        Likelihood(causal).in_words(TWO, words(6), rows)
    prefix = len(causal.tokenizer(TWO.prefix(words(6)))["input_ids"])
    longest = max(len(causal.tokenizer(asked)["input_ids"]) for asked in TWO.questions(rows))
    assert prefix <= read[0] <= prefix + longest
    # then the rows' own tokens, and what " very good" has after its first token
    assert sum(read[1:]) <= len(rows) * (longest + len(" very good"))


def test_a_row_has_the_same_score_whatever_is_asked_beside_it() -> None:
    rows, causal = words(7), tiny()
    together = Likelihood(causal).in_words(TWO, words(3), rows)
    for place in range(7):
        alone = Likelihood(causal).in_words(TWO, words(3), rows.take([place]))
        np.testing.assert_allclose(alone[0], together[place], rtol=1e-9)


def test_keys_that_a_batch_may_not_hold_make_smaller_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = Likelihood(tiny()).in_words(TWO, words(3), words(7))
    monkeypatch.setattr(likelihood, "KEYS_AT_ONCE", 1)
    np.testing.assert_allclose(Likelihood(tiny()).in_words(TWO, words(3), words(7)), wanted, rtol=1e-9)


def test_per_token_divides_by_the_tokens_of_each_word() -> None:
    answers = [TWO.gap + word for word in TWO.label_words]
    found = Likelihood(tiny(), per_token=True).in_words(TWO, words(2), words(3))
    for row, asked in zip(found, TWO.questions(words(3)), strict=True):
        sums, counts = plainly(tiny(), TWO.prefix(words(2)) + asked, answers)
        assert len(set(counts)) == 2
        np.testing.assert_allclose(row, np.array(sums) / counts, rtol=1e-9)


def test_the_token_of_beginning_stands_first_where_the_tokenizer_puts_it() -> None:
    causal, answers = tiny(begins=True), ["a", "b"]
    begin = causal.tokenizer.bos_token_id
    found = Likelihood(causal).scores("x", ["y"], answers)
    np.testing.assert_allclose(found[0], plainly(causal, "xy", answers, [begin])[0], rtol=1e-9)


def test_a_prompt_of_nothing_goes_on_from_the_token_between_texts() -> None:
    causal = tiny()
    found = Likelihood(causal).scores("", [""], ["a", "b"])
    logits = causal.model(torch.tensor([[causal.tokenizer.eos_token_id]])).logits[0, -1]
    ids = [causal.tokenizer(word)["input_ids"][0] for word in "ab"]
    np.testing.assert_allclose(found[0], torch.log_softmax(logits, 0)[ids], rtol=1e-9)


def test_in_bfloat16_labels_are_told_apart_more_finely_than_by_its_own_logits() -> None:
    causal, rows = tiny(dtype=torch.bfloat16), words(8)
    before = causal.model.lm_head.weight.clone()
    found = Likelihood(causal).in_words(TWO, words(3), rows)
    assert np.unique(found[:, 0]).size == len(rows)
    wide = expected(tiny(), TWO, words(3), rows)
    assert np.abs(found - wide).max() < 0.1 * np.abs(wide).max()
    hidden = causal.model.model(torch.tensor([[1, 2, 3]])).last_hidden_state
    assert causal.model(torch.tensor([[1, 2, 3]])).logits.dtype == hidden.dtype == torch.bfloat16  # as it was before
    assert torch.equal(causal.model.lm_head.weight, before)


def test_a_prompt_longer_than_the_model_reads_is_told() -> None:
    rows = TextSet(["so dull " * POSITIONS], np.zeros(1, np.int64), CLASSES)
    with pytest.raises(UserError, match=rf"'Text: so dull .*tiny reads {POSITIONS} at most: give fewer shots"):
        Likelihood(tiny()).in_words(TWO, words(2), rows)


def test_nothing_asked_and_other_classes_are_refused() -> None:
    with pytest.raises(UserError, match="at least one row"):
        Likelihood(tiny()).in_words(TWO, words(2), words(2).take([]))
    with pytest.raises(UserError, match="must be the same"):
        Likelihood(tiny()).in_words(TWO, words(2), words(2, ("a", "b")))
