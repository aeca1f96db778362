"""What works with what: the table follows the parts, refusals name the nearest possible, and what it allows works."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

import embeddings
from tests import tiny
from textdistill.core.batch import Batch, RealData
from textdistill.core.distill import ClosedForm, distill
from textdistill.core.errors import RecipeError
from textdistill.core.learner import Learner
from textdistill.core.outer import Outer
from textdistill.core.start_kinds import STARTS
from textdistill.core.starts import Starts
from textdistill.core.streams import Streams
from textdistill.data import TextTable
from textdistill.data.words import tokenise
from textdistill.learners import LEARNERS, make_learner
from textdistill.objectives import OBJECTIVES
from textdistill.objectives.distribution_matching import DistributionMatching
from textdistill.objectives.unrolled import Unrolled
from textdistill.objectives.weighted_sum import Weighted
from textdistill.recipe.parts import PARTS, Part
from textdistill.recipe.read import resolve
from textdistill.recipe.works_with import Parts, Row, refusal, says, table
from textdistill.representations.embedded_text import EmbeddedText
from textdistill.representations.learner_text import LearnerText
from textdistill.synthetic.tensors import TensorData

# Settings that make an objective small enough for fifty steps here, by its name; without an entry, its defaults.
SMALL: dict[str, dict[str, Any]] = {
    "unrolled": {"batch": 64},
    "distribution_matching": {"batch": 16},
    "gradient_matching": {"batch": 16},
    "cafe": {"batch": 16},
    "weighted_sum": {"parts": (Weighted(Unrolled(batch=64)), Weighted(DistributionMatching(batch=16), 0.1))},
    "weighted_sum texts": {"parts": (Weighted(Unrolled(batch=64)), Weighted(Unrolled(batch=16, balanced=True), 0.1))},
}
# The learner and its settings for each kind of representation.
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "words": ("mlp", {"hidden": (16,)}),
    "pixels": ("convnet", {"width": 8, "depth": 2}),
    "texts": ("pretrained", {"model": "minilm", "train": "head"}),
}
STEPS = 50


class Words:
    takes: ClassVar[frozenset[str]] = frozenset({"words"})


class Pixels:
    takes: ClassVar[frozenset[str]] = frozenset({"pixels"})


class Silent:
    """A part that says nothing of itself."""


class LabelsOfPixels(Pixels):
    trains: ClassVar[frozenset[str]] = frozenset({"targets"})
    starts: ClassVar[frozenset[str]] = frozenset({"fresh"})

    def solve(self) -> None:
        """A closed form."""


class Inputs:
    trains: ClassVar[frozenset[str]] = frozenset({"inputs"})


@dataclass(frozen=True)
class BySetting:
    """What it can do follows from its settings."""

    field: str = "lr"

    @property
    def trains(self) -> frozenset[str]:
        return frozenset({self.field})


@dataclass(frozen=True)
class Needy:
    """It cannot be made without settings."""

    field: str

    @property
    def trains(self) -> frozenset[str]:
        return frozenset({self.field})


MADE_UP: Parts = {
    "learner": {"text": Words, "image": Pixels, "both": Silent},
    "objective": {"silent": Silent, "labels": LabelsOfPixels, "inputs": Inputs, "setting": BySetting},
    "starts": {"fixed": Words, "fresh": Pixels},
}


def part(kind: str, made_up: type, **settings: Any) -> Part:
    """A part of the made-up ones by its name there, another by its place, as recipes name one's own."""
    names = (name for name, known in MADE_UP[kind].items() if known is made_up)
    return Part(kind, next(names, f"{made_up.__module__}:{made_up.__qualname__}"), made_up, settings)


def told(
    kind: str | None, objective: Part, starts: type | None = None, learner: type | None = None, learn: Any = ()
) -> str | None:
    begun, network = starts and part("starts", starts), learner and part("learner", learner)
    return refusal(kind, objective, begun, network, learn, parts=MADE_UP)


def objective(made_up: type, **settings: Any) -> Part:
    return part("objective", made_up, **settings)


def row(kind: str, objective: str) -> Row:
    (found,) = [one for one in table(MADE_UP) if (one.representation, one.objective) == (kind, objective)]
    return found


