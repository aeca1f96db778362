"""Samples are those of a slow reading of the definition, and each is a text of the task."""

from __future__ import annotations

import bisect
import copy
import itertools

import pytest
import torch
from torch import Tensor

from tests.synthetic.generator.small import fresh, table, trained
from textdistill.core.errors import UserError
from textdistill.synthetic.generator import Generator, Sampling, Sentences, sample, sampling
from textdistill.synthetic.generator.sampling import flaws, nucleus, write


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def slow_draw(chances: list[float], number: float, top_p: float) -> int:
    """The nucleus by a sort, a token by the sums of chances; outside it, once more with the place in that token."""

    def invert(values: list[float], at: float) -> tuple[int, float]:
        ends = list(itertools.accumulate(values))
        token = min(bisect.bisect_right(ends, at * ends[-1]), len(values) - 1)
        return token, (at * ends[-1] - (ends[token] - values[token])) / values[token]

    ordered = sorted(chances, reverse=True)
    before = itertools.accumulate(ordered, initial=0.0)
    least = min(value for value, gone in zip(ordered, before, strict=False) if gone < top_p)
    token, place = invert(chances, number)
    if chances[token] >= least:
        return token
    return invert([value if value >= least else 0.0 for value in chances], place)[0]


@torch.no_grad()
def slow_write(generator: Generator, label: int, numbers: Tensor, asked: Sampling) -> list[list[int]]:
    """One row at a time, and the whole row read again for every token."""
    out = []
    for row in numbers:
        ids = [generator.vocabulary.bos(label)]
        for number in row.tolist():
            logits = generator.model(input_ids=torch.tensor([ids])).logits[0, -1].double()
            ids.append(slow_draw((logits / asked.temperature).softmax(0).tolist(), number, asked.top_p))
            if ids[-1] == generator.vocabulary.eos:
                break
        out.append(ids)
    return out


@pytest.mark.parametrize("asked", [Sampling(), Sampling(top_p=0.6, temperature=1.3), Sampling(top_p=1.0)], ids=str)
def test_with_a_cache_and_in_a_shrinking_batch_the_tokens_are_those_without(asked: Sampling) -> None:
    generator = trained()
    numbers = torch.rand(9, 24, dtype=torch.float64, generator=rng(3))
    found = write(generator, 1, numbers, asked)
    rows = [ids[mask].tolist() for ids, mask in zip(found.ids, found.mask, strict=True)]
    assert rows == slow_write(generator, 1, numbers, asked)
    assert len({len(row) for row in rows}) > 1  # some left early


@pytest.mark.parametrize("begun", [1, 2, 3])
def test_a_sentence_that_is_begun_as_it_was_written_goes_on_as_it_did(begun: int) -> None:
    generator, numbers = trained(), torch.rand(9, 24, dtype=torch.float64, generator=rng(3))
    whole = write(generator, 1, numbers, Sampling())
    longer = torch.nonzero(whole.lengths > begun)[:, 0]
    again = write(generator, 1, numbers[longer], Sampling(), whole.ids[longer, 1 : 1 + begun])
    expected = whole.take(longer)
    assert torch.equal(again.ids, expected.ids)
    assert torch.equal(again.mask, expected.mask)


def test_the_nucleus_has_its_chances_and_nothing_beside() -> None:
    chances = torch.tensor([0.05, 0.4, 0.02, 0.3, 0.13, 0.1])
    asked = Sampling(top_p=0.8)  # 0.4 + 0.3 + 0.13 is the first sum that is no less
    n = 20_000
    numbers = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    found = nucleus(chances.log().expand(n, -1), numbers, asked).bincount(minlength=6) / n
    expected = torch.tensor([0.0, 0.4, 0.0, 0.3, 0.13, 0.0]) / 0.83
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def test_temperature_divides_the_logits() -> None:
    chances = torch.tensor([0.7, 0.2, 0.1])
    n = 10_000
    numbers = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    found = nucleus(chances.log().expand(n, -1), numbers, Sampling(top_p=1.0, temperature=0.5)).bincount() / n
    torch.testing.assert_close(found, chances**2 / (chances**2).sum(), atol=1e-3, rtol=0)


def test_however_small_the_nucleus_has_the_most_probable_token() -> None:
    logits = torch.randn(50, 30, generator=rng())
    found = nucleus(logits, torch.rand(50, dtype=torch.float64, generator=rng(1)), Sampling(top_p=1e-6))
    assert torch.equal(found, logits.argmax(1))


