"""Distilled sentences as words: the nearest word, its distance, and how far real words lie from each other."""

from __future__ import annotations

import dataclasses
import io
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from torch import Tensor

from textdistill.core.errors import ArtifactError, DataError
from textdistill.reports.decoded_text import show
from textdistill.representations.decode import (
    Decoded,
    Metric,
    RealSentence,
    decode,
    label_shares,
    nearest_sentences,
    snap,
)

WORDS = ["good", "bad", "film", "plot"]
MATRIX = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.6, 0.8]])
CLASSES = ("negative", "positive")
# one step of two samples with three positions each
INPUTS = torch.tensor([[[[2.0, 0.1], [0.0, 1.0], [3.0, 0.0]], [[-1.0, 0.0], [-0.9, 0.1], [0.6, 0.8]]]])
TARGETS = torch.tensor([[[0.5, 1.5], [2.0, -1.0]]])


def decoded(metric: str = "cosine", k: int = 1, inputs: Tensor = INPUTS, targets: Tensor = TARGETS) -> Decoded:
    return decode(inputs, targets, CLASSES, WORDS, MATRIX, metric=metric, k=k)  # type: ignore[arg-type]


def terminal(result: Decoded, **options: int) -> str:
    text = io.StringIO()
    Console(file=text, width=100).print(show(result, **options))
    return text.getvalue()


def test_each_position_becomes_its_nearest_word_with_the_distance() -> None:
    first, second = decoded().sentences
    assert first.words == ["good", "film", "good"]
    assert second.words == ["bad", "bad", "plot"]
    assert first.distances == pytest.approx([1 - 2 / 4.01**0.5, 0, 0], abs=1e-5)
    assert (first.step, first.sample, second.step, second.sample) == (0, 0, 0, 1)


def test_the_euclidean_distance_minds_length_where_the_cosine_does_not() -> None:
    assert decoded().sentences[0].words[1] == "film"
    euclidean = decoded("euclidean").sentences[0]
    assert euclidean.words[1] == "plot"  # (0, 1) is 0.63 from (0.6, 0.8) and 1 from (0, 2)
    assert euclidean.distances[2] == pytest.approx(2)


def test_further_words_are_kept_in_order_of_distance() -> None:
    first = decoded(k=4).sentences[0]
    assert first.words[0] == "good"
    assert first.alternatives[0] == ["plot", "film", "bad"]
    assert decoded(k=1).sentences[0].alternatives == [[], [], []]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_the_words_agree_with_a_search_by_hand(metric: str) -> None:
    rng = torch.Generator().manual_seed(3)
    matrix, inputs = torch.randn(50, 7, generator=rng), torch.randn(2, 3, 5, 7, generator=rng)
    words = [f"w{index}" for index in range(50)]
    found = decode(inputs, torch.ones(2, 3, 2), CLASSES, words, matrix, metric=metric)  # type: ignore[arg-type]
    for one in found.sentences:
        for vector, word, distance in zip(inputs[one.step, one.sample], one.words, one.distances, strict=True):
            if metric == "cosine":
                gaps = 1 - torch.nn.functional.cosine_similarity(vector[None], matrix)
            else:
                gaps = (matrix - vector).norm(dim=1)
            assert word == words[int(gaps.argmin())]
            assert distance == pytest.approx(float(gaps.min()), abs=1e-4)


def test_labels_keep_their_values_and_unbounded_ones_are_softmaxed() -> None:
    first, second = decoded().sentences
    assert decoded().summary.label_rule == "softmax"  # one label is negative, so the rule holds for the whole set
    assert first.label == {"negative": 0.5, "positive": 1.5}
    assert first.probabilities["positive"] == pytest.approx(torch.tensor([0.5, 1.5]).softmax(0)[1].item(), abs=1e-6)
    assert (first.top, second.top) == ("positive", "negative")
    assert first.ranked()[0][0] == "positive"


def test_labels_without_negative_values_are_divided_by_their_sum() -> None:
    shares, rule = label_shares(torch.tensor([[1.0, 3.0], [0.2, 0.2]]))
    assert rule == "normalised"
    assert shares.tolist() == [[0.25, 0.75], [0.5, 0.5]]