def test_a_part_that_says_nothing_can_do_all() -> None:
    assert says(objective(Silent), "takes") is None
    assert row("words", "silent") == Row(
        "words", "silent", ("fixed", "fresh"), ("inputs", "targets", "weights", "lr"), ("text", "both"), False
    )
    assert told("pixels", objective(Silent), Words, Silent, {"inputs", "targets", "lr"}) is None


def test_the_table_has_every_pair_with_what_goes_with_it_or_why_nothing_does() -> None:
    assert [(one.representation, one.objective) for one in table(MADE_UP)] == [
        (kind, objective) for kind in ("words", "pixels", "texts") for objective in MADE_UP["objective"]
    ]
    assert row("pixels", "labels") == Row("pixels", "labels", ("fresh",), ("targets",), ("image", "both"), True)
    assert row("words", "labels").refused == (
        "objective: labels takes pixels, not words; nearest possible: words with silent"
    )
    lonely = {**MADE_UP, "learner": {"text": Words}}
    assert next(one.refused for one in table(lonely) if one.representation == "pixels") == (
        "learner: none of text takes pixels"
    )


def test_of_texts_nothing_is_learned_but_what_stands_beside_them() -> None:
    assert row("texts", "silent") == Row(
        "texts", "silent", ("fixed", "fresh"), ("targets", "weights", "lr"), ("both",), False
    )
    assert row("texts", "inputs").refused == (
        "synthetic.learn: ['inputs'] cannot be learned of texts, only targets, weights, lr"
    )
    assert told("texts", objective(Silent), None, None, {"targets"}) is None
    assert told("texts", objective(Silent), None, None, {"inputs", "targets"}) == (
        "synthetic.learn: ['inputs'] cannot be learned of texts, only targets, weights, lr; "
        "nearest possible: texts with silent, learning targets"
    )


def test_abilities_that_follow_from_settings_are_those_of_the_instance_and_for_the_table_of_the_defaults() -> None:
    assert row("words", "setting").learned == ("lr",)
    assert told("words", objective(BySetting, field="inputs"), None, None, {"inputs"}) is None
    assert told("words", objective(BySetting), None, None, {"inputs"}) is not None
    assert says(objective(Needy), "trains") is None  # not known, so nothing is refused
    assert says(objective(Needy, field="inputs"), "trains") == frozenset({"inputs"})


def test_what_cannot_be_told_without_settings_is_marked_and_never_suggested() -> None:
    more = {**MADE_UP, "objective": {"needy": Needy, "labels": LabelsOfPixels}}
    assert [(one.objective, one.by_settings) for one in table(more)[:2]] == [("needy", True), ("labels", False)]
    assert not row("words", "setting").by_settings  # its defaults say
    assert refusal("words", objective(LabelsOfPixels), parts=more) == (
        "objective: labels takes pixels, not words; nearest possible: pixels with labels"
    )


def test_a_kind_that_only_a_part_knows_has_its_lines_too() -> None:
    class Ids:
        takes: ClassVar[frozenset[str]] = frozenset({"ids"})

    more = {**MADE_UP, "learner": {**MADE_UP["learner"], "encoder": Ids}}
    assert next(one.learners for one in table(more) if one.representation == "ids") == ("both", "encoder")


@pytest.mark.parametrize(
    ("asked", "reason", "nearest"),
    [
        (
            ("words", objective(Inputs), None, Pixels, {"inputs"}),
            "learner: image takes pixels, not words",
            "words with inputs, learner text",
        ),
        (
            ("pixels", objective(LabelsOfPixels), Words, None, {"targets"}),
            "starts: fixed makes no sense with labels; allowed: fresh",
            "pixels with labels, starts fresh",
        ),
        (
            ("words", objective(Inputs), None, None, {"inputs", "lr"}),
            "synthetic.learn: ['lr'] get no gradient from inputs; it trains ['inputs']",
            "words with inputs, learning inputs",
        ),
        # labels alone are wanted, so another objective is nearer than other fields
        (
            ("words", objective(Inputs), None, None, {"targets"}),
            "synthetic.learn: ['targets'] get no gradient from inputs; it trains ['inputs']",
            "words with silent",
        ),
        (
            ("words", objective(LabelsOfPixels), Words, Pixels, {"targets"}),
            "objective: labels takes pixels, not words; learner: image takes pixels, not words; "
            "starts: fixed makes no sense with labels; allowed: fresh",
            "words with silent, learner text",
        ),
        (
            (None, objective(Inputs), None, None, {"lr"}),
            "synthetic.learn: ['lr'] get no gradient from inputs; it trains ['inputs']",
            "silent",
        ),
    ],
)
def test_a_refusal_says_why_and_what_is_nearest(asked: tuple[Any, ...], reason: str, nearest: str) -> None:
    assert told(*asked) == f"{reason}; nearest possible: {nearest}"


