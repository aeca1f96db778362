"""`precision: auto` is the type that multiplies faster on this machine; any other word is what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from embeddings import default_cache_dir
from textdistill.core import precision
from textdistill.core.errors import UserError
from textdistill.core.precision import product_type, products_in, said, weights_in

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which nothing was measured yet; returns the file where measurements are kept."""
    monkeypatch.setenv("TEXTDISTILL_CACHE", str(tmp_path))
    monkeypatch.delenv("TEXTDISTILL_PRECISION")
    precision._fastest.cache_clear()
    return tmp_path / "machine.json"


def measures(monkeypatch: pytest.MonkeyPatch, share: float) -> list[str]:
    """bfloat16 takes so much of float32's time from now on; returns what is measured as it is."""
    precision._fastest.cache_clear()
    asked: list[str] = []

    def measured(kind: str) -> float:
        asked.append(kind)
        return share

    monkeypatch.setattr(precision, "measured", measured)
    return asked


@pytest.mark.parametrize(("share", "kind"), [(0.4, "bfloat16"), (0.79, "bfloat16"), (0.9, "float32"), (60, "float32")])
def test_auto_is_bfloat16_where_that_is_clearly_faster(
    share: float, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    measures(monkeypatch, share)
    assert product_type("auto", CPU) == kind
    assert weights_in("auto", CPU) == getattr(torch, kind)


@pytest.mark.parametrize("named", [True, False])
def test_it_is_kept_in_the_folder_that_all_of_the_toolkit_keeps_things_in(
    named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not named:
        monkeypatch.delenv("TEXTDISTILL_CACHE")
    assert precision._kept_in().parent == default_cache_dir()


def test_a_machine_is_measured_once_and_another_processor_anew(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = measures(monkeypatch, 0.5)
    for _ in range(3):
        precision._fastest.cache_clear()  # as in a new process
        product_type("auto", CPU)
    assert asked == ["cpu"]
    assert list(json.loads(machine.read_text()).values()) == [0.5]
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "another processor")
    asked = measures(monkeypatch, 7.0)
    assert product_type("auto", CPU) == "float32"
    assert asked == ["cpu"]
    assert sorted(json.loads(machine.read_text()).values()) == [0.5, 7.0]


@pytest.mark.parametrize("damage", ["", "[1]", '{"half": '])
def test_a_damaged_file_is_measured_over(damage: str, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.write_text(damage)
    measures(monkeypatch, 0.5)
    assert product_type("auto", CPU) == "bfloat16"
    assert list(json.loads(machine.read_text()).values()) == [0.5]


def test_a_home_that_cannot_be_written_to_is_no_obstacle(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.parent.joinpath("file").touch()
    monkeypatch.setenv("TEXTDISTILL_CACHE", str(machine.parent / "file"))
    measures(monkeypatch, 0.5)
    assert product_type("auto", CPU) == "bfloat16"


def test_an_explicit_word_counts_and_a_variable_says_what_auto_is(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = measures(monkeypatch, 0.5)
    assert product_type("float32", CPU) == "float32"
    monkeypatch.setenv("TEXTDISTILL_PRECISION", "float32")
    assert product_type("auto", CPU) == "float32"
    assert product_type("bfloat16", CPU) == "bfloat16"
    assert asked == []


def test_where_bfloat16_is_not_measured_auto_is_float32() -> None:
    assert product_type("auto", torch.device("mps")) == "float32"


def test_other_words_are_refused_with_those_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"precision: 'float16'; allowed: auto, float32, bfloat16 \(did you mean"):
        product_type("float16", CPU)
    monkeypatch.setenv("TEXTDISTILL_PRECISION", "bf16")
    with pytest.raises(UserError, match="TEXTDISTILL_PRECISION: 'bf16'; allowed"):
        product_type("auto", CPU)


def test_products_are_of_the_type_and_the_measurement_compares_both() -> None:
    one = torch.randn(4, 4)
    with products_in(CPU, "bfloat16"):
        assert (one @ one).dtype == torch.bfloat16
    with products_in(CPU, "float32"):
        assert (one @ one).dtype == torch.float32
    assert precision.measured("cpu") > 0


def test_what_was_used_is_said_in_a_word_where_sections_agree() -> None:
    assert said({"pool": "float32", "starts": "float32"}) == "float32"
    assert said({"pool": "float32", "starts": "bfloat16"}) == "bfloat16 (starts), float32 (pool)"
