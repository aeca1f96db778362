"""Every test has a cache of its own, and real word vectors: the first rows of the packaged GloVe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embeddings import ReadReport, WordVectors, load


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("TEXTDISTILL_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def glove() -> WordVectors:
    return load("glove-6b-50d", max_words=3000)


@pytest.fixture(scope="session")
def few(glove: WordVectors) -> WordVectors:
    """40 rows of GloVe: enough for a file."""
    return WordVectors(glove.words[:40], np.array(glove.matrix[:40]), "few", ReadReport(40, 40))