def test_a_user_s_own_part_is_called_by_its_place() -> None:
    assert told("words", objective(Needy, field="lr"), None, None, {"inputs", "lr"}) == (
        "synthetic.learn: ['inputs'] get no gradient from tests.test_compat:Needy; it trains ['lr']; "
        "nearest possible: words with tests.test_compat:Needy, learning lr"
    )


def test_where_nothing_works_it_is_said() -> None:
    only: Parts = {"learner": {"text": Words}, "objective": {"labels": LabelsOfPixels}, "starts": {"fresh": Pixels}}
    assert refusal("words", objective(LabelsOfPixels), None, part("learner", Words), parts=only) == (
        "objective: labels takes pixels, not words; nothing known here works with it"
    )


def test_validation_refuses_what_does_not_work_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PARTS["objective"], "inputs_alone", Inputs)
    monkeypatch.setitem(PARTS["objective"], "by_setting", BySetting)
    settings = {**tiny.settings(), "objective": {"name": "inputs_alone"}}
    with pytest.raises(RecipeError) as caught:
        resolve(settings)
    (fault,) = caught.value.faults
    assert fault == (
        "synthetic.learn: ['lr', 'targets'] get no gradient from inputs_alone; it trains ['inputs']; "
        "nearest possible: words with inputs_alone, learning inputs"
    )
    assert resolve(settings, ["synthetic.learn=[inputs]"]).synthetic.learn == ("inputs",)
    assert resolve(settings, ["synthetic.learn=[inputs, targets]", "synthetic.labels=hard"])  # hard labels never learn
    assert resolve(settings, ["synthetic.learn=[targets]", "objective={name: by_setting, field: targets}"])
    with pytest.raises(RecipeError, match=r"\['targets'\] get no gradient from by_setting; it trains \['lr'\]"):
        resolve(settings, ["synthetic.learn=[targets]", "objective=by_setting"])


def test_ls_shows_the_table_and_gives_it_as_data() -> None:
    called = tiny.call("ls", "--parts")
    assert called.exit_code == 0, called.output
    shown = called.stdout
    assert shown.startswith("What works with what")
    works, _, parts = shown.partition("Parts (settings")
    assert all(name in works for name in (*OBJECTIVES, *STARTS, *LEARNERS))
    assert all(name in parts for known in PARTS.values() for name in known)
    data = json.loads(tiny.call("ls", "--parts", "--json").stdout)
    assert [(one["representation"], one["objective"]) for one in data] == [
        (one.representation, one.objective) for one in table()
    ]
    assert data[0]["learned"] == ["inputs", "targets", "lr"]
    assert tiny.call("ls", "--json").exit_code == 2


class Digits:
    """The 8 × 8 digits 0 to 4 of scikit-learn, each pixel with mean 0 and variance 1 over all of them."""

    def __init__(self) -> None:
        images, labels = load_digits(n_class=5, return_X_y=True)
        values = torch.from_numpy(images).float().view(-1, 1, 8, 8)
        self.inputs = (values - values.mean()) / values.std()
        self.labels = torch.from_numpy(labels)
        self.classes: tuple[str, ...] = tuple(map(str, range(5)))
        self.shape: tuple[int, ...] = (1, 8, 8)

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Tensor) -> Batch:
        return Batch(self.inputs[rows], torch.eye(5)[self.labels[rows]])


@functools.cache
def real(kind: str) -> RealData:
    """Real sentences as GloVe vectors or as they are, or real digits."""
    if kind == "texts":
        texts, labels = zip(*tiny.sentences()[::5], strict=True)
        table = TextTable("reviews", ("bad", "good"), list(texts), None, np.array(labels))
        network: Any = learner_of(kind).module
        return LearnerText(table, network.read, network.shape)
    if kind == "pixels":
        return Digits()
    glove = embeddings.load("glove-6b-50d", max_words=5000)
    texts, labels = zip(*tiny.sentences(), strict=True)
    matrix = torch.from_numpy(np.array(glove.matrix))
    return EmbeddedText([tokenise(text) for text in texts], labels, ("bad", "good"), glove.words, matrix, 12)


