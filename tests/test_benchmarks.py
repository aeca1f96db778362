"""`make bench` names every method, its plain ways find what textdistill finds, and its file is whole or not there.

Nothing here depends on how long anything takes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.benchmarks import kip_case, language_model_case, measure, run, search_case
from tests.benchmarks.cafe_oracle import cafe_step
from tests.benchmarks.cases import CASES, Case, Works
from tests.benchmarks.evaluation_case import Problem as Evaluation
from tests.benchmarks.matching import Problem as Matching
from tests.benchmarks.measure import OutOfTime, compared, counted, limit
from tests.benchmarks.run import main
from textdistill.core.errors import UserError
from textdistill.objectives import CAFE

METHODS = {"tdd-text_conv", "tdd-bi_rnn", "tdd-bi_lstm", "sldd", "ld", "ld-rr", "dc", "dm", "cafe", "kip", "dilm"}
PARTS = {"encoder", "language-model", "search", "evaluation"}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is timed beside the calls is no work worth the name, and git is not asked."""
    monkeypatch.setattr(measure, "SIZE", 16)
    monkeypatch.setattr(run, "commit", lambda: None)


def product(n: int) -> Callable[[], float]:
    """So many products of 8 × 8 matrices, of which each entry is 8."""
    ones = torch.ones(8, 8)
    return lambda: float(sum((ones @ ones)[0, 0] for _ in range(n))) / n


def fake(ours: int = 1, oracle: int = 2, **more: object) -> Case:
    return Case("products", lambda: Works(product(ours), product(oracle)), **more)  # type: ignore[arg-type]


def test_the_registry_has_every_method_and_part() -> None:
    assert {name for name in CASES if not name.endswith("-bfloat16")} == METHODS | PARTS


def test_rows_in_bfloat16_are_for_machines_where_auto_means_it(monkeypatch: pytest.MonkeyPatch) -> None:
    coarse = {name for name in CASES if name.endswith("-bfloat16")}
    assert coarse == {name for name, case in CASES.items() if case.precision == "bfloat16"}
    for meant in ("float32", "bfloat16"):
        monkeypatch.setenv("TEXTDISTILL_PRECISION", meant)
        assert {name for name in coarse if CASES[name].applies()} == (coarse if meant == "bfloat16" else set())


def test_two_cases_give_a_table_and_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "runs" / "bench.json"
    assert main(["--quick", "--out", str(out)], {"one": fake(), "two": fake(3, 1, per=3)}) == 0
    table, found = capsys.readouterr().out, json.loads(out.read_text())
    assert [row["name"] for row in found["rows"]] == ["one", "two"]
    assert all(f"\n{name} " in table for name in ("one", "two"))
    assert [path.name for path in out.parent.iterdir()] == ["bench.json"]
    one, two = found["rows"]
    assert (one["gflop"], one["oracle_gflop"]) == pytest.approx((2 * 8**3 / 1e9, 4 * 8**3 / 1e9))
    assert two["gflop"] == pytest.approx(2 * 8**3 / 1e9)  # of one of three steps
    for row in found["rows"]:
        assert 1 <= row["n"] <= 9
        assert row["value"] == row["oracle_value"] == 8
        assert all(row[key] >= 0 for key in ("ours", "oracle", "ratio", "share", "seconds"))
        assert row["rate"] > 0
        assert row["mib"] is None or row["mib"] >= 0


def test_what_is_missed_is_marked_and_told_by_the_exit_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = Case("unlike", lambda: Works(lambda: 1.0, lambda: 2.0))
    slow = fake(200, 1, most=-1.0)  # whatever the clock says
    assert main(["--quick", "--out", str(tmp_path / "a.json")], {"wrong": wrong}) == 1
    assert main(["--quick", "--out", str(tmp_path / "b.json")], {"slow": slow}) == 1
    told = capsys.readouterr().out
    assert "MISSED: found 1, the oracle 2" in told
    assert "MISSED: ratio above -1" in told