def test_the_same_stream_gives_the_same_texts_however_many_are_written_at_a_time() -> None:
    generator = trained()
    state = torch.random.get_rng_state()
    found = [sample(generator, 0, 12, rng(5), batch=batch) for batch in (12, 12, 5)]
    texts = [generator.vocabulary.decode(one.sentences)[0] for one in found]
    assert texts[0] == texts[1] == texts[2]
    assert found[0].redrawn == found[2].redrawn
    assert texts[0] != generator.vocabulary.decode(sample(generator, 0, 12, rng(6)).sentences)[0]
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("pairs", [False, True])
def test_every_sample_is_a_text_of_the_task(pairs: bool) -> None:
    generator = trained(pairs)
    found = sample(generator, 1, 20, rng(), Sampling(retries=30))
    assert len(found.sentences) == 20
    assert found.sentences.labels.tolist() == [1] * 20
    assert flaws(generator, found.sentences) == [None] * 20
    texts, seconds = generator.vocabulary.decode(found.sentences)
    assert all(text.strip() for text in texts)
    assert (seconds is not None and all(text.strip() for text in seconds)) if pairs else seconds is None
    again = generator.vocabulary.encode(texts, seconds, [1] * 20)
    assert (again.mask.sum(1) <= generator.vocabulary.longest).all()


def test_each_flaw_has_its_name() -> None:
    for pairs in (False, True):
        generator = fresh(pairs)
        vocabulary = generator.vocabulary
        bos, sep, eos = vocabulary.bos(0), vocabulary.sep, vocabulary.eos
        (a,), (space,) = (vocabulary.tokenizer.encode(text).ids for text in ("a", " "))
        half = vocabulary.tokenizer.token_to_id("Ã")  # the first byte of é
        tail = [sep, a] if pairs else []
        rows: dict[str, list[int]] = {
            "good": [a, *tail, eos],
            "unfinished": [a, *tail, a],
            "stray": [a, bos, *tail, eos],
            "empty": [space, *tail, eos],
            "broken": [half, *tail, eos],
            "separator": [a, eos] if pairs else [a, sep, a, eos],
        }
        found = flaws(generator, Sentences.of([[bos, *row] for row in rows.values()], [0] * len(rows)))
        assert found == [None, *list(rows)[1:]]
        if pairs:
            more = Sentences.of([[bos, a, sep, a, sep, a, eos], [bos, a, sep, eos], [bos, sep, a, eos]], [0] * 3)
            assert flaws(generator, more) == ["separator", "empty", "empty"]


def test_what_is_thrown_away_is_counted_by_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []

    def noted(generator: Generator, written: Sentences) -> list[str | None]:
        seen.extend(flaws(generator, written))
        return seen[-len(written) :]

    monkeypatch.setattr(sampling, "flaws", noted)
    found = sample(trained(), 0, 15, rng(), Sampling(length=20, retries=50), batch=7)
    assert found.redrawn == {name: seen.count(name) for name in {*seen} - {None}}
    assert found.redrawn["unfinished"] > 0
    assert seen.count(None) == 15
    assert int(found.sentences.lengths.max()) <= 20


def test_a_model_that_can_write_none_is_told_after_the_retries() -> None:
    generator = fresh()
    with pytest.raises(UserError, match=r"of 5 samples of class 1 after 2 retries each; thrown away: unfinished"):
        sample(generator, 1, 5, rng(), Sampling(length=2, retries=2))


def test_none_asked_for_is_none_and_the_model_stays_in_its_mode() -> None:
    generator = copy.deepcopy(trained())
    generator.model.train()
    assert len(sample(generator, 0, 0, rng()).sentences) == 0
    sample(generator, 0, 2, rng())
    assert generator.model.training


def test_samples_of_a_class_are_more_probable_in_it_than_real_rows_of_random_words() -> None:
    generator = trained()
    drawn = sample(generator, 0, 20, rng()).sentences
    words = sorted({word for text in table().texts for word in text.split()})
    order = torch.randperm(len(words), generator=rng())[:160].tolist()
    salad = [" ".join(words[k] for k in order[at : at + 8]) for at in range(0, 160, 8)]
    mixed = generator.vocabulary.encode(salad, None, [0] * len(salad))
    assert float(generator.nll(drawn).detach().mean()) < float(generator.nll(mixed).detach().mean()) - 0.5