@given(st.lists(st.lists(st.floats(-50, 50), min_size=3, max_size=3), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_shares_always_sum_to_one(rows: list[list[float]]) -> None:
    shares, _ = label_shares(torch.tensor(rows, dtype=torch.float64))
    assert torch.allclose(shares.sum(-1), torch.ones(len(rows), dtype=torch.float64))


def test_the_summary_measures_distances_norms_and_repeats() -> None:
    result = decoded("euclidean")
    summary, gaps = result.summary, [gap for one in result.sentences for gap in one.distances]
    assert summary.metric == "euclidean"
    assert summary.positions == 6
    assert summary.mean == pytest.approx(sum(gaps) / 6, abs=1e-5)
    assert (summary.min, summary.max) == pytest.approx((min(gaps), max(gaps)))
    assert summary.median == pytest.approx(sum(sorted(gaps)[2:4]) / 2, abs=1e-5)
    assert summary.mean_norm == pytest.approx(float(INPUTS.norm(dim=-1).mean()), abs=1e-5)
    assert summary.mean_word_norm == pytest.approx(1.25)
    assert summary.repeated == pytest.approx(2 / 6, abs=1e-5)  # the second "good" and the second "bad"
    assert summary.unique == pytest.approx(3 / 6, abs=1e-5)  # good, plot, bad


def test_real_words_are_measured_to_their_nearest_other_word() -> None:
    # good to plot .4, bad to film 1, film to plot .2, plot to film .2: the median lies between .2 and .4
    assert decoded().summary.real_word_distance == pytest.approx(0.3, abs=1e-5)


def test_twins_in_the_vocabulary_lie_at_distance_zero_from_each_other() -> None:
    matrix = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert decode(INPUTS, TARGETS, CLASSES, WORDS, matrix).summary.real_word_distance == pytest.approx(0, abs=1e-6)


def test_a_decoded_set_survives_json() -> None:
    result = decoded(k=2).with_nearest_real([[RealSentence("a good film", "positive", 0.1)], []])
    assert Decoded.from_dict(json.loads(json.dumps(result.as_dict()))) == result
    assert result.sentences[0].nearest_real[0].text == "a good film"


def test_a_malformed_decoded_set_names_the_entry() -> None:
    values = decoded().as_dict()
    values["sentences"][1]["distances"] = ["far"]
    with pytest.raises(ArtifactError, match=r"sentences\.1\.distances\.0"):
        Decoded.from_dict(values)
    with pytest.raises(ArtifactError, match="decoded sentences"):
        Decoded.from_dict([1, 2])


def test_snapping_puts_every_vector_on_its_word_and_twice_changes_nothing() -> None:
    snapped = snap(INPUTS, MATRIX, "cosine")
    assert snapped.shape == INPUTS.shape
    assert snapped[0, 0].tolist() == MATRIX[[0, 2, 0]].tolist()
    assert torch.equal(snap(snapped, MATRIX, "cosine"), snapped)
    assert snap(INPUTS, MATRIX, "euclidean")[0, 0, 1].tolist() == MATRIX[3].tolist()


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_a_position_without_a_word_stays_without_one(metric: Metric) -> None:
    padded = torch.cat([INPUTS, torch.zeros_like(INPUTS[:, :, :1])], 2)
    snapped = snap(padded, MATRIX, metric)
    assert torch.equal(snapped[:, :, :-1], snap(INPUTS, MATRIX, metric))
    assert not snapped[:, :, -1].any()


def test_snapping_keeps_the_type_and_cuts_the_gradient() -> None:
    snapped = snap(INPUTS.double().requires_grad_(), MATRIX)
    assert snapped.dtype == torch.float64
    assert not snapped.requires_grad


def test_the_nearest_real_sentences_come_by_the_cosine_of_means() -> None:
    real = torch.tensor([[0.0, -5.0], [10.0, 2.0], [-1.0, 0.5]])
    first, second = nearest_sentences(INPUTS, real, ["down", "right", "left"], ["n", "p", "n"], k=2)
    assert [one.text for one in first] == ["right", "down"]
    assert [one.text for one in second] == ["left", "down"]
    mean = INPUTS[0, 0].mean(0)
    assert first[0].distance == pytest.approx(1 - float(mean @ real[1] / mean.norm() / real[1].norm()), abs=1e-5)
    assert first[0].label == "p"


def test_fewer_real_sentences_than_asked_are_all_given() -> None:
    assert [len(found) for found in nearest_sentences(INPUTS, MATRIX[:1], ["one"], ["p"], k=3)] == [1, 1]


def test_the_terminal_shows_label_words_and_distance() -> None:
    text = terminal(decoded(), limit=1, words=2)
    assert "step 1, sample 1" in text
    assert "positive 0.73" in text
    assert "good film … 1 more" in text
    assert "real words: 0.300" in text
    assert "1 more sentences" in text


def test_words_that_look_like_terminal_markup_are_shown_as_they_are() -> None:
    words = ["[red]good", "[/]", "film", "plot"]
    assert "[red]good" in terminal(decode(INPUTS, TARGETS, CLASSES, words, MATRIX))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": INPUTS[0]}, "steps, samples, length, dimension"),
        ({"targets": TARGETS[:, :1]}, "steps, samples, classes"),
        ({"classes": ("one",)}, "targets of 2 values, but 1 class names"),
        ({"words": WORDS[:3]}, "3 words"),
        ({"matrix": torch.zeros(4, 3)}, "one row of 2 numbers"),
        ({"inputs": INPUTS * float("nan")}, "NaN"),
        ({"k": 5}, "1 to 4"),
        ({"k": 0}, "1 to 4"),
    ],
    ids=["inputs", "targets", "classes", "words", "matrix", "nan", "k too large", "k zero"],
)
def test_what_does_not_fit_is_refused_with_what_would(change: dict[str, object], message: str) -> None:
    given_: dict[str, object] = {
        "inputs": INPUTS,
        "targets": TARGETS,
        "classes": CLASSES,
        "words": WORDS,
        "matrix": MATRIX,
    }
    with pytest.raises(DataError, match=message):
        decode(**{**given_, **change})  # type: ignore[arg-type]


def test_sentences_and_vectors_of_other_sizes_are_refused() -> None:
    with pytest.raises(DataError, match="for 1 samples"):
        decoded().with_nearest_real([[]])
    with pytest.raises(DataError, match="word vectors of 3"):
        snap(INPUTS, torch.ones(4, 3))
    with pytest.raises(DataError, match="1 texts"):
        nearest_sentences(INPUTS, MATRIX, ["one"], ["p"])
    with pytest.raises(DataError, match="real means of 3"):
        nearest_sentences(INPUTS, torch.ones(1, 3), ["one"], ["p"])


def test_a_decoded_set_cannot_be_changed_in_place() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        decoded().summary = None  # type: ignore[misc, assignment]