def test_what_has_no_time_or_no_package_has_a_row_that_says_so(tmp_path: Path) -> None:
    def late() -> Works:
        raise OutOfTime

    def absent() -> Works:
        raise UserError("no such package\ninstall it")

    out = tmp_path / "bench.json"
    assert main(["--out", str(out)], {"late": Case("late", late), "absent": Case("absent", absent)}) == 0
    late_row, absent_row = json.loads(out.read_text())["rows"]
    assert late_row["note"].startswith("gave up")
    assert absent_row["note"] == "no such package"
    assert late_row["ratio"] is absent_row["ratio"] is None


def test_a_bench_that_breaks_leaves_the_last_file_as_it_was(tmp_path: Path) -> None:
    def broken() -> Works:
        raise RuntimeError

    out = tmp_path / "bench.json"
    out.write_text("{}")
    with pytest.raises(RuntimeError):
        main(["--quick", "--out", str(out)], {"one": fake(), "broken": Case("broken", broken)})
    assert out.read_text() == "{}"
    assert [path.name for path in tmp_path.iterdir()] == ["bench.json"]


def test_a_name_that_is_none_is_refused_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "sld"])
    assert "did you mean 'sldd'" in capsys.readouterr().err


def test_calls_without_end_are_ended() -> None:
    def endless() -> None:
        while True:
            pass

    with pytest.raises(OutOfTime), limit(0.01):
        endless()

    def loops() -> float:
        endless()
        return 0.0

    with pytest.raises(OutOfTime):
        compared(loops, loops, torch.float32, 0.01)


def test_operations_are_those_of_products_factorisations_and_their_derivatives() -> None:
    left, right = torch.ones(3, 4, requires_grad=True), torch.ones(4, 5, requires_grad=True)

    def both_ways() -> float:
        torch.autograd.grad((left @ right).sum(), (left, right))
        return 0.0

    assert counted(both_ways)[1] * 1e9 == pytest.approx(3 * 2 * 3 * 4 * 5)
    matrix = torch.eye(6)
    assert counted(lambda: float(torch.linalg.cholesky(matrix)[0, 0]))[1] * 1e9 == pytest.approx(6**3 / 3)
    assert counted(lambda: float(matrix.addmm_(matrix, matrix)[0, 0]))[1] * 1e9 == pytest.approx(2 * 6**3)


def test_the_oracle_of_cafe_takes_the_same_step() -> None:
    problem = Matching(CAFE, cafe_step, width=4, side=12, samples=2, each=5, dtype=torch.float64)
    (loss, found), (wanted_loss, wanted) = problem.ours(), problem.oracle()
    assert loss == pytest.approx(wanted_loss, rel=1e-10)
    assert wanted.abs().max() > 1e-6
    torch.testing.assert_close(found, wanted, rtol=1e-7, atol=1e-12)


def test_the_oracle_of_kip_takes_the_same_step() -> None:
    problem = kip_case.Problem(12, 40, depth=2)
    (loss, found), (wanted_loss, wanted) = problem.ours(), problem.oracle()
    assert loss == pytest.approx(wanted_loss, rel=1e-4)
    torch.testing.assert_close(found.double(), wanted, rtol=1e-3, atol=1e-4 * float(wanted.abs().max()))


def test_the_oracle_of_the_search_finds_as_good_a_set() -> None:
    problem = search_case.Problem(120, 90, 2, 8)
    found, wanted = problem.ours(), problem.oracle()
    assert problem.loss(found) == pytest.approx(problem.loss(wanted), rel=0.05)
    assert problem.loss(wanted) < problem.loss(problem.first)


def test_the_oracle_of_the_language_model_learns_the_same() -> None:
    problem = language_model_case.Problem(6, 2, learned=40, layers=1, width=16, heads=2, vocabulary=260)
    for _ in range(2):  # neither leaves anything to the next
        assert problem.ours() == pytest.approx(problem.oracle(), rel=1e-4)


def test_the_oracle_of_the_evaluation_gives_the_same_accuracy() -> None:
    problem = Evaluation(80, 2, 9, filters=6)
    assert problem.ours() == pytest.approx(problem.oracle(), abs=1.3)  # a row of 80
