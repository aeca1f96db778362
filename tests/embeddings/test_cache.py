"""The cache spares work, never lies, and never leaves a half-written entry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import embeddings.read
from embeddings import EmbeddingsError, WordVectors, default_cache_dir, load
from embeddings.cache import VectorCache

TEXT = b"the 0.5 1.5\nthe 9.0 9.0\nof -1.0 2.0\nto 0.25 0.0\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "vectors.txt"
    path.write_bytes(TEXT)
    return path


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files parsed, in order: a cache hit adds none."""
    calls: list[str] = []
    real = embeddings.read.read_text

    def spy(stream: object, source: str, name: str, **settings: object) -> WordVectors:
        calls.append(name)
        return real(stream, source, name, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(embeddings.read, "read_text", spy)
    return calls


def entry(cache_folder: Path, ending: str) -> Path:
    (path,) = (cache_folder / "vectors").glob("*" + ending)
    return path


def test_the_second_reading_comes_from_the_cache_and_is_equal(source: Path, parsed: list[str]) -> None:
    first, second = load(source), load(source)
    assert len(parsed) == 1
    assert (second.words, second.name, second.report) == (first.words, first.name, first.report)
    assert second.fingerprint == first.fingerprint
    assert second.report.duplicates == 1


def test_a_copy_of_the_file_shares_the_entry_but_keeps_its_name(source: Path, parsed: list[str]) -> None:
    load(source)
    copy = source.with_name("copy.txt")
    copy.write_bytes(TEXT)
    assert load(copy).name == "copy.txt"
    assert len(parsed) == 1


def test_changed_content_or_settings_are_read_anew(source: Path, parsed: list[str]) -> None:
    load(source)
    assert len(load(source, max_words=1)) == 1
    source.write_bytes(TEXT.replace(b"0.25", b"0.75"))
    assert load(source).matrix[2, 0] == 0.75
    assert len(parsed) == 3


def flip(content: bytes) -> bytes:
    return content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "one bit": flip,
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "a pickle": lambda content: b"\x80\x04N.",
    "other JSON": lambda content: b"[1, 2]",
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("ending", [".npy", ".words.json", ".json"])
def test_a_damaged_entry_is_rebuilt(
    ending: str, damage: str, source: Path, parsed: list[str], cache_folder: Path
) -> None:
    first = load(source)
    stem = entry(cache_folder, ".npy").name.removesuffix(".npy")
    path = cache_folder / "vectors" / (stem + ending)
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    again = load(source)
    assert (again.fingerprint, again.report) == (first.fingerprint, first.report)
    assert len(parsed) == 2
    load(source)
    assert len(parsed) == 2  # and what was rebuilt is sound


def test_a_report_that_was_tampered_with_is_not_believed(source: Path, parsed: list[str], cache_folder: Path) -> None:
    load(source)
    stem = entry(cache_folder, ".npy").name.removesuffix(".npy")
    path = cache_folder / "vectors" / f"{stem}.json"
    path.write_text(path.read_text().replace('"duplicates": 1', '"duplicates": 0'))
    assert load(source).report.duplicates == 1
    assert len(parsed) == 2


def test_another_entrys_files_under_this_key_are_not_believed(source: Path, cache_folder: Path) -> None:
    load(source)
    folder = cache_folder / "vectors"
    stem = entry(cache_folder, ".npy").name.removesuffix(".npy")
    for ending in (".npy", ".words.json", ".json"):
        (folder / f"{'0' * 64}{ending}").write_bytes((folder / f"{stem}{ending}").read_bytes())
    cache = VectorCache(folder)
    assert cache.get("0" * 64, "stolen") is None
    assert cache.get(stem, "own") is not None


@pytest.mark.parametrize("survivors", [0, 1, 2])
def test_a_write_that_stops_midway_leaves_no_entry_and_no_litter(
    survivors: int, source: Path, parsed: list[str], cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, moved = Path.replace, list[Path]()

    def stop(self: Path, target: Path) -> Path:
        if len(moved) == survivors:
            raise OSError("no space left")
        moved.append(target)
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stop)
        with pytest.warns(RuntimeWarning, match=r"vectors.txt: the vectors were not cached in .*no space left"):
            assert len(load(source)) == 3
    assert sorted(path.name for path in (cache_folder / "vectors").iterdir()) == sorted(path.name for path in moved)
    assert len(load(source)) == 3
    assert len(parsed) == 2


def test_a_folder_that_cannot_be_written_does_no_harm(source: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the folder should be")
    with pytest.warns(RuntimeWarning, match="not cached"):
        assert len(load(source, cache_dir=blocked)) == 3


def test_an_error_is_not_cached(source: Path, cache_folder: Path) -> None:
    source.write_bytes(b"a 1 x\n")
    with pytest.raises(EmbeddingsError):
        load(source)
    assert not cache_folder.exists()


def test_nothing_in_the_cache_is_a_pickle(source: Path, cache_folder: Path) -> None:
    load(source)
    files = sorted((cache_folder / "vectors").iterdir())
    assert [path.name.partition(".")[2] for path in files] == ["json", "npy", "words.json"]
    matrix = np.load(files[1], allow_pickle=False)
    assert matrix.dtype == np.float32


def test_words_no_utf8_can_hold_survive_the_cache(tmp_path: Path, few: WordVectors) -> None:
    odd = WordVectors(["\ud800", "\u2028", "a\nb"], np.array(few.matrix[:3]), "odd", few.report)
    cache = VectorCache(tmp_path / "odd")
    cache.put("k", odd)
    again = cache.get("k", "odd")
    assert again is not None
    assert again.fingerprint == odd.fingerprint


def test_the_default_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TEXTDISTILL_CACHE", str(tmp_path / "mine"))
    assert default_cache_dir() == tmp_path / "mine"
    monkeypatch.delenv("TEXTDISTILL_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / ".cache" / "textdistill"