def objective_of(name: str, kind: str) -> Any:
    try:
        return OBJECTIVES[name](**SMALL.get(f"{name} {kind}", SMALL.get(name, {})))
    except TypeError as error:
        pytest.fail(f"objective {name} needs settings ({error}): give small ones in SMALL above")


def learner_of(kind: str) -> Learner:
    name, settings = NETWORKS[kind]
    network: Any = LEARNERS[name]
    if kind == "texts":  # what it reads is its own
        return make_learner(network, network.Settings(**settings), (), 2)
    return make_learner(network, network.Settings(**settings), real(kind).shape, len(real(kind).classes))


def start_of(name: str, learner: Learner) -> Starts:
    made: Starts = STARTS[name](learner, Streams(0, ("starts",)))
    return made


def beginning(pair: Row) -> TensorData:
    """Two samples of each class in one step, visited three times: noise where inputs are learned, else real rows."""
    data, count = real(pair.representation), len(real(pair.representation).classes)
    owners = torch.arange(2 * count) % count
    rows = torch.stack([torch.nonzero(data.labels == label)[k // count, 0] for k, label in enumerate(owners.tolist())])
    inputs = data.batch(rows).inputs
    if "inputs" in pair.learned:
        inputs = inputs.std() * torch.randn(inputs.shape, generator=torch.Generator().manual_seed(0))
    learned = frozenset(pair.learned) & {"inputs", "targets", "lr"}
    if not learned:
        pytest.fail(f"objective {pair.objective} trains {pair.learned}, which no distilled set held in tensors has")
    return TensorData(inputs[None], torch.eye(count)[owners][None], torch.full((3, 1), 0.1), learned=learned)


def mean_loss(pair: Row, objective: Any, synthetic: TensorData, learner: Learner, starts: str) -> float:
    """The objective on real batches and starts that are the same whenever this is called."""
    losses: list[float] = []
    for turn in range(4):
        streams = Streams(1, ("judging",)).child(turn)
        begun = start_of(starts, learner).next(turn, synthetic, objective.inner(learner, streams.child("start")))
        outcomes = objective.evaluate(synthetic, real(pair.representation), learner, begun, streams)
        losses += [outcome.loss for outcome in outcomes]
    return sum(losses) / len(losses)


def losses_of(
    pair: Row, objective: Any, synthetic: TensorData, learner: Learner, starts: str, outer: Outer
) -> list[float]:
    """The losses that the outer loop tells on its way; the set is changed in place."""
    losses: list[float] = []
    distill(
        synthetic,
        objective,
        real(pair.representation),
        learner=learner,
        starts=start_of(starts, learner),
        outer=outer,
        on_step=lambda step, record: losses.append(record["loss"]),
    )
    return losses


PAIRS = [pytest.param(one, id=f"{one.representation} {one.objective}") for one in table() if one.refused is None]


@pytest.mark.parametrize("pair", PAIRS)
def test_what_the_table_calls_possible_takes_fifty_real_steps_and_lowers_its_loss(pair: Row) -> None:
    objective, learner = objective_of(pair.objective, pair.representation), learner_of(pair.representation)
    synthetic = beginning(pair)
    starts = pair.starts[0]
    before = mean_loss(pair, objective, synthetic, learner, starts)
    losses = losses_of(pair, objective, synthetic, learner, starts, Outer(steps=STEPS, lr=0.02, schedule="constant"))
    assert len(losses) == (0 if isinstance(objective, ClosedForm) else STEPS)
    after = mean_loss(pair, objective, synthetic, learner, starts)
    assert after < before


@pytest.mark.parametrize("pair", PAIRS)
def test_every_start_that_the_table_allows_takes_steps(pair: Row) -> None:
    objective, learner = objective_of(pair.objective, pair.representation), learner_of(pair.representation)
    for starts in pair.starts:
        synthetic = beginning(pair)
        before = {name: value.detach().clone() for name, value in synthetic.parameters().items()}
        losses_of(pair, objective, synthetic, learner, starts, Outer(steps=2))
        moved = {name for name, value in synthetic.parameters().items() if not torch.equal(value, before[name])}
        assert moved & set(pair.learned), starts
