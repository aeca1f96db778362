"""The table of methods by learners: every score kept, spread over sets, chance told apart from difference."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from scipy import stats

from textdistill.core.errors import DataError, UserError
from textdistill.core.streams import Streams
from textdistill.data.sets.text_set import TextSet
from textdistill.data.table import TextTable
from textdistill.evaluation.text_scores import Cell, Table, compare, judge, rounds

CLASSES = ("a", "b")
TEST = TextTable("test", CLASSES, ["x", "y"], None, np.array([0, 1]))


def of(level: float, classes: tuple[str, ...] = CLASSES) -> TextSet:
    return TextSet(["one", "two"], np.array([0, 1]), classes, meta={"level": level})


@dataclass
class Oracle:
    """Scores a set by what its meta say, plus the last digit of the seed."""

    name: str = "oracle"
    determined: bool = False
    seen: list[tuple[float, int]] = field(default_factory=list)
    prepared: int = 0

    def prepare(self, sets: Iterable[TextSet]) -> None:
        self.prepared += len(list(sets))

    def score(self, distilled: TextSet, test: TextTable, seed: int, metrics: Sequence[str]) -> dict[str, float]:
        assert distilled.classes == test.classes
        self.seen.append((distilled.meta["level"], seed))
        return {metric: distilled.meta["level"] + seed % 10 + 2 * place for place, metric in enumerate(metrics)}


SETS = {"ours": [of(70), of(72), of(74)], "random": [of(60), of(61)]}


def test_every_set_meets_every_seed_and_methods_meet_the_same_ones() -> None:
    oracle, sure, told = Oracle(), Oracle("sure", determined=True), []
    table = judge(SETS, [oracle, sure], TEST, nets=3, streams=Streams(5), tick=told.append)
    assert len(told) == rounds(SETS, [oracle, sure], 3) == 5 * 3 + 5
    assert (told[0], told[-1]) == ("ours, oracle", "random, sure")
    assert (oracle.prepared, sure.prepared) == (5, 5)
    seeds = {level: [seed for at, seed in oracle.seen if at == level] for level in (70, 72, 60, 61)}
    assert seeds[70] == seeds[60]
    assert seeds[72] == seeds[61] != seeds[70]
    assert len(set(seeds[70])) == 3
    assert (
        judge(SETS, [Oracle()], TEST, nets=3, streams=Streams(5)).cells["ours"]["oracle"]
        == table.cells["ours"]["oracle"]
    )
    assert len(table.cell("ours", "sure").scores[0]) == 1


def test_networks_of_a_set_are_averaged_before_anything_is_told_of_sets() -> None:
    table = judge(SETS, [Oracle()], TEST, seeds=[0, 4], metrics=["accuracy", "f1"])
    cell = table.cell("ours", "oracle")
    np.testing.assert_allclose(cell.per_set(), [72, 74, 76])
    np.testing.assert_allclose(cell.per_set("mean"), [73, 75, 77])
    found = cell.summary("f1")
    assert (found.mean, found.sd, found.n) == (76, 2, 3)
    assert cell.within() == pytest.approx(np.std([0, 4], ddof=1))
    told = json.loads(json.dumps(table.as_dict()))
    assert told["ours"]["samples"] == 2
    assert told["ours"]["oracle"]["accuracy"] == {
        **{"mean": 74, "sd": 2, "n": 3, "nets": 2, "sd_nets": 2.8284},
        "scores": [[70, 74], [72, 76], [74, 78]],
    }
    with pytest.raises(UserError, match=r"metric 'f2' was not taken \(did you mean 'f1'\?\)"):
        cell.per_set("f2")


def test_a_difference_is_welchs_over_sets_with_a_bootstrap_interval() -> None:
    a, b = [72.0, 74, 76, 73], [70.0, 71, 75, 69, 72]
    found = compare(a, b, Streams(0))
    known = stats.ttest_ind(a, b, equal_var=False)
    assert (found.test.t, found.test.p) == (pytest.approx(known.statistic), pytest.approx(known.pvalue))
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.test.difference < found.high
    assert compare(a, b, Streams(0)) == found
    assert compare(a, b, Streams(1)).low != found.low
    assert set(found.as_dict()) == {"difference", "t", "df", "p", "low", "high", "paired"}
    single = compare(a, [70], Streams(0)).as_dict()
    assert (single["difference"], single["p"], single["low"]) == (3.75, None, None)


def cell(*scores: float) -> Cell:
    return Cell(tuple(({"accuracy": one},) for one in scores))


TABLE = Table(
    {
        "k|centers": {"one": cell(70, 71, 72), "two": cell(60)},
        "ours": {"one": cell(80, 81, 82.5), "two": cell(59)},
        "random": {"one": cell(69, 71, 74), "two": cell(50)},
    },
    {"ours": 20},
)


def test_rows_are_text_best_first_with_stars_where_it_is_no_chance() -> None:
    rows = TABLE.rows(against="k|centers")
    assert [row["method"] for row in rows] == ["ours", "random", "k|centers"]
    assert rows[0] == {"method": "ours", "samples": "20", "sets": "3", "one": "81.2 ± 1.3 **", "two": "59.0"} | {
        "sets": "1"
    }
    assert rows[1]["one"] == "71.3 ± 2.5"
    lines = TABLE.markdown().splitlines()
    assert lines[0] == "| method | samples | sets | one | two |"
    assert lines[1] == "|---|---|---|---|---|"
    assert lines[-1].startswith("| k\\|centers |")
    assert TABLE.compare("ours", "random", "one").test.p == pytest.approx(
        stats.ttest_ind([80, 81, 82.5], [69, 71, 74], equal_var=False).pvalue
    )
    with pytest.raises(UserError, match=r"'our' is not in this table \(did you mean 'ours'\?\)"):
        TABLE.compare("our", "random", "one")
    with pytest.raises(UserError, match=r"'three' is not in this table.*it has one, two"):
        TABLE.cell("ours", "three")


def seeded(*scores: float, texts: str = "", nets: str = "") -> Cell:
    return Cell(cell(*scores).scores, tuple(f"{texts}{n}" for n in range(len(scores))) if texts else (), tuple(nets))


def test_stars_are_corrected_for_the_number_of_methods() -> None:
    ours, other = cell(80, 82, 81, 79), cell(77, 79.5, 78.5, 78)
    p = Table({"ours": {"one": ours}, "other": {"one": other}}).compare("other", "ours", "one").test.p
    assert p is not None
    assert 0.01 < p < 0.05
    alone = Table({"ours": {"one": ours}, "other": {"one": other}}).rows(against="ours")
    assert alone[1]["one"].endswith(" *")
    many = {f"chance {n}": {"one": cell(80, 82, 81.2, 78 + n)} for n in range(5)}
    rows = Table({"ours": {"one": ours}, "other": {"one": other}, **many}).rows(against="ours")
    assert [row["one"] for row in rows if row["method"] == "other"] == ["78.2 ± 1.0"]


def test_the_same_texts_or_networks_that_began_alike_are_compared_in_pairs() -> None:
    hard = seeded(70, 75, 80, texts="t")
    soft = seeded(71, 76.1, 81.2, texts="t")
    table = Table({"hard": {"one": hard}, "soft": {"one": soft}, "other": {"one": seeded(71, 76.1, 81.2, texts="u")}})
    assert table.compare("soft", "hard", "one").paired
    assert table.compare("soft", "hard", "one").test.p == pytest.approx(
        stats.ttest_rel([71, 76.1, 81.2], [70, 75, 80]).pvalue
    )
    assert not table.compare("other", "hard", "one").paired
    nets = Table({"a": {"one": seeded(1, 2, 3, nets="abc")}, "b": {"one": seeded(2, 3, 5, nets="abc")}})
    assert nets.compare("a", "b", "one").paired
    judged = judge(SETS, [Oracle(), Oracle("sure", determined=True)], TEST, nets=2)
    assert judged.cell("ours", "oracle").nets[:2] == judged.cell("random", "oracle").nets
    assert judged.cell("ours", "sure").nets == ()  # its result is determined: networks share no luck
    assert judged.cell("ours", "sure").texts != judged.cell("random", "sure").texts


def test_classes_are_matched_by_name() -> None:
    turned = TextSet(["one"], np.array([0]), ("b", "a"), meta={"level": 1})
    judge({"turned": [turned]}, [Oracle()], TEST, nets=1)
    with pytest.raises(DataError, match="class 'c' is unknown; allowed: 'a', 'b'"):
        judge({"other": [of(1, ("a", "c"))]}, [Oracle()], TEST)


def test_nothing_cannot_be_judged() -> None:
    empty = TextSet([], np.zeros(0, np.int64), CLASSES)
    for sets in ({}, {"ours": []}, {"ours": [of(1), empty]}):
        with pytest.raises(UserError, match="at least one set with samples"):
            judge(sets, [Oracle()], TEST)
    with pytest.raises(UserError, match="at least one network"):
        judge(SETS, [Oracle()], TEST, nets=0)
