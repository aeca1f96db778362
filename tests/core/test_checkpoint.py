"""Checkpoints: what was saved comes back, whole or as a clear error; a file is replaced at once or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from textdistill.core.checkpoint import load_checkpoint, save_checkpoint, write_atomic
from textdistill.core.errors import ArtifactError

TENSORS = {
    "a": torch.randn(2, 3),
    "transposed": torch.arange(6.0).view(2, 3).t(),
    "scalar": torch.tensor(3, dtype=torch.int64),
    "empty": torch.zeros(0, 4),
    "double": torch.tensor([1e-300, -0.0, float("inf")], dtype=torch.float64),
    "leaf": torch.ones(2, requires_grad=True),
}
META = {"step": 3, "best": None, "seconds": 0.1 + 0.2, "nested": {"ages": {"0": 4}}, "text": "θ₀"}


def test_what_is_saved_comes_back_bit_for_bit(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c.safetensors", TENSORS, META)
    tensors, meta = load_checkpoint(tmp_path / "c.safetensors")
    assert meta == META
    assert tensors.keys() == TENSORS.keys()
    for name, value in TENSORS.items():
        assert tensors[name].dtype == value.dtype
        assert torch.equal(tensors[name], value.detach())
        assert not tensors[name].requires_grad


def test_a_view_and_its_base_can_both_be_saved(tmp_path: Path) -> None:
    base = torch.arange(4.0)
    save_checkpoint(tmp_path / "c.safetensors", {"base": base, "view": base[1:3], "same": base}, {})
    tensors, _ = load_checkpoint(tmp_path / "c.safetensors")
    assert tensors["view"].tolist() == [1, 2]
    assert torch.equal(tensors["same"], base)


@pytest.mark.parametrize("damage", ["cut", "empty", "noise", "header", "missing", "folder"])
def test_a_damaged_file_is_named_with_the_way_out(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, TENSORS, META)
    whole = path.read_bytes()
    path.unlink()
    match damage:
        case "folder":
            path.mkdir()
        case "missing":
            pass
        case _:
            changed = {
                "cut": whole[: len(whole) // 2],
                "empty": b"",
                "noise": bytes(range(256)) * 8,
                "header": whole.replace(b"nested", b"nes\x00ed"),
            }
            path.write_bytes(changed[damage])
    with pytest.raises(ArtifactError, match=r"checkpoint\.safetensors: not a readable checkpoint .*--resume"):
        load_checkpoint(path)


@pytest.mark.parametrize("content", ["héllo", b"\x00\xff"])
def test_a_file_is_written_whole_and_nothing_else_is_left(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "new" / "file"
    write_atomic(path, "before")
    write_atomic(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_no_half_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    path = tmp_path / "file"
    write_atomic(path, "before")

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(*((os, "fsync") if fails == "fsync" else (Path, "replace")), full)
    with pytest.raises(OSError, match="no space"):
        write_atomic(path, "after")
    assert path.read_text() == "before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
