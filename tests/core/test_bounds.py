"""What a setting may be stands beside it: a value is brought to its type, or refused with what is allowed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Le
from pydantic import AllowInfNan

from textdistill.core.bounds import (
    Count,
    Doc,
    OneOf,
    Positive,
    Share,
    bounds,
    by_name,
    choices,
    faults_of,
    name_of,
    read,
    settings_in,
)
from textdistill.core.inner import SGD, Adam
from textdistill.core.on_real import OnReal

Colour = Annotated[str, OneOf(("red", "green"))]


@dataclass(frozen=True)
class Painting:
    """Settings of every sort."""

    coats: Annotated[Count, Doc("how often")] = 1
    share: Annotated[Share | None, Doc("of the wall")] = None
    colours: Annotated[tuple[Colour, ...], Doc("one after the other")] = ("red",)
    tools: dict[str, int] = field(default_factory=dict)

    def between(self) -> list[str]:
        """More colours than coats."""
        return ["colours: too many"] if len(self.colours) > self.coats else []


@pytest.mark.parametrize(
    ("annotation", "value", "told"),
    [
        (Count, 0, "key: 0; allowed: 1 or more"),
        (Count | None, 0, "key: 0; allowed: 1 or more"),
        (Count, "0.0", "key: 0.0; allowed: 1 or more"),
        (Count, 1.5, "key: found 1.5; input should be a valid integer, got a number with a fractional part"),
        (Share, 1, "key: 1.0; allowed: below 1, 0 or more"),
        (Share, -1, "key: -1.0; allowed: 0 or more, below 1"),
        (Annotated[Positive, Le(1)], 0, "key: 0.0; allowed: above 0, up to 1"),
        (Annotated[int, Ge(1), Le(1024)], 0, "key: 0; allowed: 1 to 1024"),
        (Positive, math.inf, "key: inf; allowed: finite numbers"),
        (tuple[float, ...], [1.0, math.nan], "key: nan; allowed: finite numbers"),
        (Colour, "gren", "key: 'gren'; allowed: red, green (did you mean 'green'?)"),
        (Colour | None, ["red"], "key: ['red']; allowed: red, green (did you mean 'red'?)"),
        (Literal["head", "all"] | Count, 0, "key: 0; allowed: 1 or more"),
        (Literal["head", "all"] | Count, "tail", "key: 'tail'; allowed: head, all, a number (did you mean 'all'?)"),
        (Mapping[Colour, Positive], {"rd": 2}, "key: 'rd'; allowed: red, green (did you mean 'red'?)"),
        (Mapping[Colour, Positive], {"red": 0}, "key.red: 0.0; allowed: above 0"),
    ],
)
def test_what_is_not_allowed_is_told_with_what_is(annotation: Any, value: Any, told: str) -> None:
    faults: list[str] = []
    assert read(annotation, value, "key", faults) is None
    assert faults == [told]


def test_every_bad_item_of_a_list_is_told() -> None:
    faults: list[str] = []
    read(tuple[Count, ...], [0, 3, -1], "key", faults)
    assert faults == ["key: 0; allowed: 1 or more", "key: -1; allowed: 1 or more"]


def test_what_is_allowed_comes_in_the_setting_s_own_type() -> None:
    faults: list[str] = []
    assert read(tuple[Share, Share], [0, "0.5"], "key", faults) == (0.0, 0.5)
    assert read(Count | None, None, "key", faults) is None
    assert read(Annotated[Positive, AllowInfNan(True)], math.inf, "key", faults) == math.inf
    assert not faults


def test_settings_made_in_python_are_looked_at_too() -> None:
    assert faults_of(Painting()) == []
    bad = Painting(coats=0, share=2.0, colours=("rd",))
    assert faults_of(bad) == [
        "colours: too many",
        "coats: 0; allowed: 1 or more",
        "share: 2.0; allowed: below 1, 0 or more",
        "colours: 'rd'; allowed: red, green (did you mean 'red'?)",
    ]


def test_settings_tell_their_default_and_what_they_mean() -> None:
    settings = settings_in(Painting)
    assert [(name, one.default, one.meaning) for name, one in settings.items()] == [
        ("coats", 1, "how often"),
        ("share", None, "of the wall"),
        ("colours", ("red",), "one after the other"),
        ("tools", {}, ""),
    ]
    assert bounds(settings["share"].annotation) == ["0 or more", "below 1"]
    assert choices(settings["colours"].annotation) == ("red", "green")
    assert settings_in(OnReal).keys() == {"matches", "steps", "batch", "lr", "optimizer", "precision"}


def test_a_part_is_called_as_it_says_and_one_that_inherits_by_its_place() -> None:
    class Own(SGD):
        """A user's."""

    assert by_name(SGD, Adam) == {"sgd": SGD, "adam": Adam}
    assert name_of(Own).startswith("tests.core.test_bounds:")
