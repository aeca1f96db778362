"""`gensim:NAME` goes through gensim's own downloader; here its folder is filled and its network is cut."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import socket
import urllib.error
from pathlib import Path

import gensim.downloader
import numpy as np
import pytest

from embeddings import EmbeddingsError, load

TEXT = b"3 2\nthe 0.5 1.5\nof -1.0 2.0\nto 0.25 0.0\n"
NAME = "glove-toy-2"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """gensim's data folder, empty, and no network."""

    def unreachable(*args: object, **settings: object) -> None:
        raise urllib.error.URLError("no route to host")

    base = tmp_path / "gensim-data"
    monkeypatch.setattr(gensim.downloader, "BASE_DIR", str(base))
    monkeypatch.setattr(gensim.downloader, "urlopen", unreachable)
    monkeypatch.setattr(gensim.downloader.urllib, "urlretrieve", unreachable)
    return base


def publish(folder: Path, *names: str) -> None:
    """A catalogue as gensim keeps it after its last contact with the network."""
    folder.mkdir(exist_ok=True)
    entry = {"parts": 1, "checksum": hashlib.md5(gzip.compress(TEXT, mtime=0)).hexdigest()}
    models = {name: entry | {"file_name": f"{name}.gz"} for name in names}
    (folder / "information.json").write_text(json.dumps({"corpora": {"text8": {}}, "models": models}))


def test_without_a_network_the_remedy_is_named(
    folder: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(EmbeddingsError, match="gensim:glove-toy-2: .*out of reach.*local vector file.*'glove-6b-50d'"):
        load(f"gensim:{NAME}")
    assert not caplog.records  # gensim would log a traceback
    assert capsys.readouterr().out == ""
    assert not gensim.downloader.logger.disabled
    assert socket.getdefaulttimeout() is None


def test_an_unknown_name_gives_the_nearest_ones(folder: Path) -> None:
    publish(folder, "glove-wiki-gigaword-50", "glove-wiki-gigaword-100", "word2vec-google-news-300")
    with pytest.raises(EmbeddingsError, match="no such model.*did you mean 'glove-wiki-gigaword-100'") as caught:
        load("gensim:glove-wiki-gigawrd-100")
    assert "word2vec-google-news-300" in str(caught.value)


@pytest.mark.parametrize("name", ["text8", "", "../etc", "a/b"])
def test_corpora_and_paths_are_no_models(name: str, folder: Path) -> None:
    publish(folder, NAME)
    with pytest.raises(EmbeddingsError, match="no such model"):
        load(f"gensim:{name}")


def test_a_known_model_that_cannot_be_fetched_is_an_error_with_a_remedy(folder: Path) -> None:
    publish(folder, NAME)
    with pytest.raises(EmbeddingsError, match="cannot be fetched .*no route to host.*local vector file"):
        load(f"gensim:{NAME}")


def test_what_gensim_has_fetched_before_is_read_without_a_network(folder: Path) -> None:
    (folder / NAME).mkdir(parents=True)
    (folder / NAME / f"{NAME}.gz").write_bytes(gzip.compress(TEXT))
    vectors = load(f"gensim:{NAME}", max_words=2)
    assert (vectors.words, vectors.name) == (["the", "of"], "gensim:glove-toy-2")


def test_a_model_is_fetched_by_gensim_and_its_code_is_not_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(folder, NAME)
    witness = folder / "witness"

    def serve(url: str, target: str, reporthook: object = None) -> None:
        code = f"open({str(witness)!r}, 'w').close()".encode()
        Path(target).write_bytes(code if url.endswith("__init__.py") else gzip.compress(TEXT, mtime=0))
        if callable(reporthook):
            reporthook(1, 100, 100)

    monkeypatch.setattr(gensim.downloader.urllib, "urlretrieve", serve)
    vectors = load(f"gensim:{NAME}")
    np.testing.assert_array_equal(vectors.matrix, np.float32([[0.5, 1.5], [-1, 2], [0.25, 0]]))
    assert (folder / NAME / "__init__.py").exists()
    assert not witness.exists()
    assert capsys.readouterr().out == ""  # gensim's progress goes to standard error


def test_gensims_log_is_as_it_was_afterwards(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("gensim.downloader"), "disabled", True)
    with pytest.raises(EmbeddingsError):
        load(f"gensim:{NAME}")
    assert logging.getLogger("gensim.downloader").disabled
