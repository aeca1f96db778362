"""What a prompt prefers whatever the row says is taken off: as it shows without content, or on training rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax

from tests.in_context.models import CLASSES, tiny, words
from textdistill.data.sets.text_set import TextSet
from textdistill.export import Wording
from textdistill.in_context import ByRows, ContentFree, Likelihood, calibration, calibration_of
from textdistill.in_context.calibration import STRENGTH, likeliest_scale

TWO = Wording(CLASSES)


def labelled(labels: np.ndarray, classes: int) -> TextSet:
    return TextSet([str(row) for row in range(len(labels))], labels, tuple(map(str, range(classes))))


def preferring(preference: list[float], rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores that know the label, from a prompt that prefers some classes; rows drawn alike from all."""
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % len(preference)
    scores = rng.normal(size=(rows, len(preference))) + 2 * np.eye(len(preference))[labels] + np.array(preference)
    return scores, labels


def test_contextual_calibration_divides_by_what_the_prompt_prefers_without_content() -> None:
    scores, free = np.log([[0.6, 0.2], [0.3, 0.3]]), np.log([[0.8, 0.2], [0.3, 0.3]])
    biased = (np.array([0.8, 0.2]) + np.array([0.5, 0.5])) / 2
    wanted = np.array([[0.75, 0.25], [0.5, 0.5]]) / biased
    np.testing.assert_allclose(np.exp(ContentFree()(scores, free)), wanted / wanted.sum(1, keepdims=True))


@pytest.mark.parametrize("kind", [ContentFree(), ByRows(words(5), (0.5, 0.5))])
def test_a_prompt_is_calibrated_by_what_it_says_of_the_calibrations_own_questions(
    kind: calibration.Calibration,
) -> None:
    rows, shots, judge = words(9).take(range(4, 9)), words(2), Likelihood(tiny())
    if isinstance(kind, ByRows):
        reference = kind.rows
    else:
        reference = TextSet(list(calibration.CONTENT_FREE), np.zeros(3, np.int64), CLASSES)
    np.testing.assert_allclose(
        judge.in_words(TWO, shots, rows, calibration=kind),
        kind(judge.in_words(TWO, shots, rows), judge.in_words(TWO, shots, reference)),
        rtol=1e-9,
    )


def test_rows_that_are_their_own_reference_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    judge, rows = Likelihood(tiny()), words(5)
    asked: list[int] = []
    scores = judge.scores
    monkeypatch.setattr(
        judge,
        "scores",
        lambda prefix, questions, answers: asked.append(len(questions)) or scores(prefix, questions, answers),
    )
    found = judge.in_words(TWO, words(2), rows, calibration=ByRows(rows, (0.5, 0.5)))
    assert asked == [5]
    plain = judge.in_words(TWO, words(2), rows)
    np.testing.assert_allclose(found, ByRows(rows, (0.5, 0.5))(plain, plain), rtol=1e-9)


@pytest.mark.parametrize("classes", [2, 5])
def test_slope_and_constants_are_the_likeliest(classes: int) -> None:
    scores, labels = preferring([3.0] + [0.0] * (classes - 1), 40)
    scores, weights = log_softmax(3 * scores, axis=1), np.random.default_rng(1).uniform(0.2, 2, 40)

    def against(at: np.ndarray) -> float:
        likely = log_softmax(at[0] * scores + at[1:], axis=1)[np.arange(40), labels]
        return float(-weights @ likely + 0.5 * STRENGTH * ((at[0] - 1) ** 2 + (at[1:] ** 2).sum()))

    slope, constants = likeliest_scale(scores, labels, weights)
    wanted = minimize(against, np.r_[1.0, np.zeros(classes)], tol=1e-12)
    np.testing.assert_allclose([slope, *constants], wanted.x, atol=1e-4)
    assert against(np.r_[slope, constants]) <= wanted.fun + 1e-12


def test_rows_show_what_a_prompt_prefers() -> None:
    held, held_labels = preferring([4.0, 0.0, 0.0], 60)
    scores, labels = preferring([4.0, 0.0, 0.0], 600, seed=1)
    by_rows = ByRows(labelled(held_labels, 3), (1 / 3, 1 / 3, 1 / 3))
    plain = (scores.argmax(1) == labels).mean()
    assert plain < 0.6
    assert (by_rows(scores, held).argmax(1) == labels).mean() > plain + 0.2


def test_rare_classes_stay_rare_though_rows_are_drawn_alike_from_all() -> None:
    scores, labels = preferring([0.0, 0.0, 0.0], 6000)
    by_rows = ByRows(labelled(labels, 3), (0.8, 0.15, 0.05))
    assert by_rows.weights.mean() == pytest.approx(1)
    odds = np.exp(by_rows(scores, scores))
    np.testing.assert_allclose(by_rows.weights @ odds / len(odds), (0.8, 0.15, 0.05), atol=1e-3)


def test_a_class_that_no_row_shows_and_rows_that_say_nothing_do_no_harm() -> None:
    by_rows = ByRows(labelled(np.zeros(4, np.int64), 2), (0.5, 0.5))
    found = by_rows(np.array([[-30.0, 0.0], [0.0, -30.0]]), np.zeros((4, 2)))
    assert found.argmax(1).tolist() == [1, 0]
    assert np.isfinite(found).all()


def test_calibrations_are_chosen_by_name() -> None:
    assert calibration_of("none", words(2), [3, 1]) is None
    assert isinstance(calibration_of("content-free", words(2), [3, 1]), ContentFree)
    by_rows = calibration_of("rows", words(2), [3, 1])
    assert isinstance(by_rows, ByRows)
    assert by_rows.shares == (0.75, 0.25)
