"""`ls --parts`: every part in a line, and its settings with default, what is allowed and what they mean."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator

import pytest

from tests import tiny
from textdistill.core.bounds import settings_in
from textdistill.recipe.parts import PARTS, Part
from textdistill.recipe.read import SECTIONS, TEXT_SECTIONS

PART = [Part(kind, name, known) for kind, parts in PARTS.items() for name, known in parts.items()]
NAMED = [(part.name, part.takes_settings) for part in PART] + [*SECTIONS.items(), *TEXT_SECTIONS.items()]


def shown(*words: str) -> str:
    called = tiny.call("ls", "--parts", *words)
    assert called.exit_code == 0, called.output
    return str(called.stdout)


def silent(taking: type, path: str = "") -> Iterator[str]:
    """The settings that do not say what they mean, those of settings within settings too."""
    for name, setting in settings_in(taking).items():
        if not setting.meaning:
            yield f"{path}{name}"
        for inner in (setting.type, *typing.get_args(setting.type)):
            if isinstance(inner, type) and dataclasses.is_dataclass(inner):
                yield from silent(inner, f"{path}{name}.")


@pytest.mark.parametrize(("name", "taking"), NAMED, ids=[name for name, _ in NAMED])
def test_every_setting_that_a_recipe_can_name_says_what_it_means(name: str, taking: type) -> None:
    assert [*silent(taking)] == []


def test_a_kind_shows_the_settings_of_all_its_parts() -> None:
    text = shown("learner")
    assert all(f"learner {name}: " in text for name in PARTS["learner"])
    assert "objective" not in text


def test_a_name_shows_a_part_with_defaults_bounds_choices_and_meanings() -> None:
    rows = {
        line.split()[0]: " ".join(line.split()[1:]) for line in shown("gradient_matching").splitlines() if line.strip()
    }
    assert rows["distance"].startswith("layerwise layerwise, cosine, whole, euclidean between gradients")
    assert rows["batch"] == "256 integer, 1 or more real rows of each class that a step sees"
    assert rows["augment"].startswith("[] list of text random")
    assert rows["optimizer"].startswith("sgd sgd, adam how")


def test_a_name_of_two_kinds_shows_both_and_settings_within_settings_stand_below_them() -> None:
    text = shown("pool")
    assert "starts pool: " in text
    assert "section pool: " in text
    assert "full.epochs" in shown("evaluate")
    assert "parts.N.name" in shown("weighted_sum")
    assert "by.N.kind" in shown("judge")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--parts", "lerner"), "ls --parts lerner: no such kind or part (did you mean 'learner'?); kinds: repr"),
        (("learner",), "ls learner: add --parts"),
        (("--parts", "learner", "--json"), "ls --json: of what works with what alone"),
    ],
)
def test_what_is_asked_wrongly_is_told(words: tuple[str, ...], told: str) -> None:
    called = tiny.call("ls", *words)
    assert called.exit_code == 2
    assert told in called.output
